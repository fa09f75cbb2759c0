"""Trials on a cluster of three raylets, whose machines have the dependencies but not quorumbench."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .raylets import Raylets, bare_environment

pytestmark = [pytest.mark.live, pytest.mark.slow]

ZONES = {"127.0.0.2": "eu", "127.0.0.3": "us", "127.0.0.4": "ap"}
HEALTH = {"RAY_health_check_period_ms": "1000", "RAY_health_check_failure_threshold": "3"}
"""Ray notices after 3 s that a raylet is dead, instead of 14 s."""
TREE = Path(__file__).parents[3]
LOSS_S = 40.0
"""Seconds after which the loss of a machine must have ended the trial, on a busy test machine."""


@pytest.fixture(scope="module")
def raylets() -> Iterator[Raylets]:
    folder = Path(tempfile.mkdtemp(prefix="qbt", dir="/tmp"))  # Ray's sockets need short paths
    cluster = None
    try:
        (folder / "disk").mkdir()
        cluster = Raylets(bare_environment(folder), folder, TMPDIR=str(folder / "disk"), **HEALTH)
        for ip, zone in ZONES.items():
            cluster.start(ip, json.dumps({f"zone:{zone}": 100}))
        yield cluster
    finally:
        if cluster is not None:
            cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)
        assert cluster is None or not cluster.left()


def driver(raylets: Raylets, *command: str, **variables: str) -> dict[str, Any]:
    """What Popen needs to run Python in a folder of its own, as a user of that cluster."""
    home = raylets.folder / "home"
    home.mkdir(exist_ok=True)
    environment = {name: value for name, value in raylets.environment.items() if name != "TMPDIR"}
    return {
        "args": [sys.executable, *command],
        "cwd": home,
        "env": {**environment, "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1", **variables},
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
    }


def bench(raylets: Raylets, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(**driver(raylets, "-m", "bench", *words, **variables), timeout=90, check=False)


def left_on_disk(raylets: Raylets) -> list[str]:
    return [each.name for each in (raylets.folder / "disk").glob("qb-*")]


def test_a_trial_runs_on_three_machines_with_the_code_it_is_given(raylets: Raylets) -> None:
    options = ["--runtime", "ray", "--address", raylets.address, "--duration", "2"]
    done = bench(raylets, "run", "raft", *options, "--fault", "crash leader at 0.5s for 0.5s", "--json", "out.json")
    assert done.returncode == 0, done.stderr
    assert "brought to 4 of 4 processes" in done.stderr
    result = json.loads((raylets.folder / "home" / "out.json").read_text())
    assert result["verdict"] == "valid" and result["operations"]["ok"] > 100
    assert [fault["kind"] for fault in result["faults"]] == ["crash"]
    workers = result["provenance"]["workers"]
    servers = [worker for worker in workers if worker["nodes"].startswith("n")]
    assert {worker["machine"] for worker in servers} == set(ZONES)
    assert len({worker["ray_node"] for worker in servers}) == 3
    shipped = raylets.folder / "disk" / f"quorumbench-{os.getuid()}"
    for worker in workers:
        assert Path(worker["bench"]).is_relative_to(shipped) and not Path(worker["bench"]).is_relative_to(TREE)
        assert worker["shipped"] and worker["code"] == result["provenance"]["code_version"]
    assert len([each for each in shipped.iterdir() if len(each.name) == 32]) == 1, "unpacked once"
    assert left_on_disk(raylets) == []


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"RAY_AUTH_MODE": "disabled"}, "wants a token: RAY_AUTH_MODE=token bench run raft --runtime ray --address"),
        ({"RAY_AUTH_TOKEN": "f" * 64}, "wants a token other than that in RAY_AUTH_TOKEN"),
    ],
)
def test_without_the_token_the_command_that_works_is_said_at_once(
    raylets: Raylets, variables: dict[str, str], sentence: str
) -> None:
    began = time.monotonic()
    done = bench(raylets, "run", "raft", "--runtime", "ray", "--address", raylets.address, **variables)
    assert done.returncode == 2 and sentence in done.stderr, done.stderr
    assert done.stderr.count("\n") <= 2 and "Traceback" not in done.stderr
    assert time.monotonic() - began < 15, "Ray itself takes 20 s"


SESSION = """
import json, os, signal, sys, time
from bench.errors import HarnessError
from bench.faults.spec import Crash
from bench.network.spec import Network, Regions
from bench.runtime.ray.session import RaySession
from bench.trial import Trial
from bench.workload.spec import Workload

SECOND = 1_000_000_000

def trial(seconds, **fields):
    return Trial(protocol="raft", runtime="ray", duration=seconds * SECOND, workload=Workload(clients=4), **fields)

def lose(text):
    if text.startswith("load, 1"):
        os.kill(int(sys.argv[1]), signal.SIGKILL)

with RaySession("auto") as session:
    regions = Regions(names=("ap", "eu"), rtt=((0, 0), (0, 0)), place=(0, 1, 1))
    crash = Crash(at=SECOND // 2, target="n1", down=SECOND // 2)
    workers = session.run(trial(2, network=Network(regions=regions), faults=(crash,))).workers
    print(json.dumps({"workers": workers, "pids": session.pids, "recovered": session.recovered}))
    try:
        session.run(trial(60), lose)
    except HarnessError as error:
        print(error)
    print(json.dumps([worker["machine"] for worker in session.run(trial(1)).workers]))
    import ray
    deadline = time.monotonic() + 40
    while all(node["Alive"] for node in ray.nodes()):  # until then a new driver is told that a machine is gone
        assert time.monotonic() < deadline, "Ray never noticed that a raylet is dead"
        time.sleep(0.1)
"""


def test_zones_restarts_and_a_lost_machine_in_one_session(raylets: Raylets) -> None:
    victim = str(raylets.raylet("127.0.0.3"))
    command = driver(raylets, "-c", SESSION, victim, RAY_ADDRESS=raylets.address)
    done = subprocess.run(**command, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    first, lost, left = done.stdout.splitlines()
    # each node is on a machine of its zone
    found = json.loads(first)
    where = {worker["nodes"]: worker["machine"] for worker in found["workers"]}
    assert (where["n1"], where["n2"], where["n3"]) == ("127.0.0.4", "127.0.0.2", "127.0.0.2")
    # a restarted one came back to the machine, and to the log of its earlier life
    before, after = found["pids"]["n1"]
    assert before != after == next(each["pid"] for each in found["workers"] if each["nodes"] == "n1")
    assert found["recovered"]["n1"] > 0
    # a machine is lost: the trial says so, and the next one makes do with the others
    assert lost.startswith("the machine 127.0.0.3 (Ray node ") and "with it n2 and what was on its disk" in lost
    assert set(json.loads(left)) == {"127.0.0.2", "127.0.0.4"}


def test_a_lost_machine_ends_the_trial_in_a_sentence_and_the_history_is_kept(raylets: Raylets) -> None:
    options = ["--runtime", "ray", "--address", raylets.address, "--duration", "60"]
    with subprocess.Popen(**driver(raylets, "-m", "bench", "run", "raft", *options)) as run:
        try:
            assert run.stderr is not None
            for line in run.stderr:
                if line.startswith("load, 2"):
                    break
            os.kill(raylets.raylet("127.0.0.4"), signal.SIGKILL)
            began = time.monotonic()
            _, rest = run.communicate(timeout=LOSS_S)
        finally:
            run.kill()
    assert time.monotonic() - began < LOSS_S
    assert run.returncode == 70, rest
    said = rest.splitlines()[-1]
    assert (
        "the machine 127.0.0.4 (Ray node " in said
        and "was lost, and with it n2, the load and what was on its disk" in said
    )
    kept = said.rpartition("bench check ")[2].rstrip(")")
    checked = bench(raylets, "check", kept, "--json")
    assert checked.returncode == 0, checked.stderr
    assert json.loads(checked.stdout)["operations"] > 100
    assert left_on_disk(raylets) == []
