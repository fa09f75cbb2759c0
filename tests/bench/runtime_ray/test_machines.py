"""docs/cluster.md, done: machines with networks, firewalls and clocks of their own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .machines import AHEAD_S, Machines, missing
from .raylets import bare_environment

pytestmark = [
    pytest.mark.live,
    pytest.mark.slow,
    pytest.mark.external,
    pytest.mark.skipif(bool(missing()), reason=missing()),
]


@pytest.fixture(scope="module")
def machines() -> Iterator[Machines]:
    folder = Path(tempfile.mkdtemp(prefix="qbm", dir="/tmp"))  # Ray's sockets need short paths
    cluster = None
    try:
        cluster = Machines(bare_environment(folder), folder, 3)
        for address in cluster.addresses:
            cluster.start(address)
        yield cluster
    finally:
        if cluster is not None:
            cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


def test_the_recipe_works_behind_firewalls_and_with_clocks_apart(machines: Machines) -> None:
    """Only the ports that the document names are open, and the clocks are a thousand seconds apart, by the kernel."""
    home = machines.folder / "home"
    home.mkdir()
    words = ["run", "raft", "--runtime", "ray", "--address", machines.address, "--duration", "2", "--generators", "2"]
    words += ["--fault", "crash leader at 0.5s for 0.5s", "--json", "out.json"]
    command = [*machines.inside(machines.addresses[0]), sys.executable, "-m", "bench", *words]
    environment = {**machines.environment, "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=home, env=environment, timeout=120, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout
    result = json.loads((home / "out.json").read_text())
    assert result["verdict"] == "valid" and result["operations"]["ok"] > 100
    assert [fault["kind"] for fault in result["faults"]] == ["crash"]
    servers = [each for each in result["provenance"]["workers"] if each["nodes"].startswith("n")]
    assert {each["machine"] for each in servers} == set(machines.addresses)
    assert all(each["shipped"] for each in servers)
    ahead = {host["machine"]: host["offset_s"] for host in result["clock"]["hosts"]}
    for number, address in enumerate(machines.addresses):
        if address in ahead:  # the first shares the driver's clock or has one that equals it
            assert ahead[address] == pytest.approx(AHEAD_S * number, abs=0.05)
    assert max(ahead.values()) == pytest.approx(AHEAD_S * 2, abs=0.05)
    assert result["clock"]["max_bound_s"] < 0.05
    assert machines.dropped() == 0, "a port that the document does not name was asked for"
