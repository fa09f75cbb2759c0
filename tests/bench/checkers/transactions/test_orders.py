"""The search for an order of versions, and witnesses, by themselves: they see more than whole small histories need."""

from __future__ import annotations

import os
from itertools import permutations, product
from random import Random
from time import monotonic
from typing import Literal

import numpy as np
import pytest

from bench.checkers.transactions import graph as graphs
from bench.checkers.transactions import orders, registers, witness
from bench.history.transactions import NIL, READ, WRITE, Transactions

from .databases import history

HISTORIES = int(os.environ.get("QUORUMBENCH_FUZZ_HISTORIES", "1500"))
MODES: tuple[Literal["serializable", "snapshot", "parallel"], ...] = ("serializable", "snapshot", "parallel")

Pair = tuple[int, int]


def _closed(edges: set[Pair]) -> set[Pair]:
    closed = set(edges)
    for middle in {b for _, b in edges}:
        closed |= {(a, d) for a, b in closed if b == middle for c, d in closed if c == middle}
    return closed


def _allowed(mode: str, depends: set[Pair], rw: set[Pair]) -> bool:
    if mode == "serializable":
        return all(a != b for a, b in _closed(depends | rw))
    if mode == "snapshot":
        return all(a != b for a, b in _closed(depends | {(a, d) for a, b in depends for c, d in rw if b == c}))
    closed = _closed(depends)
    return all(a != b for a, b in closed) and not any((b, a) in closed for a, b in rw)


def choice_disagreement(rng: Random) -> str:
    """A random graph with some keys' writers unordered: what the search and trying all orders say differently of it."""
    count = rng.randint(3, 7)
    mode = rng.choice(MODES)
    order = rng.sample(range(count), count)
    depends: set[Pair] = set()
    rw: set[Pair] = set()
    for _ in range(rng.randint(0, 5)):
        a, b = sorted(rng.sample(range(count), 2), key=order.index)
        (depends if rng.random() < 0.6 else rw).add((a, b))
    if rng.random() < 0.3:
        a, b = rng.sample(range(count), 2)
        rw.add((a, b))
    unordered = {key: rng.sample(range(count), rng.randint(2, min(3, count))) for key in range(rng.randint(1, 3))}
    readers: dict[Pair, list[int]] = {}
    for key, writers in unordered.items():
        for writer in writers:
            some = rng.sample([each for each in range(count) if each != writer], rng.randint(0, 2))
            readers[writer, key] = some
            depends.update((writer, each) for each in some)
    rw -= depends
    edges = graphs.Edges(count)
    for kind, pairs in ((graphs.WR, depends), (graphs.RW, rw)):
        for a, b in pairs:
            edges.add(a, b, kind)
    times = rng.sample(range(count), count) if rng.random() < 0.5 else []
    answer = orders.decide(edges.build(), unordered, readers, mode, monotonic() + 20, times)
    truth = False
    for chosen in product(*(permutations(writers) for writers in unordered.values())):
        ww, anti = set(depends), set(rw)
        for key, writers in zip(unordered, chosen, strict=True):
            for place, one in enumerate(writers):
                for two in writers[place + 1 :]:
                    ww.add((one, two))
                    anti.update((reader, two) for reader in readers[one, key] if reader != two)
        if _allowed(mode, ww, anti):
            truth = True
            break
    if answer.word != ("satisfied" if truth else "violated"):
        return (
            f"{mode}: {truth} by trying all orders, {answer.word} by the search: {depends} {rw} {unordered} {readers}"
        )
    return ""


def witness_disagreement(rng: Random) -> tuple[str, bool]:
    """(what is wrong with the serial order found, whether there was one), of a history with many blind writes."""
    mode = rng.choice(("serial", "serial", "serial", "read-committed", "stale-snapshot", "random"))
    t = history(
        rng,
        mode,
        "rw-register",
        count=rng.randint(4, 16),
        keys=rng.randint(1, 3),
        mops=3,
        processes=rng.randint(2, 6),
        trouble=rng.choice((0, 0.1)),
    )
    _, found = registers.recover(t, ("writes-follow-reads",))
    if found.evidence:
        return "", False
    found.edges.processes(t, found.committed)
    found.edges.realtime(t, found.committed)
    graph = found.edges.build()
    if graphs.components(graph.nodes, graph.source, graph.target):
        return "", False
    order = witness.serial_order(t, graph, found.unordered, found.readers, monotonic() + 20)
    if order is None:
        return "", False
    return _replayed(t, order, found.committed.tolist()), True


def _replayed(t: Transactions, order: list[int], committed: list[bool]) -> str:
    state: dict[int, int] = {}
    if len(set(order)) != len(t):
        return f"{order} does not hold every transaction once"
    for row in order:
        if not committed[row]:
            continue
        for mop in range(int(t.first[row]), int(t.first[row + 1])):
            key, value = int(t.key[mop]), int(t.value[mop])
            if t.kind[mop] == WRITE:
                state[key] = value
            elif t.kind[mop] == READ and t.outcome[row] == 0 and state.get(key, NIL) != value:
                return f"transaction {row} read {value} of {key}, where {order} leaves {state.get(key, NIL)}"
    place = np.argsort(order)
    for a in range(len(t)):
        for b in range(len(t)):
            if (
                committed[a]
                and committed[b]
                and t.outcome[a] == 0
                and t.completed[a] < t.invoked[b]
                and place[a] > place[b]
            ):
                return f"{a} ended before {b} began, but comes later"
    return ""


def test_fuzz_orders_against_trying_all() -> None:
    for seed in range(HISTORIES):
        found = choice_disagreement(Random(seed))
        assert not found, f"seed {seed}: {found}"


def test_fuzz_witnesses_are_serial_orders() -> None:
    there = 0
    for seed in range(HISTORIES):
        wrong, found = witness_disagreement(Random(seed))
        assert not wrong, f"seed {seed}: {wrong}"
        there += found
    assert there > HISTORIES / 4


@pytest.mark.parametrize("mode", MODES)
def test_too_many_pairs_are_not_guessed(mode: Literal["serializable", "snapshot", "parallel"]) -> None:
    edges = graphs.Edges(2500)
    answer = orders.decide(edges.build(), {0: list(range(2500))}, {}, mode, monotonic() + 20)
    assert answer.word == "unknown"
    assert "no known order" in answer.why
    late = orders.decide(edges.build(), {0: list(range(100))}, {}, mode, monotonic() - 1)
    assert late.word == "unknown"
    assert "out of time" in late.why
