"""Golden transcripts: what three servers say to each other in an election and in a failover, message by message.

Read a difference before accepting it. To write the files anew:

    python -m tests.protocols.consensus.raft.test_transcripts
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.faults.spec import Crash
from bench.network import Constant, Network
from bench.run import prepare
from bench.runtime.sim.run import simulate
from bench.trial import ServiceTimes, Trial
from bench.workload.spec import Workload

MS = 1_000_000
FOLDER = Path(__file__).parent / "transcripts"
SERVICE = ServiceTimes(message=10_000, byte=0.0, fsync=500_000, wakeup=20_000)
NETWORK = Network(latency=Constant(2 * MS))

TRIALS = {
    "election": Trial(
        protocol="raft",
        duration=60 * MS,
        network=NETWORK,
        service=SERVICE,
        workload=Workload(clients=1, keys=1, rate=60.0, arrival="constant"),
        params={"pre_vote": True},
        trace=True,
    ),
    "failover": Trial(
        protocol="raft",
        seed=4,
        duration=400 * MS,
        network=NETWORK,
        service=SERVICE,
        workload=Workload(clients=1, keys=1, rate=10.0, arrival="constant"),
        params={"heartbeat_s": 0.1},
        faults=(Crash(at=50 * MS, target="leader", down=250 * MS),),
        trace=True,
    ),
}


def transcript(trial: Trial) -> str:
    """One line a step until the load ends: when (ms), where, what."""
    record = simulate(trial, *prepare(trial))
    assert record.trace is not None
    lines = []
    for event in record.trace:
        if event.at > record.load_end or event.kind == "send":
            continue  # a message is told when it arrives, or is lost
        where = f"{event.node} <- {event.peer}" if event.kind in ("deliver", "drop") else event.node
        text = f"{event.at / MS:10.3f}  {event.kind:8} {where:9} {event.what}"
        lines.append(f"{text}  {event.detail}".rstrip() if event.kind in ("deliver", "request", "reply") else text)
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", TRIALS)
def test_the_conversation_is_the_golden_one(name: str) -> None:
    assert transcript(TRIALS[name]) == (FOLDER / f"{name}.txt").read_text()


def test_the_golden_ones_show_what_they_are_for() -> None:
    """So that a file written anew is not one in which nothing happens."""
    election, failover = ((FOLDER / f"{name}.txt").read_text() for name in ("election", "failover"))
    for step in (
        "mark     n",
        "suspected term 0",
        "pre=True",
        "pre=False",
        "elected term 1",
        "committed term 1",
        "Done",
    ):
        assert step in election
    for step in ("fault", "crash", "elected term 2", "committed term 2", "boot     n"):
        assert step in failover


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, trial in TRIALS.items():
        (FOLDER / f"{name}.txt").write_text(transcript(trial))
