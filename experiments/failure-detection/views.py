"""What do agreed views cost, and what do they give, beside a quorum?

Five servers keep registers as a process group that delivers a message when every member has it (*safe*), as one that
delivers it as soon as its place is known (*agreed*), and with Raft. Each meets each disturbance for two seconds. All
suspect after about the same silence.

    python experiments/failure-detection/views.py [--seeds 8] [--live 3] [--out results/views]

``--live N`` adds N trials of each of a few cells on a local Ray: SIGKILL, SIGSTOP, links cut at both ends.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, Literal

import numpy as np

from bench.arguments import integer, listed, one_of, script
from bench.faults.spec import Crash, Fault, Partition, Pause, SlowLink
from bench.history import OK
from bench.network import Constant, Lognormal, Network
from bench.run import run_trial
from bench.runtime.ray.session import RaySession
from bench.trial import Trial
from bench.units import nanoseconds
from bench.workload.spec import Workload

AT, LENGTH = nanoseconds(2), nanoseconds(2)
SYSTEMS: dict[str, tuple[str, dict[str, Any]]] = {
    "views, safe": ("views", {"delivery": "safe"}),
    "views, agreed": ("views", {"delivery": "agreed"}),
    "raft": ("raft", {"election_timeout_s": (0.3, 0.6), "heartbeat_s": 0.05}),
}


SHAPES: dict[str, Fault | None] = {
    "none": None,
    "one link\n20 ms slow": SlowLink(at=AT, target="follower", extra=Constant(nanoseconds(0.02)), length=LENGTH),
    "another\npaused": Pause(at=AT, target="follower", length=nanoseconds(0.2)),
    "another\nkilled": Crash(at=AT, target="follower", down=LENGTH),
    "leader\nkilled": Crash(at=AT, target="leader", down=LENGTH),
    "leader\ncut off": Partition(at=AT, shape="isolate", target="leader", length=LENGTH),
}
"""The leader of a group is whoever orders its messages. Clients fall on random sides of a cut."""
LIVE_SYSTEMS = ("views, safe", "raft")
LIVE_SHAPES = ("another\nkilled", "leader\nkilled", "leader\ncut off")


def trial(system: str, fault: Fault | None, seed: int, runtime: Literal["sim", "ray"]) -> Trial:
    """One disturbance of five servers."""
    protocol, params = SYSTEMS[system]
    return Trial(
        protocol=protocol,
        runtime=runtime,
        nodes=5,
        seed=seed,
        duration=nanoseconds(6),
        network=Network(latency=Lognormal(nanoseconds(0.001), 0.3)),
        params=params,
        faults=(fault,) if fault is not None else (),
        warmup=nanoseconds(1.5),
        measure=("register",),
        workload=Workload(clients=4, rate=200.0, keys=4),
    )


def measure(system: str, shape: str, seeds: int, session: RaySession | None = None) -> dict[str, Any]:
    """Latency while it lasts, the longest outage, contradicted clients: medians of the seeds."""
    middles, outages, changes, valid, broken = [], [], [], 0, 0
    for seed in range(1, seeds + 1):
        runtime: Literal["sim", "ray"] = "ray" if session else "sim"
        result, record = run_trial(trial(system, SHAPES[shape], seed, runtime), session=session)
        history = record.history
        during = (history.outcome == OK) & (history.invoked >= AT) & (history.invoked < AT + LENGTH)
        middles.append(float(np.median((history.completed - history.invoked)[during])) / 1e6)
        outages.append(float("nan") if result.unavailable_s is None else result.unavailable_s * 1e3)
        changes.append(sum(mark.name == "elected" for mark in record.marks if mark.at > 0))
        valid += result.verdict == "valid"
        broken += result.measured["register"] == "invalid"
    return {
        "world": "live" if session else "simulated",
        "system": system,
        "shape": shape.replace("\n", " "),
        "trials": seeds,
        "valid": valid,
        "contradicted": broken,
        "p50_ms": round(median(middles), 2),
        "outage_ms": round(median(outages)),
        "changes": median(changes),
    }


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Three tables of colours: outage, latency, histories that contradict what clients were told."""
    from bench.report.plots import heat, to_png

    rows = [row for row in rows if row["world"] == "simulated"]
    systems = list(dict.fromkeys(row["system"] for row in rows))
    names = [shape for shape in SHAPES if shape.replace("\n", " ") in {row["shape"] for row in rows}]
    at = {(row["system"], row["shape"]): row for row in rows}

    def table(value: Callable[[dict[str, Any]], float]) -> list[list[float]]:
        return [[float(value(at[system, name.replace("\n", " ")])) for name in names] for system in systems]

    figure = heat(
        [
            ("longest outage, median [ms]", table(lambda row: row["outage_ms"])),
            ("latency while it lasts, median [ms]", table(lambda row: row["p50_ms"])),
            ("histories not linearizable [%]", table(lambda row: 100 * row["contradicted"] / row["trials"])),
        ],
        x_label="disturbance, 2 s (the pause 0.2 s)",
        y_label="",
        columns=names,
        rows_named=systems,
    )
    path.write_bytes(to_png(figure))


def sentence(row: dict[str, Any]) -> str:
    """What is printed of a cell."""
    return (
        f"{row['world']}, {row['system']}; {row['shape']}: {row['p50_ms']:g} ms, outage {row['outage_ms']:g} ms, "
        f"{row['changes']:g} changes, {row['contradicted']} of {row['trials']} not linearizable, {row['valid']} valid"
    )


def main() -> int:
    """See the module."""
    known = [shape.replace("\n", " ") for shape in SHAPES]
    parser = script(__doc__)
    parser.add_argument("--seeds", type=integer(1), default=8, help="trials of a cell, each with a seed of its own")
    parser.add_argument("--live", type=integer(0), default=0, help="live trials of a cell")
    parser.add_argument("--shapes", type=listed(one_of("shape", known)), default=",".join(known), help="of what fails")
    parser.add_argument("--out", type=Path, default=Path("results/views"), help="folder for figure and tables")
    options = parser.parse_args()
    shapes = [shape for shape in SHAPES if shape.replace("\n", " ") in options.shapes]
    rows = []
    for system in SYSTEMS:
        for shape in shapes:
            rows.append(measure(system, shape, options.seeds))
            print(sentence(rows[-1]), flush=True)
    if options.live:
        with RaySession(None) as session:
            for system in LIVE_SYSTEMS:
                for shape in LIVE_SHAPES:
                    if shape in shapes:
                        rows.append(measure(system, shape, options.live, session))
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
