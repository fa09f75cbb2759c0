"""How the time for judging grows with the length of a history, as a table and a figure.

``python -m tests.benchmarks.growth`` writes ``results/checkers/growth.csv`` and ``growth.png``.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from time import process_time

import matplotlib.pyplot as plt

from bench.checkers import models
from bench.checkers.linearizability import check
from bench.checkers.verdict import Verdict
from tests.bench.checkers.histories import columnar

from . import objects

SIZES = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
FOLDER = Path(__file__).parents[2] / "results" / "checkers"
ROUNDS = 3


def _registers(size: int, swaps: float, keys: int) -> Callable[[], Verdict]:
    history = columnar(size, 100, keys, swaps=swaps)
    return lambda: check(history)


def _object(model: str, ask: objects.Ask, do: objects.Do, size: int) -> Callable[[], Verdict]:
    history = objects.history(ask, do, size)
    return lambda: models.check(history, models.model(model), 60.0)


LINES: dict[str, tuple[Callable[[int], Callable[[], Verdict]], int]] = {
    # name: (the check of a history of that size, the greatest size)
    "registers, a key per 1,000 operations": (lambda n: _registers(n, 0.0, max(1, n // 1000)), 1_000_000),
    "registers, 30% compare-and-set": (lambda n: _registers(n, 0.3, max(1, n // 1000)), 1_000_000),
    "one register, 30% compare-and-set": (lambda n: _registers(n, 0.3, 1), 1_000_000),
    "FIFO queue, unique values": (lambda n: _object("queue", objects.ask_queue, objects.do_queue, n), 100_000),
    "counter, by search": (lambda n: _object("counter", objects.ask_counter, objects.do_counter, n), 100_000),
    "key with appends, by search": (lambda n: _object("kv", objects.ask_store, objects.do_store, n), 100_000),
}


def measure() -> list[tuple[str, int, float]]:
    """(line, operations, CPU seconds: the least of some rounds) for every line and size."""
    rows = []
    for name, (make, greatest) in LINES.items():
        for size in (size for size in SIZES if size <= greatest):
            judged = make(size)
            took = []
            for _ in range(ROUNDS):
                began = process_time()
                verdict = judged()
                took.append(process_time() - began)
                assert verdict.verdict == "valid", (name, size, verdict.reason)
            rows.append((name, size, min(took)))
            print(f"{name}: {size:,} operations in {min(took) * 1e3:.1f} ms")
    return rows


def draw(rows: list[tuple[str, int, float]], path: Path) -> None:
    """The figure: both axes logarithmic, with a line of slope 1 to compare with."""
    figure, axes = plt.subplots(figsize=(9, 5), dpi=150, layout="constrained")
    for name in LINES:
        points = [(size, took) for line, size, took in rows if line == name]
        axes.loglog(*zip(*points, strict=True), marker="o", markersize=4, label=name)
    ends = (SIZES[0], SIZES[-1])
    axes.loglog(ends, [size * 1e-7 for size in ends], color="grey", linestyle=":", label="linear, 0.1 µs an operation")
    axes.set_xlabel("operations")
    axes.set_ylabel("CPU seconds")
    axes.set_title("Judging linearizability: 100 clients on registers, 10 on other objects")
    axes.grid(True, which="major", alpha=0.3)
    figure.legend(loc="outside right upper", fontsize=8)
    figure.savefig(path)


def main() -> None:
    """Measure and write."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    rows = measure()
    with (FOLDER / "growth.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("checker", "operations", "cpu_s"))
        writer.writerows((name, size, f"{took:.6f}") for name, size, took in rows)
    draw(rows, FOLDER / "growth.png")


if __name__ == "__main__":
    main()
