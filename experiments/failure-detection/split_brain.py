"""Which side of a partition survives, does the loser go on acting, and for how long does nobody act?

Five servers, of which n1 has the one duty at first; n5 is the referee. Each strategy, with and without a fence, meets
each disturbance for two seconds. Clients reach everybody, so whoever acts wrongly finds somebody to act for.

    python experiments/failure-detection/split_brain.py [--seeds 5] [--live 3] [--out results/split-brain]

``--live N`` adds N trials of each of a few cells on a local Ray: SIGSTOP, SIGKILL, links cut at both ends, and a fence
that kills the process.
"""

from __future__ import annotations

import csv
from pathlib import Path
from statistics import median
from typing import Any, Literal

from bench.arguments import integer, listed, one_of, script
from bench.faults.spec import Crash, Cut, Fault, Pause
from bench.network import Lognormal, Network
from bench.run import run_trial
from bench.runtime.ray.session import RaySession
from bench.runtime.record import Mark
from bench.trial import Trial
from bench.units import nanoseconds
from bench.workload.spec import Workload

AT, LENGTH = nanoseconds(2), nanoseconds(2)
STRATEGIES = (
    ("none", False),
    ("none", True),
    ("static-quorum", False),
    ("static-quorum", True),
    ("keep-majority", False),
    ("keep-majority", True),
    ("keep-oldest", False),
    ("keep-oldest", True),
    ("keep-referee", False),
    ("keep-referee", True),
    ("lease-majority", False),
)
"""Strategy, and whether there is a fence."""


def apart(one: str, other: str) -> tuple[tuple[str, str], ...]:
    """Links between two sets of servers, both ways; a digit stands for a server."""
    return tuple(link for a in one for b in other for link in ((f"n{a}", f"n{b}"), (f"n{b}", f"n{a}")))


SHAPES: dict[str, Fault] = {
    "1 | 2345": Cut(at=AT, links=apart("1", "2345"), length=LENGTH),
    "12 | 345": Cut(at=AT, links=apart("12", "345"), length=LENGTH),
    "123 | 45": Cut(at=AT, links=apart("123", "45"), length=LENGTH),
    "12 (3) 45": Cut(at=AT, links=apart("12", "45"), length=LENGTH),
    "1 deaf": Cut(at=AT, links=tuple((f"n{other}", "n1") for other in "2345"), length=LENGTH),
    "1 mute": Cut(at=AT, links=tuple(("n1", f"n{other}") for other in "2345"), length=LENGTH),
    "1 paused": Pause(at=AT, target="n1", length=LENGTH),
    "1 killed": Crash(at=AT, target="n1", down=LENGTH),
}
"""Digits are servers; in brackets: one that still reaches both sides."""

LIVE = (("keep-majority", False), ("keep-majority", True), ("lease-majority", False))
LIVE_SHAPES = ("1 | 2345", "12 (3) 45", "1 paused", "1 killed")


def trial(strategy: str, fence: bool, shape: str, seed: int, runtime: Literal["sim", "ray"] = "sim") -> Trial:
    """One disturbance of five servers."""
    return Trial(
        protocol="splitbrain",
        runtime=runtime,
        nodes=5,
        seed=seed,
        duration=nanoseconds(6),
        network=Network(latency=Lognormal(nanoseconds(0.001), 0.3)),
        params={"strategy": strategy, "fence": fence, "referee": 5},
        faults=(SHAPES[shape],),
        warmup=nanoseconds(1.5),  # nobody has the duty at first, which is no outage
        workload=Workload(clients=4, rate=200.0, keys=1, mix=(("read", 1.0),)),
    )


def replaced(marks: list[Mark]) -> tuple[int, float]:
    """How often a server acted that another had replaced, and seconds from the first such act of a trial to the last.

    In both worlds from what servers say themselves. Live their clocks are one, that of the machine.
    """
    holder, times = "", []
    for mark in sorted(marks, key=lambda mark: mark.at):
        if mark.name == "elected":
            holder = mark.node
        elif mark.name == "acted" and mark.node != holder:
            times.append(mark.at)
    return len(times), (times[-1] - times[0]) / 1e9 if times else 0.0


def measure(strategy: str, fence: bool, shape: str, seeds: int, session: RaySession | None = None) -> dict[str, Any]:
    """Acts of one that had been replaced, the longest outage, who was killed or stood down: medians of the seeds."""
    double, spans, outages, fences, downed, valid, premise = [], [], [], [], [], 0, 0
    for seed in range(1, seeds + 1):
        setting = trial(strategy, fence, shape, seed, "ray" if session else "sim")
        result, record = run_trial(setting, session=session)
        before = [mark.node for mark in record.marks if mark.name == "elected" and mark.at < AT]
        premise += bool(before) and before[-1] == "n1"
        valid += result.verdict == "valid"
        acts, span = replaced(record.marks)
        double.append(acts)
        spans.append(span)
        outages.append(float("nan") if result.unavailable_s is None else result.unavailable_s)
        fences.append(result.coverage.get("fences", 0))
        downed.append(result.coverage.get("downed", 0))
    return {
        "world": "live" if session else "simulated",
        "strategy": strategy,
        "fence": fence,
        "shape": shape,
        "trials": seeds,
        "valid": valid,
        "n1_had_it": premise,
        "double_acts": median(double),
        "double_acts_max": max(double),
        "double_s_max": round(max(spans), 3),
        "outage_s": round(median(outages), 3),
        "killed": median(fences),
        "stood_down": median(downed),
    }


def named(row: dict[str, Any]) -> str:
    """A row of the figure."""
    return f"{row['strategy']}, fence" if row["fence"] else row["strategy"]


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Two tables of colours: acts of a server that had been replaced, and the outage."""
    from bench.report.plots import heat, to_png

    rows = [row for row in rows if row["world"] == "simulated"]
    shapes = list(dict.fromkeys(row["shape"] for row in rows))
    names = list(dict.fromkeys(named(row) for row in rows))
    at = {(named(row), row["shape"]): row for row in rows}

    def table(what: str, scale: float) -> list[list[float]]:
        return [[scale * at[name, shape][what] for shape in shapes] for name in names]

    figure = heat(
        [
            ("acts of a server that had been replaced, most of a trial", table("double_acts_max", 1.0)),
            ("longest outage, median [ms]", table("outage_s", 1000.0)),
        ],
        x_label="disturbance, 2 s",
        y_label="strategy",
        columns=[shape.replace(" ", "\n") for shape in shapes],
        rows_named=names,
    )
    path.write_bytes(to_png(figure))


def sentence(row: dict[str, Any]) -> str:
    """What is printed of a cell."""
    return (
        f"{row['world']}, {named(row)}; {row['shape']}: {row['double_acts_max']:g} double acts at most within "
        f"{row['double_s_max']:g} s, outage {row['outage_s']:g} s, {row['killed']:g} killed, {row['stood_down']:g} "
        f"stood down, {row['valid']} of {row['trials']} valid"
    )


def main() -> int:
    """See the module."""
    parser = script(__doc__)
    parser.add_argument("--seeds", type=integer(1), default=5, help="trials of a cell, each with a seed of its own")
    parser.add_argument("--live", type=integer(0), default=0, help="live trials of a cell")
    parser.add_argument(
        "--strategies",
        type=listed(one_of("strategy", dict(STRATEGIES))),
        default=",".join(dict(STRATEGIES)),
        help="to compare",
    )
    parser.add_argument(
        "--shapes", type=listed(one_of("shape", SHAPES)), default=",".join(SHAPES), help="of the partitions"
    )
    parser.add_argument("--out", type=Path, default=Path("results/split-brain"), help="folder for figure and tables")
    options = parser.parse_args()
    wanted, shapes = options.strategies, options.shapes
    rows = []
    for strategy, fence in STRATEGIES:
        for shape in shapes if strategy in wanted else ():
            rows.append(measure(strategy, fence, shape, options.seeds))
            print(sentence(rows[-1]), flush=True)
    if options.live:
        with RaySession(None) as session:
            for strategy, fence in LIVE:
                for shape in LIVE_SHAPES if strategy in wanted else ():
                    if shape in shapes:
                        rows.append(measure(strategy, fence, shape, options.live, session))
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
