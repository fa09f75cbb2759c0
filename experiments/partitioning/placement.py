"""Every placement strategy on the same keys: how even, what a join and a leave move, look-up time, memory.

python experiments/partitioning/placement.py [--keys 200000] [--nodes 20] [--out results/placement]
"""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench.arguments import integer, script
from protocols.partitioning.bounded import bounded
from protocols.partitioning.hashing import hash_keys
from protocols.partitioning.jump import jump
from protocols.partitioning.maglev import SMALL, lookup, table
from protocols.partitioning.measures import balance, movement
from protocols.partitioning.modulo import join, leave, modulo, spread
from protocols.partitioning.ranges import even
from protocols.partitioning.rendezvous import rendezvous
from protocols.partitioning.ring import Ring, even_tokens

FIXED = 1024
"""Partitions of the strategy with a fixed number of them."""


class Strategy:
    """A placement over a set of nodes: built once, then asked for the owner of every key."""

    def __init__(
        self, name: str, build: Callable[[list[str]], Any], place: Callable[[Any, Any], Any], size: Any
    ) -> None:
        self.name, self.build, self.place, self.size = name, build, place, size


def strategies(keys: np.ndarray[Any, Any], names: list[str]) -> list[Strategy]:
    """Every one; ``place`` gives indices into the nodes it was built with."""
    sample = np.sort(np.random.default_rng(1).choice(keys, min(len(keys), 5_000), replace=False)).tolist()
    ranges_ = 8 * len(names)
    cut = even(sample, names, ranges_)
    rings = {
        "ring, 1 token": (1, None),
        "ring, 16 random": (16, None),
        "ring, 256 random": (256, None),
        "ring, 4 chosen": (4, even_tokens),
    }
    found = [
        Strategy("hash mod N", len, lambda made, h: modulo(h, made), lambda made: 0),
        Strategy(
            f"{FIXED} fixed partitions",
            lambda n: redealt(spread(FIXED, len(names)), n, names),
            lambda made, h: made[modulo(h, FIXED)],
            lambda made: made.nbytes,
        ),
    ]
    for name, (tokens, allocate) in rings.items():
        found.append(
            Strategy(
                name,
                lambda n, tokens=tokens, allocate=allocate: Ring(n, tokens, allocate=allocate),  # type: ignore[misc]
                lambda made, h: made.owners_of(h),
                lambda made: made.tokens.nbytes + made.owners.nbytes,
            )
        )
    found += [
        Strategy(
            "ring, 16 random, bounded 1.25",
            lambda n: Ring(n, 16),
            lambda made, h: bounded(made, h, 1.25),
            lambda made: made.tokens.nbytes + made.owners.nbytes,
        ),
        Strategy("rendezvous", lambda n: n, lambda made, h: rendezvous(h, made), lambda made: 0),
        Strategy("jump", len, lambda made, h: jump(h, made), lambda made: 0),
        Strategy(
            f"Maglev, {SMALL} entries", lambda n: table(n, SMALL), lambda made, h: lookup(h, made), lambda m: m.nbytes
        ),
        Strategy(
            f"{ranges_} ranges, even at first",
            lambda n: redealt(spread(ranges_, len(names)), n, names),
            lambda made, h: made[cut.partitions(keys)],
            lambda made: made.nbytes + sum(len(bound) for bound in cut.bounds),
        ),
    ]
    return found


def redealt(owners: Any, nodes: list[str], first: list[str]) -> Any:
    """Owners of partitions: from the first nodes' table by a join or a leave, as a running system has it."""
    if len(nodes) > len(first):
        return join(owners, len(first))
    if len(nodes) < len(first):
        return leave(owners, len(first) - 1, len(first))
    return owners


def measure(strategy: Strategy, keys: Any, hashes: Any, names: list[str]) -> dict[str, Any]:
    """Balance, movement by the join of one more and by the leave of the last, time and memory."""
    began = time.perf_counter()
    made = strategy.build(names)
    built = time.perf_counter() - began
    began = time.perf_counter()
    owners = strategy.place(made, hashes)
    took = time.perf_counter() - began
    more, fewer = [*names, f"n{len(names)}"], names[:-1]
    before = np.array(names)[owners]
    joined = movement(before, np.array(more)[strategy.place(strategy.build(more), hashes)])
    left = movement(before, np.array(fewer)[strategy.place(strategy.build(fewer), hashes)])
    even_ = balance(owners, len(names))
    return {
        "strategy": strategy.name,
        "peak": round(even_.peak, 3),
        "least": round(even_.least, 3),
        "join_moves": round(joined.moved * (len(names) + 1), 3),
        "join_needless": round(joined.needless * (len(names) + 1), 3),
        "leave_moves": round(left.moved * len(names), 3),
        "leave_needless": round(left.needless * len(names), 3),
        "lookup_ns": round(took / len(hashes) * 1e9, 1),
        "build_ms": round(built * 1e3, 2),
        "bytes": int(strategy.size(made)),
    }


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """A strategy a line, three quantities beside each other."""
    from matplotlib.figure import Figure

    from bench.report.plots import style, to_png

    with style() as palette:
        figure = Figure(figsize=(7.6, 4.2))
        axes = figure.subplots(1, 3, sharey=True)
        places = range(len(rows))
        panels = (
            (("peak", "fullest"), ("least", "emptiest"), "keys of a node over the mean", False),
            (("join_moves", "join"), ("leave_moves", "leave"), "keys moved, over the due", True),
            (("lookup_ns", "look-up"), None, "look-up, many at once [ns]", True),
        )
        for axis, (first, second, label, log) in zip(axes, panels, strict=True):
            axis.plot([row[first[0]] for row in rows], places, "o", color=palette[0], label=first[1])
            if second:
                axis.plot(
                    [row[second[0]] for row in rows], places, "D", color=palette[1], markersize=4.5, label=second[1]
                )
                axis.axvline(1.0, color="black", linewidth=0.8, linestyle=":")
                axis.legend(fontsize=7, loc="upper right")
            if log:
                axis.set_xscale("log")
                axis.xaxis.set_major_formatter("{x:g}")
            axis.set_xlabel(label, fontsize=8.5)
            axis.tick_params(axis="x", labelsize=8)
        axes[0].set_yticks(list(places), [row["strategy"] for row in rows], fontsize=8)
        axes[0].invert_yaxis()
        path.write_bytes(to_png(figure))


def main() -> int:
    """See the module."""
    parser = script(__doc__)
    parser.add_argument("--keys", type=integer(1000), default=200_000, help="placed by each method")
    parser.add_argument("--nodes", type=integer(2), default=20, help="among which they are placed")
    parser.add_argument("--out", type=Path, default=Path("results/placement"), help="folder for figure and tables")
    options = parser.parse_args()
    names = [f"n{i}" for i in range(options.nodes)]
    keys = np.array([f"user{i:08d}" for i in range(options.keys)])
    hashes = hash_keys(keys.tolist())
    rows = []
    for strategy in strategies(keys, names):
        rows.append(measure(strategy, keys, hashes, names))
        row = rows[-1]
        print(
            f"{row['strategy']}: fullest {row['peak']:.2f}, emptiest {row['least']:.2f} of the mean; a join moves "
            f"{row['join_moves']:.2f} of its due ({row['join_needless']:.2f} needlessly), a leave "
            f"{row['leave_moves']:.2f} ({row['leave_needless']:.2f}); {row['lookup_ns']:.0f} ns, {row['bytes']:,} B",
            flush=True,
        )
    options.out.mkdir(parents=True, exist_ok=True)
    with (options.out / "strategies.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    draw(rows, options.out / "figure.png")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
