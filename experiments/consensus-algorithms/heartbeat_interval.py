"""How often should a Raft leader send heartbeats?

Followers stand when they hear nothing for an election timeout. Few heartbeats cost little, but where messages are lost
a follower hears nothing although the leader lives. The leader is also killed once, to see what heartbeats do to the
time without one.
"""

from __future__ import annotations

import msgspec

from bench.network.presets import network
from bench.sweep import Conclusion, Sweep, SweepResult
from bench.sweep.grid import show
from bench.sweep.panels import by_axis
from bench.sweep.presets import leader_crash
from bench.trial import Trial
from bench.units import nanoseconds

TIMEOUT_S = (0.15, 0.3)


def trial(loss: float, heartbeat_s: float) -> Trial:
    """Five servers; timeouts of 150 to 300 ms without PreVote, so that every doubt is an election."""
    return leader_crash(
        "raft",
        100.0,
        nodes=5,
        network=msgspec.structs.replace(network("zones"), loss=loss),
        at_s=5.0,
        down_s=2.0,
        load_s=8.0,
        liveness=nanoseconds(60),
        params={"heartbeat_s": heartbeat_s, "election_timeout_s": TIMEOUT_S, "pre_vote": False, "retry_s": 0.1},
    )


def conclude(result: SweepResult) -> Conclusion:
    """Needless elections by loss; the fewest heartbeats that cause next to none."""
    df = result.frame()
    df = df[df["trial"] == "complete"]
    if df.empty:
        return Conclusion(answer="No trial was complete.")
    df = df.assign(
        needless=(df["leader_changes"] - 1).clip(lower=0),
        rate=df["messages_server"] / 8.0,
        # From the crash to the next leader's first commit; clients' own losses would blur a silence of theirs.
        recovered=df["detect_s"] + df["elect_s"] + df["commit_s"],
    )
    details, best = [], []
    for loss, trials in df.groupby("loss"):
        calm = []
        for heartbeat, rows in trials.groupby("heartbeat_s"):
            details.append(
                f"{loss:.0%} lost, a heartbeat every {show('heartbeat_s', heartbeat)}: {rows['needless'].mean():.2f} "
                f"needless elections in 8 s, {rows['recovered'].median() * 1e3:.0f} ms (median) from the crash to the "
                f"next commit, {rows['rate'].median():,.0f} messages/s between servers."
            )
            if rows["needless"].mean() <= 0.05:
                calm.append(float(heartbeat))
        word = f"{show('heartbeat_s', max(calm))}" if calm else "none of these"
        best.append(f"{word} with {loss:.0%} lost")
    answer = (
        f"The longest interval with at most one needless election in twenty trials of 8 s, for timeouts of "
        f"{show('election_timeout_s', TIMEOUT_S)}: {'; '.join(best)}."
    )
    label = df.assign(lost=[f"{loss:.0%} lost" for loss in df["loss"]])
    return Conclusion(
        answer=answer,
        details=details,
        panels=[
            by_axis(
                label,
                "heartbeat_s",
                "needless",
                by="lost",
                title="Elections that no crash asked for",
                x_label="heartbeat interval",
                y_label="needless elections in 8 s",
            ),
            by_axis(
                label,
                "heartbeat_s",
                "recovered",
                by="lost",
                title="From the leader's death to its successor's first commit",
                x_label="heartbeat interval",
                y_label="time to recover [ms]",
                scale=1e3,
            ),
        ],
    )


sweep = Sweep(
    name="heartbeat_interval",
    question="How often should a Raft leader send heartbeats?",
    grid={"loss": [0.0, 0.05, 0.2], "heartbeat_s": [0.015, 0.0375, 0.075, 0.1, 0.14]},
    trial=trial,
    seeds=40,
    metric="unavailable_s",
    conclude=conclude,
    biases=("Losses are independent: a burst that swallows several heartbeats in a row is as good as a pause.",),
)

if __name__ == "__main__":
    raise SystemExit(sweep.main())
