"""Which read and write quorums, and which read repair, for a target of staleness on a given network?

Three replicas, each operation coordinated by a server that is none of them, and nobody fails: what is compared is what
waiting for more replicas costs in latency, and what not waiting costs in stale reads; beside it, the usual defaults.
"""

from __future__ import annotations

from bench.network import Constant, Lognormal, Network
from bench.trial import Result, Trial
from bench.tune import Choice, Constraint, Default, Objective, Study, main
from bench.units import nanoseconds
from bench.workload.spec import Workload

REPLICAS = 3
MS = 1_000_000


def trial(delay_s: float, jitter: float, read: int, write: int, repair: str) -> Trial:
    """A second of load on few keys, a third of it writes: the harder case for whoever reads too early."""
    return Trial(
        protocol="leaderless",
        nodes=REPLICAS + 1,
        duration=nanoseconds(1.2),
        network=Network(latency=Lognormal(nanoseconds(delay_s), jitter), client_latency=Constant(MS // 2)),
        params={
            "replicas": REPLICAS,
            "read_level": str(read),
            "write_level": str(write),
            "read_repair": repair,
            "routing": "outside",
            "anti_entropy_s": 0.0,
            "request_timeout_s": 1.0,
            "retry_s": 2.0,
        },
        workload=Workload(clients=8, keys=4, mix=(("read", 0.67), ("write", 0.33))),
        measure=("register",),
        invariants=False,
    )


def stale(result: Result) -> float | None:
    """The share of reads that returned what had been overwritten before they began."""
    return result.figures.get("bounded-staleness.stale_share")


study = Study(
    name="tune_quorums",
    question="Which read and write quorums, and which read repair, for a target of staleness on a given network?",
    parameters={
        "read": Choice((1, 2, 3)),
        "write": Choice((1, 2, 3)),
        "repair": Choice(("none", "background", "blocking")),
    },
    settings={"delay_s": 0.005, "jitter": 0.8},
    trial=trial,
    objectives=[Objective("median response", "p50_s"), Objective("99th percentile of the response", "p99_s")],
    constraints=[Constraint("more than one read in a thousand stale", stale, at_most=0.001, tolerated=0.05)],
    defaults=[
        Default("Cassandra, ONE", {"read": 1, "write": 1, "repair": "blocking"}, "cqlsh and drivers until 3.x; 4.x"),
        Default("Cassandra, QUORUM", {"read": 2, "write": 2, "repair": "blocking"}, "read_repair BLOCKING (4.0)"),
    ],
    candidates=27,
    looks=(3, 8),
    confirm=70,
    biases=(
        "Nobody fails: with a replica down, quorums of three serve nobody, and hints and repair begin to matter.",
        "Reads and writes of the mix are judged together; a load that mostly reads weighs R more.",
    ),
)

if __name__ == "__main__":
    raise SystemExit(main(study))
