"""Without any partition: what does consistency cost in latency?

Five regions of the EC2 measurements of 2013, a client and a server in each; every client asks the server next to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.network.presets import network
from bench.sweep import Conclusion, Panel, Sweep, SweepResult
from bench.trial import Trial
from bench.units import nanoseconds
from bench.workload.spec import Workload

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PATIENT = {"operation_timeout_s": 8.0, "retry_s": 3.0}
STORE = {**PATIENT, "replicas": 5, "routing": "near", "request_timeout_s": 2.0, "anti_entropy_s": 0.0}
SYSTEMS = {
    "one": ("leaderless", {**STORE, "read_level": "ONE", "write_level": "ONE", "read_repair": "background"}),
    "sessions": (
        "leaderless",
        {**STORE, "read_level": "ONE", "write_level": "ONE", "read_repair": "background", "sessions": True},
    ),
    "quorum, no repair": ("leaderless", {**STORE, "read_repair": "none"}),
    "quorum": ("leaderless", STORE),
    "abd": ("abd", PATIENT),
    "raft": ("raft", {**PATIENT, "election_timeout_s": (1.0, 2.0)}),
}


def trial(system: str) -> Trial:
    """Thirty operations a second, by five clients, one a region."""
    protocol, params = SYSTEMS[system]
    return Trial(
        protocol=protocol,
        nodes=5,
        duration=nanoseconds(15),
        warmup=nanoseconds(2),
        liveness=nanoseconds(60),
        network=network("ec2-2013"),
        params=params,
        workload=Workload(clients=5, rate=30.0, keys=3, mix=(("read", 0.6), ("write", 0.4))),
        measure=("register", "read-your-writes", "monotonic-reads"),
    )


def conclude(result: SweepResult) -> Conclusion:
    """Latency against what holds."""
    df = result.frame()
    df = df[df["trial"] == "complete"]
    if df.empty:
        return Conclusion(answer="No trial was complete.")
    details = []
    for system in SYSTEMS:
        rows = df[df["system"] == system]
        if rows.empty:
            continue
        held = [
            f"{name} {(rows[f'holds.{model}'] == 'valid').mean():.0%}"
            for name, model in (
                ("linearizable", "register"),
                ("read-your-writes", "read-your-writes"),
                ("monotonic reads", "monotonic-reads"),
            )
        ]
        details.append(
            f"{system}: median {rows['p50_s'].median() * 1e3:.1f} ms, p99 {rows['p99_s'].median() * 1e3:.0f} ms; "
            f"{', '.join(held)} of histories; {stale(rows):.1%} of reads stale."
        )
    middle = {system: df[df["system"] == system]["p50_s"].median() * 1e3 for system in SYSTEMS}
    answer = (
        f"Median latency: {middle['one']:.1f} ms for whatever is near, {middle['quorum']:.0f} ms for quorums, "
        f"{middle['abd']:.0f} ms for linearizable registers (ABD) and {middle['raft']:.0f} ms for a "
        f"linearizable log (Raft)."
    )
    return Conclusion(answer=answer, details=details, panels=[panel(df)])


def stale(rows: object) -> float:
    """Share of stale reads; of linearizable systems nothing is measured, and nothing is stale."""
    column = "bounded-staleness.stale_share"
    return float(rows[column].fillna(0.0).mean()) if column in rows else 0.0  # type: ignore[operator,index]


def panel(df: object) -> Panel:
    """Median and tail."""

    def draw() -> Figure:
        from bench.report.plots import dots

        rows = []
        for system in SYSTEMS:
            mine = df[df["system"] == system]  # type: ignore[index]
            if len(mine):
                right = (mine["holds.register"] == "valid").mean()
                label = f"{system} ({right:.0%})"
                rows.append(
                    (label, *([float(v) * 1e3 for v in mine[column].dropna()] for column in ("p50_s", "p99_s")))
                )
        return dots(rows, x_label="latency [ms] (in brackets: linearizable)", names=("median", "p99"))

    return Panel(
        title="Latency over five regions, nothing failing",
        caption="Medians over trials. Clients ask the server of their own region; Raft's leader may be anywhere.",
        draw=draw,
    )


sweep = Sweep(
    name="pacelc",
    question="Without any partition, what does consistency cost in latency?",
    grid={"system": list(SYSTEMS)},
    trial=trial,
    seeds=6,
    metric="p50_s",
    conclude=conclude,
    biases=(
        "Raft's leader is whoever was elected: its region decides what most clients wait.",
        "Thirty operations a second: nothing queues, latency is the network's.",
    ),
)

if __name__ == "__main__":
    raise SystemExit(sweep.main())
