"""What does a sloppy quorum buy, and what does it cost?

Two of a key's three replicas are down for a while. A strict quorum refuses; a sloppy one lets other servers stand in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.faults.spec import Crash, Partition
from bench.network.presets import network
from bench.sweep import Conclusion, Panel, Sweep, SweepResult
from bench.trial import Trial
from bench.units import nanoseconds
from bench.workload.spec import Workload

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def trial(sloppy: bool, trouble: str) -> Trial:
    """Five servers, three replicas a key, majorities; for 1.5 of 3 seconds two servers are down, or three cut off."""
    at, length = nanoseconds(0.75), nanoseconds(1.5)
    down = (Crash(at=at, target="n1", down=length), Crash(at=at, target="n2", down=length))
    cut = (Partition(at=at, shape="halves", target="n1", length=length),)
    return Trial(
        protocol="leaderless",
        nodes=5,
        duration=nanoseconds(3),
        liveness=nanoseconds(20),
        network=network("zones"),
        params={
            "sloppy": sloppy,
            "request_timeout_s": 0.05,
            "retry_s": 0.2,
            "operation_timeout_s": 0.5,
            "anti_entropy_s": 0.5,
        },
        faults={"two servers down": down, "halves": cut}[trouble],
        workload=Workload(clients=10, rate=300.0, keys=30, mix=(("read", 0.5), ("write", 0.5))),
        measure=("register",),
    )


def conclude(result: SweepResult) -> Conclusion:
    """Served, stale, and how long it takes to bring writes home."""
    df = result.frame()
    df = df[df["trial"] == "complete"]
    if df.empty:
        return Conclusion(answer="No trial was complete.")
    df = df.assign(served=df["ok"] / (df["ok"] + df["fail"] + df["info"]))
    details, served = [], {}
    for (trouble, sloppy), rows in df.groupby(["trouble", "sloppy"]):
        served[trouble, sloppy] = rows["served"].mean()
        details.append(
            f"{trouble}, {'sloppy' if sloppy else 'strict'}: {rows['served'].mean():.1%} of all operations served, "
            f"{rows['bounded-staleness.stale_share'].mean():.2%} of reads stale, "
            f"{(rows['holds.register'] == 'invalid').mean():.0%} of histories not linearizable, equal "
            f"{rows['convergence.after_s'].median():.2f} s after the load."
        )
    gains = [
        f"{served[trouble, True]:.0%} instead of {served[trouble, False]:.0%} with {trouble}"
        for trouble in sorted(df["trouble"].unique())
        if (trouble, True) in served and (trouble, False) in served
    ]
    answer = (
        f"With sloppy quorums operations are served: {', '.join(gains)}. Reads pay with staleness." if gains else ""
    )
    return Conclusion(answer=answer or "Nothing to compare.", details=details, panels=[panel(df)])


def panel(df: object) -> Panel:
    """Served and stale."""

    def draw() -> Figure:
        from bench.report.plots import dots

        rows = [
            (
                f"{trouble}: {what}",
                *(
                    [float(v) * 100 for v in df[(df["trouble"] == trouble) & (df["sloppy"] == sloppy)][column]]  # type: ignore[index]
                    for sloppy in (False, True)
                ),
            )
            for trouble in sorted(df["trouble"].unique())  # type: ignore[index]
            for what, column in (("operations served", "served"), ("reads stale", "bounded-staleness.stale_share"))
        ]
        return dots(rows, x_label="% of operations, over the whole run", names=("strict", "sloppy"))

    return Panel(
        title="Strict and sloppy quorums under the same trouble",
        caption="Medians over trials with their intervals. The trouble lasts half of the run.",
        draw=draw,
    )


sweep = Sweep(
    name="sloppy_quorum",
    question="What does a sloppy quorum buy, and what does it cost?",
    grid={"sloppy": [False, True], "trouble": ["two servers down", "halves"]},
    trial=trial,
    seeds=5,
    metric="p99_s",
    conclude=conclude,
    biases=("Clients reach any server that is up: with clients cut off as well, no quorum would help.",),
)

if __name__ == "__main__":
    raise SystemExit(sweep.main())
