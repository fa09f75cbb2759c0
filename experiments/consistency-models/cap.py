"""One partition, three systems: who answers, and who is right?

Raft needs a majority that can talk. ABD needs a majority, and no leader. A store with R = W = 1 needs anybody. All
three get the same load and the same partition: two of five servers, with some of the clients, are cut off from the
rest for a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.faults.spec import Partition
from bench.network.presets import network
from bench.sweep import Conclusion, Panel, Sweep, SweepResult
from bench.trial import Trial
from bench.units import nanoseconds
from bench.workload.spec import Workload

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SYSTEMS = {
    "raft": ("raft", {"operation_timeout_s": 0.5}),
    "abd": ("abd", {"operation_timeout_s": 0.5}),
    "quorums": ("leaderless", {"operation_timeout_s": 0.5, "replicas": 5, "request_timeout_s": 0.1}),
    "one": (
        "leaderless",
        {
            "operation_timeout_s": 0.5,
            "replicas": 5,
            "read_level": "ONE",
            "write_level": "ONE",
            "request_timeout_s": 0.1,
            "read_repair": "background",
        },
    ),
}
ABOUT = {"raft": "Raft", "abd": "ABD", "quorums": "store, R = W = QUORUM", "one": "store, R = W = ONE"}


def trial(system: str) -> Trial:
    """Three seconds of load; the partition lasts from the first to the second."""
    protocol, params = SYSTEMS[system]
    return Trial(
        protocol=protocol,
        nodes=5,
        duration=nanoseconds(3),
        liveness=nanoseconds(20),
        network=network("zones"),
        params=params,
        faults=(Partition(at=nanoseconds(1), shape="halves", target="n1", length=nanoseconds(1)),),
        workload=Workload(clients=10, rate=400.0, keys=10, mix=(("read", 0.6), ("write", 0.4))),
        measure=("register", "sequential", "causal", "read-your-writes", "monotonic-reads"),
    )


def conclude(result: SweepResult) -> Conclusion:
    """Served and right, system by system."""
    df = result.frame()
    df = df[df["trial"] == "complete"]
    if df.empty:
        return Conclusion(answer="No trial was complete.")
    df = df.assign(served=df["ok"] / (df["ok"] + df["fail"] + df["info"]))
    details, words = [], []
    for system in SYSTEMS:
        rows = df[df["system"] == system]
        if rows.empty:
            continue
        right = (rows["holds.register"] == "valid").mean()
        words.append(
            f"{ABOUT[system]} served {rows['served'].mean():.1%}, {right:.0%} of its histories are linearizable"
        )
        held = [
            f"{model} {(rows[f'holds.{model}'] == 'valid').mean():.0%}"
            for model in ("register", "sequential", "causal", "read-your-writes", "monotonic-reads")
        ]
        details.append(
            f"{ABOUT[system]}: {rows['served'].mean():.1%} served, longest outage "
            f"{rows['unavailable_s'].median():.2f} s "
            f"(median); histories that satisfy: {', '.join(held)}."
        )
    return Conclusion(answer="; ".join(words) + ".", details=details, panels=[panel(df)])


def panel(df: object) -> Panel:
    """The two answers beside each other."""

    def draw() -> Figure:
        from bench.report.plots import dots

        rows = []
        for system in SYSTEMS:
            mine = df[df["system"] == system]  # type: ignore[index]
            if len(mine):
                rows.append(
                    (
                        ABOUT[system],
                        [float(v) * 100 for v in mine["served"]],
                        [100.0 * float((mine["holds.register"] == "valid").mean())],
                    )
                )
        return dots(rows, x_label="%", names=("operations served", "histories linearizable"))

    return Panel(
        title="The same partition: who answers, and who is right",
        caption="Operations served over the whole run, a third of which is partitioned; share of histories that are "
        "linearizable.",
        draw=draw,
    )


sweep = Sweep(
    name="cap",
    question="Under one partition, who answers, and who is right?",
    grid={"system": list(SYSTEMS)},
    trial=trial,
    seeds=6,
    metric="p99_s",
    conclude=conclude,
    biases=(
        "Clients fall on a random side; each can reach the servers of its own side only.",
        "Operations are given up after 0.5 s: with more patience fewer fail, and they take longer.",
    ),
)

if __name__ == "__main__":
    raise SystemExit(sweep.main())
