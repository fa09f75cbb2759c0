"""Does the hash function matter? Good ones and a bad one, on sequential, random, zipfian and adversarial keys.

Keys go to 64 buckets by their hash; how even that is is compared with a fair die (chi-square).

    python experiments/partitioning/hash_quality.py [--keys 100000] [--out results/hash-quality]
"""

from __future__ import annotations

import csv
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from bench.arguments import integer, script
from protocols.partitioning.hashing import FUNCTIONS, hash_keys
from protocols.partitioning.measures import balance

BUCKETS = 64


def key_sets(count: int) -> dict[str, tuple[list[str], np.ndarray[Any, Any] | None]]:
    """Keys by kind, with how often each is asked for (None: once each)."""
    rng = np.random.default_rng(7)
    sequential = [f"user{i}" for i in range(count)]
    ranks = np.arange(1, count + 1, dtype=float)
    letters = np.array(list("abcdefghijklmnop"))
    # anagrams of one word: every one has the same sum of bytes
    anagrams = sorted({"".join(rng.permutation(letters)) for _ in range(count)})
    return {
        "sequential": (sequential, None),
        "fixed width": ([f"{i:012d}" for i in range(count)], None),
        "random": ([bytes(row).hex() for row in rng.integers(0, 256, (count, 8), dtype=np.uint8)], None),
        "anagrams (adversarial)": (anagrams, None),
        "zipfian requests": (sequential, 1 / ranks**0.99),
    }


def measure(function: str, kind: str, keys: list[str], load: Any) -> dict[str, Any]:
    """The spread over buckets, and what the hash costs."""
    began = time.perf_counter()
    hashes = hash_keys(keys, function)
    took = time.perf_counter() - began
    buckets = (hashes % np.uint64(BUCKETS)).astype(np.int64)
    counts = np.bincount(buckets, minlength=BUCKETS)
    chance = float(stats.chisquare(counts).pvalue)
    even = balance(buckets, BUCKETS, load)
    return {
        "function": function,
        "keys": kind,
        "peak": round(even.peak, 3),
        "least": round(even.least, 3),
        "chi_square_p": float(f"{chance:.3g}"),
        "hash_ns": round(took / len(keys) * 1e9, 1),
    }


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """The fullest bucket, a line a kind of keys."""
    from matplotlib.figure import Figure

    from bench.report.plots import style, to_png

    with style() as palette:
        figure = Figure(figsize=(6.4, 3.4))
        axes = figure.subplots()
        kinds = list(dict.fromkeys(row["keys"] for row in rows))
        functions = list(dict.fromkeys(row["function"] for row in rows))
        markers = "osD^v"
        for at, function in enumerate(functions):
            peaks = [next(r["peak"] for r in rows if r["function"] == function and r["keys"] == kind) for kind in kinds]
            places = [place + 0.13 * (at - (len(functions) - 1) / 2) for place in range(len(kinds))]
            axes.plot(peaks, places, markers[at], color=palette[at], markersize=5, label=function)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_yticks(range(len(kinds)), kinds)
        axes.invert_yaxis()
        axes.axvline(1.0, color="black", linewidth=0.8, linestyle=":")
        axes.set_xlabel(f"fullest of {BUCKETS} buckets over the mean")
        figure.legend(loc="outside upper center", ncols=len(functions), fontsize=8)
        path.write_bytes(to_png(figure))


def main() -> int:
    """See the module."""
    parser = script(__doc__)
    parser.add_argument("--keys", type=integer(1), default=100_000, help="hashed by each function")
    parser.add_argument("--out", type=Path, default=Path("results/hash-quality"), help="folder for figure and tables")
    options = parser.parse_args()
    rows = []
    for kind, (keys, load) in key_sets(options.keys).items():
        for function in FUNCTIONS:
            row = measure(function, kind, keys, load)
            rows.append(row)
            print(
                f"{kind}, {function}: fullest bucket {row['peak']:.2f} of the mean, chance of so uneven a spread "
                f"{row['chi_square_p']:.2g}, {row['hash_ns']:.0f} ns a key",
                flush=True,
            )
    options.out.mkdir(parents=True, exist_ok=True)
    with (options.out / "spread.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    draw(rows, options.out / "figure.png")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
