"""What does each shape of partition take from each system, and who is right meanwhile?

The load is measured only while the partition lasts. Shapes: two of five servers cut off, one server alone, two halves
that share one server, a ring in which every server sees a different majority, and a server that can speak but not hear.
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
    import pandas as pd
    from matplotlib.figure import Figure

STORE = {"operation_timeout_s": 0.5, "replicas": 5, "request_timeout_s": 0.1}
SYSTEMS = {
    "raft": ("raft", {"operation_timeout_s": 0.5}),
    "abd": ("abd", {"operation_timeout_s": 0.5}),
    "quorums": ("leaderless", STORE),
    "sloppy": ("leaderless", {**STORE, "replicas": 3, "sloppy": True}),
    "one": ("leaderless", {**STORE, "read_level": "ONE", "write_level": "ONE"}),
}
ABOUT = {
    "raft": "Raft",
    "abd": "ABD",
    "quorums": "store, QUORUM",
    "sloppy": "store, sloppy",
    "one": "store, ONE",
}
SHAPES = {
    "none": "none",
    "isolate": "one\nalone",
    "one-way": "one\ndeaf",
    "bridge": "halves with\na bridge",
    "majority-ring": "ring of\nmajorities",
    "halves": "two of\nfive",
}


def trial(system: str, shape: str) -> Trial:
    """A second of warm-up, then two seconds under the partition, which are what is measured."""
    protocol, params = SYSTEMS[system]
    cut = Partition(at=nanoseconds(1), shape=shape, target="leader", length=nanoseconds(2)) if shape != "none" else None  # type: ignore[arg-type]
    return Trial(
        protocol=protocol,
        nodes=5,
        warmup=nanoseconds(1),
        duration=nanoseconds(3),
        liveness=nanoseconds(20),
        network=network("zones"),
        params=params,
        faults=(cut,) if cut else (),
        workload=Workload(clients=10, rate=300.0, keys=10, mix=(("read", 0.5), ("write", 0.5))),
        measure=("register",),
    )


def tables(df: pd.DataFrame) -> list[tuple[str, list[list[float]]]]:
    """Served and right, a row a system, a column a shape; NaN where a cell has no complete trial."""

    def table(column: str) -> list[list[float]]:
        return [
            [float(df[(df["system"] == system) & (df["shape"] == shape)][column].mean()) * 100 for shape in SHAPES]
            for system in SYSTEMS
        ]

    return [("operations served [%]", table("served")), ("histories linearizable [%]", table("right"))]


def conclude(result: SweepResult) -> Conclusion:
    """The worst shape of each system, and whether its histories stay linearizable."""
    df = result.frame()
    df = df[df["trial"] == "complete"]
    if df.empty:
        return Conclusion(answer="No trial was complete.")
    df = df.assign(
        served=df["ok"] / (df["ok"] + df["fail"] + df["info"]), right=(df["holds.register"] == "valid").astype(float)
    )
    words, details = [], []
    for system, about in ABOUT.items():
        mine = df[df["system"] == system]
        if mine.empty:
            continue
        by_shape = mine.groupby("shape")["served"].mean()
        worst = by_shape.idxmin()
        words.append(f"{about} {by_shape.min():.0%} ({worst})")
        details.append(
            f"{about}: "
            + ", ".join(f"{shape} {by_shape[shape]:.1%}" for shape in SHAPES if shape in by_shape)
            + f" served; {int(mine['right'].sum())} of {len(mine)} histories linearizable."
        )
    return Conclusion(
        answer=f"Served under the shape that takes most: {', '.join(words)}.", details=details, panels=[panel(df)]
    )


def panel(df: pd.DataFrame) -> Panel:
    """Both tables."""

    def draw() -> Figure:
        from bench.report.plots import heat

        return heat(
            tables(df),
            x_label="shape of the partition",
            y_label="",
            number=".0f",
            columns=list(SHAPES.values()),
            rows_named=list(ABOUT.values()),
        )

    return Panel(
        title="What each partition takes",
        caption="Operations served while the partition lasts, and histories that are linearizable; means over trials.",
        draw=draw,
    )


sweep = Sweep(
    name="partition_shapes",
    question="What does each shape of partition take from each system, and who is right meanwhile?",
    grid={"system": list(SYSTEMS), "shape": list(SHAPES)},
    trial=trial,
    seeds=6,
    metric="p99_s",
    conclude=conclude,
    biases=(
        "Clients fall on a random side; each can reach the servers of its own side only.",
        "The partition turns on Raft's leader; the other systems have none, so a random server is hit.",
        "Operations are given up after 0.5 s: with more patience fewer fail, and they take longer.",
    ),
)

if __name__ == "__main__":
    raise SystemExit(sweep.main())
