"""Does the store do what the WARS model predicts (Bailis et al. 2012), simulated and live?

The paper's fit of a production system on SSDs, ten times as slow, so that live links can inject it: the same delays
go into the formula, into the simulator and into the links between real processes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from bench.network import Network
from bench.network.latency import Constant, Exponential, Mixture, Pareto
from bench.sweep import Conclusion, Panel, Sweep, SweepResult
from bench.theory.pbs import Prediction, Wars, predict
from bench.theory.wars import wars_trial
from bench.trial import Trial
from bench.units import nanoseconds
from bench.workload.spec import Workload

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

SLOWER = 10
MS = 1_000_000
DELAY = Mixture(((0.9122, Pareto(235_000 * SLOWER, 10.0)), (0.0878, Exponential(round(MS / 1.66) * SLOWER))))
DELAYS = Wars(DELAY, DELAY, DELAY, DELAY)


def trial(r: int, w: int) -> Trial:
    """One client, one key, an operation after the other; the link delays every message alike."""
    whole = wars_trial(DELAYS, r, w)
    return msgspec.structs.replace(
        whole,
        network=Network(latency=DELAY, client_latency=Constant(0)),
        duration=nanoseconds(6),
        liveness=nanoseconds(5),
        workload=replace_mix(whole.workload),
    )


def replace_mix(workload: Workload) -> Workload:
    """As many reads as writes: half of the reads begin when a write has just ended."""
    return msgspec.structs.replace(workload, mix=(("read", 0.5), ("write", 0.5)))


def model(r: int, w: int) -> Prediction:
    """What the formula says."""
    return predict(DELAYS, 3, r, w)


def conclude(result: SweepResult) -> Conclusion:
    """Predicted against measured, quorum by quorum."""
    df = result.frame()
    df = df[df["trial"] == "complete"]
    if df.empty:
        return Conclusion(answer="No trial was complete.")
    details, apart = [], []
    for (r, w, runtime), rows in df.groupby(["r", "w", "runtime"]):
        said = model(r, w)
        both = np.concatenate([said.read_s, said.write_s])
        ratio = float(rows["p50_s"].median() / np.median(both))
        tail = float(rows["p99_s"].median() / np.quantile(both, 0.99))
        apart.append(abs(ratio - 1))
        world = "live" if runtime == "ray" else "simulated"
        details.append(
            f"R={r} W={w}, {world}: median {rows['p50_s'].median() * 1e3:.2f} ms, {ratio - 1:+.1%} of "
            f"the formula's; p99 "
            f"{tail - 1:+.1%}; {rows['bounded-staleness.stale_share'].mean():.2%} of the reads were "
            f"certainly stale, where "
            f"{1 - said.consistent():.2%} of those that begin at the end of a write would be."
        )
    worst = max(apart)
    worlds = " and ".join(
        {"sim": "simulated", "ray": "live"}[each] for each in ("sim", "ray") if (df["runtime"] == each).any()
    )
    answer = f"Medians lie within {worst:.0%} of the formula's, {worlds}."
    return Conclusion(answer=answer, details=details, panels=[panel(df)])


def panel(df: pd.DataFrame) -> Panel:
    """Medians by quorum."""

    def draw() -> Figure:
        from bench.report.plots import curves

        pairs = sorted({(int(r), int(w)) for r, w in zip(df["r"], df["w"], strict=True)})
        said = [np.concatenate([each.read_s, each.write_s]) for each in (model(r, w) for r, w in pairs)]
        quantiles = (("median", "p50_s", 0.5), ("90th percentile", "p90_s", 0.9), ("99th percentile", "p99_s", 0.99))
        places = list(range(len(pairs)))

        def of(runtime: str, column: str) -> list[float]:
            rows = [df[(df["r"] == r) & (df["w"] == w) & (df["runtime"] == runtime)][column] for r, w in pairs]
            return [float(each.median()) * 1e3 for each in rows]

        figure = curves(
            [(name, places, of("sim", column)) for name, column, _ in quantiles],
            dotted=[(name, places, [float(np.quantile(each, at)) * 1e3 for each in said]) for name, _, at in quantiles],
            x_label="quorums of 3 replicas",
            y_label="latency [ms]",
        )
        (axes,) = figure.axes
        for line, (_, column, _) in zip(axes.get_lines(), quantiles, strict=False):
            axes.plot(places, of("ray", column), "D", markersize=5, color=line.get_color())
        axes.set_xticks(places, [f"R={r} W={w}" for r, w in pairs])
        return figure

    return Panel(
        title="Latency by quorums: simulated, live, and by the formula",
        caption="Solid: medians over simulated trials; diamonds: over live ones; dotted: the formula. "
        "The 99th percentile of "
        "a trial rests on about ten operations.",
        draw=draw,
    )


sweep = Sweep(
    name="pbs",
    question="Does the store do what the WARS model predicts, simulated and live?",
    grid={"r": [1, 2, 3], "w": [1, 2]},
    trial=trial,
    seeds=3,
    live=1,
    metric="p50_s",
    conclude=conclude,
    biases=(
        "Live, the processes' own work comes on top of the injected delays: about a tenth of a millisecond a message.",
        "Injected delays end at ticks of an event loop: a little later than asked, never earlier.",
    ),
)

if __name__ == "__main__":
    raise SystemExit(sweep.main())
