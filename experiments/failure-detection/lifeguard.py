"""How many healthy members does SWIM bury because others are slow, and how many fewer with each of Lifeguard's parts?

A few members are slow: what they send and what is sent to them waits for seconds, as it does where CPU is short. What
they miss, they blame on others. Counted are members declared dead that were up, and how long a real crash goes
unnoticed, with each extension alone and with all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.faults.spec import Crash, Fault, SlowLink
from bench.network import Exponential, Lognormal, Network
from bench.sweep import Conclusion, Panel, Sweep, SweepResult
from bench.trial import ServiceTimes, Trial
from bench.units import nanoseconds
from bench.workload.spec import Workload

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

NODES = 24
LOAD_S, CRASH_S, WARM_S = 130.0, 90.0, 10.0
EXTENSIONS: dict[str, dict[str, bool]] = {
    name: {f"lifeguard_{each}": each in chosen for each in ("probe", "suspicion", "buddy")}
    for name, chosen in {
        "SWIM": (),
        "probe": ("probe",),
        "suspicion": ("suspicion",),
        "buddy": ("buddy",),
        "Lifeguard": ("probe", "suspicion", "buddy"),
    }.items()
}


def slowness(slow: int, late_s: float) -> tuple[Fault, ...]:
    """Every message to or from a slow member takes that much longer, on average: its queues are never empty."""
    length = nanoseconds(CRASH_S - WARM_S)
    extra = Exponential(nanoseconds(late_s))
    return tuple(
        SlowLink(at=nanoseconds(WARM_S), target=f"n{number + 1}", extra=extra, length=length) for number in range(slow)
    )


def trial(extension: str, slow: int, late_s: float) -> Trial:
    """Slow members for 100 s; then a healthy one crashes among healthy ones."""
    params: dict[str, Any] = {
        "suspicion_mult": 5,
        "suspicion_max_mult": 6,
        "reconnect_s": 5.0,
        **EXTENSIONS[extension],
    }
    return Trial(
        protocol="swim",
        nodes=NODES,
        params=params,
        duration=nanoseconds(LOAD_S),
        liveness=nanoseconds(10),
        invariants=False,
        network=Network(latency=Lognormal(nanoseconds(0.0005), 0.3)),
        service=ServiceTimes(byte=0.0),
        workload=Workload(clients=1, rate=1.0),
        faults=(*slowness(slow, late_s), Crash(at=nanoseconds(CRASH_S + 5), target=f"n{NODES}", down=None)),
    )


# --- what follows ---------------------------------------------------------------------------------------------------


def false_positives(row: Any, slow: int) -> tuple[int, int]:
    """(healthy members declared dead at healthy ones, and at any) of one trial, from its marks."""
    healthy = {f"n{number}" for number in range(slow + 1, NODES)}
    at_healthy = anywhere = 0
    for mark in row:
        if mark.name == "deemed_down" and mark.fields["subject"] in healthy and mark.at < nanoseconds(CRASH_S + 5):
            anywhere += 1
            at_healthy += mark.node in healthy
    return at_healthy, anywhere


def conclude(result: SweepResult) -> Conclusion:
    """Mistakes with each extension, in multiples of SWIM's."""
    df = result.frame()
    df = df[df["trial"] == "complete"] if len(df) else df
    if not len(df):
        return Conclusion(answer="No complete trial: nothing is known.")
    totals = df.groupby("extension")["mistakes"].sum()
    detection = df.groupby("extension")["detection_s"].median()
    swim = float(totals.get("SWIM", 0.0))
    details = [
        f"{name}: {totals[name]:.0f} wrong declarations"
        + (f" ({swim / totals[name]:.1f} times fewer than SWIM)" if totals[name] and name != "SWIM" else "")
        + f", a crash is known after {detection[name]:.1f} s (median over members)."
        for name in EXTENSIONS
        if name in totals
    ]
    whole = float(totals.get("Lifeguard", 0.0))
    if not swim:
        answer = "SWIM itself made no mistake here: there is nothing to reduce."
    elif whole:
        times = swim / whole
        answer = f"Lifeguard makes {times:.0f} times fewer wrong declarations than SWIM ({whole:.0f} for {swim:.0f})."
    else:
        answer = f"Lifeguard made no wrong declaration where SWIM made {swim:.0f}."
    return Conclusion(answer=answer, details=details, panels=[panel(df)])


def panel(df: pd.DataFrame) -> Panel:
    """Wrong declarations by how many are slow."""

    def draw() -> Figure:
        from matplotlib.figure import Figure

        from bench.report.plots import style

        with style() as palette:
            lengths = sorted(df["late_s"].unique())
            figure = Figure(figsize=(5.4, 2.5 * len(lengths) + 0.4))
            for axes, late in zip(figure.subplots(len(lengths), 1, squeeze=False)[:, 0], lengths, strict=True):
                here = df[df["late_s"] == late]
                slow = sorted(here["slow"].unique())
                for i, name in enumerate(EXTENSIONS):
                    sums = here[here["extension"] == name].groupby("slow")["mistakes"].mean()
                    places = [slow.index(each) + (i - 2) * 0.16 for each in sums.index]
                    axes.bar(places, sums, width=0.15, color=palette[i], label=name)
                axes.set_xticks(range(len(slow)), [str(each) for each in slow])
                axes.set_yscale("symlog", linthresh=1)
                axes.set_ylim(bottom=0)
                axes.set_ylabel("wrong declarations")
                axes.set_title(f"messages wait {late:g} s on average", loc="left")
            axes.set_xlabel(f"slow members of {NODES}")
            handles, labels = axes.get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside upper left", ncols=5, fontsize=8, handlelength=1.0)
            return figure

    return Panel(
        title="Members declared dead that were up, by how many are slow",
        caption="Mean a trial of 100 s, over all pairs of members; slow members that others declare dead "
        "are counted too, as they are up. Logarithmic above 1.",
        draw=draw,
    )


sweep = Sweep(
    name="lifeguard",
    question="How many fewer healthy members are declared dead with each of Lifeguard's extensions?",
    grid={"extension": list(EXTENSIONS), "slow": [1, 4, 8], "late_s": [2.0, 5.0, 10.0]},
    trial=trial,
    seeds=2,
    metric="mistakes",
    conclude=conclude,
    biases=(
        "A slow member is one whose messages wait, each for itself; real starvation delays all of them together.",
        "A slow member is up: that others declare it dead counts as a mistake, though no detector can tell.",
    ),
)

if __name__ == "__main__":
    raise SystemExit(sweep.main())
