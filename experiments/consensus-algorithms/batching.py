"""What do batching and pipelining buy a Raft leader (dissertation, section 10.2)?

Entries a message at most, and entries under way at most: one message at a time, or as many as the window lets.
"""

from __future__ import annotations

import msgspec

from bench.network.presets import network as named
from bench.sweep import Conclusion, Sweep, SweepResult
from bench.sweep.panels import by_axis
from bench.sweep.presets import closed_loop
from bench.trial import ServiceTimes, Trial
from bench.units import nanoseconds

WINDOWS = {"one message at a time": 1, "pipelined": 64}


def trial(network: str, window: str, max_entries: int) -> Trial:
    """64 clients, each with one operation under way, over links that keep order, as TCP does."""
    return closed_loop(
        "raft",
        64,
        network=msgspec.structs.replace(named(network), fifo=True),
        liveness=nanoseconds(60),
        load_s=1.0 if network == "lan" else 3.0,
        warmup_s=0.2 if network == "lan" else 0.6,
        keys=256,
        mix="cas-only",
        params={
            "max_entries": max_entries,
            "max_in_flight": max_entries * WINDOWS[window],
            "election_timeout_s": (1.0, 2.0),
            # Each retry is another entry: clients that ask again within a second would keep a slow log full for ever.
            "retry_s": 5.0,
            "operation_timeout_s": 60.0,
        },
        service=ServiceTimes(byte=0.0),
    )


def conclude(result: SweepResult) -> Conclusion:
    """Gains over one entry at a time."""
    df = result.frame()
    df = df[df["trial"] == "complete"]
    if df.empty:
        return Conclusion(answer="No trial was complete.")
    details, gains = [], []
    for (network, runtime), rows in df.groupby(["network", "runtime"]):
        medians = rows.groupby(["window", "max_entries"])["throughput_ops_s"].median()
        least = min(rows["max_entries"])
        most = max(rows["max_entries"])
        for (window, size), rate in medians.items():
            details.append(
                f"{network}, {'live' if runtime == 'ray' else 'simulated'}, {window}, {size} entries a message: "
                f"{rate:,.0f} operations/s."
            )
        if runtime == "sim" and all((w, s) in medians.index for w in WINDOWS for s in (least, most)):
            alone = medians["one message at a time", least]
            batch, pipe = medians["one message at a time", most] / alone, medians["pipelined", least] / alone
            both = medians["pipelined", most] / alone
            gains.append(f"on {network} {batch:.1f} times by batches, {pipe:.1f} by a pipeline, {both:.1f} by both")
    return Conclusion(
        answer=f"Throughput of 64 clients over that of one entry at a time: {'; '.join(gains)}." if gains else "",
        details=details,
        panels=[
            by_axis(
                df[df["network"] == network],
                "max_entries",
                "throughput_ops_s",
                by="window",
                title=f"Batching and pipelining on {network}",
                x_label="entries a message, at most",
                y_label="operations/s, 64 clients",
            )
            for network in dict.fromkeys(df["network"])
        ],
    )


sweep = Sweep(
    name="batching",
    question="What do batching and pipelining buy a Raft leader?",
    grid={"network": ["lan", "continent"], "window": list(WINDOWS), "max_entries": [1, 4, 16, 64]},
    trial=trial,
    seeds=5,
    live=0,
    metric="throughput_ops_s",
    conclude=conclude,
    biases=(
        "Simulated: a message costs 15 us however many entries it carries; real ones cost something an entry.",
        "Links keep order. Where messages overtake each other, a follower refuses what comes too early, and a pipeline "
        "of small messages is slower than one message at a time.",
    ),
)

if __name__ == "__main__":
    raise SystemExit(sweep.main())
