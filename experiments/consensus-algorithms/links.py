"""What does a protocol lose if its messages travel as Ray actor calls instead of over TCP between the actors?

The null protocol (a request and its answer, nothing else) shows what the links themselves do; Raft, with a leader, two
followers and a disk, shows how much of that is left to see in a protocol. Live trials only: the simulator has no links.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bench.sweep import Conclusion, Panel, Sweep, SweepResult
from bench.sweep.presets import closed_loop
from bench.trial import Trial

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def trial(protocol: str, link: Literal["tcp", "ray"], clients: int) -> Trial:
    """A closed loop, without faults, on an idle network."""
    return closed_loop(protocol, clients, load_s=0.9, nodes=3 if protocol == "raft" else 1, link=link)


# --- the comparison -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Loss:
    """What actor calls cost one protocol at one number of clients.

    Attributes:
        slowdown: median latency over actor calls, in multiples of that over TCP.
        share: of TCP's throughput that is left.
        clear: every trial over one link was faster than every trial over the other.
        p50_s, throughput: medians by link.
    """

    protocol: str
    clients: int
    slowdown: float
    share: float
    clear: bool
    p50_s: dict[str, float]
    throughput: dict[str, float]


def usable(df: pd.DataFrame) -> pd.DataFrame:
    """Complete live trials."""
    return df[(df["trial"] == "complete") & (df["runtime"] == "ray") & df["p50_s"].notna()]


def losses(df: pd.DataFrame) -> list[Loss]:
    """By protocol and number of clients, where both links have a trial."""
    found = []
    for (protocol, clients), rows in usable(df).groupby(["protocol", "clients"]):
        links = {str(link): each for link, each in rows.groupby("link")}
        if set(links) != {"tcp", "ray"}:
            continue
        p50 = {link: float(each["p50_s"].median()) for link, each in links.items()}
        rate = {link: float(each["throughput_ops_s"].median()) for link, each in links.items()}
        tcp, ray = links["tcp"]["throughput_ops_s"], links["ray"]["throughput_ops_s"]
        clear = bool(tcp.min() > ray.max() or ray.min() > tcp.max())
        slowdown, share = p50["ray"] / p50["tcp"], rate["ray"] / rate["tcp"]
        found.append(Loss(str(protocol), int(clients), slowdown, share, clear, p50, rate))
    return sorted(found, key=lambda loss: (loss.protocol, loss.clients))


def sentence(protocol: str, found: Sequence[Loss]) -> str:
    """What the trials of one protocol say, from one client to the most."""
    least, most = found[0], found[-1]
    name = "The null protocol" if protocol == "null" else protocol.capitalize()
    if not any(loss.clear for loss in found):
        return f"{name}: these trials cannot tell the two links apart."
    lone = f"{least.clients} client{'s' if least.clients > 1 else ''}"
    one = (
        f"takes {least.slowdown:.1f} times as long over actor calls with {lone}"
        if least.clear
        else f"takes about as long either way with {lone}"
    )
    if most.clients == least.clients:
        return f"{name} {one}."
    many = (
        f"reaches {most.share:.0%} of the throughput it has over TCP"
        if most.clear
        else "reaches a throughput that cannot be told from that over TCP"
    )
    return f"{name} {one}, and {many} with {most.clients}."


def conclude(result: SweepResult) -> Conclusion:
    """The answer, the figures behind it, and a figure of both protocols."""
    df = result.frame()
    found = losses(df) if len(df) else []
    if not found:
        return Conclusion(answer="No two complete trials differ in their link alone: there is nothing to compare.")
    by_protocol = {name: [each for each in found if each.protocol == name] for name in ("null", "raft")}
    answer = " ".join(sentence(name, each) for name, each in by_protocol.items() if each)
    violated = int((df["verdict"] == "invalid").sum())
    if violated:
        answer = f"{violated} trials broke a property that must hold, so trust no figure here yet. {answer}"
    return Conclusion(answer=answer, details=[detail(each) for each in found], panels=[panel(df)])


def detail(loss: Loss) -> str:
    p50, rate = loss.p50_s, loss.throughput
    clients = f"{loss.clients} client{'s' if loss.clients > 1 else ''}"
    doubt = "" if loss.clear else " (not told apart)"
    return (
        f"{loss.protocol}, {clients}: median latency {p50['tcp'] * 1e3:.3g} ms over TCP and {p50['ray'] * 1e3:.3g} ms "
        f"over actor calls; {rate['tcp']:.0f} and {rate['ray']:.0f} operations/s{doubt}."
    )


def panel(df: pd.DataFrame) -> Panel:
    """Throughput and latency by the number of clients."""

    def draw() -> Figure:
        import seaborn as sns
        from matplotlib.figure import Figure
        from matplotlib.ticker import FuncFormatter, NullFormatter

        from bench.report.plots import HEIGHT, WIDTH, style

        rows = usable(df).rename(columns={"p50_s": "median latency [s]", "throughput_ops_s": "operations/s"})
        rows = rows.assign(link=rows["link"].map({"tcp": "TCP", "ray": "Ray actor calls"}))
        clients = sorted(rows["clients"].unique())
        with style() as palette:
            figure = Figure(figsize=(WIDTH, 1.7 * HEIGHT))
            for axes, column in zip(
                figure.subplots(2, sharex=True), ("operations/s", "median latency [s]"), strict=True
            ):
                sns.lineplot(
                    rows,
                    x="clients",
                    y=column,
                    hue="link",
                    hue_order=["TCP", "Ray actor calls"],
                    style="protocol",
                    style_order=["raft", "null"],
                    markers=True,
                    estimator="median",
                    errorbar=("pi", 100),
                    err_style="bars",
                    palette=palette[:2],
                    ax=axes,
                    legend="brief" if column == "operations/s" else False,
                )
                axes.set_xscale("log", base=2)
                axes.set_yscale("log")
                axes.set_xticks(clients, [f"{each:g}" for each in clients])
                axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
                axes.yaxis.set_minor_formatter(NullFormatter())
            handles, labels = figure.axes[0].get_legend_handles_labels()
            if (drawn := figure.axes[0].get_legend()) is not None:
                drawn.remove()
            pairs = [(h, label) for h, label in zip(handles, labels, strict=True) if label not in ("link", "protocol")]
            figure.legend([h for h, _ in pairs], [label for _, label in pairs], loc="outside upper left", ncols=4)
            return figure

    return Panel(
        title="Throughput and median latency by the number of clients in a closed loop",
        caption="Lines join medians over trials; bars span the trials. Both axes are logarithmic.",
        draw=draw,
    )


sweep = Sweep(
    name="links",
    question="What does a protocol lose if its messages travel as Ray actor calls instead of over TCP?",
    grid={"protocol": ["null", "raft"], "link": ["tcp", "ray"], "clients": "@clients"},
    trial=trial,
    seeds=0,
    live=2,
    budget_s=110.0,
    metric="throughput_ops_s",
    conclude=conclude,
    biases=(
        "All processes share one machine's cores: a link that needs more CPU also takes it from the nodes and from the "
        "load, which on machines of their own it would not.",
        "A closed loop sends less when answers take longer: at the same number of clients the two links do not carry "
        "the same load.",
        "Both links keep the order of sending, which Ray's calls alone do not: a call that overtook another waits.",
        "The null protocol has one server and no disk; Raft has three servers and syncs before it answers.",
    ),
)

if __name__ == "__main__":
    raise SystemExit(sweep.main())
