"""What do partitions bring that are split and merged, by size, by load, or for newcomers, over a fixed number of them?

Simulated with service times, so that a hot server saturates: each takes 500 writes a second.

- *load*: eight servers, all operations are writes, and neighbours are hot together (Zipf's law over keys in order).
- *insert*: the same with new keys in their order.
- *size*: a store that grows; how many partitions it is in, and how full the fullest server is.
- *join*: a fifth server joins four; how much moves, and how even it is afterwards.

    python experiments/partitioning/split_merge.py [--seeds 3] [--out results/split-merge]
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from bench.arguments import integer, listed, real, script
from bench.network import Constant, Network
from bench.run import run_trial
from bench.runtime.record import RunRecord
from bench.trial import Result, ServiceTimes, Trial
from bench.units import nanoseconds
from bench.workload.choosing import zipf_bounds
from bench.workload.spec import Workload

SERVERS, KEYS = 8, 1000
WRITE_S = 0.002
IDLE_S = 0.0001
SKEWS = (0.0, 0.6, 0.9, 1.2, 1.5)
SETTLED_S, MEASURED_S = 12.0, 4.0
"""Seconds in which partitions are split and moved before anything is measured, and those in which it is."""
REPORT_S = 0.25
SPLIT_RATE = 125.0
"""A quarter of what a server takes: a mean of four partitions and more a server."""
SYSTEMS: dict[str, dict[str, Any]] = {
    "hash, 64 fixed": {"placement": "modulo"},
    "range, never split": {"placement": "range"},
    "range, split by size": {"placement": "range", "report_s": REPORT_S, "split_keys": 32, "even": "keys"},
    "range, split by load": {"placement": "range", "report_s": REPORT_S, "split_rate": SPLIT_RATE, "even": "rate"},
}
SPLIT_KEYS = 64
SIZES = (250, 500, 1000, 2000, 4000)
JOINS: dict[str, dict[str, Any]] = {
    "64 fixed": {"placement": "modulo", "report_s": REPORT_S},
    "split by size": {"placement": "hash", "partitions": 5, "split_keys": 128, "even": "keys", "report_s": REPORT_S},
    "8 a server": {"placement": "hash", "partitions": 5, "per_node": 8, "report_s": REPORT_S},
    "32 a server": {"placement": "hash", "partitions": 5, "per_node": 32, "report_s": REPORT_S},
}
JOIN_KEYS = 4000
JOIN_S = 16.0

Row = dict[str, Any]


def shares(keys: int, skew: float) -> list[float]:
    """Each key's share of the requests, in the order of keys."""
    if not skew:
        return [1 / keys] * keys
    return [after - before for before, after in pairwise([0.0, *zipf_bounds(keys, skew)])]


def predicted(system: str, requests: Sequence[float]) -> float:
    """Operations a second at which the busiest server has no time left, if ranges can be cut anywhere between keys."""
    if system == "range, never split":
        return 1 / WRITE_S
    return 1 / (WRITE_S * max(1 / SERVERS, *requests))


def trial(
    seed: int,
    nodes: int,
    params: dict[str, Any],
    workload: Workload,
    duration_s: float,
    warmup_s: float,
    message_s: float = WRITE_S,
) -> Trial:
    """A simulated one, in which a message takes ``message_s`` of a server's time."""
    return Trial(
        protocol="partitioned",
        nodes=nodes,
        seed=seed,
        duration=nanoseconds(duration_s),
        warmup=nanoseconds(warmup_s),
        network=Network(latency=Constant(nanoseconds(0.0005))),
        service=ServiceTimes(message=nanoseconds(message_s), wakeup=0, byte=0.0, fsync=nanoseconds(0.0005)),
        params={"operation_timeout_s": 60.0, "ask_again_s": 20.0, "moves": 4, "retry_s": 1.0, **params},
        workload=workload,
    )


def run(wanted: Trial) -> tuple[Result, RunRecord]:
    """Nothing that violates anything is measured."""
    result, record = run_trial(wanted)
    if result.verdict == "invalid":
        raise SystemExit(f"{wanted.params}: {result.violations[0].reason}")
    return result, record


def last_spread(record: RunRecord) -> dict[str, Any]:
    """What the coordinator noted last: partitions, the fullest and the busiest server over the mean."""
    found = [mark.fields for mark in record.marks if mark.name == "spread"]
    return found[-1] if found else {}


# --- parts -----------------------------------------------------------------------------------------------------------


def under_load(seeds: int, skews: Sequence[float], systems: Sequence[str]) -> list[Row]:
    """Throughput once splits have settled, for keys that are hot together, and for new keys in their order."""
    rows: list[Row] = []
    mix = (("write", 0.99), ("read", 0.01))
    for skew in (*skews, None):
        for system in systems:
            if skew is None:
                load = Workload(clients=64, keys=40_000, distribution="sequential", mix=mix)
            elif skew:
                load = Workload(clients=64, keys=KEYS, distribution="zipfian", skew=skew, mix=mix)
            else:
                load = Workload(clients=64, keys=KEYS, distribution="uniform", mix=mix)
            params = SYSTEMS[system]
            found = []
            for seed in range(1, seeds + 1):
                result, record = run(trial(seed, SERVERS, params, load, SETTLED_S + MEASURED_S, SETTLED_S))
                found.append((result, last_spread(record)))
            share = None if skew is None else max(shares(KEYS, skew))
            rows.append(
                {
                    "part": "insert" if skew is None else "load",
                    "system": system,
                    "x": "" if share is None else round(share, 4),
                    "throughput": round(median(result.throughput_ops_s for result, _ in found)),
                    "predicted": "" if skew is None else round(predicted(system, shares(KEYS, skew))),
                    "partitions": median(
                        spread.get("partitions", 64 if "fixed" in system else 1) for _, spread in found
                    ),
                    "splits": median(result.coverage.get("split", 0) for result, _ in found),
                    "moves": median(result.coverage.get("moved", 0) for result, _ in found),
                }
            )
            tell(rows[-1])
    return rows


def growing(seeds: int, sizes: Sequence[int]) -> list[Row]:
    """Partitions, and the fullest server, of stores that hold so many keys."""
    rows: list[Row] = []
    for size in sizes:
        load = Workload(
            clients=64, rate=1000.0, keys=size, distribution="sequential", mix=(("write", 0.9), ("read", 0.1))
        )
        params = {"placement": "range", "report_s": REPORT_S, "split_keys": SPLIT_KEYS, "even": "keys"}
        spreads = []
        for seed in range(1, seeds + 1):
            _, record = run(trial(seed, 4, params, load, size / 600 + 12, 1, IDLE_S))
            spreads.append(last_spread(record))
        rows.append(
            {
                "part": "size",
                "system": f"split above {SPLIT_KEYS} keys",
                "x": size,
                "partitions": median(spread["partitions"] for spread in spreads),
                "predicted": f"{size / SPLIT_KEYS:.0f} to {2 * size / SPLIT_KEYS:.0f}",
                "fullest": round(median(spread["fullest"] for spread in spreads), 3),
            }
        )
        tell(rows[-1])
    return rows


def joining(seeds: int, systems: Sequence[str]) -> list[Row]:
    """What a newcomer gets, and how even it is then."""
    rows: list[Row] = []
    for system in systems:
        load = Workload(
            clients=32, rate=600.0, keys=JOIN_KEYS, distribution="sequential", mix=(("write", 0.8), ("read", 0.2))
        )
        params = {**JOINS[system], "initial": 4, "join_at_s": JOIN_S}
        found = []
        for seed in range(1, seeds + 1):
            _, record = run(trial(seed, 5, params, load, JOIN_S + 14, 1, IDLE_S))
            joined = next(mark.at for mark in record.marks if mark.name == "joined")
            taken = [mark for mark in record.marks if mark.name == "taken" and mark.at >= joined]
            before = [mark.fields for mark in record.marks if mark.name == "spread" and mark.at < joined]
            found.append(
                {
                    "moved": sum(mark.fields["keys"] for mark in taken) / JOIN_KEYS,
                    "moves": len(taken),
                    "took_s": (max(mark.at for mark in taken) - joined) / 1e9,
                    "fullest_before": before[-1]["fullest"],
                    **last_spread(record),
                }
            )
        rows.append(
            {
                "part": "join",
                "system": system,
                **{
                    name: round(median(each[name] for each in found), 3)
                    for name in ("partitions", "moves", "moved", "took_s", "fullest_before", "fullest")
                },
                "predicted": 0.2,
            }
        )
        tell(rows[-1])
    return rows


def tell(row: Row) -> None:
    """Print it."""
    print(", ".join(f"{name} {value}" for name, value in row.items() if value != ""), flush=True)


# --- the figure ------------------------------------------------------------------------------------------------------


def draw(rows: list[Row], path: Path) -> None:
    """Throughput, inserts, growth, a join."""
    from matplotlib.figure import Figure

    from bench.report.plots import style, to_png

    with style() as palette:
        figure = Figure(figsize=(8.4, 6.8))
        load, insert, size, join = figure.subplots(2, 2).flat
        for at, system in enumerate(SYSTEMS):
            mine = [row for row in rows if row["part"] == "load" and row["system"] == system]
            x = [100 * row["x"] for row in mine]
            load.plot(x, [row["throughput"] for row in mine], "-o", markersize=4, color=palette[at], label=system)
        bound = [row for row in rows if row["part"] == "load" and "load" in row["system"]]
        load.plot([100 * row["x"] for row in bound], [row["predicted"] for row in bound], ":", color="grey")
        load.set_xlabel("writes for the hottest key [%]")
        load.set_ylabel("operations/s")
        load.set_ylim(bottom=0)
        load.set_title("dotted: no server busier than it must be", fontsize=8.5)
        load.legend(fontsize=8)
        mine = [row for row in rows if row["part"] == "insert"]
        insert.barh([row["system"] for row in mine], [row["throughput"] for row in mine], color=palette[0])
        insert.invert_yaxis()
        insert.grid(axis="x")
        insert.grid(visible=False, axis="y")
        insert.set_xlabel("operations/s")
        insert.set_title("keys inserted in their order", fontsize=8.5)
        mine = [row for row in rows if row["part"] == "size"]
        x = [row["x"] for row in mine]
        size.plot(x, [row["partitions"] for row in mine], "-o", markersize=4, color=palette[0], label="measured")
        size.fill_between(
            x,
            [each / SPLIT_KEYS for each in x],
            [2 * each / SPLIT_KEYS for each in x],
            alpha=0.2,
            color=palette[0],
            label=f"{SPLIT_KEYS // 2} to {SPLIT_KEYS} keys each",
        )
        size.set_xlabel("keys")
        size.set_ylabel("partitions")
        size.set_ylim(bottom=0)
        size.legend(fontsize=8)
        mine = [row for row in rows if row["part"] == "join"]
        y = range(len(mine))
        join.barh(
            [each - 0.2 for each in y], [row["moved"] for row in mine], 0.38, color=palette[0], label="keys moved"
        )
        join.barh(
            [each + 0.2 for each in y],
            [row["fullest"] - 1 for row in mine],
            0.38,
            color=palette[1],
            label="fullest server over the mean, less 1",
        )
        join.axvline(0.2, linestyle=":", color="grey")
        join.set_yticks(list(y), [row["system"] for row in mine])
        join.invert_yaxis()
        join.grid(visible=False, axis="y")
        join.set_xlabel("share (dotted: a newcomer's due)")
        join.set_xlim(left=0)
        join.legend(fontsize=7.5, loc="lower center", bbox_to_anchor=(0.4, 1.0))
        path.write_bytes(to_png(figure))


def main() -> int:
    """See the module."""
    parser = script(__doc__)
    parser.add_argument("--seeds", type=integer(1), default=3, help="trials of a cell, each with a seed of its own")
    parser.add_argument("--skews", type=listed(real(0)), default=",".join(map(str, SKEWS)), help="of Zipf's law")
    parser.add_argument(
        "--sizes",
        type=listed(integer(1)),
        default=",".join(map(str, SIZES)),
        help="keys above which a partition is split",
    )
    parser.add_argument("--out", type=Path, default=Path("results/split-merge"), help="folder for figure and tables")
    options = parser.parse_args()
    rows = [
        *under_load(options.seeds, options.skews, list(SYSTEMS)),
        *growing(options.seeds, options.sizes),
        *joining(options.seeds, list(JOINS)),
    ]
    options.out.mkdir(parents=True, exist_ok=True)
    with (options.out / "cells.csv").open("w", newline="") as file:
        names = list(dict.fromkeys(name for row in rows for name in row))
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
    draw(rows, options.out / "figure.png")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
