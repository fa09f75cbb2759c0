"""Which election timeout and heartbeat should a Raft cluster use on a given network?

The leader stalls once (a garbage collection, a slow disk) and is killed two seconds later. A short timeout notices the
crash sooner; one shorter than the stall deposes a leader that would have come back, and frequent heartbeats cost
messages. The study looks for the compromise, and compares it with what etcd, Consul and others are set to.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from bench.faults.spec import Crash, Pause
from bench.network import Lognormal, Network
from bench.trial import Result, ServiceTimes, Trial
from bench.tune import Constraint, Default, Objective, Real, Study, main
from bench.tune.known import ELECTIONS, Known
from bench.units import nanoseconds
from bench.workload.spec import Workload

STALL_AT_S, CRASH_AT_S = 1.0, 3.0
RATE = 20.0
"""Operations a second, at constant spacing: enough to see that the cluster serves, few enough that heartbeats show."""


def range_s(timeout_s: float, spread: float) -> tuple[float, float]:
    """The range from which an election timeout is drawn."""
    return timeout_s, timeout_s * spread


def shown(timeout_s: float, spread: float, beats: float, **_: Any) -> Mapping[str, Any]:
    """A candidate as a user would set it."""
    return {"election_timeout_s": range_s(timeout_s, spread), "heartbeat_s": timeout_s / beats}


def point(known: Known) -> dict[str, float]:
    """A system's default as a candidate."""
    values: Mapping[str, Any] = known.values
    low, high = values["election_timeout_s"]
    return {"timeout_s": low, "spread": high / low, "beats": low / values["heartbeat_s"]}


def trial(
    nodes: int,
    rtt_s: float,
    jitter: float,
    loss: float,
    stall_s: float,
    pre_vote: bool,
    timeout_s: float,
    spread: float,
    beats: float,
) -> Trial:
    """3 s with a stall of the leader, then its crash; the load goes on until the slowest timeout has long run out."""
    after_s = max(4.0, 1.5 * timeout_s * spread + 2.0)
    return Trial(
        protocol="raft",
        nodes=nodes,
        params={
            "election_timeout_s": range_s(timeout_s, spread),
            "heartbeat_s": timeout_s / beats,
            "pre_vote": pre_vote,
            "retry_s": 0.1,
        },
        duration=nanoseconds(CRASH_AT_S + after_s),
        liveness=nanoseconds(5),
        network=Network(latency=Lognormal(nanoseconds(rtt_s / 2), jitter), loss=loss),
        workload=Workload(clients=4, rate=RATE, arrival="constant"),
        service=ServiceTimes(byte=0.0),
        faults=(
            Pause(at=nanoseconds(STALL_AT_S), target="leader", length=nanoseconds(stall_s)),
            Crash(at=nanoseconds(CRASH_AT_S), target="leader", down=nanoseconds(after_s - 0.5)),
        ),
    )


def leaderless_s(result: Result) -> float | None:
    """From the crash to the first commit of the next leader's term; infinite if none came before the load ended."""
    parts = (result.recovery_s.detect, result.recovery_s.elect, result.recovery_s.commit)
    if any(part is None for part in parts):
        # Two faults aim at the leader, the stall and the crash: where only the stall hit one, nothing was observed.
        return math.inf if result.unavailable_censored else None
    return sum(part for part in parts if part is not None)


def messages_s(result: Result) -> float:
    """Between servers, a second: heartbeats, and what the operations need."""
    return result.messages.server / result.duration_s


def needless(result: Result) -> float:
    """Elections won beyond the one that the crash asked for."""
    return max(0.0, result.leader_changes - 1.0)


study = Study(
    name="tune_election",
    question="Which election timeout and heartbeat should a Raft cluster use on a given network?",
    parameters={
        "timeout_s": Real(0.02, 3.0, log=True),
        "spread": Real(1.1, 3.0),
        "beats": Real(1.2, 20.0, log=True),
    },
    settings={"nodes": 5, "rtt_s": 0.010, "jitter": 0.3, "loss": 0.01, "stall_s": 0.1, "pre_vote": True},
    trial=trial,
    shown=shown,
    objectives=[
        Objective("time without a leader", leaderless_s, quantile=0.9),
        Objective("traffic between servers", messages_s, unit="messages/s"),
    ],
    constraints=[
        Constraint("an election without need", needless, at_most=0.0, tolerated=0.05),
        Constraint("not serving again", lambda r: float(r.unavailable_censored), at_most=0.0),
    ],
    defaults=[Default(name, point(known), known.source) for name, known in ELECTIONS.items()],
    candidates=96,
    looks=(4, 12, 24),
    confirm=80,
    biases=(
        "Each message is delayed independently and lost independently; real networks have bursts, which punish short "
        "timeouts more.",
        "The leader stalls once, for one length (stall_s): set it to the longest pause of your own leaders.",
        "PreVote is on (pre_vote): a follower that misses heartbeats cannot depose a leader that others still hear.",
        "etcd, Consul and the paper's Raft are represented by their timing on this project's Raft, not run themselves.",
    ),
)

if __name__ == "__main__":
    raise SystemExit(main(study))
