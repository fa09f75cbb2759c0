"""Axes and settings by name, and scripts that cannot be: one sentence each."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.errors import UsageError
from bench.network.presets import NETWORKS, network
from bench.provenance import ROOT
from bench.sweep import Sweep, load
from bench.sweep.grid import expand, override
from bench.sweep.presets import AXES, axis_preset, closed_loop, leader_crash, open_loop
from bench.sweep.scripts import find
from bench.trial import Trial
from bench.workload.spec import Workload


def build(nodes: int, network: str = "lan") -> Trial:
    return open_loop("raft", 100.0, nodes=nodes, network=network)


def test_a_grid_takes_axes_by_name() -> None:
    cells = expand({"nodes": "@small", "network": "@lan-to-wan"}, build)
    assert len(cells) == 2 * 4
    assert cells[3].template.network == NETWORKS["wan"]
    assert override({"nodes": "@small", "network": ["lan"]}, ["network=@networks", "nodes=7"]) == {
        "nodes": [7],
        "network": list(NETWORKS),
    }


def test_every_preset_can_be_run() -> None:
    for name, (values, about) in AXES.items():
        assert axis_preset("@" + name) == values and about
    for name in AXES["networks"][0]:
        build(3, name).validate()
    for mix in AXES["mixes"][0]:
        closed_loop("raft", 4, mix=mix).validate()
    leader_crash("raft", 150.0, network="wan", nodes=5).validate()


def test_regions_are_chosen_by_name() -> None:
    found = network("ec2-2013:OR+CA+VA").regions
    assert found is not None
    assert found.names == ("OR", "CA", "VA")
    assert found.rtt[0] == (600_000, 21_600_000, 80_900_000)
    assert found.rtt == tuple(zip(*found.rtt, strict=True)), "symmetric"
    assert found.place == (0, 1, 2)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("lna", "did you mean 'lan'"),
        ("ec2-2013:OR+CAA", "unknown region 'CAA': did you mean 'CA'"),
        ("ec2-2013:OR+OR", "given twice"),
        ("lan:OR", "the network lan has no regions"),
    ],
)
def test_a_network_that_is_none_is_refused(name: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        network(name)


@pytest.mark.parametrize(
    ("grid", "reason"),
    [
        ({"nodes": "@smal"}, "unknown preset 'smal': did you mean 'small'"),
        ({"nodes": "small"}, "'small' is not a list of values; a preset begins with '@'"),
        ({"nodes": 3}, "the axis nodes of the grid is 3: give a list"),
        ({"nodes": [3, 3]}, "the axis nodes of the grid has the value 3 twice"),
        ({"node": [3]}, "unknown parameter of the script's trial function 'node': did you mean 'nodes'"),
        ({"network": ["lan"]}, "the script's trial function needs nodes, and the grid has no such axis"),
        ({"nodes": [3], "network": ["lna"]}, "cell nodes 3, network lna: unknown network 'lna': did you mean 'lan'"),
        ({"nodes": ["3"]}, "cell nodes 3: the script's trial function fails: TypeError"),
    ],
)
def test_a_grid_that_cannot_be_is_one_sentence(grid: dict[str, Any], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        expand(grid, build)


def test_a_function_that_returns_no_trial_is_told() -> None:
    with pytest.raises(UsageError, match="returns int, not a Trial"):
        expand({"nodes": [3]}, lambda nodes: nodes)


def test_an_override_by_a_preset_of_another_kind_is_refused() -> None:
    with pytest.raises(UsageError, match="is not for an axis with values like 3"):
        override({"nodes": [3, 5]}, ["nodes=@lan-to-wan"])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x = (", r"is not Python: .* \(line 1\)"),
        ("import nothing_of_that_name\n", r"fails when it is loaded \(line 1\): ModuleNotFoundError"),
        ("x = 1\n\nraise SystemExit(3)\n", r"fails when it is loaded \(line 3\): SystemExit"),
        ("x = 1\n", "declares no sweep: assign a bench.sweep.Sweep to the name sweep"),
        (
            "from bench.sweep import Sweep\nmine = Sweep(name='x', question='?', grid={}, trial=print)\n",
            "it calls its sweep mine: call it sweep",
        ),
        ("from bench.network.presets import network\nwhere = network('lna')\n", "did you mean 'lan'"),
    ],
)
def test_a_script_that_cannot_be_is_one_sentence(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "script.py"
    path.write_text(text)
    with pytest.raises(UsageError, match=reason) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match="is a folder"):
        find(tmp_path)


def test_a_script_ends_with_2_and_one_line_also_when_it_is_run_itself(tmp_path: Path) -> None:
    path = tmp_path / "script.py"
    path.write_text(
        "from bench.sweep import Sweep\n"
        "from bench.sweep.presets import open_loop\n"
        "sweep = Sweep(name='x', question='?', grid={'nodes': [3], 'netwrk': ['lan']},\n"
        "    trial=lambda nodes, network: open_loop('raft', 10.0, nodes=nodes, network=network))\n"
        "if __name__ == '__main__':\n"
        "    raise SystemExit(sweep.main())\n"
    )
    for command in ([sys.executable, str(path)], [sys.executable, "-m", "bench", "sweep", str(path)]):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 2, done.stderr
        assert done.stderr.count("\n") == 1
        assert "did you mean 'network'" in done.stderr


def test_the_same_block_of_parameters_is_in_no_two_scripts() -> None:
    """Settings come from the presets: a script that writes a Trial or a Workload by hand repeats another's."""
    for path in (ROOT / "experiments").glob("*/*.py"):
        text = path.read_text()
        if "sweep = Sweep(" in text and "bench.sweep.presets" in text:
            assert "Workload(" not in text and "Trial(\n" not in text, path


def test_the_document_s_script_is_one(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "sweeps.md").read_text()
    (example,) = re.findall(r"^```python\n(.*?)^```", text, re.S | re.M)
    path = tmp_path / "distance.py"
    path.write_text(example)
    assert len(load(path).cells()) == 8
    for line in re.findall(r"^bench sweep (\S+)((?: \w+=\S+)*)", text, re.M):
        load(find(line[0])).cells(line[1].split())


def test_a_dry_run_says_what_follows_the_grid(capsys: pytest.CaptureFixture[str]) -> None:
    from bench.stats.knee import Saturation
    from bench.stats.looks import Precision

    sweep = Sweep(
        name="x",
        question="?",
        grid={"rate": [10.0, 20.0]},
        trial=lambda rate: Trial(protocol="raft", workload=Workload(rate=rate)),
        entry="tests.bench.sweep.fake:run_trial",
        precision=Precision(metric="p99_s", width=0.05),
        saturation=Saturation(at_most=0.01),
    )
    assert sweep.main(["--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert "2 cells, 40 simulated trials" in printed
    assert "20 more up to 200 where the interval of p99_s is wider than +-5.0%" in printed
    assert "then a search for the highest rate with p99_s at most 0.01, 5 trials a step, to 5%" in printed
