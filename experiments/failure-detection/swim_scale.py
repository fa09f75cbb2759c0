"""How do SWIM's detection, dissemination and load change from 10 to 10,000 members?

A member is killed; the simulator shows when the first of the others misses it, when the first declares it dead, when
all know, and how many messages each member sends. The analysis says: detection does not depend on the size, load does
not either, and dissemination grows with its logarithm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.faults.spec import Crash
from bench.network import Constant, Network
from bench.sweep import Conclusion, Panel, Sweep, SweepResult
from bench.trial import ServiceTimes, Trial
from bench.units import nanoseconds
from bench.workload.spec import Workload
from protocols.membership.swim import formulas

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

LOAD_S, CRASH_S = 60.0, 10.0
DIRECT = {
    "suspicion": False,
    "lifeguard_probe": False,
    "lifeguard_suspicion": False,
    "lifeguard_buddy": False,
    "gossip_nodes": 0,
    "push_pull_s": 0.0,
    "reconnect_s": 0.0,
}
"""Bare SWIM as the paper analyses it: who misses a probe is dead, and news ride on probes alone."""
FORMS = {"bare": DIRECT, "memberlist": {}}


def trial(form: str, nodes: int) -> Trial:
    """60 s; one member dies for good at 10 s."""
    return Trial(
        protocol="swim",
        nodes=nodes,
        params=dict(FORMS[form]),
        duration=nanoseconds(LOAD_S),
        liveness=nanoseconds(5),
        invariants=False,
        network=Network(latency=Constant(nanoseconds(0.0005))),
        service=ServiceTimes(byte=0.0),
        workload=Workload(clients=1, rate=1.0),
        faults=(Crash(at=nanoseconds(CRASH_S), target="n2", down=None),),
    )


def expected_first(form: str, nodes: int) -> float:
    """Seconds from the crash to the first declaration: the first probe at random phases, the rest of its period, and
    with suspicion the shortest timeout (as soon as enough members have confirmed)."""
    first = formulas.first_probe(nodes) + 1.0
    return first if form == "bare" else first + formulas.suspicion_min(4, nodes, 1.0)


def conclude(result: SweepResult) -> Conclusion:
    """Medians by size, beside the formulas."""
    df = result.frame()
    df = df[df["trial"] == "complete"] if len(df) else df
    if not len(df):
        return Conclusion(answer="No complete trial: nothing is known.")
    df = df.assign(load=df["messages_server"] / df["nodes"] / LOAD_S)
    rows = df.groupby(["form", "nodes"])[["detection_first_s", "spread_s", "load", "mistakes", "took_s"]]
    table = rows.agg({"detection_first_s": "mean", "spread_s": "mean", "load": "mean", "mistakes": "sum",
                      "took_s": "median"}).reset_index()  # fmt: skip
    details = [
        f"{row['form']}, {row['nodes']} members: declared after {row['detection_first_s']:.2f} s "
        f"(formula {expected_first(row['form'], int(row['nodes'])):.2f}), known to all after {row['spread_s']:.2f} s, "
        f"{row['load']:.2f} messages a member and second, {row['mistakes']:.0f} mistakes, {row['took_s']:.1f} s of "
        "wall time a trial."
        for _, row in table.iterrows()
    ]
    bare = table[table["form"] == "bare"]
    answer = (
        f"From {bare['nodes'].min()} to {bare['nodes'].max()} members bare SWIM declares a crash after "
        f"{bare['detection_first_s'].min():.2f} to {bare['detection_first_s'].max():.2f} s and sends "
        f"{bare['load'].min():.2f} to {bare['load'].max():.2f} messages a member and second; until all know it takes "
        f"{bare['spread_s'].min():.2f} to {bare['spread_s'].max():.2f} s."
        if len(bare)
        else "No trial of the bare form is complete."
    )
    return Conclusion(answer=answer, details=details, panels=[panel(df)])


def panel(df: pd.DataFrame) -> Panel:
    """Times and load by size."""

    def draw() -> Figure:
        from matplotlib.figure import Figure

        from bench.report.plots import INK, style

        with style() as palette:
            figure = Figure(figsize=(5.4, 5.6))
            upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(1.6, 1))
            for i, form in enumerate(FORMS):
                here = df[df["form"] == form]
                if here.empty:
                    continue
                lines = (("detection_first_s", "-", "first declares"), ("spread_s", "--", "all know"))
                for metric, line, label in lines:
                    means = here.groupby("nodes")[metric].mean()
                    upper.plot(means.index, means, line, marker="o", ms=4, color=palette[i], label=f"{form}: {label}")
                sizes = sorted(here["nodes"].unique())
                upper.plot(sizes, [expected_first(form, int(n)) for n in sizes], ":", color=INK, linewidth=1,
                           label="formula, first" if i == 0 else None)  # fmt: skip
                load = here.groupby("nodes")["load"].mean()
                lower.plot(load.index, load, marker="o", ms=4, color=palette[i], label=form)
            upper.set_ylabel("seconds after the crash")
            upper.set_ylim(bottom=0)
            lower.set_ylabel("messages a member, s")
            lower.set_ylim(bottom=0)
            lower.set_xscale("log")
            lower.set_xlabel("members")
            figure.legend(*upper.get_legend_handles_labels(), loc="outside upper left", ncols=2, fontsize=8)
            return figure

    return Panel(
        title="Time until the first declares a crash and until all know, and load, by the size of the group",
        caption="Means over trials. Dotted: first probe at random phases, the rest of its period, and the shortest "
        "suspicion timeout. The load counts all messages between members, those after the 60 s too, so it is a few "
        "percent high.",
        draw=draw,
    )


sweep = Sweep(
    name="swim_scale",
    question="How do SWIM's detection, dissemination and load change with the size of the group?",
    grid={"form": list(FORMS), "nodes": [10, 30, 100, 300, 1000]},
    trial=trial,
    seeds=6,
    metric="detection_first_s",
    conclude=conclude,
    biases=(
        "Every message takes half a millisecond and none is lost: what loss does is seen in lifeguard.",
        "10,000 members: bench sweep swim_scale nodes=10000 --seeds 1.",
    ),
)

if __name__ == "__main__":
    raise SystemExit(sweep.main())
