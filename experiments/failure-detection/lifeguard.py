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


def frame(result: SweepResult) -> pd.DataFrame:
    """Complete trials, with ``healthy``: wrong declarations of members that were well, at whomever."""
    import pandas as pd

    rows = []
    for row in result.rows:
        found = row.result.detection
        if row.result.trial != "complete" or found is None:
            continue
        well = [f"n{number}" for number in range(int(row.point["slow"]) + 1, NODES + 1)]
        healthy = sum(found.mistaken.get(name, 0) for name in well)
        rows.append({**row.point, "healthy": healthy, "all": found.mistakes, "detection_s": found.detection})
    return pd.DataFrame(rows)


def conclude(result: SweepResult) -> Conclusion:
    """Mistakes with each extension, in multiples of SWIM's."""
    df = frame(result)
    if df.empty:
        return Conclusion(answer="No complete trial: nothing is known.")
    totals = df.groupby("extension")["healthy"].sum()
    slow = df.assign(of_slow=df["all"] - df["healthy"]).groupby("extension")["of_slow"].sum()
    detection = df.groupby("extension")["detection_s"].median()
    swim = int(totals.get("SWIM", 0))
    details = [
        f"{name}: healthy members declared dead {totals[name]} times"
        + (f" ({swim / totals[name]:.1f} times fewer than SWIM)" if totals[name] and name != "SWIM" else "")
        + f", slow ones {slow[name]} times; a crash is known after {detection[name]:.1f} s (median over members)."
        for name in EXTENSIONS
        if name in totals
    ]
    whole = int(totals.get("Lifeguard", 0))
    if not swim:
        answer = "SWIM itself made no mistake about healthy members here: there is nothing to reduce."
    elif whole:
        times = swim / whole
        answer = f"Lifeguard declares healthy members dead {times:.0f} times less often than SWIM: {whole}, {swim}."
    else:
        answer = f"Lifeguard declared no healthy member dead where SWIM did so {swim} times."
    return Conclusion(answer=answer, details=details, panels=[panel(df)])


def panel(df: pd.DataFrame) -> Panel:
    """Wrong declarations with each extension."""

    def draw() -> Figure:
        from matplotlib.figure import Figure

        from bench.report.plots import style

        with style() as palette:
            figure = Figure(figsize=(5.4, 3.4))
            axes = figure.subplots()
            cases = sorted({(slow, late) for slow, late in zip(df["slow"], df["late_s"], strict=True)})
            for i, (slow, late) in enumerate(cases):
                here = df[(df["slow"] == slow) & (df["late_s"] == late)]
                for j, name in enumerate(EXTENSIONS):
                    values = here[here["extension"] == name]["healthy"]
                    x = j + (i - (len(cases) - 1) / 2) * 0.3
                    label = f"{slow} slow of {NODES}, messages {late:g} s late" if j == 0 else None
                    axes.bar([x], [values.mean()], width=0.26, color=palette[i], alpha=0.6, label=label)
                    axes.scatter([x] * len(values), values, s=14, color=palette[i], zorder=3)
            axes.set_xticks(range(len(EXTENSIONS)), list(EXTENSIONS))
            axes.set_ylabel("healthy members declared dead, a trial")
            axes.set_ylim(bottom=0)
            figure.legend(loc="outside upper left", ncols=2, fontsize=8, handlelength=1.0)
            return figure

    return Panel(
        title="Healthy members declared dead, without and with Lifeguard's extensions",
        caption="Bars: means a trial of 80 s with slow members; dots: trials. Counted at all members, slow ones too. "
        "Slow members that others declare dead are not shown.",
        draw=draw,
    )


sweep = Sweep(
    name="lifeguard",
    question="How many fewer healthy members are declared dead with each of Lifeguard's extensions?",
    grid={"extension": list(EXTENSIONS), "slow": [4], "late_s": [10.0, 15.0]},
    trial=trial,
    seeds=4,
    metric="mistakes",
    conclude=conclude,
    biases=(
        "A slow member is one whose messages wait, each for itself; real starvation delays all of them together.",
        "Slow members that others declare dead are counted apart: no detector can tell slow from dead.",
    ),
)

if __name__ == "__main__":
    raise SystemExit(sweep.main())
