"""Last write wins, by whose clock? What skewed clocks lose, and what siblings keep.

Clients put elements into shopping carts (Dynamo, section 4.4): read, add, write. Clocks are off by up to the given
skew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.network.presets import network
from bench.sweep import Conclusion, Panel, Sweep, SweepResult
from bench.trial import Trial
from bench.units import nanoseconds
from bench.workload.spec import Workload

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

SCHEMES = {
    "register, lww": {"conflict": "lww"},
    "register, lww with tokens": {"conflict": "lww", "sessions": True},
    "cart, lww": {"conflict": "lww", "cart": True},
    "cart, siblings": {"conflict": "dvv", "cart": True},
}


def trial(scheme: str, skew_s: float) -> Trial:
    """Quorums, blocking read repair, nothing failing: what is lost is lost to clocks and to concurrency."""
    return Trial(
        protocol="leaderless",
        nodes=3,
        duration=nanoseconds(3),
        network=network("zones"),
        params={**SCHEMES[scheme], "routing": "token"},
        clock_offset=nanoseconds(skew_s),
        workload=Workload(clients=6, rate=150.0, keys=8, mix=(("read", 0.5), ("write", 0.5)), value_bytes=8),
        measure=("register", "read-your-writes"),
    )


def conclude(result: SweepResult) -> Conclusion:
    """Lost writes by scheme and skew."""
    df = result.frame()
    df = df[df["trial"] == "complete"]
    if df.empty:
        return Conclusion(answer="No trial was complete.")
    cart = df["scheme"].str.startswith("cart")
    df = df.assign(lost=df["lost_writes.elements"].where(cart, df["lost_writes.at_once"]))
    details = [
        f"{scheme}, clocks off by up to {skew * 1e3:g} ms: {rows['lost'].mean():.1%} of the acknowledged "
        f"writes were lost, "
        f"{rows['bounded-staleness.stale_share'].mean():.1%} of reads were stale, "
        f"{(rows['holds.register'] == 'valid').mean():.0%} of histories are linearizable and "
        f"{(rows['holds.read-your-writes'] == 'valid').mean():.0%} let clients read their writes."
        for (scheme, skew), rows in df.groupby(["scheme", "skew_s"], sort=False)
    ]
    most = df[df["skew_s"] == df["skew_s"].max()]
    by = most.groupby("scheme", sort=False)["lost"].mean()
    answer = f"With clocks off by up to {df['skew_s'].max() * 1e3:g} ms, " + ", ".join(
        f"{scheme} loses {share:.1%} of the acknowledged writes" for scheme, share in by.items()
    )
    return Conclusion(answer=answer + ".", details=details, panels=[panel(df)])


def panel(df: pd.DataFrame) -> Panel:
    """Lost writes over the skew."""

    def draw() -> Figure:
        from bench.report.plots import curves

        lines = []
        for scheme, rows in df.groupby("scheme", sort=False):
            means = rows.groupby("skew_s")["lost"].mean() * 100
            lines.append((str(scheme), [float(x) * 1e3 for x in means.index], [float(y) for y in means]))
        return curves(lines, x_label="clocks are off by up to [ms]", y_label="acknowledged writes lost [%]")

    return Panel(
        title="Writes lost by the skew of clocks",
        caption="Registers: acknowledged, and never seen, as an earlier write has a larger timestamp. "
        "Carts: elements that "
        "were put in and are gone at the end. Means over trials.",
        draw=draw,
    )


sweep = Sweep(
    name="lww_clock_skew",
    question="Last write wins: how many acknowledged writes do skewed clocks lose, and what do siblings keep?",
    grid={"scheme": list(SCHEMES), "skew_s": [0.0, 0.01, 0.05, 0.2, 1.0]},
    trial=trial,
    seeds=3,
    metric="p50_s",
    conclude=conclude,
    biases=("Six clients, eight keys: the fewer keys, the more writes collide.",),
)

if __name__ == "__main__":
    raise SystemExit(sweep.main())
