"""What does a larger Raft cluster cost, and what does it buy?

The same load on one to nine servers, simulated and live: throughput, latency, and what an operation costs each of the
busiest server's resources. What it buys is arithmetic: how many may be down at once.
"""

from __future__ import annotations

from statistics import median

from bench.sweep import Conclusion, Sweep, SweepResult
from bench.sweep.panels import by_axis
from bench.sweep.presets import closed_loop
from bench.theory.quorums import kth_of_n
from bench.trial import Trial

UP = 0.99
"""Of the time, one server: for the arithmetic."""


def trial(nodes: int) -> Trial:
    """32 clients, each with one operation under way; compare-and-sets, which all go through the log."""
    return closed_loop("raft", 32, nodes=nodes, network="lan", load_s=1.0, keys=256, mix="cas-only")


def conclude(result: SweepResult) -> Conclusion:
    """The price of two more servers, and the projection from live trials."""
    df = result.frame()
    df = df[df["trial"] == "complete"]
    if df.empty:
        return Conclusion(answer="No trial was complete.")
    details = []
    simulated = df[df["runtime"] == "sim"]
    rates = {int(n): float(rows["throughput_ops_s"].median()) for n, rows in simulated.groupby("nodes")}
    for nodes, rows in simulated.groupby("nodes"):
        n = int(nodes)
        details.append(
            f"{n} servers, simulated: {rows['throughput_ops_s'].median():,.0f} operations/s, p50 "
            f"{rows['p50_s'].median() * 1e3:.2f} ms, {rows['messages_per_operation'].median():.2f} messages an "
            f"operation between servers; {(n - 1) // 2} may be down; with each up {UP:.0%} of the time a majority is "
            f"up {kth_of_n(UP, n // 2 + 1, n):.6%} of it."
        )
    for nodes in sorted({row.point["nodes"] for row in result.rows if row.result.runtime == "ray"}):
        live = [row.result for row in result.rows if row.result.runtime == "ray" and row.point["nodes"] == nodes]
        live = [each for each in live if each.trial == "complete" and each.projection is not None]
        if not live:
            continue
        costs = [max(each.costs.values(), key=lambda cost: cost.cpu_per_operation_s or 0.0) for each in live]
        cpu = median((cost.cpu_per_operation_s or 0.0) * 1e6 for cost in costs)
        sent = median(cost.bytes_sent / max(1, each.operations.ok) for cost, each in zip(costs, live, strict=True))
        syncs = median(cost.fsyncs_per_operation or 0.0 for cost in costs)
        rate = median(each.throughput_ops_s for each in live)
        projected = median(each.projection.cpu_ops_s for each in live if each.projection is not None)
        details.append(
            f"{nodes} servers, live: {rate:,.0f} operations/s on one machine; "
            f"the busiest server spends {cpu:.1f} us of CPU, {sent:,.0f} bytes and {syncs:.2f} syncs an operation, and "
            f"would saturate at {projected:,.0f} operations/s on a machine of its own."
        )
    first, last = min(rates, default=0), max(rates, default=0)
    answer = (
        f"From {first} to {last} servers throughput falls to {rates[last] / rates[first]:.0%} (simulated): "
        f"each further server is a message more for the leader, and two more allow one more to be down."
        if len(rates) > 1
        else "One size alone says nothing."
    )
    return Conclusion(
        answer=answer,
        details=details,
        panels=[
            by_axis(
                df,
                "nodes",
                "throughput_ops_s",
                title="Throughput by cluster size",
                x_label="servers",
                y_label="operations/s, 32 clients",
            ),
            by_axis(
                df,
                "nodes",
                "p50_s",
                title="Latency by cluster size",
                x_label="servers",
                y_label="median latency [ms]",
                scale=1e3,
            ),
        ],
    )


sweep = Sweep(
    name="cluster_size",
    question="What does a larger Raft cluster cost, and what does it buy?",
    grid={"nodes": [1, 3, 5, 7, 9]},
    trial=trial,
    seeds=10,
    live=3,
    metric="throughput_ops_s",
    conclude=conclude,
    biases=(
        "Live servers share the cores of one machine: their throughput falls with their number for that reason, too. "
        "The projection to separate machines is what the busiest one's CPU alone would allow.",
    ),
)

if __name__ == "__main__":
    raise SystemExit(sweep.main())
