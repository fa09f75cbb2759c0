"""Virtual nodes: what more tokens a node buy, and what they cost.

Rings of 5 to 300 nodes with 1 to 512 tokens each, drawn at random or chosen; several rings a cell, each with other
names. A ring is a pure function: no trial is run.

    python experiments/partitioning/vnodes.py [--rings 10] [--out results/vnodes]
"""

from __future__ import annotations

import csv
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.arguments import integer, listed, script
from bench.theory.hashing import load_deviation
from protocols.partitioning.measures import spread_of
from protocols.partitioning.ring import Ring, even_tokens

NODES = (5, 10, 30, 100, 300)
TOKENS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
SHOWN = (10, 100, 300)
"""Of the numbers of nodes, those in the figure."""
LOOKUPS = 200_000


def measure(nodes: int, tokens: int, chosen: bool, number: int) -> dict[str, Any]:
    """One ring: its balance, what a join and a leave move over their due, its memory, and a look-up's time."""
    names = [f"r{number}-n{i}" for i in range(nodes)]
    allocate = even_tokens if chosen else None
    ring = Ring(names, tokens, allocate=allocate)
    balance = spread_of(ring.shares())
    joined = ring.adding(f"r{number}-new")
    left = ring.removing(names[nodes // 2])
    hashes = np.random.default_rng(number).integers(0, 2**64, LOOKUPS, dtype=np.uint64)
    ring.owners_of(hashes[:1000])
    began = time.perf_counter()
    ring.owners_of(hashes)
    took = time.perf_counter() - began
    return {
        "nodes": nodes,
        "tokens": tokens,
        "allocation": "chosen" if chosen else "random",
        "deviation": balance.deviation,
        "peak": balance.peak,
        "joins_move": ring.moved(joined) * (nodes + 1),
        "leaves_move": ring.moved(left) * nodes,
        "bytes": ring.tokens.nbytes + ring.owners.nbytes,
        "lookup_ns": took / LOOKUPS * 1e9,
    }


def means(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row a cell; medians of the look-up's time."""
    cells: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        cells.setdefault((row["nodes"], row["tokens"], row["allocation"]), []).append(row)
    found = []
    for (nodes, tokens, allocation), group in cells.items():
        row = {"nodes": nodes, "tokens": tokens, "allocation": allocation, "rings": len(group)}
        for name in ("deviation", "peak", "joins_move", "leaves_move", "bytes"):
            row[name] = round(float(np.mean([each[name] for each in group])), 4)
        row["lookup_ns"] = round(float(np.median([each["lookup_ns"] for each in group])), 1)
        row["formula_deviation"] = round(load_deviation(nodes, tokens), 4) if allocation == "random" else ""
        found.append(row)
    return found


def draw(cells: list[dict[str, Any]], path: Path) -> None:
    """Imbalance, movement and cost against tokens."""
    from matplotlib.figure import Figure

    from bench.report.plots import style, to_png

    with style() as palette:
        figure = Figure(figsize=(7.2, 6.4))
        axes = figure.subplots(2, 2).flat
        measured = sorted({cell["nodes"] for cell in cells})
        # three numbers of nodes have room: the usual ones, else the smallest, the middle one and the largest
        shown = [n for n in SHOWN if n in measured] or sorted({measured[0], measured[len(measured) // 2], measured[-1]})
        drawn = {nodes: palette[at] for at, nodes in enumerate(shown)}
        panels = (
            ("peak", "fullest node over the mean"),
            ("deviation", "deviation of shares"),
            ("joins_move", "moved by a join, over its due"),
            ("lookup_ns", "look-up, many at once [ns]"),
        )
        for place, (name, label) in zip(axes, panels, strict=True):
            for nodes, colour in drawn.items():
                for allocation, line in (("random", "-"), ("chosen", "--")):
                    mine = [c for c in cells if c["nodes"] == nodes and c["allocation"] == allocation]
                    place.plot(
                        [c["tokens"] for c in mine],
                        [c[name] for c in mine],
                        line,
                        marker="o",
                        markersize=3,
                        color=colour,
                        label=f"{nodes} nodes, {allocation}" if name == "peak" else None,
                    )
                if name == "deviation":
                    mine = [c for c in cells if c["nodes"] == nodes and c["allocation"] == "random"]
                    place.plot([c["tokens"] for c in mine], [c["formula_deviation"] for c in mine], ":", color="black")
            place.set_xscale("log", base=2)
            place.set_xticks([1, 4, 16, 64, 256], ["1", "4", "16", "64", "256"])
            if name == "deviation":
                place.set_yscale("log")
                place.set_title("dotted: sqrt((n-1)/(nv+1))", fontsize=8)
            if name == "lookup_ns":
                place.set_ylim(bottom=0)
            place.set_xlabel("tokens a node")
            place.set_ylabel(label)
        figure.legend(loc="outside upper center", ncols=3, fontsize=8)
        path.write_bytes(to_png(figure))


def main() -> int:
    """See the module."""
    parser = script(__doc__)
    parser.add_argument("--rings", type=integer(1), default=10, help="drawn for each cell")
    parser.add_argument("--nodes", type=listed(integer(2)), default=",".join(map(str, NODES)), help="on the ring")
    parser.add_argument("--tokens", type=listed(integer(1)), default=",".join(map(str, TOKENS)), help="of each node")
    parser.add_argument("--out", type=Path, default=Path("results/vnodes"), help="folder for figure and tables")
    options = parser.parse_args()
    rows = []
    for nodes in options.nodes:
        for tokens in options.tokens:
            for chosen in (False, True):
                if chosen and nodes * tokens > 20_000:
                    continue  # one by one, each by a search of all: minutes
                rows += [measure(nodes, tokens, chosen, number) for number in range(options.rings)]
        print(f"{nodes} nodes done", flush=True)
    cells = means(rows)
    options.out.mkdir(parents=True, exist_ok=True)
    with (options.out / "cells.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(cells[0]))
        writer.writeheader()
        writer.writerows(cells)
    for cell in cells:
        if cell["nodes"] in (10, 100) and cell["tokens"] in (1, 4, 16, 256):
            print(
                f"{cell['nodes']} nodes, {cell['tokens']} tokens {cell['allocation']}: fullest {cell['peak']:.2f} of "
                f"the mean, deviation {cell['deviation']:.3f} (formula {cell['formula_deviation'] or '-'}), a join "
                f"moves {cell['joins_move']:.2f} of its due, {cell['bytes'] / 1024:.0f} KiB, {cell['lookup_ns']:.0f} ns"
            )
    draw(cells, options.out / "figure.png")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
