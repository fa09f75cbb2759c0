"""A real live failure: its faults and operations are exported, replayed in the simulator, and shrunk there."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from bench.cli import main
from bench.faults.spec import Cut, Partition
from bench.run import run_trial
from bench.runtime.ray.session import RaySession
from bench.scenario import load_script
from bench.shrink.shrink import Shrunk, exported, failed_check, replays, shrink
from bench.shrink.untimed import play
from bench.trial import Result, Trial
from bench.workload.spec import Workload

MS = 1_000_000
TRIES = 4
"""Live seeds: about four in five of these runs fail."""


def stale_reads(seed: int) -> Trial:
    """A leader that answers reads by itself is cut off together with some clients, again and again."""
    cuts = [Partition(at=at * MS, shape="isolate", target="leader", length=700 * MS) for at in (300, 1300, 2300)]
    return Trial(
        protocol="raft",
        mutant="stale-read-by-deposed-leader",
        runtime="ray",
        nodes=3,
        seed=seed,
        duration=3200 * MS,
        workload=Workload(clients=6, rate=150.0, keys=2, mix=(("read", 0.7), ("write", 0.3))),
        params={"election_timeout_s": (0.1, 0.2)},
        faults=tuple(cuts),
    )


@pytest.fixture(name="failing", scope="module")
def fixture_failing(ray_session: RaySession, tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Trial, Path]:
    """The first of some live runs that fails as they should, its export, and its folder as ``bench run`` keeps it."""
    from bench.cli import store

    for seed in range(1, TRIES + 1):
        result, record = run_trial(stale_reads(seed), session=ray_session)
        if not result.violations:
            continue
        folder = tmp_path_factory.mktemp("live")
        result, _ = store.keep(result, record.history, folder)
        return result, exported(result.spec, result, record.history), folder
    pytest.fail(f"none of {TRIES} live runs of a leader that answers reads by itself was caught")


@pytest.mark.live
@pytest.mark.slow
def test_a_live_failure_is_replayed_and_shrunk_in_the_simulator(failing: tuple[Result, Trial, Path]) -> None:
    result, export, _ = failing
    check = failed_check(result)
    assert check == "linearizable"
    assert export.runtime == "sim" and export.nemesis is None
    assert export.faults and all(isinstance(fault, Cut) for fault in export.faults), "the links that were cut, by name"
    assert len(export.workload.script) > 100, "the operations that clients asked for"
    again = replays(export, check)
    found = Shrunk(check=check, before="")
    assert shrink(again, check, found, budget_s=30), "the same schedule fails in the simulator, under one of its seeds"
    assert found.schedule is not None
    small = found.schedule
    assert len([step for step in small.steps if step.kind == "request"]) <= 6, str(small)
    assert play(small.trial, small.steps, check)[1] is not None
    assert play(msgspec.structs.replace(small.trial, mutant=None), small.steps, check)[1] is None, (
        "Raft itself passes the same steps"
    )


@pytest.mark.live
@pytest.mark.slow
def test_bench_shrink_takes_the_folder_of_a_live_run(failing: tuple[Result, Trial, Path], tmp_path: Path) -> None:
    _, _, folder = failing
    script = tmp_path / "small.py"
    ended = CliRunner().invoke(main, ["shrink", str(folder), "--out", str(script), "--budget", "20", "--quiet"])
    assert ended.exit_code == 0, ended.output
    scenario = load_script(str(script))
    assert scenario.fails == "linearizable" and scenario.steps
