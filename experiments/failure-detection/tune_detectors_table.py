"""What does a budget of mistakes cost in detection time, on each network and in the words of three detectors?

One heartbeat a second, and senders that stand still now and then. The margin that keeps to a budget follows from
theory (``bench.theory.mistakes``), is put into each detector's parameters, and measured on months that nobody has seen.
Beside them stand the defaults of Akka and Cassandra.

    python experiments/failure-detection/tune_detectors_table.py            # a quarter of an hour on one core
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.arguments import integer, script
from bench.theory.mistakes import (
    NETWORKS,
    SECOND,
    Link,
    Pauses,
    Stream,
    bound_network,
    expected,
    lags,
    margin_for,
    replay,
    stream,
)
from protocols.membership.heartbeat.config import DetectorConfig
from protocols.membership.heartbeat.phi import rate_bound, timeout_exponential

RESULTS = Path("results/tune-detectors")
PERIOD_S, FLOOR_S, NODES = 1.0, 0.1, 10
PAIRS = NODES * (NODES - 1)
STALLS, CALM = Pauses(), Pauses(a_day=0.0)
CRASHES = 400  # a month


@dataclass(frozen=True)
class Row:
    """What is measured: a detector for a budget (mistakes a month and pair), or as a system has it."""

    network: str
    purpose: str
    config: DetectorConfig
    margin_s: float | None = None
    pauses: Pauses = STALLS


def phi(detector: str, **fields: Any) -> DetectorConfig:
    """Of Akka or Cassandra, which leaves out gaps above two periods and assumes as much at first."""
    own = {"cap_s": 2 * PERIOD_S, "first_gap_s": 2 * PERIOD_S} if detector == "phi-exponential" else {}
    return DetectorConfig(detector=detector, period_s=PERIOD_S, floor_s=FLOOR_S, **own, **fields)  # type: ignore[arg-type]


def rows(network: str) -> list[Row]:
    """Chen's procedure as if nobody stood still; two budgets, in three detectors' words; four defaults."""
    link = NETWORKS[network]
    shapeless = without_shape(link)
    chen = DetectorConfig(detector="chen", period_s=PERIOD_S, alpha_s=shapeless)
    found = [
        Row(network, "Chen's procedure, nobody stands still", chen, shapeless, CALM),
        Row(network, "Chen's procedure", chen, shapeless),
    ]
    for purpose, budget in (("1 a month, a pair", 1.0), (f"1 a month, {NODES} nodes", 1.0 / PAIRS)):
        margin = margin_for(budget, link, STALLS, PERIOD_S)
        found += [Row(network, purpose, each, margin) for each in worded(link, margin)]
    for system, detector, threshold in DEFAULTS:
        pause = {"pause_s": 3.0} if detector == "phi-akka" else {}
        found.append(Row(network, system, phi(detector, threshold=threshold, **pause)))
    return found


DEFAULTS = (
    ("Akka", "phi-akka", 8.0),
    ("Akka, cloud", "phi-akka", 12.0),
    ("Cassandra", "phi-exponential", 8.0),
    ("Cassandra, cloud", "phi-exponential", 12.0),
)


def without_shape(link: Link) -> float:
    """The least margin with which Chen's bound allows one mistake a month; to a centisecond."""
    return next(step / 100 for step in range(1, 100_000) if bound_network(link, PERIOD_S, step / 100) <= 1.0)


def worded(link: Link, margin_s: float) -> list[DetectorConfig]:
    """The same margin beyond the expected arrival, as three detectors are told it; from a month without pauses."""
    month = stream(link, CALM, PERIOD_S, 30.0, seed=0)
    number, at = month.number[month.taken], month.at[month.taken]
    alone = float(np.median(lags(phi("phi-akka", threshold=8.0), number, at))) / SECOND - PERIOD_S
    gap = float(np.median(lags(phi("phi-exponential", threshold=1.0), number, at))) / SECOND / timeout_exponential(1, 1)
    return [
        DetectorConfig(detector="chen", period_s=PERIOD_S, alpha_s=ceil_to(margin_s, 0.01)),
        phi("phi-akka", threshold=8.0, pause_s=ceil_to(max(0.0, margin_s - alone), 0.01)),
        phi("phi-exponential", threshold=ceil_to((PERIOD_S + margin_s) / timeout_exponential(1.0, gap), 0.01)),
    ]


def ceil_to(value: float, step: float) -> float:
    """Upwards, as one would round a margin."""
    return round(float(np.ceil(value / step - 1e-9)) * step, 6)


@dataclass
class Tally:
    """Of one row, over the months so far."""

    mistakes: int
    took: list[NDArray[np.float64]]
    months: int


def measure(wanted: list[Row], months: int, first: int) -> list[dict[str, Any]]:
    """Over so many months, one seed each, the same for all rows; three times as many where less than one is allowed."""
    tallies = [Tally(0, [], 0) for _ in wanted]
    for seed in range(first, first + 3 * months):
        heard: dict[Pauses, Stream] = {}
        for row, tally in zip(wanted, tallies, strict=True):
            if seed - first >= months and "nodes" not in row.purpose:
                continue
            if row.pauses not in heard:
                heard[row.pauses] = stream(NETWORKS[row.network], row.pauses, PERIOD_S, 30.0, seed)
            found = replay(row.config, heard[row.pauses], CRASHES, seed)
            tally.mistakes += found.mistakes
            tally.took.append(found.detection_s)
            tally.months += 1
    return [told(row, tally) for row, tally in zip(wanted, tallies, strict=True)]


def told(row: Row, tally: Tally) -> dict[str, Any]:
    """One line of the table."""
    detection, config = np.concatenate(tally.took), row.config
    link, mistakes, months = NETWORKS[row.network], tally.mistakes, tally.months
    margin_s = config.alpha_s if config.detector == "chen" else row.margin_s  # as rounded
    return {
        "network": row.network,
        "purpose": row.purpose,
        "detector": config.detector,
        "threshold": config.threshold if config.detector != "chen" else "",
        "pause_or_alpha_s": {"chen": config.alpha_s, "phi-akka": config.pause_s}.get(config.detector, ""),
        "detection_median_s": round(float(np.median(detection)), 3),
        "detection_p99_s": round(float(np.quantile(detection, 0.99)), 3),
        "mistakes": mistakes,
        "months": months,
        "mistakes_month": round(mistakes / months, 4),
        "at_most_95": round(rate_bound(mistakes, months), 4),
        "theory": "" if margin_s is None else round(expected(link, row.pauses, PERIOD_S, margin_s), 5),
        "chens_bound": "" if margin_s is None else round(bound_network(link, PERIOD_S, margin_s), 5),
    }


def main() -> int:
    parser = script(__doc__)
    parser.add_argument(
        "--months", type=integer(1), default=100, help="of each row; three times as many for the group's"
    )
    parser.add_argument(
        "--network", choices=list(NETWORKS), action="append", help="only this one; repeatable (default: all)"
    )
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for figure and tables")
    parser.add_argument("--draw", action="store_true", help="measure nothing: draw what was measured before")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "networks.csv"
    before = []
    if path.exists():
        with path.open() as file:
            before = [
                each for each in csv.DictReader(file) if options.network and each["network"] not in options.network
            ]
    found: list[dict[str, Any]] = list(before)
    for network in () if options.draw else options.network or NETWORKS:
        found += measure(rows(network), options.months, first=1_000)
        for line in found:
            if line["network"] == network:
                print(", ".join(f"{name} {value}" for name, value in line.items() if value != ""), flush=True)
    found += others(path, {each["network"] for each in found})
    found.sort(key=lambda each: list(NETWORKS).index(each["network"]))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(found[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(found)
    with (options.out / "pauses.csv").open("w", newline="") as file:
        writer = csv.DictWriter(
            file, ("network", "pauses_a_day", "median_s", "budget", "margin_s"), lineterminator="\n"
        )
        writer.writeheader()
        writer.writerows(margins())
    draw(found, options.out / "networks.png")
    return 0


def others(path: Path, done: set[str]) -> list[dict[str, Any]]:
    """Rows of networks that were not measured this time."""
    if not path.exists():
        return []
    with path.open() as file:
        return [each for each in csv.DictReader(file) if each["network"] not in done]


def margins() -> list[dict[str, Any]]:
    """By theory: what other pauses would ask for."""
    return [
        {
            "network": network,
            "pauses_a_day": pauses.a_day,
            "median_s": pauses.median_s,
            "budget": round(budget, 4),
            "margin_s": round(margin_for(budget, NETWORKS[network], pauses, PERIOD_S), 2),
        }
        for network in NETWORKS
        for pauses in (CALM, *(replace(STALLS, a_day=often, median_s=long) for often, long in OTHERS))
        for budget in (1.0, 1.0 / PAIRS)
    ]


OTHERS = ((4.0, 0.05), (4.0, 0.2), (4.0, 1.0), (40.0, 0.2))


def draw(found: list[dict[str, Any]], path: Path) -> None:
    """Detection against mistakes, a panel a network, with the curve that theory draws for Chen's margin."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import seaborn as sns

    sns.set_theme(style="whitegrid", context="paper")
    names = [name for name in NETWORKS if any(each["network"] == name for each in found)]
    figure, grid = plt.subplots(1, len(names), figsize=(2.6 * len(names) + 0.8, 3.9), sharey=True, squeeze=False,
                                layout="constrained")  # fmt: skip
    colours = dict(zip(("chen", "phi-akka", "phi-exponential"), sns.color_palette("colorblind"), strict=False))
    sizes = {"chen": 130, "phi-akka": 60, "phi-exponential": 18}  # they lie on each other
    labels = {"chen": "Chen", "phi-akka": "phi, Akka's form", "phi-exponential": "phi, exponential"}
    budgets = {"1 a month, a pair": "o", f"1 a month, {NODES} nodes": "s"}
    for axes, name in zip(grid[0], names, strict=True):
        link = NETWORKS[name]
        line = np.geomspace(0.3, 20.0, 60)
        late = line + 0.99 * PERIOD_S + link.mean_s
        axes.plot(late, [expected(link, STALLS, PERIOD_S, m) for m in line], color="0.3", lw=1, label="theory, margin")
        calm = [expected(link, CALM, PERIOD_S, m) for m in line]
        axes.plot(late, calm, color="0.3", lw=1, ls=":", label="the same, nobody stands still")
        for each in found:
            system = each["purpose"].startswith(("Akka", "Cassandra"))
            if each["network"] != name or not (system or each["purpose"] in budgets):
                continue
            rate, none = float(each["mistakes_month"]), not int(each["mistakes"])
            y = float(each["at_most_95"]) if none else rate
            marker = "v" if none else "^" if system else budgets[each["purpose"]]
            edge = "black" if system else "white"
            size = 42 if system else sizes[each["detector"]]
            axes.scatter([float(each["detection_p99_s"])], [y], s=size, marker=marker, color=colours[each["detector"]],
                         edgecolor=edge, linewidth=0.8, zorder=3)  # fmt: skip
        axes.set(xscale="log", yscale="log", title=name, xlim=(1.2, 45), ylim=(3e-3, 3e4))
        axes.set_xticks([2, 5, 10, 20, 40], ["2", "5", "10", "20", "40"])
        axes.minorticks_off()
    grid[0][0].set_ylabel("mistakes a month and pair")
    figure.supxlabel("crash noticed within, 99 of 100 (s)", fontsize=9)
    handles, _ = grid[0][0].get_legend_handles_labels()
    dot = {"xdata": [], "ydata": [], "ls": "", "ms": 6}
    handles += [plt.Line2D(marker="o", color=colours[each], label=labels[each], **dot) for each in colours]
    handles += [
        plt.Line2D(marker="o", color="0.6", label="for 1 a month, a pair", **dot),
        plt.Line2D(marker="s", color="0.6", label=f"for 1 a month, {NODES} nodes", **dot),
        plt.Line2D(marker="^", color="0.6", mec="black", label="default of Akka or Cassandra", **dot),
        plt.Line2D(marker="v", color="0.6", label="none seen: at most", **dot),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=5, fontsize=8)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    raise SystemExit(main())
