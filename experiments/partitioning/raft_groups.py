"""What do several Raft groups bring over one: throughput, and how much of the data a crash takes away?

Every partition is a Raft group of three servers. Simulated with service times, so that leaders saturate; with six
servers one group leaves half of them idle. A second part kills a server and counts what had to wait.

    python experiments/partitioning/raft_groups.py [--seeds 3] [--live 2] [--out results/raft-groups]

``--live N`` adds N trials of three servers a cell on a local Ray, with real syncs.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench.arguments import integer, listed, script
from bench.faults.spec import Crash
from bench.network import Lognormal, Network
from bench.run import run_trial
from bench.runtime.ray.session import RaySession
from bench.runtime.record import RunRecord
from bench.trial import Result, ServiceTimes, Trial
from bench.units import nanoseconds
from bench.workload.spec import Workload

GROUPS = (1, 2, 3, 6, 12, 24)
SERVERS = (3, 6)
KEYS = 600
MESSAGE_S = 0.0002
BACKOFF_S = 0.1
"""Before a client asks again who leads. With Raft's default of 0.01, 300 clients that wait ask more often than two
servers can refuse, votes queue behind their questions, and with one group nobody was elected for nine seconds."""
CRASH_S, DOWN_S = 4.0, 3.0
WAITED_S = 0.1
"""Whoever waits longer has met a group without a leader; without a crash nobody does."""
RATE, MANY = 1500.0, 300
"""Operations a second, and enough clients that those who wait do not hold up others."""

Row = dict[str, Any]


def trial(servers: int, groups: int, seed: int, **fields: Any) -> Trial:
    """A simulated one, unless ``fields`` say otherwise."""
    given: dict[str, Any] = {
        "protocol": "replicated",
        "nodes": servers,
        "seed": seed,
        "duration": nanoseconds(4),
        "warmup": nanoseconds(2),
        "network": Network(latency=Lognormal(nanoseconds(0.0005), 0.2)),
        "service": ServiceTimes(message=nanoseconds(MESSAGE_S), byte=0.0, fsync=nanoseconds(0.001)),
        "params": {"groups": groups, "replicas": 3, "settle_s": 0.25, "backoff_s": BACKOFF_S},
        "workload": Workload(
            clients=96, keys=KEYS, distribution="uniform", mix=(("read", 0.5), ("write", 0.5)), value_bytes=100
        ),
        "invariants": False,
    }
    return Trial(**given | fields)


def run(wanted: Trial, session: RaySession | None = None) -> tuple[Result, RunRecord]:
    """Nothing that violates anything is measured."""
    result, record = run_trial(wanted, session=session)
    if result.verdict == "invalid":
        raise SystemExit(f"{wanted.params}: {result.violations[0].reason}")
    return result, record


def busiest(result: Result) -> float:
    """Messages sent by whoever sent most, over the mean."""
    sent = [cost.messages_sent for cost in result.costs.values()]
    return max(sent) * len(sent) / sum(sent)


def throughput(servers: int, groups: int, seeds: int, session: RaySession | None = None) -> Row:
    """Medians over the seeds."""
    results = []
    for seed in range(1, seeds + 1):
        wanted = trial(servers, groups, seed)
        if session is not None:
            live = Workload(clients=96, keys=KEYS, distribution="uniform", mix=wanted.workload.mix, value_bytes=100)
            wanted = trial(servers, groups, seed, runtime="ray", network=Network(), workload=live)
        results.append(run(wanted, session)[0])
    return {
        "part": "throughput",
        "world": "live" if session else "simulated",
        "servers": servers,
        "groups": groups,
        "throughput": round(median(result.throughput_ops_s for result in results)),
        "p99_ms": round(1e3 * median(result.latency_s.p99 or float("nan") for result in results), 2),
        "busiest": round(median(map(busiest, results)), 2),
    }


def waits(record: RunRecord) -> Any:
    """Response times in ns of the operations meant to begin within a tenth of a second after the crash."""
    history = record.history
    inside = (history.intended >= nanoseconds(CRASH_S)) & (history.intended < nanoseconds(CRASH_S + 0.1))
    return (history.completed - history.intended)[inside]


def after_a_crash(servers: int, groups: int, seeds: int) -> Row:
    """The server that leads the first group is killed; what share of the operations has to wait."""
    shares, longest = [], []
    for seed in range(1, seeds + 1):
        load = Workload(clients=MANY, rate=RATE, keys=KEYS, distribution="uniform", value_bytes=100)
        crash = Crash(at=nanoseconds(CRASH_S), target="n1", down=nanoseconds(DOWN_S))
        _, record = run(
            trial(servers, groups, seed, workload=load, faults=(crash,), duration=nanoseconds(CRASH_S + DOWN_S + 2))
        )
        took = waits(record)
        shares.extend((took > nanoseconds(WAITED_S)).tolist())
        longest.append(float(took.max()) / 1e9)
    return {
        "part": "crash",
        "world": "simulated",
        "servers": servers,
        "groups": groups,
        "waited": round(float(np.mean(shares)), 3),
        "longest_s": round(median(longest), 3),
        "predicted": round(led_by_first(groups, servers) / groups, 3),
    }


def led_by_first(groups: int, servers: int) -> int:
    """Groups whose first server is the first of all."""
    return len(range(0, groups, servers))


def tell(row: Row) -> Row:
    """Print it."""
    print(", ".join(f"{name} {value}" for name, value in row.items()), flush=True)
    return row


def draw(rows: Sequence[Row], path: Path) -> None:
    """Throughput against the number of groups, and what a crash takes away."""
    from matplotlib.figure import Figure

    from bench.report.plots import style, to_png

    with style() as palette:
        figure = Figure(figsize=(8.4, 3.6))
        left, right = figure.subplots(1, 2)
        for at, servers in enumerate(SERVERS):
            mine = [row for row in rows if row["part"] == "throughput" and row["servers"] == servers]
            for world, line in (("simulated", "-o"), ("live", "--s")):
                some = [row for row in mine if row["world"] == world]
                if some:
                    name = f"{servers} servers{', live' if world == 'live' else ''}"
                    x = [row["groups"] for row in some]
                    left.plot(x, [row["throughput"] for row in some], line, markersize=4, color=palette[at], label=name)
            mine = [row for row in rows if row["part"] == "crash" and row["servers"] == servers]
            x = [row["groups"] for row in mine]
            right.plot(
                x,
                [100 * row["waited"] for row in mine],
                "-o",
                markersize=4,
                color=palette[at],
                label=f"{servers} servers",
            )
            right.plot(x, [100 * row["predicted"] for row in mine], ":", color=palette[at])
        for place in (left, right):
            place.set_xscale("log", base=2)
            place.set_xticks(list(GROUPS), [str(each) for each in GROUPS])
            place.minorticks_off()
            place.set_xlabel("Raft groups")
            place.set_ylim(bottom=0)
            place.legend(fontsize=8)
        left.set_ylabel("operations/s")
        left.set_title("half reads, half writes, 96 clients", fontsize=8.5)
        right.set_ylabel("operations that wait for an election [%]")
        right.set_title("a server is killed; dotted: groups that it leads", fontsize=8.5)
        path.write_bytes(to_png(figure))


def main() -> int:
    """See the module."""
    parser = script(__doc__)
    parser.add_argument("--seeds", type=integer(1), default=3, help="trials of a cell, each with a seed of its own")
    parser.add_argument("--live", type=integer(0), default=0, help="live trials of a cell")
    parser.add_argument(
        "--groups",
        type=listed(integer(1, 1024)),
        default=",".join(map(str, GROUPS)),
        help="into which the keys are divided",
    )
    parser.add_argument("--out", type=Path, default=Path("results/raft-groups"), help="folder for figure and tables")
    options = parser.parse_args()
    rows = [tell(throughput(servers, each, options.seeds)) for servers in SERVERS for each in options.groups]
    rows += [tell(after_a_crash(servers, each, options.seeds)) for servers in SERVERS for each in options.groups]
    if options.live:
        with RaySession(None) as session:
            rows += [tell(throughput(3, each, options.live, session)) for each in options.groups]
    options.out.mkdir(parents=True, exist_ok=True)
    with (options.out / "cells.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(name for row in rows for name in row)))
        writer.writeheader()
        writer.writerows(rows)
    draw(rows, options.out / "figure.png")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
