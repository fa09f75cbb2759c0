"""What do read repair, hinted handoff and anti-entropy each do for replicas that have missed writes, and at what cost?

One server is cut off for a second, in which clients write on. Then, or after two more seconds of load, nobody asks
anything any more, and the clock runs until all replicas are equal.
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

REPAIRS = {
    "none": (),
    "read repair": ("read",),
    "hints": ("hints",),
    "anti-entropy": ("trees",),
    "read repair and hints": ("read", "hints"),
    "all three": ("read", "hints", "trees"),
}


def trial(repairs: str, after_s: float) -> Trial:
    """A second that one server misses; the load goes on for ``after_s`` when it is back."""
    on = REPAIRS[repairs]
    return Trial(
        protocol="leaderless",
        nodes=3,
        duration=nanoseconds(1.4 + after_s),
        liveness=nanoseconds(20),
        network=network("zones"),
        params={
            "read_repair": "background" if "read" in on else "none",
            "hints": "hints" in on,
            "anti_entropy_s": 0.5 if "trees" in on else 0.0,
            "hint_interval_s": 0.25,
        },
        faults=(Partition(at=nanoseconds(0.4), shape="isolate", target="n3", length=nanoseconds(1.0)),),
        workload=Workload(clients=8, rate=400.0, keys=100, mix=(("read", 0.5), ("write", 0.5)), value_bytes=64),
    )


def conclude(result: SweepResult) -> Conclusion:
    """Who converges, how fast, and what it takes."""
    df = result.frame()
    df = df[df["trial"] == "complete"].assign(equal=lambda frame: frame["convergence.after_s"].notna())
    if df.empty:
        return Conclusion(answer="No trial was complete.")
    details = []
    for (repairs, after), rows in df.groupby(["repairs", "after_s"], sort=False):
        done = rows[rows["equal"]]
        took = f"after {done['convergence.after_s'].median():.2f} s (median)" if len(done) else "never within 20 s"
        details.append(
            f"{repairs}, load for {after:g} s more: {len(done)} of {len(rows)} trials became equal, {took}; "
            f"{rows['convergence.messages'].median():.0f} messages and "
            f"{rows['convergence.bytes'].median() / 1e3:.1f} kB "
            f"between servers after the load; {rows['messages_per_operation'].median():.1f} messages an "
            f"operation during it; "
            f"{rows['bounded-staleness.stale_share'].mean():.2%} of reads stale."
        )
    sure = [str(name) for name, rows in df.groupby("repairs", sort=False) if rows["equal"].all()]
    answer = (
        f"Replicas always became equal with {', '.join(sure)}."
        if sure
        else "No setting made replicas equal every time."
    )
    return Conclusion(answer=answer, details=details, panels=[panel(result)])


def panel(result: SweepResult) -> Panel:
    """Time to converge by what repairs."""

    def draw() -> Figure:
        from bench.report.plots import dots

        df = result.frame()
        times = sorted(df["after_s"].unique())
        rows = []
        for name in REPAIRS:
            mine = df[df["repairs"] == name]
            few, many = (
                [float(v) for v in mine[mine["after_s"] == each]["convergence.after_s"].dropna()] for each in times
            )
            label = name if few or many else f"{name} (never)"
            rows.append((label, few, many))
        names = ("load ends with the partition", f"{times[-1]:g} s later")
        return dots(rows, x_label="time until all replicas are equal, after the load [s]", names=names)

    return Panel(
        title="Time to converge once the load has ended, by what repairs",
        caption="Over trials that became equal. Reads repair only while there are reads.",
        draw=draw,
    )


sweep = Sweep(
    name="repair",
    question="What do read repair, hinted handoff and anti-entropy each do for replicas that missed writes?",
    grid={"repairs": list(REPAIRS), "after_s": [0.0, 2.0]},
    trial=trial,
    seeds=5,
    metric="p50_s",
    conclude=conclude,
    biases=(
        "Hints are handed over every 0.25 s and trees compared every 0.5 s on average: production systems wait longer.",
        "The server that was cut off keeps its disk. One that lost it is filled from the others before it answers.",
    ),
)

if __name__ == "__main__":
    raise SystemExit(sweep.main())
