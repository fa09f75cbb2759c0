"""How long checks of logs of 10^5 rows take. Run with ``pytest tests/benchmarks --benchmark-enable``; the bars hold
without."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from time import process_time

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.checkers import balance, broadcast, commitment, effects, fencing, membership, opinions
from bench.checkers.verdict import Verdict
from bench.history.deliveries import BROADCAST, DELIVER, Deliveries
from bench.history.history import NEVER

ROWS = 100_000
BAR_S = 1.0


def _deliveries(nodes: int) -> Deliveries:
    """Everyone delivers all messages in one order; each is broadcast before that by one of them."""
    count = ROWS // nodes
    sender = np.random.default_rng(1).integers(0, nodes, count)
    node, kind, message = [], [], []
    for each in range(nodes):
        own = np.flatnonzero(sender == each)
        order = np.argsort(np.concatenate((np.arange(count) * 2 + 1, own * 2)))
        node.append(np.full(len(order), each))
        kind.append(np.concatenate((np.full(count, DELIVER), np.full(len(own), BROADCAST)))[order])
        message.append(np.concatenate((np.arange(count), own))[order])
    return Deliveries(*(np.concatenate(each) for each in (node, kind, message)), crashed=np.zeros(nodes, bool))


def _out_of_order(nodes: int) -> Deliveries:
    """As above, with two neighbouring deliveries of the last node exchanged."""
    log = _deliveries(nodes)
    last = np.flatnonzero((log.node == nodes - 1) & (log.kind == DELIVER))[-2:]
    log.message[last] = log.message[last[::-1]]
    return log


def _effects() -> effects.Effects:
    request = np.tile(np.arange(ROWS // 2), 2)
    kind = np.repeat((effects.ATTEMPT, effects.EFFECT), ROWS // 2)
    return effects.Effects(kind, request, np.zeros(ROWS, int))


def _holds() -> fencing.Holds:
    at = np.arange(ROWS) * 10
    lock, holder = np.arange(ROWS) % 50, np.random.default_rng(1).integers(0, 20, ROWS)
    return fencing.Holds(lock, holder, np.arange(ROWS), at - 3, at, at + 400, np.full(ROWS, NEVER))


def _accesses() -> fencing.Accesses:
    resource = np.arange(ROWS) % 50
    return fencing.Accesses(resource, np.arange(ROWS) // 7, np.ones(ROWS, bool), resource)


def _commitments() -> commitment.Commitments:
    count = ROWS // 9
    each = np.arange(count)[:, None]
    kinds = (commitment.MEMBER, commitment.YES, commitment.COMMIT)
    node, kind = np.meshgrid(np.arange(3), np.array(kinds))
    shape = (count, 9)
    return commitment.Commitments(
        np.broadcast_to(each, shape).ravel(),
        np.broadcast_to(node.ravel(), shape).ravel(),
        np.broadcast_to(kind.ravel(), shape).ravel(),
        (each * 10 + np.repeat(np.arange(3), 3)).ravel(),
        np.zeros(3, bool),
    )


def _views() -> membership.Views:
    nodes, each = 10, 20
    count = ROWS // nodes // (each + 1)
    what = np.column_stack((np.arange(count), np.arange(count * each).reshape(count, each))).ravel()
    kind = np.tile([membership.INSTALL, *[membership.DELIVER] * each], count)
    node = np.repeat(np.arange(nodes), len(kind))
    everyone = frozenset(range(nodes))
    return membership.Views(node, np.tile(kind, nodes), np.tile(what, nodes), np.arange(count), (everyone,) * count)


def _opinions() -> opinions.Opinions:
    nodes, rng = 200, Random(1)
    rows: list[tuple[int, int, int, int]] = []
    for change in range(ROWS // nodes):
        subject, at, down = change // 2 % nodes, change * 1_000, change % 2 == 0
        rows.append((at, opinions.DOWN if down else opinions.UP, subject, subject))
        kind = opinions.DEEMS_DOWN if down else opinions.DEEMS_UP
        rows += [(at + rng.randint(1, 900), kind, node, subject) for node in range(nodes) if node != subject]
    rows.sort()
    return opinions.Opinions(*(np.array(column) for column in zip(*rows, strict=True)), np.ones(nodes, bool), 10**9)


def _placement() -> balance.Placement:
    before = np.arange(ROWS) % 100
    return balance.Placement(before, np.where(np.arange(ROWS) % 101, before, 100), np.arange(100), np.arange(101))


def _all(log: Deliveries) -> Verdict:
    return broadcast.check(log, properties=broadcast.PROPERTIES)


CASES: dict[str, tuple[Callable[[], object], Callable[..., Verdict], str]] = {
    # name: (makes the log, the check, its verdict)
    "broadcast, 5 nodes": (lambda: _deliveries(5), _all, "valid"),
    "broadcast, 100 nodes": (lambda: _deliveries(100), _all, "valid"),
    "broadcast, 1,000 nodes": (lambda: _deliveries(1_000), _all, "valid"),
    "broadcast out of order, 10 nodes": (lambda: _out_of_order(10), _all, "invalid"),
    "effects": (_effects, effects.check, "valid"),
    "fencing, holds": (_holds, fencing.check, "valid"),
    "fencing, accesses": (_accesses, fencing.check_accesses, "valid"),
    "commitment": (_commitments, commitment.check, "valid"),
    "views": (_views, membership.check, "valid"),
    "opinions, 200 nodes": (_opinions, opinions.check, "valid"),
    "balance, moves": (_placement, balance.check_moves, "valid"),
}


@pytest.mark.parametrize("name", CASES)
def test_logs(benchmark: BenchmarkFixture, bar: Callable[[float, float], None], name: str) -> None:
    make, check, word = CASES[name]
    log = make()
    began = process_time()
    verdict = benchmark.pedantic(check, args=(log,), rounds=1, warmup_rounds=0)
    benchmark.extra_info["bar_s"] = BAR_S
    bar(process_time() - began, BAR_S)
    assert verdict.verdict == word, verdict.reason
