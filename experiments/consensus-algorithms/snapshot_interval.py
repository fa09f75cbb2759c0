"""How often should a Raft server take a snapshot?

Each snapshot saves the whole state, in one go; between them the log grows, in memory and for who restarts. A follower
is killed and comes back, and one is cut off for long enough to need the snapshot.
"""

from __future__ import annotations

from bench.faults.spec import Crash, Partition
from bench.network.presets import network
from bench.sweep import Conclusion, Sweep, SweepResult
from bench.sweep.panels import by_axis
from bench.trial import Trial
from bench.units import nanoseconds
from bench.workload.spec import Workload

NEVER = 1_000_000


def trial(snapshot_entries: int) -> Trial:
    """1,000 writes a second for 20 s; n3 dies for 2 s, then whoever is no leader is cut off for 5."""
    return Trial(
        protocol="raft",
        duration=nanoseconds(20),
        network=network("lan"),
        params={
            "snapshot_entries": snapshot_entries,
            "snapshot_trailing": min(1000, snapshot_entries // 2),
            "election_timeout_s": (0.3, 0.6),
        },
        faults=(
            Crash(at=nanoseconds(5), target="follower", down=nanoseconds(2)),
            Partition(at=nanoseconds(10), shape="isolate", target="follower", length=nanoseconds(5)),
        ),
        workload=Workload(clients=16, rate=1000.0, keys=500, mix=(("write", 0.9), ("read", 0.1))),
    )


def conclude(result: SweepResult) -> Conclusion:
    """Log length against tail latency."""
    df = result.frame()
    df = df[df["trial"] == "complete"]
    if df.empty:
        return Conclusion(answer="No trial was complete.")
    df = df.assign(longest=df["snapshot_safety.longest_log"])
    details = []
    coverage = {row.point["snapshot_entries"]: row.result.coverage for row in result.rows}
    for every, rows in df.groupby("snapshot_entries"):
        marks = coverage[every]
        details.append(
            f"a snapshot every {every:,} entries: longest log {rows['longest'].median():,.0f} entries, p50 "
            f"{rows['p50_s'].median() * 1e3:.2f} ms; in one trial {marks.get('snapshot', 0)} taken, "
            f"{marks.get('installed', 0)} installed at a follower."
        )
    least, most = df.loc[df["longest"].idxmin()], df.loc[df["longest"].idxmax()]
    return Conclusion(
        answer=(
            f"The longest log is {least['longest']:,.0f} entries with a snapshot every {least['snapshot_entries']:,}, "
            f"and {most['longest']:,.0f} with one every {most['snapshot_entries']:,} (20 s at 1,000 operations/s)."
        ),
        details=details,
        panels=[
            by_axis(
                df,
                "snapshot_entries",
                "longest",
                title="What a server keeps of its log",
                x_label="entries from one snapshot to the next",
                y_label="longest log [entries]",
            ),
        ],
    )


sweep = Sweep(
    name="snapshot_interval",
    question="How often should a Raft server take a snapshot?",
    grid={"snapshot_entries": [200, 1000, 5000, NEVER]},
    trial=trial,
    seeds=5,
    metric="p50_s",
    conclude=conclude,
    biases=(
        "The simulator charges nothing for writing the state out: what a snapshot costs shows in live trials only, and "
        "there with a state of 500 small values.",
    ),
)

if __name__ == "__main__":
    raise SystemExit(sweep.main())
