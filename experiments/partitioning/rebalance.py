"""What does it cost to move data while it is served: how long does it take, and what do clients notice?

Four servers serve; a fifth joins after four seconds, and a fifth of the partitions move to it. Simulated with service
times (a byte costs 10 ns of CPU), so that copying and serving share the servers. The throttle is a pause after each
part of a move; what is copied at once is the part's size.

    python experiments/partitioning/rebalance.py [--seeds 3] [--live 2] [--out results/rebalance]

``--live N`` adds N trials of a few cells on a local Ray.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, Literal, NamedTuple

import numpy as np

from bench.arguments import integer, real, script
from bench.history import OK
from bench.network import Lognormal, Network
from bench.run import run_trial
from bench.runtime.ray.session import RaySession
from bench.runtime.record import RunRecord
from bench.trial import ServiceTimes, Trial
from bench.units import nanoseconds
from bench.workload.spec import Workload

JOIN_S, BEFORE_S = 4.0, 2.0
SERVICE = ServiceTimes(message=50_000, byte=10.0)
Row = dict[str, Any]
World = Literal["sim", "ray"]


class Cell(NamedTuple):
    """How data moves: parts of ``chunk`` pairs, a pause after each, and the number of partitions."""

    chunk: int
    pause_s: float
    partitions: int


CELLS = (
    *(Cell(chunk, pause, 64) for chunk in (4, 64) for pause in (0.0, 0.002, 0.01, 0.05)),
    Cell(64, 0.0, 8),
    Cell(64, 0.0, 512),
)
LIVE_CELLS = (Cell(64, 0.0, 64), Cell(64, 0.01, 64), Cell(4, 0.0, 64))


def trial(cell: Cell, seed: int, runtime: World, rate: float, keys: int) -> Trial:
    """Half of the operations write 16 KiB."""
    return Trial(
        protocol="partitioned",
        runtime=runtime,
        nodes=5,
        seed=seed,
        duration=nanoseconds(10),
        network=Network(latency=Lognormal(nanoseconds(0.0005), 0.2)),
        service=SERVICE,
        params={
            "partitions": cell.partitions,
            "initial": 4,
            "join_at_s": JOIN_S,
            "chunk": cell.chunk,
            "pause_s": cell.pause_s,
        },
        workload=Workload(
            clients=8,
            rate=rate,
            keys=keys,
            value_bytes=16384,
            distribution="uniform",
            mix=(("read", 0.5), ("write", 0.5)),
        ),
    )


def latencies(record: RunRecord, begin: int, end: int) -> Any:
    """Of operations meant to begin in a window, in ms."""
    history = record.history
    inside = (history.outcome == OK) & (history.intended >= begin) & (history.intended < end)
    return (history.completed - history.intended)[inside] / 1e6


def moved(record: RunRecord) -> tuple[int, int, int]:
    """When the newcomer joined, when the last partition had moved (ns; 0: not all have), and how many did."""
    joined = next(mark.at for mark in record.marks if mark.name == "joined")
    begun = sum(mark.name == "move_begun" for mark in record.marks)
    done = [mark.at for mark in record.marks if mark.name == "moved"]
    return joined, max(done) if done and len(done) == begun else 0, len(done)


def measure(cell: Cell, seeds: int, rate: float, keys: int, session: RaySession | None = None) -> Row:
    """Medians of the seeds."""
    took, before, during, worst, longest, valid, parts = [], [], [], [], [], 0, []
    for seed in range(1, seeds + 1):
        result, record = run_trial(trial(cell, seed, "ray" if session else "sim", rate, keys), session=session)
        valid += result.verdict == "valid"
        joined, done, count = moved(record)
        parts.append(count)
        end = done or record.load_end
        took.append((end - joined) / 1e9 if done else float("inf"))
        calm = latencies(record, joined - nanoseconds(BEFORE_S), joined)
        busy = latencies(record, joined, max(end, joined + nanoseconds(0.2)))
        before.append(float(np.quantile(calm, 0.99)))
        longest.append(float(calm.max()))
        during.append(float(np.quantile(busy, 0.99)))
        worst.append(float(busy.max()))
    return {
        "world": "live" if session else "simulated",
        **cell._asdict(),
        "trials": seeds,
        "valid": valid,
        "moved": median(parts),
        "took_s": round(median(took), 3),
        "p99_before_ms": round(median(before), 2),
        "p99_during_ms": round(median(during), 2),
        "max_before_ms": round(median(longest), 1),
        "max_during_ms": round(median(worst), 1),
    }


def sentence(row: Row) -> str:
    """What is printed of a cell."""
    return (
        f"{row['world']}, {row['partitions']} partitions, parts of {row['chunk']}, {row['pause_s'] * 1e3:g} ms between "
        f"them: {row['moved']:g} moved in {row['took_s']:g} s, p99 {row['p99_before_ms']:g} -> "
        f"{row['p99_during_ms']:g} ms, longest {row['max_before_ms']:g} -> {row['max_during_ms']:g} ms, "
        f"{row['valid']} of {row['trials']} valid"
    )


def draw(rows: list[Row], path: Path) -> None:
    """How long it takes against what clients notice."""
    import matplotlib.pyplot as plt

    from bench.report.plots import to_png

    figure, axes = plt.subplots(figsize=(8, 4.6), layout="constrained")
    kinds: list[tuple[str, str, Callable[[Row], bool]]] = [
        ("parts of 4 pairs, 64 partitions", "o", lambda row: row["chunk"] == 4),
        ("parts of 64 pairs, 64 partitions", "s", lambda row: row["chunk"] == 64 and row["partitions"] == 64),
        ("parts of 64, 8 partitions", "v", lambda row: row["partitions"] == 8),
        ("parts of 64, 512 partitions", "^", lambda row: row["partitions"] == 512),
    ]
    simulated = [row for row in rows if row["world"] == "simulated"]
    for name, marker, chosen in kinds:
        some = sorted((row for row in simulated if chosen(row)), key=lambda row: row["took_s"])
        if not some:
            continue
        axes.plot(
            [row["took_s"] for row in some],
            [row["p99_during_ms"] for row in some],
            marker=marker,
            markersize=8,
            label=name,
        )
        for row in some:
            if row["partitions"] == 64 and (row["chunk"] == 4 or row["pause_s"] in (0.01, 0.05)):
                axes.annotate(
                    f"{row['pause_s'] * 1e3:g} ms",
                    (row["took_s"], row["p99_during_ms"]),
                    textcoords="offset points",
                    xytext=(0, 9),
                    ha="center",
                )
    if simulated:
        axes.axhline(median(row["p99_before_ms"] for row in simulated), linestyle="--", color="grey")
        axes.set_title("at the points: pause after each part; dashed: before the move", loc="left", fontsize="medium")
    axes.set(xscale="log", yscale="log", xlabel="time until all has moved [s]", ylabel="p99 latency meanwhile [ms]")
    axes.set_ylim(1.8, 16)
    axes.set_yticks([2, 3, 5, 10], ["2", "3", "5", "10"])
    axes.set_xticks([0.1, 0.3, 1, 3], ["0.1", "0.3", "1", "3"])
    axes.minorticks_off()
    axes.legend(frameon=False, loc="center right")
    path.write_bytes(to_png(figure))


def main() -> int:
    """See the module."""
    parser = script(__doc__)
    parser.add_argument("--seeds", type=integer(1), default=3, help="trials of a cell, each with a seed of its own")
    parser.add_argument("--live", type=integer(0), default=0, help="live trials of a cell")
    parser.add_argument("--rate", type=real(0, above=True), default=3000.0, help="operations a second")
    parser.add_argument("--keys", type=integer(1), default=6000, help="in the store")
    parser.add_argument("--cells", type=integer(1, len(CELLS)), default=len(CELLS), help="only so many of the cells")
    parser.add_argument("--out", type=Path, default=Path("results/rebalance"), help="folder for figure and tables")
    options = parser.parse_args()
    rows = []
    for cell in CELLS[: options.cells]:
        rows.append(measure(cell, options.seeds, options.rate, options.keys))
        print(sentence(rows[-1]), flush=True)
    if options.live:
        with RaySession(None) as session:
            for cell in LIVE_CELLS:
                rows.append(measure(cell, options.live, options.rate / 2, options.keys, session))
                print(sentence(rows[-1]), flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    with (options.out / "cells.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    draw(rows, options.out / "figure.png")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
