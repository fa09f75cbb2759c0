"""When does one crash make a whole cluster suspect itself, and what prevents it?

Eight workers answer requests, and each watches the others. One crashes; those that notice take its shards over, which
is work: they rebuild what it held, and its requests come to them. Heartbeats wait behind that work in the same queue.
If they wait for longer than the detector does, a worker that is only busy is suspected in turn, its shards move to
those that are left, and so on. Simulated with service times: what a node does takes time, and one thing at a time.

    python experiments/failure-detection/cascading.py [--seeds 3] [--out results/cascading]
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any, ClassVar

import msgspec

from bench.arguments import integer, listed, one_of, real, script
from bench.network import Constant, Network
from bench.runtime.sim.world import World
from bench.trial import ServiceTimes
from protocols.membership.heartbeat import DetectorConfig
from protocols.membership.heartbeat import Server as Heartbeats
from protocols.membership.heartbeat.messages import Suspect, Trust
from protocols.membership.swim import Server as Swim
from protocols.membership.swim import SwimConfig
from protocols.membership.swim.messages import Down, Up
from protocols.node import SECOND, Context, Durable, Node, on, on_event, on_timer

WORKERS = 8
NAMES = tuple(f"n{number + 1}" for number in range(WORKERS))
SHARDS = WORKERS * (WORKERS - 1)
"""Seven a worker, so that after a crash each of the others gets one."""
ROUTERS = ("c1", "c2")
VICTIM = "n2"
CRASH_S, END_S = 4.0, 20.0
SERVICE = ServiceTimes(message=15_000, byte=2.0, wakeup=30_000)
REQUEST_S = 0.002
"""CPU time of a request: what a page of 1 MB costs to send at 2 ns a byte."""
REBUILD_S, PIECE_S = 1.0, 0.05
"""CPU time to rebuild a shard, and of a piece of it, after which whatever waits is handled."""
LOADS = (0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)
NETWORK_S = 0.0005
LOOK_S = 0.05

_PAGE = bytes(round(REQUEST_S / 2e-9))


class Request(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """A router asks for a page of a shard."""

    number: int
    shard: int


class Page(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """The answer: its size is the work."""

    number: int
    content: bytes


class Piece(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """A piece of a rebuilt shard goes to where it is kept: its size is the work."""

    content: bytes


class Notice(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """A worker tells the routers what it deems of another."""

    subject: str
    down: bool


def preferences(shard: int, workers: tuple[str, ...]) -> list[str]:
    """Who serves a shard: the first of these that is up."""
    count = len(workers)
    owner, place = shard % count, shard // count
    others = [workers[(owner + 1 + step) % count] for step in range(count - 1)]
    return [workers[owner], *others[place:], *others[:place]]


def expected_threshold(timeout_s: float, period_s: float = 0.1, piece_s: float = PIECE_S) -> float:
    """The load from which a worker that rebuilds is suspected, by arithmetic.

    A batch is one piece and the requests of the last batch: its length L = piece / (1 - load) in the long run, where
    load has grown by 8/7. A heartbeat comes a period and up to L after the last.
    """
    return max(0.0, (1 - piece_s / max(piece_s, timeout_s - period_s)) * (WORKERS - 1) / WORKERS)


class WorkerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """``detector``: of a heartbeat detector or of SWIM; ``apart``: it runs elsewhere, and tells this node; ``piece_s``:
    of a rebuild, in s of CPU time."""

    detector: Any
    apart: bool = False
    piece_s: float = PIECE_S

    def validate(self, nodes: int) -> None:
        """Nothing that the detector's own does not say."""
        self.detector.validate(nodes)


class Worker(Node):
    """Answers requests, rebuilds what fell to it, and holds a detector as its child."""

    messages: ClassVar[Any] = Request | Piece | Notice

    config: WorkerConfig

    def start(self, ctx: Context, durable: Durable) -> None:
        """Everybody is up."""
        self.down: set[str] = set()
        self.workers = NAMES
        self.order = [preferences(shard, self.workers) for shard in range(SHARDS)]
        self.mine = {shard for shard in range(SHARDS) if self.order[shard][0] == ctx.id}
        self.to_rebuild = self.rebuilt = 0
        self.pieces = round(REBUILD_S / self.config.piece_s)
        self.content = bytes(round(self.config.piece_s / 2e-9))
        if not self.config.apart:
            ctx.child("detector", detector_of(self.config.detector))

    @on(Request)
    def request(self, ctx: Context, source: str, message: Request) -> None:
        """Serve whatever is asked for."""
        ctx.send(source, Page(message.number, _PAGE))

    @on(Piece)
    def piece(self, ctx: Context, source: str, message: Piece) -> None:
        """Kept: to receive is cheap beside to make it."""

    @on_event("detector", Suspect, Trust, Down, Up)
    def changed(self, ctx: Context, child: str, event: Suspect | Trust | Down | Up) -> None:
        """An opinion has changed."""
        self.deem(ctx, event.node, isinstance(event, Suspect | Down))

    @on(Notice)
    def told(self, ctx: Context, source: str, message: Notice) -> None:
        """The same, from the detector that runs apart."""
        self.deem(ctx, message.subject, message.down)

    def deem(self, ctx: Context, name: str, down: bool) -> None:
        """What falls to this worker now has to be rebuilt before anything else can be lost."""
        if down == (name in self.down):
            return
        (self.down.add if down else self.down.remove)(name)
        for router in ROUTERS:
            ctx.send(router, Notice(name, down))
        owned = {
            shard
            for shard in range(SHARDS)
            if next((each for each in self.order[shard] if each not in self.down), ctx.id) == ctx.id
        }
        idle = not self.to_rebuild
        self.to_rebuild += self.pieces * len(owned - self.mine)
        self.rebuilt += len(owned - self.mine)
        self.mine = owned
        if idle and self.to_rebuild:
            ctx.set_timer("rebuild", 1)

    @on_timer("rebuild")
    def rebuild(self, ctx: Context, key: Any) -> None:
        """One piece; then whatever has come meanwhile, and the next."""
        self.to_rebuild -= 1
        up = [name for name in self.workers if name != ctx.id and name not in self.down]
        ctx.send(up[self.to_rebuild % len(up)] if up else ROUTERS[0], Piece(self.content))
        if self.to_rebuild:
            ctx.set_timer("rebuild", 1)


class Sidecar(Node):
    """The detector of one worker on a core of its own: nothing else waits there."""

    messages: ClassVar[Any] = Notice

    config: WorkerConfig

    def start(self, ctx: Context, durable: Durable) -> None:
        """Watch the other sidecars, ``d1`` for ``n1`` and so on."""
        ctx.child("detector", detector_of(self.config.detector))

    @on(Notice)
    def told(self, ctx: Context, source: str, message: Notice) -> None:
        """Nobody tells it anything."""

    @on_event("detector", Suspect, Trust, Down, Up)
    def changed(self, ctx: Context, child: str, event: Suspect | Trust | Down | Up) -> None:
        """Tell the worker."""
        ctx.send("n" + ctx.id[1:], Notice("n" + event.node[1:], isinstance(event, Suspect | Down)))


class RouterConfig(msgspec.Struct, frozen=True, kw_only=True):
    """``rate``: requests a second."""

    rate: float

    def validate(self, nodes: int) -> None:
        """Nothing can be wrong."""


class Router(Node):
    """Sends requests at random times to whoever serves the shard, as far as most workers think."""

    messages: ClassVar[Any] = Page | Notice | Piece

    config: RouterConfig

    def start(self, ctx: Context, durable: Durable) -> None:
        """Everybody is up."""
        self.workers = NAMES
        self.order = [preferences(shard, self.workers) for shard in range(SHARDS)]
        self.accusers: dict[str, set[str]] = {name: set() for name in self.workers}
        self.down: set[str] = set()
        self.number = 0
        self.open: dict[int, int] = {}
        self.sent: list[tuple[int, int | None]] = []  # (sent, answered), ns
        self.next(ctx, None)

    @on_timer("next")
    def next(self, ctx: Context, key: Any) -> None:
        """A request, and the time of the next."""
        shard = int(ctx.rng.random() * SHARDS)
        to = next((name for name in self.order[shard] if name not in self.down), None)
        self.open[self.number] = len(self.sent)
        self.sent.append((ctx.monotonic(), None))
        if to is not None:
            ctx.send(to, Request(self.number, shard))
        self.number += 1
        ctx.set_timer("next", max(1, round(ctx.rng.expovariate(self.config.rate) * SECOND)))

    @on(Page)
    def page(self, ctx: Context, source: str, message: Page) -> None:
        """Answered."""
        place = self.open.pop(message.number)
        self.sent[place] = (self.sent[place][0], ctx.monotonic())

    @on(Notice)
    def notice(self, ctx: Context, source: str, message: Notice) -> None:
        """Down is whom most of the workers deem down."""
        accusers = self.accusers[message.subject]
        (accusers.add if message.down else accusers.discard)(source)
        (self.down.add if len(accusers) > WORKERS // 2 else self.down.discard)(message.subject)

    @on(Piece)
    def piece(self, ctx: Context, source: str, message: Piece) -> None:
        """A worker that is alone puts its pieces here."""


HEARTBEAT = {"period_s": 0.1, "grace_s": 1.0}
SWIM = {"probe_interval_s": 0.25, "probe_timeout_s": 0.1, "gossip_interval_s": 0.05, "reconnect_s": 2.0,
        "push_pull_s": 5.0, "suspicion_mult": 4}  # fmt: skip
BARE = {"lifeguard_probe": False, "lifeguard_suspicion": False, "lifeguard_buddy": False}


@dataclass(frozen=True)
class Variant:
    """A detector, whether it has a core of its own, and the pieces in which its worker rebuilds."""

    config: Any
    apart: bool = False
    piece_s: float = PIECE_S


def fixed(timeout_s: float, **more: Any) -> Variant:
    """Heartbeats with a fixed timeout."""
    return Variant(DetectorConfig(detector="fixed", timeout_s=timeout_s, **HEARTBEAT), **more)


DETECTORS: dict[str, Variant] = {
    "fixed 0.3 s": fixed(0.3),
    "fixed 1 s": fixed(1.0),
    "fixed 3 s": fixed(3.0),
    "Chen, 0.2 s": Variant(DetectorConfig(detector="chen", alpha_s=0.2, window=20, **HEARTBEAT)),
    "phi 8, Akka": Variant(DetectorConfig(detector="phi-akka", floor_s=0.04, window=100, **HEARTBEAT)),
    "SWIM": Variant(SwimConfig(**SWIM, **BARE)),
    "SWIM, Lifeguard": Variant(SwimConfig(**SWIM)),
    "0.3 s, small pieces": fixed(0.3, piece_s=0.005),
    "0.3 s, priority": fixed(0.3, apart=True),
}
"""The last but one rebuilds in pieces of 5 ms; the last has heartbeats handled before all else, on their own core."""


def detector_of(config: Any) -> Node:
    """The node of that configuration."""
    return Swim(config) if isinstance(config, SwimConfig) else Heartbeats(config)


class Followed:
    """Who is deemed down though it is up, as time goes by.

    Attributes:
        series: (s, pairs of an observer and a live worker that it deems down).
        struck: live workers that anybody has deemed down since the crash.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.series: list[tuple[float, int]] = []
        self.struck: set[str] = set()

    def look(self) -> None:
        """Now."""
        nodes = {name: self.world.machines[name].engine for name in NAMES}
        down = {name: engine.node.down for name, engine in nodes.items() if engine is not None}  # type: ignore[attr-defined]
        wrong = [each for mine in down.values() for each in mine if each in down]
        self.series.append((self.world.now / SECOND, len(wrong)))
        if self.world.now >= CRASH_S * SECOND:
            self.struck.update(wrong)


def run(name: str, load: float, seed: int) -> tuple[dict[str, Any], list[tuple[float, int]]]:
    """One cluster for 20 s, a crash at 4 s; what came of it, and the number of victims over time."""
    variant = DETECTORS[name]
    config, apart = variant.config, variant.apart
    world = World(seed, Network(latency=Constant(round(NETWORK_S * SECOND))), SERVICE, hashing=False)
    for each in NAMES:
        world.add(
            each, lambda: Worker(WorkerConfig(detector=config, apart=apart, piece_s=variant.piece_s)), server=not apart
        )
    if apart:
        for each in NAMES:
            world.add("d" + each[1:], lambda: Sidecar(WorkerConfig(detector=config)), server=True)
    rate = load * WORKERS / REQUEST_S / len(ROUTERS)
    for each in ROUTERS:
        world.add(each, lambda: Router(RouterConfig(rate=rate)), server=False)
    for machine in world.machines.values():
        world.boot(machine)
    followed = Followed(world)
    for step in range(round(END_S / LOOK_S)):
        world.at(round(step * LOOK_S * SECOND), followed.look)
    for victim in (VICTIM, "d" + VICTIM[1:]):
        if victim in world.machines:
            world.at(round(CRASH_S * SECOND), lambda machine=world.machines[victim]: world.crash(machine))  # type: ignore[misc]
    world.run(round(END_S * SECOND))
    assert not world.handler_crashes, world.handler_crashes
    routers: list[Any] = [world.machines[each].engine.node for each in ROUTERS]  # type: ignore[union-attr]
    sent = [each for router in routers for each in router.sent if each[0] >= CRASH_S * SECOND]
    answered = sorted((back - at) / SECOND for at, back in sent if back is not None)
    workers: list[Any] = [machine.engine.node for machine in map(world.machines.__getitem__, NAMES) if machine.engine]
    noticed = [at for at, down in _deemed(world) if down]
    row = {
        "detector": name,
        "load": load,
        "seed": seed,
        "struck": len(followed.struck),
        "wrong_at_worst": max(count for _, count in followed.series),
        "wrong_in_the_end": followed.series[-1][1],
        "work": sum(worker.rebuilt for worker in workers) / (WORKERS - 1),
        "answered": len(answered) / len(sent),
        "p99_s": answered[int(0.99 * len(answered))] if answered else None,
        "detected_s": (noticed[0] / SECOND - CRASH_S) if noticed else None,
    }
    return row, followed.series


def _deemed(world: World) -> list[tuple[int, bool]]:
    """(ns, down) of opinions about the one that crashed, by detectors, since then."""
    victims = (VICTIM, "d" + VICTIM[1:])
    return [
        (mark.at, mark.name.endswith("deemed_down"))
        for mark in world.marks
        if mark.fields.get("subject") in victims and mark.at >= CRASH_S * SECOND
    ]


# --- what follows ----------------------------------------------------------------------------------------------------


def thresholds(rows: list[dict[str, Any]]) -> dict[str, float | None]:
    """The lowest load at which at least half of the trials took over twice what the crash asked for."""
    found: dict[str, float | None] = {}
    for name in dict.fromkeys(row["detector"] for row in rows):
        found[name] = None
        for load in sorted({row["load"] for row in rows}):
            here = [row["work"] >= 2 for row in rows if row["detector"] == name and row["load"] == load]
            if here and 2 * sum(here) >= len(here):
                found[name] = load
                break
    return found


def draw(rows: list[dict[str, Any]], series: Mapping[str, list[tuple[float, int]]], shown: float, path: Path) -> None:
    """Victims and answered requests by load; and one run, as time goes by."""
    from matplotlib.figure import Figure

    from bench.report.plots import style, to_png

    names = list(dict.fromkeys(row["detector"] for row in rows))
    loads = sorted({row["load"] for row in rows})
    marks = "os^DvPX*d"
    with style() as palette:
        figure = Figure(figsize=(6.2, 7.6))
        upper, middle, lower = figure.subplots(3, 1, height_ratios=(1.2, 1.2, 1.0))
        for place, name in enumerate(names):
            colour = palette[place]
            for axes, metric, scale in ((upper, "work", 1), (middle, "answered", 100)):
                heights = [
                    scale * mean(r[metric] for r in rows if r["detector"] == name and r["load"] == load)
                    for load in loads
                ]
                shift = [load * 100 + (place - len(names) / 2) * 0.5 for load in loads]
                axes.plot(shift, heights, marker=marks[place], ms=4.5, color=colour, linewidth=1.2, label=name)
            if name in series:
                times, counts = zip(*series[name], strict=True)
                lower.plot(times, counts, color=colour, linewidth=1.2)
        upper.set_ylabel("shards taken over / those\nof the one that crashed")
        upper.set_yscale("log")
        upper.set_yticks([1, 3, 10, 30, 100, 300], ["1", "3", "10", "30", "100", "300"])
        upper.minorticks_off()
        middle.set_ylabel("requests answered [%]")
        middle.set_ylim(min(70, 5 * (min(r["answered"] for r in rows) * 20 // 1)), 101)
        middle.set_xlabel("load before the crash, share of all workers' time [%]")
        lower.axvline(CRASH_S, color="grey", linewidth=0.8, linestyle=":")
        lower.set_ylabel("wrong suspicions now")
        lower.set_xlabel(f"time [s]; one trial at a load of {shown:.0%}, crash at {CRASH_S:g} s")
        for axes in (upper, middle):
            axes.axvline(100 * (WORKERS - 1) / WORKERS, color="grey", linewidth=0.8, linestyle=":")
        figure.legend(*upper.get_legend_handles_labels(), loc="outside upper left", ncols=3, fontsize=8.5)
        path.write_bytes(to_png(figure))


def main() -> int:
    """See the module."""
    parser = script(__doc__)
    parser.add_argument("--seeds", type=integer(1), default=3, help="trials of a cell, each with a seed of its own")
    parser.add_argument(
        "--loads",
        type=listed(real(0, 5, above=True)),
        default=",".join(map(str, LOADS)),
        help="of the servers, 1: all they can do",
    )
    parser.add_argument(
        "--detectors",
        type=listed(one_of("detector", DETECTORS), ";"),
        default=";".join(DETECTORS),
        help="with semicolons",
    )
    parser.add_argument(
        "--shown", type=real(0, 5, above=True), default=0.8, help="load of the run that is drawn over time"
    )
    parser.add_argument("--out", type=Path, default=Path("results/cascading"), help="folder for figure and tables")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    series: dict[str, list[tuple[float, int]]] = {}
    for name in options.detectors:
        for load in options.loads:
            for seed in range(1, options.seeds + 1):
                row, looked = run(name, load, seed)
                rows.append(row)
                if seed == 1 and load == options.shown:
                    series[name] = looked
            here = [row for row in rows if row["detector"] == name and row["load"] == load]
            print(
                f"{name}, load {load:.0%}: {mean(r['struck'] for r in here):.1f} live workers suspected, "
                f"{mean(r['work'] for r in here):.1f} times the crashed one's shards taken over, "
                f"{mean(r['answered'] for r in here):.1%} of the requests answered; crash noticed after "
                f"{mean(r['detected_s'] or END_S - CRASH_S for r in here):.2f} s",
                flush=True,
            )
    for name, load in thresholds(rows).items():
        print(f"{name}: {'no cascade at any load' if load is None else f'cascades from a load of {load:.0%} on'}")
    options.out.mkdir(parents=True, exist_ok=True)
    with (options.out / "cells.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(
            {key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()} for row in rows
        )
    draw(rows, series, options.shown, options.out / "figure.png")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
