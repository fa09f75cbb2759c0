"""Where should a Raft leader be when its cluster spans continents, and who pays?

Five servers and five clients in five regions, one of each a region, with the round trips measured on EC2 in 2013. The
leader is wherever the first election puts it; trials are grouped by where that is. A write goes to the leader and from
there to the two nearest others and back, so its time follows from the table of round trips.

    python experiments/consensus-algorithms/wan.py [--seeds 60] [--out results/raft-wan]
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import numpy as np

from bench.arguments import integer, script
from bench.history import OK
from bench.history.history import READ, WRITE
from bench.network.presets import EC2_2013, network
from bench.run import run_trial
from bench.theory.quorums import between, quorum_round_trip
from bench.theory.sampling import draw as draw_delays
from bench.trial import ServiceTimes, Trial
from bench.units import nanoseconds
from bench.workload.spec import Workload

REGIONS = ("VA", "OR", "CA", "EU", "JP")
WITHIN_MS = 0.6
WARMUP_S = 3.0
DRAWS = 20_000
MODES = ("index", "follower", "lease")


def rtt_ms(one: str, other: str) -> float:
    """Median round trip between two regions."""
    return WITHIN_MS if one == other else EC2_2013.get((one, other), EC2_2013.get((other, one), 0.0))


def by_table_ms(leader: str, client: str, quorum: int = 3) -> float:
    """A write's time by the table: to the leader and back, and from there to the quorum's last member and back."""
    others = sorted(rtt_ms(leader, region) for region in REGIONS if region != leader)
    return rtt_ms(client, leader) + others[quorum - 2]


@cache
def predicted_ms(leader: str, client: str, quorum: int = 3) -> float:
    """The same where delays vary: the median of samples. The last of a quorum is late more often than early."""
    place = REGIONS.index(leader)
    there = between(network("ec2-2013"), REGIONS.index(client), place)
    back = between(network("ec2-2013"), place, REGIONS.index(client))
    rng = np.random.default_rng(3)
    quorums = quorum_round_trip(network("ec2-2013"), len(REGIONS), quorum, place, DRAWS) * 1e3
    trips = (draw_delays(there, DRAWS, rng) + draw_delays(back, DRAWS, rng)) / 1e6
    return float(np.median(rng.permutation(quorums) + trips))


def trial(reads: str, seed: int, sigma: float | None = None) -> Trial:
    """A closed loop of one client a region, for ten seconds of which the first three are not counted.

    ``sigma``: of the delays' logarithm, where not the network's own.
    """
    where = network("ec2-2013")
    if sigma is not None and where.regions is not None:
        where = msgspec.structs.replace(where, regions=msgspec.structs.replace(where.regions, sigma=sigma))
    return Trial(
        protocol="raft",
        nodes=5,
        seed=seed,
        duration=nanoseconds(10),
        warmup=nanoseconds(WARMUP_S),
        liveness=nanoseconds(30),
        network=where,
        params={"reads": reads, "election_timeout_s": (1.0, 2.0), "retry_s": 2.0},
        workload=Workload(clients=5, keys=50, mix=(("read", 0.5), ("write", 0.5))),
        service=ServiceTimes(fsync=100_000, byte=0.0),
    )


def rows_of(reads: str, seed: int, sigma: float | None = None) -> list[dict[str, Any]]:
    """A row a client and kind of operation; none where leadership changed while it was measured."""
    result, record = run_trial(trial(reads, seed, sigma))
    leaders = {node for when, node in record.leaders}
    if len(leaders) != 1 or result.trial != "complete":
        return []
    (leader,) = leaders
    history = record.history
    found = []
    for client, region in enumerate(REGIONS):
        for kind, function in (("read", READ), ("write", WRITE)):
            chosen = (history.client == client) & (history.function == function) & (history.outcome == OK)
            chosen &= history.invoked >= nanoseconds(WARMUP_S)
            times = (history.completed[chosen] - history.invoked[chosen]) / 1e6
            if len(times) < 3:
                continue
            found.append(
                {
                    "reads": reads,
                    "seed": seed,
                    "leader": REGIONS[int(leader[1:]) - 1],
                    "client": region,
                    "kind": kind,
                    "p50_ms": round(float(np.median(times)), 2),
                    "verdict": result.verdict,
                }
            )
    return found


def table(rows: list[dict[str, Any]], kind: str, reads: str) -> Mapping[tuple[str, str], float]:
    """(leader, client) -> median over trials of their medians, in ms."""
    cells: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        if row["kind"] == kind and row["reads"] == reads:
            cells.setdefault((row["leader"], row["client"]), []).append(row["p50_ms"])
    return {cell: median(values) for cell, values in cells.items()}


def report(rows: list[dict[str, Any]]) -> list[str]:
    """Sentences: by leader, against the table, and the modes of reading."""
    writes = table(rows, "write", "index")
    lines = []
    for leader in REGIONS:
        cells = {client: writes[leader, client] for client in REGIONS if (leader, client) in writes}
        if cells:
            told = ", ".join(
                f"{client} {value:.1f} ({predicted_ms(leader, client):.1f})" for client, value in cells.items()
            )
            lines.append(
                f"leader in {leader}: a write takes {told} ms, {sum(cells.values()) / len(cells):.0f} on average"
            )
    ratios = [value / predicted_ms(*cell) for cell, value in writes.items()]
    lines.append(f"measured over the model's: {min(ratios):.3f} to {max(ratios):.3f} (medians, {len(ratios)} pairs)")
    for mode in MODES:
        reads = table(rows, "read", mode)
        if reads:
            lines.append(
                f"reads by {mode}: {sum(reads.values()) / len(reads):.0f} ms on average over leaders and clients"
            )
    return lines


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Writes, and reads of each mode, by leader and client."""
    from bench.report.plots import heat, to_png

    def cells(kind: str, mode: str) -> list[list[float]]:
        found = table(rows, kind, mode)
        return [[found.get((leader, client), float("nan")) for client in REGIONS] for leader in REGIONS]

    tables = [("write [ms]", cells("write", "index"))]
    tables += [(f"read, {mode} [ms]", cells("read", mode)) for mode in MODES if table(rows, "read", mode)]
    figure = heat(tables, x_label="client in", y_label="leader in", columns=REGIONS, rows_named=REGIONS)
    path.write_bytes(to_png(figure))


def main() -> int:
    """See the module."""
    parser = script(__doc__)
    parser.add_argument(
        "--seeds", type=integer(1), default=60, help="trials of a placement, each with a seed of its own"
    )
    parser.add_argument("--out", type=Path, default=Path("results/raft-wan"), help="folder for figure and tables")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for mode in MODES:
        for seed in range(1, options.seeds + 1):
            rows += rows_of(mode, seed)
        print(
            f"{mode}: {len({row['seed'] for row in rows if row['reads'] == mode})} trials with one leader", flush=True
        )
    print("\n".join(report(rows)))
    options.out.mkdir(parents=True, exist_ok=True)
    with (options.out / "clients.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    draw(rows, options.out / "figure.png")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
