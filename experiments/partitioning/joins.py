"""Which join of two partitioned tables moves less, what does denormalising save, and what does a range scan touch?

The joins run as messages between simulated workers, on tables whose sizes, and the skew of whose attribute, vary; every
answer is compared with that of pandas.

    python experiments/partitioning/joins.py [--left 1000] [--out results/joins]
"""

from __future__ import annotations

import csv
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from math import sqrt
from pathlib import Path
from random import Random
from typing import Any, Literal

import msgspec
import numpy as np
import pandas as pd

from bench.arguments import integer, listed, real, script
from bench.history.history import OK, READ
from bench.network import Constant, Mixture, Network
from bench.run import run_trial
from bench.runtime.sim.world import World
from bench.trial import ServiceTimes, Trial
from bench.units import nanoseconds
from bench.workload.choosing import zipf_bounds
from bench.workload.spec import Workload
from protocols.node import Ok, Outcome
from protocols.partitioning.indexed import ClientConfig as TableClientConfig
from protocols.partitioning.indexed.placing import Placing
from protocols.partitioning.joins import Amend, Client, ClientConfig, Join, Joined, Row, Worker, WorkerConfig
from protocols.partitioning.joins.worker import home

Strategy = Literal["repartition", "broadcast", "colocated", "denormalised"]

WORKERS = (4, 8, 16)
RATIOS = (1, 2, 4, 8, 16, 32)
SKEWS = (0.0, 0.5, 0.8, 1.0, 1.2, 1.5)
WIDTHS = (1, 4, 16, 64, 256)
REST = 100
"""Bytes of a row beside the attribute."""
BYTE_NS = 100
"""A worker's time for a byte that it sends: 10 MB/s, so that moving bytes takes time."""
SCAN_SERVERS, SCAN_KEYS = 20, 1000
SLOW, FAST_S, SLOW_S = 0.01, 0.0005, 0.05

Cell = dict[str, Any]


# --- tables ----------------------------------------------------------------------------------------------------------


def tables(left: int, right: int, skew: float = 0.0) -> tuple[list[Row], list[Row]]:
    """Attributes are unique in the left table; those of the right one follow Zipf's law with that exponent."""
    rng = Random(f"{left}/{right}/{skew}")
    bounds = zipf_bounds(left, skew)
    return (
        [(key, rng.randbytes(REST)) for key in range(left)],
        [(min(left - 1, bisect_right(bounds, rng.random())), rng.randbytes(REST)) for _ in range(right)],
    )


def merged(left: Sequence[Row], right: Sequence[Row]) -> list[Joined]:
    """The join, by pandas."""
    one, two = pd.DataFrame(left, columns=["key", "left"]), pd.DataFrame(right, columns=["key", "right"])
    return list(one.merge(two, on="key").itertuples(index=False, name=None))


class Cluster:
    """Workers with the tables, dealt out in turns, or by attribute."""

    def __init__(self, workers: int, left: Sequence[Row], right: Sequence[Row], *, colocated: bool) -> None:
        self.expected = sorted(merged(left, right))
        self.names = tuple(f"n{number + 1}" for number in range(workers))
        self.outcome: Outcome | None = None
        self.ended = 0
        self.asked = 0
        service = ServiceTimes(message=15_000, byte=BYTE_NS, wakeup=0)
        self.world = World(1, Network(latency=Constant(nanoseconds(FAST_S))), service, on_reply=self._replied)
        self.world.weighing = True
        places = {name: at for at, name in enumerate(self.names)}
        dealt = [
            [places[home(row[0], self.names)] if colocated else at % workers for at, row in enumerate(table)]
            for table in (left, right)
        ]
        for at, name in enumerate(self.names):
            config = WorkerConfig(
                left=tuple(row for row, place in zip(left, dealt[0], strict=True) if place == at),
                right=tuple(row for row, place in zip(right, dealt[1], strict=True) if place == at),
                copies=tuple(self.expected[at::workers]),
            )
            self.world.add(name, lambda config=config: Worker(config), server=True)  # type: ignore[misc]
        self.world.add("c1", lambda: Client(ClientConfig(attempt_s=60)), server=False)
        for machine in self.world.machines.values():
            self.world.boot(machine)

    def _replied(self, node: str, operation: int, outcome: Outcome, at: int) -> None:
        self.outcome, self.ended = outcome, at

    def ask(self, request: Join | Amend) -> tuple[Any, int, float]:
        """What came of it, bytes sent between workers, and the seconds that it took."""
        self.asked += 1
        self.outcome = None
        begun, weighed = self.world.now, self.world.weighed
        self.world.request(self.world.machines["c1"], self.asked, request)
        while self.outcome is None:
            self.world.run(self.world.now + 1_000_000)
        if not isinstance(self.outcome, Ok):
            raise SystemExit(f"{request}: {self.outcome}")
        return self.outcome.value, self.world.weighed - weighed, (self.ended - begun) / 1e9

    def join(self, strategy: Strategy) -> tuple[int, float]:
        """Bytes and seconds of a join whose answer is right."""
        rows, moved, took = self.ask(Join(strategy))
        if sorted(rows) != self.expected:
            raise SystemExit(f"{strategy} on {len(self.names)} workers: not what pandas finds")
        return moved, took

    def received(self) -> Counter[str]:
        """Rows that each worker got from others."""
        found: Counter[str] = Counter(dict.fromkeys(self.names, 0))
        for mark in self.world.marks:
            if mark.name == "received":
                found[mark.node] += mark.fields["rows"]
        return found


# --- predictions -----------------------------------------------------------------------------------------------------

ROW = len(msgspec.msgpack.encode((300, bytes(REST))))
"""Bytes of a row on the wire."""


def predicted_bytes(strategy: str, workers: int, left: int, right: int) -> float:
    """Between workers. A row that is repartitioned is where it belongs already once in n times."""
    if strategy == "broadcast":
        return (workers - 1) * left * ROW
    if strategy == "repartition":
        return (workers - 1) / workers * (left + right) * ROW
    return 0.0


def predicted_busiest(workers: int, left: int, right: int, skew: float) -> float:
    """Of the rows that are repartitioned, what the worker with most gets over the mean: the hottest keys' homes."""
    names = [f"n{number + 1}" for number in range(workers)]
    bounds = [0.0, *zipf_bounds(left, skew)]
    load: Counter[str] = Counter()
    for key in range(left):
        rows = 1 + right * (bounds[key + 1] - bounds[key])
        load[home(key, names)] += rows  # type: ignore[assignment]
    return max(load.values()) * workers / sum(load.values())


# --- cells -----------------------------------------------------------------------------------------------------------


def moving(workers: int, left: int, ratio: int) -> list[Cell]:
    """Every strategy on tables of one ratio."""
    one, two = tables(left, left * ratio)
    plain, together = (Cluster(workers, one, two, colocated=where) for where in (False, True))
    found = []
    for strategy, cluster in (
        ("repartition", plain),
        ("broadcast", plain),
        ("colocated", together),
        ("denormalised", plain),
    ):
        moved, took = cluster.join(strategy)  # type: ignore[arg-type]
        predicted = predicted_bytes(strategy, workers, left, left * ratio)
        found.append(_cell("bytes", strategy, workers, ratio, measured=moved, predicted=predicted, took_s=took))
    return found


def crossover(cells: Sequence[Cell], workers: int, column: str) -> float | None:
    """The ratio of sizes at which both ways cost the same, between two that were measured; None if there is none."""
    by = {
        each: [c for c in cells if c["part"] == "bytes" and c["system"] == each and c["workers"] == workers]
        for each in ("repartition", "broadcast")
    }
    apart = [(one["x"], one[column] - two[column]) for one, two in zip(by["repartition"], by["broadcast"], strict=True)]
    for (x, before), (y, after) in pairwise(apart):
        if before <= 0 < after:
            return float(x + (y - x) * -before / (after - before))
    return None


def skewed(workers: int, left: int, right: int, skew: float) -> list[Cell]:
    """A few keys have most of the right table's rows."""
    found = []
    for strategy in ("repartition", "broadcast"):
        cluster = Cluster(workers, *tables(left, right, skew), colocated=False)
        _, took = cluster.join(strategy)  # type: ignore[arg-type]
        got = cluster.received()
        busiest = max(got.values()) * workers / sum(got.values())
        predicted = predicted_busiest(workers, left, right, skew) if strategy == "repartition" else 1.0
        found.append(_cell("skew", strategy, workers, skew, measured=busiest, predicted=predicted, took_s=took))
    return found


def denormalised(workers: int, left: int, ratio: int) -> list[Cell]:
    """What a change of a row costs with copies and without, and how many joins pay for one."""
    one, two = tables(left, left * ratio)
    cluster = Cluster(workers, one, two, colocated=False)
    moved = min(cluster.join(way)[0] for way in ("repartition", "broadcast"))  # type: ignore[arg-type]
    copies = Counter(key for key, _ in two)
    key = sorted(copies, key=lambda each: (copies[each], each))[len(copies) // 2]
    plain, _, _ = cluster.ask(Amend(key, bytes(REST), copies=False))
    everywhere, _, _ = cluster.ask(Amend(key, bytes(REST), copies=True))
    extra = (everywhere - plain) * ROW
    best = min(predicted_bytes(way, workers, left, left * ratio) for way in ("repartition", "broadcast"))
    found = [
        _cell("changes", "normalised", workers, ratio, measured=plain, predicted=1),
        _cell("changes", "denormalised", workers, ratio, measured=everywhere, predicted=ratio),
    ]
    if extra:
        even = {"measured": moved / extra, "predicted": best / ((ratio - 1) * ROW)}
        found.append(_cell("changes", "changes a join", workers, ratio, **even))
    return found


def scans(placement: str, width: int, duration_s: float) -> Cell:
    """Scans of so many keys in a row, one exchange in a hundred of which is slow."""
    slow = 1 - sqrt(1 - SLOW)
    delay = Mixture(((1 - slow, Constant(nanoseconds(FAST_S))), (slow, Constant(nanoseconds(SLOW_S)))))
    params = {"reads": "scan", "index": "local", "placement": placement, "span": SCAN_KEYS, "width": width,
              "partitions": SCAN_SERVERS, "ask_again_s": 1.0}  # fmt: skip
    wanted = Trial(
        protocol="indexed",
        nodes=SCAN_SERVERS,
        duration=nanoseconds(duration_s),
        warmup=nanoseconds(duration_s / 4),
        network=Network(latency=delay),
        service=ServiceTimes(message=5_000, byte=0.0, wakeup=0),
        params=params,
        workload=Workload(clients=20, rate=800.0, keys=SCAN_KEYS, mix=(("read", 0.5), ("write", 0.5))),
        invariants=False,
    )
    result, record = run_trial(wanted)
    history = record.history
    reads = (history.function == READ) & (history.outcome == OK) & (history.invoked >= wanted.warmup)
    took = (history.completed - history.invoked)[reads] / 1e9
    # A write is two messages, a scan two a server.
    done = history.outcome == OK
    writes = int(np.count_nonzero(done & (history.function != READ)))
    asked = (result.messages.client / 2 - writes) / int(np.count_nonzero(done & (history.function == READ)))
    placing = Placing(TableClientConfig(placement=placement, span=SCAN_KEYS, partitions=SCAN_SERVERS),  # type: ignore[arg-type]
                      [f"n{at + 1}" for at in range(SCAN_SERVERS)])  # fmt: skip
    touched = np.mean([len(placing.with_range(first, first + width - 1)) for first in range(SCAN_KEYS)])
    cell = _cell("scans", placement, SCAN_SERVERS, width, measured=asked, predicted=float(touched))
    return cell | {"p50_ms": _ms(np.quantile(took, 0.5)), "p99_ms": _ms(np.quantile(took, 0.99)),
                   "late": round(float(np.mean(took > SLOW_S / 2)), 4)}  # fmt: skip


def _ms(seconds: Any) -> float:
    return round(float(seconds) * 1e3, 3)


def _cell(part: str, system: str, workers: int, x: float, **figures: float) -> Cell:
    return {"part": part, "system": system, "workers": workers, "x": x} | {
        name: float(f"{value:.5g}") for name, value in figures.items()
    }


# --- the figure ------------------------------------------------------------------------------------------------------


def draw(cells: Sequence[Cell], path: Path) -> None:
    """Four panels: bytes, crossover, skew, scans."""
    from matplotlib.figure import Figure

    from bench.report.plots import style, to_png

    def of(part: str, system: str, workers: int = 0) -> list[Cell]:
        wanted = [cell for cell in cells if cell["part"] == part and cell["system"] == system]
        return [cell for cell in wanted if not workers or cell["workers"] == workers]

    every = sorted({int(cell["workers"]) for cell in cells if cell["part"] == "bytes"})
    shown = every[len(every) // 2]
    with style() as palette:
        figure = Figure(figsize=(8.4, 6.8))
        moved, crossing, skew, scan = figure.subplots(2, 2).flat
        for at, system in enumerate(("repartition", "broadcast", "colocated", "denormalised")):
            mine = of("bytes", system, shown)
            x = [cell["x"] for cell in mine]
            if system == "denormalised":
                continue  # as colocated: nothing moves
            name = "colocated, denormalised" if system == "colocated" else system
            moved.plot(x, [c["measured"] / 1e6 for c in mine], "o", markersize=4, color=palette[at], label=name)
            moved.plot(x, [c["predicted"] / 1e6 for c in mine], ":", color=palette[at])
        moved.axvline(shown - 1, color="black", linewidth=0.8, linestyle=":")
        moved.set_ylabel("moved between workers [MB]")
        moved.set_xlabel("rows of the right table over those of the left")
        moved.set_title(f"{shown} workers; dotted: model, and n - 1", fontsize=8.5)
        moved.legend(fontsize=8)
        for column, label, marker, colour in (
            ("measured", "same bytes", "o", palette[0]),
            ("took_s", "same time", "s", palette[1]),
        ):
            found = [(workers, crossover(cells, workers, column)) for workers in every]
            known = [(workers, ratio) for workers, ratio in found if ratio is not None]
            crossing.plot([w for w, _ in known], [r for _, r in known], marker, markersize=5, color=colour, label=label)
        crossing.plot(every, [workers - 1 for workers in every], ":", color="black", label="n - 1")
        crossing.set_xlabel("workers")
        crossing.set_xticks(every)
        crossing.set_ylim(bottom=0)
        crossing.set_ylabel("ratio above which to broadcast")
        crossing.legend(fontsize=8)
        for at, system in enumerate(("repartition", "broadcast")):
            mine = of("skew", system)
            x = [cell["x"] for cell in mine]
            skew.plot(x, [cell["measured"] for cell in mine], "-o", markersize=4, color=palette[at], label=system)
            skew.plot(x, [cell["predicted"] for cell in mine], ":", color=palette[at])
        skew.set_xlabel("Zipf exponent of the joined attribute")
        skew.set_ylabel("busiest worker's rows over the mean")
        skew.set_ylim(bottom=0)
        skew.legend(fontsize=8)
        for at, system in enumerate(("hash", "range")):
            mine = of("scans", system)
            x = [cell["x"] for cell in mine]
            scan.plot(x, [cell["measured"] for cell in mine], "-o", markersize=4, color=palette[at],
                      label=f"{system}, servers asked")  # fmt: skip
            scan.plot(x, [100 * cell["late"] for cell in mine], "--s", markersize=3, color=palette[at],
                      label=f"{system}, slow scans [%]")  # fmt: skip
            scan.plot(x, [cell["predicted"] for cell in mine], ":", color="black", linewidth=1)
        scan.set_xscale("log", base=2)
        scan.set_xticks([1, 4, 16, 64, 256], ["1", "4", "16", "64", "256"])
        scan.set_xlabel(f"keys scanned, of {SCAN_KEYS}")
        scan.set_ylim(0, 1.1 * SCAN_SERVERS)
        scan.set_yticks(range(0, SCAN_SERVERS + 1, 5))
        scan.legend(fontsize=8)
        path.write_bytes(to_png(figure))


def main() -> int:
    """See the module."""
    parser = script(__doc__)
    parser.add_argument("--left", type=integer(1), default=1000, help="rows of the left table")
    parser.add_argument(
        "--workers", type=listed(integer(2)), default=",".join(map(str, WORKERS)), help="servers that hold the tables"
    )
    parser.add_argument(
        "--ratios",
        type=listed(integer(1)),
        default=",".join(map(str, RATIOS)),
        help="rows of the right table for each of the left",
    )
    parser.add_argument("--skews", type=listed(real(0)), default=",".join(map(str, SKEWS)), help="of Zipf's law")
    parser.add_argument("--widths", type=listed(integer(1)), default=",".join(map(str, WIDTHS)), help="bytes of a row")
    parser.add_argument("--duration", type=real(0, above=True), default=4.0, help="seconds of scans a trial, simulated")
    parser.add_argument("--out", type=Path, default=Path("results/joins"), help="folder for figure and tables")
    options = parser.parse_args()
    cells: list[Cell] = []

    def add(found: Sequence[Cell]) -> None:
        cells.extend(found)
        for cell in found:
            more = ", ".join(f"{name} {cell[name]}" for name in ("took_s", "p50_ms", "p99_ms", "late") if name in cell)
            print(f"{cell['part']}, {cell['system']}, {cell['workers']} workers, {cell['x']:g}: {cell['measured']:g}, "
                  f"predicted {cell['predicted']:g}{'; ' if more else ''}{more}", flush=True)  # fmt: skip

    ratios = options.ratios
    every = options.workers
    for workers in every:
        for ratio in ratios:
            add(moving(workers, options.left, ratio))
        for column in ("measured", "took_s"):
            print(f"{workers} workers: {column} the same at a ratio of {crossover(cells, workers, column)}", flush=True)
    shown = every[len(every) // 2]
    for skew in options.skews:
        add(skewed(shown, options.left, 8 * options.left, skew))
    for ratio in ratios:
        add(denormalised(shown, options.left, ratio))
    for placement in ("hash", "range"):
        for width in options.widths:
            add([scans(placement, width, options.duration)])
    options.out.mkdir(parents=True, exist_ok=True)
    with (options.out / "cells.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(name for cell in cells for name in cell)), restval="")
        writer.writeheader()
        writer.writerows(cells)
    draw(cells, options.out / "figure.png")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
