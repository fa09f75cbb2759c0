"""What happens to a lease when clocks are worse than was assumed, and what a larger bound costs?

The holder is cut off, with some of the clients, twice a trial; another server takes over when the grants have run
out. Every pair of actual drift (each clock runs within +- that of true speed) and assumed bound is simulated.

    python experiments/failure-detection/lease_drift.py [--seeds 30] [--out results/lease-drift]
"""

from __future__ import annotations

import csv
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from bench.arguments import integer, listed, real, script
from bench.faults.spec import Partition
from bench.network import Lognormal, Network
from bench.run import run_trial
from bench.trial import Trial
from bench.units import nanoseconds
from bench.workload.spec import Workload

DRIFTS = (0.0, 0.005, 0.02, 0.1, 0.3)
BOUNDS = (0.0, 0.005, 0.02, 0.1, 0.3)
TERM_S = 0.5
CUTS_S = (0.7, 2.9)


def trial(drift: float, bound: float, seed: int) -> Trial:
    """Twice, the holder is alone with some of the clients for a second and a half."""
    return Trial(
        protocol="lease",
        nodes=3,
        seed=seed,
        duration=nanoseconds(5),
        clock_drift_ppm=drift * 1e6,
        network=Network(latency=Lognormal(nanoseconds(0.001), 0.3)),
        params={"term_s": TERM_S, "drift_bound": bound},
        faults=tuple(
            Partition(at=nanoseconds(at), shape="isolate", target="leader", length=nanoseconds(1.5)) for at in CUTS_S
        ),
        workload=Workload(clients=6, rate=500.0, keys=2, mix=(("read", 0.8), ("write", 0.2))),
    )


def measure(drift: float, bound: float, seeds: int) -> dict[str, Any]:
    """Of so many trials: how many had two holders, how many histories are not linearizable, how long nobody served."""
    double = wrong = 0
    outages = []
    for seed in range(1, seeds + 1):
        result, _ = run_trial(trial(drift, bound, seed))
        double += result.checks["one_holder"] == "invalid"
        if result.checks["one_holder"] == "invalid":  # that run ended there: what do its clients go on to see?
            result, _ = run_trial(msgspec.structs.replace(trial(drift, bound, seed), invariants=False))
        wrong += result.checks["linearizable"] == "invalid"
        outages.append(result.unavailable_s)
    return {
        "drift": drift,
        "assumed": bound,
        "trials": seeds,
        "two_holders": double,
        "not_linearizable": wrong,
        "outage_s": round(median(outages), 3),
    }


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Two tables of colours: trials with two holders, and the outage."""
    from bench.report.plots import heat, to_png

    drifts = list(dict.fromkeys(row["drift"] for row in rows))
    bounds = list(dict.fromkeys(row["assumed"] for row in rows))
    at = {(row["drift"], row["assumed"]): row for row in rows}

    def table(value: Any) -> list[list[float]]:
        return [[float(value(at[drift, bound])) for bound in bounds] for drift in drifts]

    figure = heat(
        [
            ("trials with two holders [%]", table(lambda row: 100 * row["two_holders"] / row["trials"])),
            ("longest outage of a trial, median [ms]", table(lambda row: 1000 * row["outage_s"])),
        ],
        x_label="bound that is assumed",
        y_label="actual drift of clocks",
        columns=[f"{bound:.1%}" for bound in bounds],
        rows_named=[f"{drift:.1%}" for drift in drifts],
    )
    path.write_bytes(to_png(figure))


def main() -> int:
    """See the module."""
    parser = script(__doc__)
    parser.add_argument("--seeds", type=integer(1), default=20, help="trials of a cell, each with a seed of its own")
    parser.add_argument(
        "--drifts",
        type=listed(real(0, 0.99)),
        default=",".join(map(str, DRIFTS)),
        help="of the holder's clock: how much too slow, as a share",
    )
    parser.add_argument(
        "--bounds",
        type=listed(real(0, 0.99)),
        default=",".join(map(str, BOUNDS)),
        help="on drift that the lease allows for, as a share",
    )
    parser.add_argument("--out", type=Path, default=Path("results/lease-drift"), help="folder for figure and tables")
    options = parser.parse_args()
    rows = []
    for drift in options.drifts:
        for bound in options.bounds:
            row = measure(drift, bound, options.seeds)
            rows.append(row)
            print(
                f"clocks within {drift:.1%}, {bound:.1%} assumed: two holders in {row['two_holders']} of "
                f"{row['trials']} trials, {row['not_linearizable']} histories not linearizable, longest outage "
                f"{row['outage_s'] * 1e3:.0f} ms (median)",
                flush=True,
            )
    options.out.mkdir(parents=True, exist_ok=True)
    with (options.out / "cells.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    draw(rows, options.out / "figure.png")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
