"""Every bar of the live world in one run on one machine, measured, with whether it is met:

    python -m tests.benchmarks.live_bars [--rounds N] [--no-pysyncobj]

Three nodes, fdatasync on, 16-byte values. A round measures the floor and then what is compared with it within a minute;
the ratio of a bar is the median over the rounds, for the machine changes meanwhile. Needs PySyncObj for the last two
bars (``pip install pysyncobj``). Ends with 1 if a bar is not met.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench.history import OK
from bench.runtime.ray.floor import measure
from bench.runtime.ray.session import RaySession
from bench.trial import Trial
from bench.workload.spec import PRESETS, Workload

from . import pysyncobj_group

SECOND = 1_000_000_000
LENGTH_S = 3.0
CLIENTS = (1, 16, 64, 256)
BEST_CLIENTS = (256, 512)
"""Where Raft's best throughput is looked for."""
STORE_MESSAGES = 6
"""Of a write with three replicas of which the coordinator is one: request, two copies, two receipts, answer."""
Row = dict[str, float]


def raft(session: RaySession, clients: int, say: Callable[[str], None]) -> Row:
    """Operations/s, p50, and CPU an operation in us, of one trial."""
    say(f"Raft, {clients} clients")
    return measured(session, "raft", clients)


def measured(session: RaySession, protocol: str, clients: int, params: dict[str, Any] | None = None) -> Row:
    """The same of any protocol."""
    trial = Trial(
        protocol=protocol,
        runtime="ray",
        nodes=3,
        duration=round(LENGTH_S * SECOND),
        params=params or {},
        workload=Workload(clients=clients, mix=PRESETS["write-only"], value_bytes=16),
    )
    record = session.run(trial)
    assert all(verdict.verdict == "valid" for verdict in record.verdicts), record.verdicts
    history = record.history
    counted = (history.outcome == OK) & (history.completed < trial.duration) & (history.completed > 0.2 * SECOND)
    took = (history.completed - history.intended)[counted]
    rate = float(np.count_nonzero(counted)) / (LENGTH_S - 0.2)
    assert record.bias is not None
    spent = sorted((cost.cpu_per_operation_s or 0.0) * 1e6 for cost in record.costs.values())
    return {
        "ops_s": rate,
        "p50_s": float(np.median(took)) / 1e9,
        "generator_us": record.bias.generator_cpu / rate * 1e6,
        "leader_us": spent[-1],
        "follower_us": statistics.mean(spent[:-1]),
        "steal": record.bias.steal,
    }


class Bars:
    """Collects the ratios of each bar over the rounds."""

    def __init__(self) -> None:
        self.found: dict[str, tuple[str, Callable[[float], bool], list[float], list[str]]] = {}

    def add(self, name: str, bar: str, met: Callable[[float], bool], ratio: float, text: str) -> None:
        """One measurement of a bar."""
        _, _, ratios, texts = self.found.setdefault(name, (bar, met, [], []))
        ratios.append(ratio)
        texts.append(text)

    def report(self) -> bool:
        """Print all; whether all are met."""
        print()
        every = True
        for name, (bar, met, ratios, texts) in self.found.items():
            middle = statistics.median(ratios)
            every &= met(middle)
            spread = f" ({min(ratios):.3g} to {max(ratios):.3g})" if len(ratios) > 1 else ""
            print(f"{'met    ' if met(middle) else 'NOT MET'}  {name}: {middle:.3g}{spread}; bar: {bar}; {texts[-1]}")
        return every


def measure_round(session: RaySession, bars: Bars, say: Callable[[str], None]) -> None:
    """The floor, and what is compared with it."""
    floor = measure(session, 64, whole=True, progress=say)
    bars.add(
        "null protocol, of the bare link's messages/s",
        "at least 0.7",
        lambda ratio: ratio >= 0.7,
        floor.null_exchange_messages_s / floor.link_messages_s,
        f"{floor.null_exchange_messages_s:,.0f} of {floor.link_messages_s:,.0f}; one request an operation: "
        f"{floor.null_peak_messages_s:,.0f}",
    )
    log = dict(floor.log_clients)
    for clients in CLIENTS:
        row = raft(session, clients, say)
        share = row["ops_s"] / log[clients]
        print(
            f"{clients:4} clients: Raft {row['ops_s']:8,.0f} ops/s, bare log {log[clients]:8,.0f}: {share:4.0%}; p50 "
            f"{row['p50_s'] * 1e3:.2f} ms, bare {clients / log[clients] * 1e3:.2f}; CPU an operation: generator "
            f"{row['generator_us']:.1f}, leader {row['leader_us']:.1f}, each follower {row['follower_us']:.1f} us; "
            f"steal {row['steal']:.1%}"
        )
        if clients in (64, 256):
            name = f"Raft's operations/s, of the bare log's, {clients} clients"
            text = f"{row['ops_s']:,.0f} of {log[clients]:,.0f}"
            bars.add(name, "at least 0.4", lambda ratio: ratio >= 0.4, share, text)
        if clients == 1:
            bare = 1 / log[1]
            text = f"{row['p50_s'] * 1e3:.2f} ms, bare {bare * 1e3:.2f} ms"
            bars.add(
                "Raft's p50, of the bare log's, 1 client", "at most 3", lambda r: r <= 3, row["p50_s"] / bare, text
            )
    say("the leaderless store, N=3 R=W=2, 256 clients")
    store = measured(session, "leaderless", 256, {"replicas": 3, "read_level": "2", "write_level": "2"})
    bars.add(
        "leaderless N=3 R=W=2: messages of its operations, of the null protocol's messages/s (a request an operation)",
        "at least 0.3",
        lambda ratio: ratio >= 0.3,
        store["ops_s"] * STORE_MESSAGES / floor.null_peak_messages_s,
        f"{store['ops_s']:,.0f} operations/s of {STORE_MESSAGES} messages, {floor.null_peak_messages_s:,.0f}; where "
        f"an operation is many messages: {floor.null_exchange_messages_s:,.0f}",
    )
    for each in floor.delays:
        error, text = each.p50_s, f"{each.p50_s * 1e6:.0f} us more"
        if each.asked_s < 0.001:
            name = f"injected delay of {each.asked_s * 1e3:g} ms, ms more (median)"
            bars.add(name, "within 0.1 ms", lambda ms: ms <= 0.1, error * 1e3, text)
        else:
            name = f"injected delay of {each.asked_s * 1e3:g} ms, share more (median)"
            bars.add(name, "within 0.05", lambda share: share <= 0.05, error / each.asked_s, text)


def beside_pysyncobj(session: RaySession, bars: Bars, say: Callable[[str], None]) -> None:
    """PySyncObj at each window, and Raft where it does most."""
    say("PySyncObj")
    with tempfile.TemporaryDirectory() as folder:
        rows = pysyncobj_group.measure(Path(folder))
    best = max(rows, key=lambda row: row["ops_s"])
    mine = max((raft(session, clients, say) for clients in BEST_CLIENTS), key=lambda row: row["ops_s"])
    text = f"{mine['ops_s']:,.0f} and {best['ops_s']:,.0f} (window {best['window']})"
    bars.add(
        "Raft's best operations/s, times PySyncObj's",
        "at least 3",
        lambda r: r >= 3,
        mine["ops_s"] / best["ops_s"],
        text,
    )
    text = f"{mine['p50_s'] * 1e3:.1f} and {best['p50_s'] * 1e3:.1f} ms"
    bars.add("its p50 there, of PySyncObj's", "at most 0.1", lambda r: r <= 0.1, mine["p50_s"] / best["p50_s"], text)


def main(arguments: list[str]) -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description="Every bar of the live world, measured.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-pysyncobj", action="store_true")
    given = parser.parse_args(arguments)
    if not given.no_pysyncobj and importlib.util.find_spec("pysyncobj") is None:
        parser.error("PySyncObj is not installed: pip install pysyncobj, or leave it out with --no-pysyncobj")
    bars = Bars()

    def say(what: str) -> None:
        print(f"... {what}", file=sys.stderr)

    met = False
    try:
        with RaySession() as session:
            for number in range(given.rounds):
                say(f"round {number + 1} of {given.rounds}")
                measure_round(session, bars, say)
                if not given.no_pysyncobj:
                    beside_pysyncobj(session, bars, say)
    finally:  # what was measured before something failed is worth something
        met = bars.report()
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
