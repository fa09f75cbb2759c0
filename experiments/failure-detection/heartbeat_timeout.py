"""How long should one wait for a heartbeat: a fixed time, or one that adapts?

Four servers send heartbeats; one is killed (SIGKILL, live), and before that one stands still for a moment (SIGSTOP,
live). A detector cannot tell a process that stands still from a dead one: whatever notices the crash in less time than
the pause lasts must take the pause for a crash. Fixed timeouts, Chen's and Bertier's estimates and phi are compared.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any

from bench.faults.spec import Crash, Pause
from bench.network import Exponential, Lognormal, Network
from bench.sweep import Conclusion, Panel, Sweep, SweepResult
from bench.trial import Trial
from bench.units import nanoseconds
from bench.workload.spec import Workload

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

LOAD_S, PAUSE_S, CRASH_S, PAUSED_S = 12.0, 4.0, 8.0, 0.6
MS = nanoseconds(0.001)
NETWORKS = {"steady": Network(latency=Lognormal(MS, 0.3)), "jittery": Network(latency=Exponential(20 * MS))}
DETECTORS: dict[str, dict[str, Any]] = {
    "fixed 150 ms": {"detector": "fixed", "timeout_s": 0.15},
    "fixed 300 ms": {"detector": "fixed", "timeout_s": 0.3},
    "fixed 1 s": {"detector": "fixed", "timeout_s": 1.0},
    "Chen, 100 ms": {"detector": "chen", "alpha_s": 0.1, "window": 100},
    "Bertier": {"detector": "bertier", "window": 100, "floor_s": 0.005},
    "phi 8 (Akka)": {"detector": "phi-akka", "threshold": 8.0, "floor_s": 0.01},
    "phi 8 (exponential)": {"detector": "phi-exponential", "threshold": 8.0},
}


def trial(network: str, detector: str) -> Trial:
    """A pause of 0.6 s at 4 s, and a crash at 8 s."""
    return Trial(
        protocol="heartbeat",
        nodes=4,
        params=dict(DETECTORS[detector]),
        duration=nanoseconds(LOAD_S),
        liveness=nanoseconds(15),
        warmup=nanoseconds(1),
        network=NETWORKS[network],
        workload=Workload(clients=1, rate=5.0),
        faults=(
            Pause(at=nanoseconds(PAUSE_S), target="n2", length=nanoseconds(PAUSED_S)),
            Crash(at=nanoseconds(CRASH_S), target="n3", down=None),
        ),
    )


def conclude(result: SweepResult) -> Conclusion:
    """Detection and mistakes of each detector."""
    df = result.frame()
    df = df[df["trial"] == "complete"] if len(df) else df
    if not len(df):
        return Conclusion(answer="No complete trial: nothing is known.")
    rows = df.groupby(["network", "detector", "runtime"]).agg(
        detection_s=("detection_s", "median"), mistakes=("mistakes", "mean"), accuracy=("accuracy", "mean"),
        trials=("seed", "count"),
    )  # fmt: skip
    details = [
        f"{network}, {detector}, {'live' if runtime == 'ray' else 'simulated'} ({row['trials']:.0f} trials): crash "
        f"known after {row['detection_s'] * 1e3:.0f} ms, {row['mistakes']:.1f} wrong suspicions a trial, query "
        f"accuracy {row['accuracy']:.4f}."
        for (network, detector, runtime), row in rows.iterrows()
    ]
    simulated = df[df["runtime"] == "sim"]
    fast = simulated[simulated["detection_s"] < PAUSED_S]
    fooled = int((fast["mistakes"] >= 1).sum())
    answer = (
        f"{fooled} of {len(fast)} simulated trials that noticed the crash within {PAUSED_S:g} s, as long as the pause, "
        f"also took the pause for a crash; of the {len(simulated) - len(fast)} slower ones "
        f"{int((simulated.loc[~simulated.index.isin(fast.index), 'mistakes'] >= 1).sum())} did."
    )
    panels = [panel(df, metric) for metric in ("detection_s", "mistakes")]
    return Conclusion(answer=answer, details=details, panels=panels)


def panel(df: pd.DataFrame, metric: str) -> Panel:
    """One figure of all detectors by network."""

    def draw() -> Figure:
        from bench.report.plots import Series, distribution

        names = [name for name in DETECTORS if name in set(df["detector"])]

        def values(network: str, runtime: str, name: str) -> list[float]:
            here = df[(df["network"] == network) & (df["runtime"] == runtime) & (df["detector"] == name)]
            return [float(value) for value in here[metric].dropna()]

        series = [
            Series(network, [values(network, "sim", n) for n in names], [values(network, "ray", n) for n in names])
            for network in NETWORKS
            if network in set(df["network"])
        ]
        shorter = (("exponential", "exp."), (" (", "\n("), (", ", "\n"), ("fixed ", "fixed\n"))
        ticks = [reduce(lambda text, pair: text.replace(*pair), shorter, name) for name in names]
        label = "crash to suspicion [s]" if metric == "detection_s" else "wrong suspicions a trial"
        figure = distribution(series, ticks, x_label="", y_label=label)
        if metric == "mistakes":  # of which there may be none
            figure.axes[0].set_yscale("linear")
            figure.axes[0].set_ylim(bottom=-1)
        return figure

    title = "From the crash to the suspicion" if metric == "detection_s" else "Servers suspected that were up"
    return Panel(
        title=title,
        caption="Dots: simulated trials; diamonds: live ones (SIGKILL, SIGSTOP). A pause of 0.6 s is part of every "
        "trial: three observers that suspect the paused server are three wrong suspicions.",
        draw=draw,
    )


sweep = Sweep(
    name="heartbeat_timeout",
    question="How long should one wait for a heartbeat: a fixed time, or one that adapts?",
    grid={"network": list(NETWORKS), "detector": list(DETECTORS)},
    trial=trial,
    seeds=8,
    live=1,
    metric="detection_s",
    conclude=conclude,
    biases=(
        "Live processes share the machine's cores: what the scheduler makes late counts against short timeouts.",
        "A process that stands still is up, so suspecting it counts as a mistake; its users may see that differently.",
    ),
)

if __name__ == "__main__":
    raise SystemExit(sweep.main())
