"""What does a hot key cost, and what do salting, a cache and another placement do about it?

Eight servers with a single copy of each record, simulated with service times, so that a hot server saturates: each can
answer a thousand reads or take two thousand writes a second. The busiest server's share of the work bounds what all
together serve.

    python experiments/partitioning/hot_keys.py [--seeds 3] [--duration 1] [--out results/hot-keys]
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from math import expm1
from pathlib import Path
from statistics import median
from typing import Any

from bench.arguments import integer, listed, real, script
from bench.network import Constant, Network
from bench.run import run_trial
from bench.trial import Result, ServiceTimes, Trial
from bench.units import nanoseconds
from bench.workload.choosing import zipf_bounds
from bench.workload.spec import Workload
from protocols.partitioning.indexed import ClientConfig
from protocols.partitioning.indexed.placing import Placing, salted

SERVERS = 8
KEYS = 1000
MESSAGE_S = 0.0005
READ_S, WRITE_S = 2 * MESSAGE_S, MESSAGE_S
"""Of a server's time. A read is a question and an answer; a write's answer leaves with others when the disk has synced,
which the simulator does not charge for."""
SKEWS = (0.5, 0.7, 0.9, 1.0, 1.1, 1.2, 1.35, 1.5, 1.7, 1.9)
SALTS = (1, 2, 4, 8, 16)
WRITES = (1.0, 0.5, 0.0)
TTLS_S = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)
HOT_SKEW = 1.2
HOT = 10
"""Keys that are cut where not all are."""
RATE = 3200.0
"""Of the open loop with a cache: 40% of what eight servers could do, and 92% of what the busiest can."""
CACHED_CLIENTS = 24
CACHED_WRITES = 0.05

Row = dict[str, Any]


def shares(keys: int, skew: float) -> list[float]:
    """Each key's share of the requests, the hottest first."""
    bounds = zipf_bounds(keys, skew)
    return [after - before for before, after in pairwise([0.0, *bounds])]


# --- predictions -----------------------------------------------------------------------------------------------------


def demand(requests: Sequence[float], salts: int, writes: float, client: ClientConfig) -> list[float]:
    """Seconds of each server's time that a mean operation takes: a write asks one piece's server, a read all."""
    placing = Placing(client, [f"n{number + 1}" for number in range(SERVERS)])
    taken = dict.fromkeys(placing.servers, 0.0)
    for number, share in enumerate(requests):
        for server, pieces in placing.by_owner(salted(f"k{number}", salts, client.hot)).items():
            whole = salts == 1 or (client.hot and number >= client.hot)
            part = 1.0 if whole else len(pieces) / salts
            taken[server] += share * (WRITE_S * writes * part + READ_S * (1 - writes))
    return list(taken.values())


def predicted(requests: Sequence[float], salts: int, writes: float, client: ClientConfig) -> float:
    """Operations a second at which the busiest server has no time left."""
    return 1 / max(demand(requests, salts, writes, client))


def hits(share: float, ttl_s: float) -> float:
    """Share of a client's reads of a key that its cache answers: they come at rate r, and r T / (1 + r T) find it."""
    reads = RATE * share * (1 - CACHED_WRITES) / CACHED_CLIENTS
    return reads * ttl_s / (1 + reads * ttl_s)


def predicted_answers(requests: Sequence[float], ttl_s: float) -> float:
    """Answers a second by the busiest server: all writes, and the reads that no cache has answered."""
    placing = Placing(ClientConfig(), [f"n{number + 1}" for number in range(SERVERS)])
    given: Counter[str] = Counter()
    for number, share in enumerate(requests):
        asked = CACHED_WRITES + (1 - CACHED_WRITES) * (1 - hits(share, ttl_s))
        given[placing.owner(f"k{number}")] += RATE * share * asked  # type: ignore[assignment]
    return max(given.values())


def predicted_stale(requests: Sequence[float], ttl_s: float) -> float:
    """Share of the reads that a cache answers although somebody else has written since.

    What is found in a cache has an age that is uniform up to T. A key that changes at rate m has changed by then with a
    mean probability of 1 - (1 - e^-mT) / (m T).
    """
    found = 0.0
    for share in requests:
        changes = RATE * share * CACHED_WRITES
        if ttl_s:
            found += share * hits(share, ttl_s) * (1 + expm1(-changes * ttl_s) / (changes * ttl_s))
    return found


# --- trials ----------------------------------------------------------------------------------------------------------


def trial(seed: int, duration_s: float, workload: Workload, protocol: str, **params: Any) -> Trial:
    """A simulated one, on a network that takes half a millisecond."""
    more = {} if protocol == "partitioned" else {"index": "local", "reads": "primary"}
    return Trial(
        protocol=protocol,
        nodes=SERVERS,
        seed=seed,
        duration=nanoseconds(duration_s),
        warmup=nanoseconds(duration_s / 4),
        network=Network(latency=Constant(nanoseconds(0.0005))),
        service=ServiceTimes(message=nanoseconds(MESSAGE_S), wakeup=0, byte=0.0),
        params={"partitions": 64, "operation_timeout_s": 30.0, "ask_again_s": 10.0, **more, **params},
        workload=workload,
        invariants=False,
        measure=("bounded-staleness",) if "cache_ttl_s" in params else (),
    )


def busiest(result: Result) -> float:
    """Of the servers' answers, the share of whoever gave most."""
    sent = [cost.messages_sent for cost in result.costs.values()]
    return max(sent) / sum(sent)


def answers_of_busiest(result: Result) -> float:
    """Answers a second, mean over the load."""
    return max(cost.messages_sent for cost in result.costs.values()) / result.duration_s


def row(part: str, system: str, x: float, results: Sequence[Result], **more: Any) -> Row:
    """Medians over the seeds."""
    for result in results:
        if result.verdict == "invalid":
            raise SystemExit(f"{part}, {system}, {x}: {result.violations[0].reason}")
    stale = [result.figures.get("bounded-staleness.stale_share", 0.0) for result in results]
    return {
        "part": part,
        "system": system,
        "x": round(x, 4),
        "throughput": round(median(result.throughput_ops_s for result in results)),
        "p50_ms": _ms([result.latency_s.p50 for result in results]),
        "p99_ms": _ms([result.latency_s.p99 for result in results]),
        "busiest": round(median(busiest(result) for result in results), 3),
        "busiest_s": round(median(answers_of_busiest(result) for result in results)),
        "stale": round(median(stale), 4),
        **{name: "" for name in ("predicted", "predicted_stale", "predicted_busiest_s") if name not in more},
        **more,
    }


def _ms(values: Sequence[float | None]) -> float | str:
    known = [value for value in values if value is not None]
    return round(median(known) * 1e3, 2) if len(known) == len(values) else ""


class Bench:
    """Runs the cells, prints and keeps their rows."""

    def __init__(self, seeds: int, duration_s: float) -> None:
        self.seeds = range(1, seeds + 1)
        self.duration_s = duration_s
        self.rows: list[Row] = []

    def run(self, part: str, system: str, x: float, workload: Workload, protocol: str, params: Any, **more: Any) -> Row:
        """One cell."""
        duration_s = self.duration_s * (4 if part == "cache" else 1)  # caches have to fill
        results = [run_trial(trial(seed, duration_s, workload, protocol, **params))[0] for seed in self.seeds]
        found = row(part, system, x, results, **more)
        self.rows.append(found)
        print(
            f"{part}, {system}, {x:g}: {found['throughput']} operations/s (predicted {found['predicted'] or '-'}), "
            f"p99 {found['p99_ms']} ms, busiest server {found['busiest']:.0%}, stale {found['stale']:.1%}",
            flush=True,
        )
        return found

    def celebrity(self, skews: Sequence[float], clients: int) -> None:
        """More and more of the requests, all of them writes, are for one key."""
        systems = {
            "store": ("partitioned", {}, 1),
            "table": ("indexed", {}, 1),
            "table, 8 salts": ("indexed", {"salts": 8}, 8),
        }
        for skew in skews:
            requests = shares(KEYS, skew)
            for system, (protocol, params, salts) in systems.items():
                load = Workload(clients=clients, keys=KEYS, distribution="zipfian", skew=skew, mix=(("write", 1.0),))
                bound = round(predicted(requests, salts, 1.0, ClientConfig(reads="primary")))
                self.run("celebrity", system, requests[0], load, protocol, params, predicted=bound)

    def salting(self, salts: Sequence[int], clients: int) -> None:
        """More and more pieces, under three mixes."""
        requests = shares(KEYS, HOT_SKEW)
        for writes in WRITES:
            mix = tuple(each for each in (("read", 1 - writes), ("write", writes)) if each[1])
            load = Workload(clients=clients, keys=KEYS, distribution="zipfian", skew=HOT_SKEW, mix=mix)
            for hot in (0, HOT):
                for count in salts:
                    # In a mix an answer to a read may have to wait for a sync, and then costs nothing: no prediction.
                    client = ClientConfig(reads="primary", hot=hot)
                    bound = round(predicted(requests, count, writes, client)) if writes in (0.0, 1.0) else ""
                    name = f"{writes:.0%} writes{f', {hot} keys cut' if hot else ''}"
                    params = {"salts": count, "hot": hot}
                    self.run("salting", name, count, load, "indexed", params, predicted=bound)

    def caching(self, ttls_s: Sequence[float]) -> None:
        """A read-mostly load, a hot key and a cache at each client."""
        requests = shares(KEYS, HOT_SKEW)
        mix = (("read", 1 - CACHED_WRITES), ("write", CACHED_WRITES))
        load = Workload(clients=CACHED_CLIENTS, rate=RATE, keys=KEYS, distribution="zipfian", skew=HOT_SKEW, mix=mix)
        for ttl_s in ttls_s:
            stale = round(predicted_stale(requests, ttl_s), 4)
            self.run(
                "cache",
                "table",
                ttl_s,
                load,
                "indexed",
                {"cache_ttl_s": ttl_s},
                predicted_stale=stale,
                predicted_busiest_s=round(predicted_answers(requests, ttl_s)),
            )

    def inserting(self, clients: int) -> None:
        """New keys in order, into a hashed table, a ranged one, and ranged ones with a salt."""
        keys = round(SERVERS / WRITE_S * self.duration_s * 2)
        load = Workload(clients=clients, keys=keys, distribution="sequential", mix=(("write", 1.0),))
        for system, placement, salts in (
            ("hash", "hash", 1),
            ("range", "range", 1),
            ("range, 2 salts", "range", 2),
            ("range, 8 salts", "range", 8),
        ):
            # As with a clock for a key, the range where the newest keys go does not change while we look.
            params = {"placement": placement, "span": 64 * keys, "salts": salts}
            now = shares_of_one_range(placement, salts)
            self.run("insert", system, salts, load, "indexed", params, predicted=round(1 / (WRITE_S * now)))


def shares_of_one_range(placement: str, salts: int) -> float:
    """Of the writes at one time, the share of the busiest server."""
    if placement == "hash":
        return 1 / SERVERS
    config = ClientConfig(reads="primary", placement="range", span=64, partitions=64)
    placing = Placing(config, [f"n{number + 1}" for number in range(SERVERS)])
    return max(Counter(map(placing.owner, salted("k0", salts))).values()) / salts


# --- the figure ------------------------------------------------------------------------------------------------------


def draw(rows: list[Row], path: Path) -> None:
    """Four panels: celebrity, salts, cache, sequential insert."""
    from matplotlib.figure import Figure

    from bench.report.plots import style, to_png

    with style() as palette:
        figure = Figure(figsize=(8.4, 6.8))
        celebrity, salting, cache, insert = figure.subplots(2, 2).flat
        for place, part, label in (
            (celebrity, "celebrity", "requests for the hottest key [%]"),
            (salting, "salting", "pieces of a key"),
        ):
            scale = 100 if part == "celebrity" else 1
            systems = list(dict.fromkeys(each["system"] for each in rows if each["part"] == part))
            for at, system in enumerate(systems):
                mine = [each for each in rows if each["part"] == part and each["system"] == system]
                x = [scale * each["x"] for each in mine]
                marker, line = ("x", "none") if system == "store" else ("o", "--" if "cut" in system else "-")
                colour = palette[at // 2 if part == "salting" else at]
                rates = [each["throughput"] for each in mine]
                look = {"linestyle": line, "marker": marker, "markersize": 4, "color": colour}
                name = "_" if "cut" in system else system
                place.plot(x, rates, label=name, zorder=3 if system == "store" else 2, **look)
                if system != "store" and mine[0]["predicted"]:
                    place.plot(x, [each["predicted"] for each in mine], ":", color=colour)
            place.set_ylim(bottom=0)
            place.set_xlabel(label)
            place.set_ylabel("operations/s")
            place.legend(fontsize=8)
        celebrity.set_title("only writes; dotted: 1 / time of the busiest", fontsize=8.5)
        share = shares(KEYS, HOT_SKEW)[0]
        salting.set_title(f"hottest key {share:.0%}; dashed: only the {HOT} hottest cut", fontsize=8.5)
        salting.set_xscale("log", base=2)
        salting.set_xticks(list(SALTS), [str(each) for each in SALTS])
        _draw_cache(cache, [each for each in rows if each["part"] == "cache"], palette)
        mine = [each for each in rows if each["part"] == "insert"]
        insert.barh([each["system"] for each in mine], [each["throughput"] for each in mine], color=palette[0])
        insert.plot([each["predicted"] for each in mine], range(len(mine)), "D", color=palette[1], label="predicted")
        insert.set_xticks([0, 5000, 10000, 15000])
        insert.invert_yaxis()
        insert.grid(axis="x")
        insert.grid(visible=False, axis="y")
        insert.set_xlabel("operations/s")
        insert.set_title("keys inserted in their order", fontsize=8.5)
        insert.legend(fontsize=8, loc="center right")
        path.write_bytes(to_png(figure))


def _draw_cache(place: Any, rows: list[Row], palette: Any) -> None:
    """What a cache saves on one axis, what it costs on the other; no cache is the leftmost point."""
    none = min(each["x"] for each in rows if each["x"]) / 3
    x = [1e3 * (each["x"] or none) for each in rows]
    place.plot(x, [each["busiest_s"] for each in rows], "-o", markersize=4, color=palette[0])
    place.plot(x, [each["predicted_busiest_s"] for each in rows], ":", color=palette[0])
    place.set_xscale("log")
    place.set_xticks(x, ["none", *(f"{each:g}" for each in x[1:])])
    place.minorticks_off()
    place.set_xlabel("lifetime in the cache [ms]")
    place.set_ylabel("answers/s of the busiest server", color=palette[0])
    place.set_ylim(bottom=0)
    other = place.twinx()
    other.plot(x, [100 * each["stale"] for each in rows], "-s", markersize=4, color=palette[1])
    other.plot(x, [100 * each["predicted_stale"] for each in rows], ":", color=palette[1])
    other.set_ylabel("stale reads [%]", color=palette[1])
    other.set_ylim(bottom=0)
    other.grid(visible=False)
    place.set_title(f"{RATE:.0f} operations/s, {1 - CACHED_WRITES:.0%} reads, {CACHED_CLIENTS} caches", fontsize=8.5)


def main() -> int:
    """See the module."""
    parser = script(__doc__)
    parser.add_argument("--seeds", type=integer(1), default=3, help="trials of a cell, each with a seed of its own")
    parser.add_argument("--duration", type=real(0, above=True), default=1.0, help="seconds of load a trial, simulated")
    parser.add_argument("--clients", type=integer(1), default=96, help="of the closed loops")
    parser.add_argument("--skews", type=listed(real(0)), default=",".join(map(str, SKEWS)), help="of Zipf's law")
    parser.add_argument(
        "--salts", type=listed(integer(1)), default=",".join(map(str, SALTS)), help="parts into which a hot key is cut"
    )
    parser.add_argument(
        "--ttls",
        type=listed(real(0)),
        default=",".join(map(str, TTLS_S)),
        help="seconds that a cached value may be old",
    )
    parser.add_argument("--out", type=Path, default=Path("results/hot-keys"), help="folder for figure and tables")
    options = parser.parse_args()
    bench = Bench(options.seeds, options.duration)
    bench.celebrity(options.skews, options.clients)
    bench.salting(options.salts, options.clients)
    bench.caching(options.ttls)
    bench.inserting(options.clients)
    options.out.mkdir(parents=True, exist_ok=True)
    with (options.out / "cells.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(bench.rows[0]))
        writer.writeheader()
        writer.writerows(bench.rows)
    draw(bench.rows, options.out / "figure.png")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
