"""How large should read and write quorums be? N / R / W as text, such as ``3/2/2``.

Every R and W of every N: what an operation takes, how stale reads are, and who can still be served with a replica down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.network import Constant, Exponential, Network
from bench.sweep import Conclusion, Panel, Sweep, SweepResult
from bench.theory.quorums import kth_of_n
from bench.trial import Trial
from bench.units import nanoseconds
from bench.workload.spec import Workload

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

MS = 1_000_000
UP = 0.9
"""The chance that a replica is up, for the table of availability."""


def trial(quorums: str) -> Trial:
    """A closed loop on few keys, a third of it writes, through servers that are no replicas of the key."""
    n, r, w = map(int, quorums.split("/"))
    return Trial(
        protocol="leaderless",
        nodes=n + 1,
        duration=nanoseconds(2.5),
        network=Network(latency=Exponential(10 * MS), client_latency=Constant(MS // 2)),
        params={
            "replicas": n,
            "read_level": str(r),
            "write_level": str(w),
            "read_repair": "none",
            "routing": "outside",
            "anti_entropy_s": 0.0,
            "request_timeout_s": 1.0,
            "retry_s": 2.0,
        },
        workload=Workload(clients=8, keys=4, mix=(("read", 0.67), ("write", 0.33))),
        measure=("register",),
        invariants=False,
    )


def cells(df: pd.DataFrame, n: int, column: str, scale: float = 1.0) -> list[list[float]]:
    """Medians over trials, a row for each W, a column for each R."""
    rows = df[df["n"] == n]
    return [
        [float(rows[(rows["r"] == r) & (rows["w"] == w)][column].mean()) * scale for r in range(1, n + 1)]
        for w in range(1, n + 1)
    ]


def conclude(result: SweepResult) -> Conclusion:
    """Staleness on either side of R + W > N, and what each side costs."""
    df = result.frame()
    df = df[df["trial"] == "complete"]
    if df.empty:
        return Conclusion(answer="No trial was complete.")
    parts = df["quorums"].str.split("/", expand=True).astype(int)
    df = df.assign(n=parts[0], r=parts[1], w=parts[2])
    df = df.assign(strict=df["r"] + df["w"] > df["n"], stale=df["bounded-staleness.stale_share"])
    apart, strict = df[~df["strict"]], df[df["strict"]]
    broken = int((strict["holds.register"] == "invalid").sum())
    answer = (
        f"With R + W <= N {apart['stale'].mean():.1%} of the reads were stale, with R + W > N "
        f"{strict['stale'].mean():.2%}; yet {broken} of {len(strict)} histories with R + W > N are not "
        f"linearizable, for "
        "nothing is written back."
    )
    details = []
    for n in sorted(df["n"].unique()):
        mine = df[df["n"] == n]
        majority = n // 2 + 1
        for r, w in ((1, 1), (1, n), (majority, majority), (n, 1)):
            row = mine[(mine["r"] == r) & (mine["w"] == w)]
            if len(row):
                details.append(
                    f"N={n} R={r} W={w}: median {row['p50_s'].median() * 1e3:.1f} ms, p99 "
                    f"{row['p99_s'].median() * 1e3:.1f} "
                    f"ms, {row['throughput_ops_s'].median():.0f} operations/s, {row['stale'].mean():.1%} "
                    f"of reads stale; "
                    f"reads served with {kth_of_n(UP, r, n):.2%}, writes with {kth_of_n(UP, w, n):.2%} if a replica "
                    f"is up with {UP:.0%}."
                )
    sizes = [int(n) for n in sorted(df["n"].unique())]
    panels = [panel(df, n) for n in (sizes[:1] if len(sizes) == 1 else [sizes[0], sizes[-1]])]
    return Conclusion(answer=answer, details=details, panels=panels)


def panel(df: pd.DataFrame, n: int) -> Panel:
    """The square of one N."""

    def draw() -> Figure:
        from bench.report.plots import heat

        served = [[min(kth_of_n(UP, r, n), kth_of_n(UP, w, n)) * 100 for r in range(1, n + 1)] for w in range(1, n + 1)]
        tables = [
            ("reads stale [%]", cells(df, n, "stale", 100)),
            ("median latency [ms]", cells(df, n, "p50_s", 1e3)),
            ("throughput [operations/s]", cells(df, n, "throughput_ops_s")),
            (f"both served, replicas up {UP:.0%} [%]", served),
        ]
        line = [[r + w > n for r in range(1, n + 1)] for w in range(1, n + 1)]
        return heat(tables, x_label="R", y_label="W", number=".3g", line=line)

    return Panel(
        title=f"N = {n}: every R and W",
        caption="Above and right of the thick line R + W > N. Means over trials; availability is the formula's.",
        draw=draw,
    )


sweep = Sweep(
    name="quorum_sizes",
    question="How large should read and write quorums be, and what does R + W > N give?",
    grid={"quorums": [f"{n}/{r}/{w}" for n in range(3, 8) for r in range(1, n + 1) for w in range(1, n + 1)]},
    trial=trial,
    seeds=4,
    metric="p50_s",
    conclude=conclude,
    biases=(
        "Clients and coordinators are simulated without queues at this load: throughput follows latency.",
        "Delays are independent; where replicas are slow together, larger quorums cost less than here.",
    ),
)

if __name__ == "__main__":
    raise SystemExit(sweep.main())
