"""A secondary index beside its records, or apart from them: what do reads, writes and staleness cost?

Three parts, simulated: queries over more and more servers when one exchange in a hundred is slow (Dean and Barroso: The
Tail at Scale, CACM 2013); writes, also while a server is down; and how late an asynchronous index is.

    python experiments/partitioning/secondary_indexes.py [--seeds 3] [--out results/secondary-indexes]
    python experiments/partitioning/secondary_indexes.py --live 5     # writes and staleness on three processes
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from math import exp, sqrt
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.arguments import integer, listed, real, script
from bench.faults.spec import Crash
from bench.history.history import OK, READ, WRITE
from bench.network import Constant, Mixture, Network
from bench.run import open_session, run_trial
from bench.runtime.record import RunRecord
from bench.trial import Result, ServiceTimes, Trial
from bench.units import nanoseconds
from bench.workload.spec import Workload
from protocols.partitioning.indexed import ClientConfig
from protocols.partitioning.indexed.placing import Placing

SERVERS = (1, 2, 5, 10, 20, 50, 100)
FLUSHES_S = (0.0, 0.01, 0.03, 0.1, 0.3)
SLOW = 0.01
"""Share of the exchanges (a question and its answer) that are slow."""
FAST_S, SLOW_S = 0.0005, 0.05
"""A message's time on the network."""
LATE_S = 0.025
"""A query that took longer has met a slow message."""
AGAIN_S = 0.005
FSYNC_S = 0.00025
KEYS, ATTRIBUTES = 400, 200
DOWN_AT_S, DOWN_S = 2.0, 1.0

Row = dict[str, Any]


def kinds() -> dict[str, dict[str, Any]]:
    """What is compared where queries fan out."""
    return {
        "local": {"index": "local"},
        "local, asked again": {"index": "local", "ask_again_s": AGAIN_S},
        "global": {"index": "sync"},
    }


def predicted_late(kind: str, servers: int, slow: float = SLOW) -> float:
    """Share of the queries that meet a slow exchange.

    >>> round(predicted_late("local", 100), 2)
    0.63
    """
    if kind == "local":
        return 1 - (1 - slow) ** servers
    if kind == "local, asked again":
        # A server is asked five times, say, before it is late, and would have to be slow each time.
        return 1 - (1 - slow ** (1 + int((LATE_S - 2 * FAST_S) / AGAIN_S))) ** servers
    # One server that has the index, then those that have the records: as many as a Poisson law says, if none has two.
    records = KEYS / ATTRIBUTES
    return 1 - (1 - slow) * sum(_poisson(count, records) * (1 - slow) ** _owners(count, servers) for count in range(40))


def _poisson(count: int, mean_: float) -> float:
    found = exp(-mean_)
    for each in range(1, count + 1):
        found *= mean_ / each
    return found


def _owners(records: int, servers: int) -> float:
    """Of so many records drawn at random, how many servers have one, on average."""
    return servers * (1 - (1 - 1 / servers) ** records)


def predicted_lag_s(flush_s: float, rate: float) -> float:
    """Mean seconds until an update is applied: the sync of its queue, the gathering, the network.

    The first update starts the clock, the others of the same message come while it runs: on average half-way.
    """
    others = rate * flush_s
    return FSYNC_S + FAST_S + flush_s * (1 + others / 2) / (1 + others)


def predicted_missed(flush_s: float, rate: float, changes: float) -> float:
    """Share of look-ups that miss: the last change of the record is younger than its update is late.

    Changes of a record come at random, ``changes`` a second; an update is late by all of the gathering if it was the
    first of its message, else by anything up to that.
    """
    base = FSYNC_S + FAST_S
    if not flush_s:
        return 1 - exp(-changes * base)
    first = 1 / (1 + rate * flush_s)
    gathered = changes * flush_s
    return 1 - exp(-changes * base) * (first * exp(-gathered) + (1 - first) * (1 - exp(-gathered)) / gathered)


# --- trials ----------------------------------------------------------------------------------------------------------


def trial(seed: int, servers: int, duration_s: float, workload: Workload, params: dict[str, Any], **more: Any) -> Trial:
    """Whose figures are of what comes after the first second, when all keys have been written."""
    given: dict[str, Any] = {
        "network": Network(latency=Constant(nanoseconds(FAST_S))),
        "service": ServiceTimes(message=5_000, byte=0.0, wakeup=0, fsync=nanoseconds(FSYNC_S)),
        "warmup": nanoseconds(1.0),
        "invariants": False,
    }
    return Trial(
        protocol="indexed",
        nodes=servers,
        seed=seed,
        duration=nanoseconds(duration_s),
        params={"partitions": 400, "ask_again_s": 0.5, "operation_timeout_s": 20.0, **params},
        workload=workload,
        **given | more,
    )


def run(wanted: Trial) -> tuple[Result, RunRecord]:
    """A trial that must not fail."""
    result, record = run_trial(wanted)
    if result.verdict == "invalid":
        raise SystemExit(f"{wanted.params}: {result.violations[0].reason}")
    return result, record


def times(record: RunRecord, function: int, warmup: int) -> npt.NDArray[np.float64]:
    """Seconds that acknowledged operations of that kind took."""
    history = record.history
    chosen = (history.function == function) & (history.outcome == OK) & (history.invoked >= warmup)
    return (history.completed[chosen] - history.invoked[chosen]) / 1e9


def queries(kind: str, servers: int, seeds: int, duration_s: float) -> Row:
    """Queries by attribute, while records change."""
    slow = 1 - sqrt(1 - SLOW)  # of a message
    delay = Mixture(((1 - slow, Constant(nanoseconds(FAST_S))), (slow, Constant(nanoseconds(SLOW_S)))))
    load = Workload(clients=20, rate=1000.0, keys=KEYS, mix=(("read", 0.5), ("write", 0.5)))
    params = {"reads": "query", "attributes": ATTRIBUTES, "partitions": 400, **kinds()[kind]}
    found = []
    for seed in range(1, seeds + 1):
        wanted = trial(seed, servers, duration_s, load, params, network=Network(latency=delay))
        found.append(times(run(wanted)[1], READ, wanted.warmup))
    took = np.concatenate(found)
    return {
        "part": "queries",
        "kind": kind,
        "x": servers,
        "count": len(took),
        "p50_ms": _ms(np.quantile(took, 0.5)),
        "p99_ms": _ms(np.quantile(took, 0.99)),
        "late": round(float(np.mean(took > LATE_S)), 4),
        "predicted": round(predicted_late(kind, servers), 4),
    }


def writes(index: str, seeds: int, duration_s: float, *, crash: bool) -> Row:
    """Writes only, on eight servers; one of them, which has a part of the index, may be down for a second."""
    load = Workload(clients=20, rate=500.0, keys=KEYS, mix=(("read", 0.02), ("write", 0.98)))
    placing = Placing(ClientConfig(attributes=ATTRIBUTES, partitions=400), [f"n{at + 1}" for at in range(8)])
    victim = placing.owner_of_term(0)
    hit = mean(placing.owner(f"k{number}") == victim for number in range(KEYS))
    if index == "sync":  # neither the record's server nor that of its new entry may be down
        hit = 1 - (1 - hit) * (1 - mean(placing.owner_of_term(each) == victim for each in range(ATTRIBUTES)))
    faults = (Crash(at=nanoseconds(DOWN_AT_S), target=victim, down=nanoseconds(DOWN_S)),) if crash else ()
    took, late, messages, syncs = [], [], [], []
    for seed in range(1, seeds + 1):
        params = {"reads": "primary", "index": index, "attributes": ATTRIBUTES, "ask_again_s": 0.05}
        wanted = trial(seed, 8, max(duration_s, DOWN_AT_S + DOWN_S + 1), load, params, faults=faults)
        result, record = run(wanted)
        took.append(times(record, WRITE, wanted.warmup))
        history = record.history
        begun = (history.invoked >= DOWN_AT_S * 1e9) & (history.function == WRITE)
        begun &= history.invoked < (DOWN_AT_S + DOWN_S - 0.2) * 1e9
        late.append(float(np.mean((history.completed - history.invoked)[begun] > 0.1e9)))
        messages.append(result.messages_per_operation or 0.0)
        syncs.append(sum(cost.fsyncs for cost in result.costs.values()) / result.operations.ok)
    every = np.concatenate(took)
    hops = {"local": 2 * FAST_S + FSYNC_S, "async": 2 * FAST_S + FSYNC_S, "sync": 4 * FAST_S + 3 * FSYNC_S}
    return {
        "part": "a server is down" if crash else "writes",
        "kind": index,
        "x": 8,
        "count": len(every),
        "p50_ms": _ms(np.quantile(every, 0.5)),
        "p99_ms": _ms(np.quantile(every, 0.99)),
        "late": round(mean(late), 4),
        "messages": round(mean(messages), 2),
        "predicted": "" if crash else _ms(hops[index]),
        "predicted_late": round(hit, 4) if crash else "",
    }


def staleness(index: str, flush_s: float, seeds: int, duration_s: float) -> Row:
    """How late an index is, by its own account and for those who look up what they have just seen."""
    rate, reads, keys, attributes = 800.0, 0.5, 40, 8
    load = Workload(clients=20, rate=rate, keys=keys, mix=(("read", reads), ("write", 1 - reads)))
    lags: list[float] = []
    missed = asked = 0
    for seed in range(1, seeds + 1):
        params = {"reads": "index", "index": index, "attributes": attributes, "flush_s": flush_s}
        wanted = trial(seed, 8, duration_s, load, params)
        _, record = run(wanted)
        marks = [mark for mark in record.marks if wanted.warmup <= mark.at < wanted.duration]
        lags += [mark.fields["lag"] / 1e9 for mark in marks if mark.name == "applied"]
        missed += len({mark.fields["operation"] for mark in marks if mark.name == "missed"})
        asked += len(times(record, READ, wanted.warmup))
    updates = rate * (1 - reads) * (1 - 1 / attributes) * 2
    placing = Placing(ClientConfig(attributes=attributes, partitions=400), [f"n{at + 1}" for at in range(8)])
    streams = 8 * len({placing.owner_of_term(each) for each in range(attributes)})
    lag = predicted_lag_s(flush_s, updates / streams)
    changes = rate * (1 - reads) * (1 - 1 / attributes) / keys  # of the attribute, a key and second
    found: Row = {
        "part": "staleness",
        "kind": index,
        "x": flush_s,
        "count": asked,
        "late": round(missed / asked, 4),
    }
    if index == "async":
        found |= {
            "p50_ms": _ms(median(lags)),
            "p99_ms": _ms(np.quantile(lags, 0.99)),
            "mean_ms": _ms(mean(lags)),
            "predicted": _ms(lag),
            "predicted_late": round(predicted_missed(flush_s, updates / streams, changes), 4),
        }
    return found


def live(index: str, flush_s: float, duration_s: float, session: Any) -> Row:
    """The same table as processes, with real syncs: what a write takes, and what look-ups miss."""
    load = Workload(clients=8, rate=300.0, keys=40, mix=(("read", 0.5), ("write", 0.5)))
    wanted = Trial(
        protocol="indexed",
        runtime="ray",
        nodes=3,
        duration=nanoseconds(duration_s),
        warmup=nanoseconds(1.0),
        params={"reads": "index", "index": index, "attributes": 8, "flush_s": flush_s},
        workload=load,
    )
    result, record = run_trial(wanted, session=session)
    if result.verdict != "valid":
        raise SystemExit(f"{index}: {result.verdict}: {result.void_reason or result.violations[0].reason}")
    took, asked = times(record, WRITE, wanted.warmup), times(record, READ, wanted.warmup)
    marks = [mark for mark in record.marks if wanted.warmup <= mark.at < wanted.duration]
    missed = {(mark.node, mark.fields["operation"]) for mark in marks if mark.name == "missed"}
    return {
        "index": index,
        "flush_s": flush_s,
        "writes": len(took),
        "write_p50_ms": _ms(np.quantile(took, 0.5)),
        "write_p99_ms": _ms(np.quantile(took, 0.99)),
        "read_p50_ms": _ms(np.quantile(asked, 0.5)),
        "missed": round(len(missed) / len(asked), 4),
    }


def run_live(duration_s: float, out: Path) -> int:
    """All kinds, each once; writes ``live.csv``."""
    rows = []
    with open_session() as session:
        for index, flush_s in (("local", 0.0), ("sync", 0.0), ("async", 0.0), ("async", 0.1)):
            row = live(index, flush_s, duration_s, session)
            rows.append(row)
            print(f"live, {index}, updates gather for {1e3 * flush_s:g} ms: {row}", flush=True)
    _write(rows, out / "live.csv")
    return 0


def _write(rows: Sequence[Row], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)


def _ms(seconds: Any) -> float:
    return round(float(seconds) * 1e3, 3)


# --- the figure ------------------------------------------------------------------------------------------------------


def draw(rows: Sequence[Row], path: Path) -> None:
    """Four panels: late queries, their quantiles, writes, staleness."""
    from matplotlib.figure import Figure

    from bench.report.plots import style, to_png

    def of(part: str, kind: str = "") -> list[Row]:
        return [row for row in rows if row["part"] == part and kind in ("", row["kind"])]

    with style() as palette:
        figure = Figure(figsize=(8.4, 6.8))
        late, quantiles, written, stale = figure.subplots(2, 2).flat
        for at, kind in enumerate(kinds()):
            mine = of("queries", kind)
            x = [row["x"] for row in mine]
            late.plot(x, [100 * row["late"] for row in mine], "o", markersize=4, color=palette[at], label=kind)
            late.plot(x, [100 * row["predicted"] for row in mine], ":", color=palette[at])
            quantiles.plot(x, [row["p99_ms"] for row in mine], "-o", markersize=4, color=palette[at])
            quantiles.plot(x, [row["p50_ms"] for row in mine], "--", color=palette[at])
        most = max(row["x"] for row in of("queries"))
        if most >= 100:
            late.annotate("63%", (100, 63.4), (35, 62), fontsize=8, arrowprops={"arrowstyle": "-", "linewidth": 0.6})
        late.set_ylabel(f"queries slower than {1e3 * LATE_S:g} ms [%]")
        late.set_title(f"{SLOW:.0%} of exchanges are slow; dotted: model", fontsize=8.5)
        late.legend(fontsize=8)
        quantiles.set_yscale("log")
        quantiles.set_yticks([1, 2, 5, 10, 20, 50, 100], ["1", "2", "5", "10", "20", "50", "100"])
        quantiles.set_ylabel("a query [ms]")
        quantiles.set_title("solid: p99, dashed: p50", fontsize=8.5)
        for place in (late, quantiles):
            place.set_xscale("log")
            place.set_xticks([1, 10, 100], ["1", "10", "100"])
            place.set_xlabel("servers")
        quantiles.minorticks_off()
        mine = of("writes")
        names = [row["kind"] for row in mine]
        written.barh(names, [row["p50_ms"] for row in mine], color=palette[0], height=0.6)
        written.plot([row["predicted"] for row in mine], range(len(mine)), "D", color=palette[1], label="predicted")
        for at, row in enumerate(mine):
            words = f"{row['messages']:.1f} messages\nbetween servers" if row["messages"] else "none"
            written.text(row["p50_ms"] + 0.12, at, words, va="center", fontsize=8)
        written.set_xlim(0, 1.5 * max(row["p50_ms"] for row in mine))
        written.invert_yaxis()
        written.grid(visible=False, axis="y")
        written.grid(axis="x")
        written.set_xlabel("a write, median [ms]")
        written.legend(fontsize=8, loc="upper right")
        mine = of("staleness", "async")
        gathers = [1e3 * row["x"] for row in mine]
        stale.plot(gathers, [row["mean_ms"] for row in mine], "-o", markersize=4, color=palette[0])
        stale.plot(gathers, [row["predicted"] for row in mine], ":", color=palette[0])
        stale.set_ylabel("an update is late by, mean [ms]", color=palette[0])
        stale.set_xlabel("updates gather for [ms]")
        stale.set_ylim(bottom=0)
        other = stale.twinx()
        other.plot(gathers, [100 * row["late"] for row in mine], "-s", markersize=4, color=palette[1])
        other.plot(gathers, [100 * row["predicted_late"] for row in mine], ":", color=palette[1])
        other.set_ylabel("look-ups that miss the record [%]", color=palette[1])
        other.set_ylim(bottom=0)
        other.grid(visible=False)
        stale.set_title("asynchronous; dotted: model", fontsize=8.5)
        path.write_bytes(to_png(figure))


def main() -> int:
    """See the module."""
    parser = script(__doc__)
    parser.add_argument("--seeds", type=integer(1), default=3, help="trials of a cell, each with a seed of its own")
    parser.add_argument("--duration", type=real(0, above=True), default=5.0, help="seconds of load a trial, simulated")
    parser.add_argument(
        "--servers", type=listed(integer(1, 1000)), default=",".join(map(str, SERVERS)), help="in the cluster"
    )
    parser.add_argument(
        "--flushes",
        type=listed(real(0)),
        default=",".join(map(str, FLUSHES_S)),
        help="seconds after which a late index is brought up to date",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("results/secondary-indexes"), help="folder for figure and tables"
    )
    parser.add_argument("--live", type=real(0), default=0.0, help="only the live part: seconds of load a trial")
    options = parser.parse_args()
    if options.live:
        return run_live(options.live, options.out)
    rows: list[Row] = []

    def add(row: Row, words: str) -> None:
        rows.append(row)
        print(f"{row['part']}, {row['kind']}, {row['x']:g}: p50 {row['p50_ms']} ms, p99 {row['p99_ms']} ms; {words}",
              flush=True)  # fmt: skip

    for servers in options.servers:
        for kind in kinds():
            row = queries(kind, servers, options.seeds, options.duration)
            add(row, f"{row['late']:.1%} late, {row['predicted']:.1%} predicted")
    for crash in (False, True):
        for index in ("local", "sync", "async"):
            row = writes(index, options.seeds, options.duration, crash=crash)
            add(row, f"{row['messages']} messages between servers, {row['late']:.1%} took more than 100 ms")
    for index in ("local", "sync"):
        row = staleness(index, 0.0, options.seeds, options.duration)
        rows.append(row)
        print(f"staleness, {index}: {row['late']:.1%} of the look-ups miss", flush=True)
    for flush_s in options.flushes:
        row = staleness("async", flush_s, options.seeds, options.duration)
        add(row, f"mean {row['mean_ms']} ms, predicted {row['predicted']}; {row['late']:.1%} of the look-ups miss")
    _write(rows, options.out / "cells.csv")
    draw(rows, options.out / "figure.png")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
