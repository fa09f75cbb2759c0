"""How far does a rumor get, at what cost, and how soon: by push or pull, by what makes a replica lose interest?

One replica of a thousand is told something; the protocol runs in the simulator, in synchronised rounds, until nobody
tells it any more. Beside it stand the table of Demers et al. (1987) and the differential equations. A table, not a
sweep of trials: an epidemic has one operation.

    python experiments/failure-detection/gossip_fanout.py [--runs 30] [--members 1000] [--out results/gossip-fanout]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from bench.arguments import integer, script
from bench.network import Constant, Network
from bench.runtime.sim.world import World
from bench.trial import ServiceTimes
from protocols.gossip import Client, ClientConfig, GossipConfig, Server, formulas
from protocols.requests import Write

MS = 1_000_000
PERIOD = 100 * MS
RESULTS = Path("results/gossip-fanout")


@dataclass(frozen=True)
class Spread:
    """One epidemic: share that never heard, updates sent a member, round in which the last one heard."""

    residue: float
    traffic: float
    last: float


class Counting(Server):
    """The replica, which counts the updates that it sends."""

    sent = 0

    def _hot_items(self, ctx: Any) -> Any:
        items = super()._hot_items(ctx)
        Counting.sent += len(items)
        return items


def epidemic(members: int, seed: int, params: Mapping[str, Any]) -> Spread:
    """Let one go."""
    config = GossipConfig(period_s=PERIOD / 1e9, anti_entropy_s=PERIOD / 1e9, synchronised=True, **params)
    world = World(
        seed, Network(latency=Constant(MS)), ServiceTimes(message=1000, byte=0.0, fsync=1000, wakeup=0), hashing=False
    )
    for number in range(members):
        world.add(f"n{number + 1}", lambda: Counting(config), server=True)
    client = world.add("c1", lambda: Client(ClientConfig()), server=False)
    Counting.sent = 0
    for machine in [*world.servers, client]:
        world.boot(machine)
    world.run(PERIOD - 20 * MS)
    world.request(client, 1, Write("k", b"news"))
    origin = PERIOD
    rounds = 0
    while rounds < 400:
        rounds += 1
        world.run(origin + rounds * PERIOD - 10 * MS)
        known = sum(1 for mark in world.marks if mark.name == "heard")
        hot = sum(1 for mark in world.marks if mark.name == "heard") - sum(
            1 for mark in world.marks if mark.name == "cooled"
        )
        if hot == 0 or (config.rumors == "off" and known == members):
            break
    heard = [mark.at for mark in world.marks if mark.name == "heard"]
    return Spread(1 - len(heard) / members, Counting.sent / members, float(max(0, max(heard) - origin) // PERIOD + 1))


ROWS: tuple[tuple[str, dict[str, Any], tuple[float, float, float]], ...] = (
    ("push, feedback, counter, k=1", {"k": 1}, (0.176, 1.74, 16.8)),
    ("push, feedback, counter, k=2", {"k": 2}, (0.037, 3.30, 16.9)),
    ("push, feedback, counter, k=3", {"k": 3}, (0.011, 4.53, 17.4)),
    ("push, blind, coin, k=1", {"k": 1, "loses_interest": "blind", "by": "coin"}, (0.96, 0.04, 38.0)),
    ("push, blind, coin, k=2", {"k": 2, "loses_interest": "blind", "by": "coin"}, (0.205, 1.59, 33.0)),
    ("pull, feedback, counter, k=1", {"k": 1, "rumors": "pull"}, (3.1e-2, 2.70, 17.63)),
    ("pull, feedback, counter, k=2", {"k": 2, "rumors": "pull"}, (5.8e-4, 4.49, 15.39)),
)
"""As Demers et al. print them (tables 1 to 3, n = 1000): residue, traffic, last round."""
ENTROPY: tuple[tuple[str, int, float], ...] = (
    ("push", 100, 12.3), ("push", 1000, 18.1), ("pull", 100, 9.8), ("pull", 1000, 13.7),
    ("push-pull", 100, 6.5), ("push-pull", 1000, 9.1),
)  # fmt: skip
"""Mean rounds of anti-entropy until everybody knows."""


def rumor(params: Mapping[str, Any], members: int, runs: int) -> list[Spread]:
    """Epidemics of rumors alone."""
    return [epidemic(members, seed, {"anti_entropy": "off", **params}) for seed in range(runs)]


def entropy(style: str, members: int, runs: int) -> list[float]:
    """Rounds of anti-entropy alone."""
    return [epidemic(members, seed, {"rumors": "off", "anti_entropy": style}).last for seed in range(runs)]


def error(values: Sequence[float]) -> float:
    """Standard error of a mean."""
    return stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0


def main() -> None:
    parser = script(__doc__)
    parser.add_argument("--runs", type=integer(2), default=30, help="epidemics of each setting")
    parser.add_argument(
        "--members", type=integer(2), default=1000, help="replicas that a rumor is spread among; published: 1000"
    )
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for figure and table")
    options = parser.parse_args()
    lines = ["what,measure,published,ours,standard_error,runs"]
    table: list[tuple[str, list[Spread], tuple[float, float, float]]] = []
    for name, params, published in ROWS:
        found = rumor(params, options.members, options.runs)
        table.append((name, found, published))
        for measure, value in zip(("residue", "traffic", "last"), published, strict=True):
            values = [getattr(each, measure) for each in found]
            mean, off = f"{fmean(values):.4g}", f"{error(values):.2g}"
            lines.append(f'"{name}",{measure},{value:g},{mean},{off},{len(values)}')
            print(f"{name}: {measure} published {value:g} | ours {mean} +- {off}", flush=True)
    for style, members, published_rounds in ENTROPY:
        rounds = entropy(style, members, options.runs)
        lines.append(f'"anti-entropy {style}, n={members}",rounds,{published_rounds:g},{fmean(rounds):.4g},'
                     f"{error(rounds):.2g},{len(rounds)}")  # fmt: skip
        print(f"anti-entropy {style}, n={members}: rounds published {published_rounds:g} | ours {fmean(rounds):.4g}",
              flush=True)  # fmt: skip
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "table.csv").write_text("\n".join(lines) + "\n")
    draw(table, options.out / "figure.png")


def draw(table: Sequence[tuple[str, list[Spread], tuple[float, float, float]]], path: Path) -> None:
    """Residue against traffic: each epidemic, the published point, and the curve that all push epidemics lie on."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import numpy as np
    import seaborn as sns

    sns.set_theme(style="whitegrid", context="paper")
    figure, axes = plt.subplots(figsize=(6.4, 4.4), constrained_layout=True)
    palette = sns.color_palette("colorblind")
    floor = 2e-4
    for index, (name, found, published) in enumerate(table):
        axes.scatter([each.traffic for each in found], [max(each.residue, floor) for each in found], s=9, alpha=0.35,
                     color=palette[index], linewidths=0)  # fmt: skip
        axes.scatter([fmean(each.traffic for each in found)], [max(floor, fmean(each.residue for each in found))], s=55,
                     color=palette[index], label=name)  # fmt: skip
        axes.scatter([published[1]], [published[0]], marker="x", s=60, color="black", linewidths=1.4, zorder=5)
    x = np.linspace(0.02, 6, 200)
    curve = [formulas.residue_of_traffic(each) for each in x]
    axes.plot(x, curve, color="grey", linewidth=1, label="residue = exp(-traffic)")
    axes.scatter([], [], marker="x", color="black", label="Demers et al. 1987")
    axes.set_yscale("log")
    axes.set_ylim(floor / 1.5, 1.5)
    axes.set_xlim(0, 6)
    axes.set_xlabel("updates sent a member")
    axes.set_ylabel("share that never hears of it")
    axes.legend(fontsize=7.5, loc="lower left", frameon=True)
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    main()
