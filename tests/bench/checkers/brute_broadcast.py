"""Broadcast's properties by their definitions: quantifiers over nodes, messages and events."""

from __future__ import annotations

from itertools import combinations, product

Log = list[tuple[int, str, int]]
"""(node, "b" or "d", message) in an order that keeps each node's own."""


def properties(log: Log, crashed: list[bool]) -> dict[str, bool]:
    """Which of them hold in a settled log."""
    nodes = range(len(crashed))
    correct = [node for node in nodes if not crashed[node]]
    messages = sorted({message for _, _, message in log})
    sequence = {node: list(dict.fromkeys(m for n, kind, m in log if n == node and kind == "d")) for node in nodes}
    sender = {m: n for n, kind, m in log if kind == "b"}
    before = _causally(log)

    def has(node: int, first: int, then: int) -> bool:
        """If the node delivers ``then``, it delivers ``first`` earlier."""
        own = sequence[node]
        return then not in own or (first in own and own.index(first) < own.index(then))

    def agree(who: list[int]) -> bool:
        return all(m in sequence[q] for p in who for m in sequence[p] for q in correct)

    def integrity(who: list[int]) -> bool:
        counted = [(n, m) for n, kind, m in log if kind == "d" and n in who]
        if len(set(counted)) < len(counted) or any(m not in sender for _, m in counted):
            return False
        return _can_be_interleaved([each for each in log if each[1] == "b" or each[0] in who])

    def total(who: list[int]) -> bool:
        return all(
            (sequence[p].index(m) < sequence[p].index(n)) == (sequence[q].index(m) < sequence[q].index(n))
            for p, q in combinations(who, 2)
            for m, n in combinations(messages, 2)
            if all(each in sequence[node] for each in (m, n) for node in (p, q))
        )

    def gap_free() -> bool:
        return all(
            has(q, sequence[p][i], sequence[p][j])
            for p, q in product(nodes, nodes)
            for i, j in combinations(range(len(sequence[p])), 2)
        )

    def fifo(who: list[int]) -> bool:
        sent = [(n, m) for n, kind, m in log if kind == "b"]
        return all(has(p, m, after) for (s, m), (t, after) in combinations(sent, 2) if s == t for p in who)

    def causal(who: list[int]) -> bool:
        return all(has(p, m, after) for m, after in before if m != after for p in who)

    everyone = list(nodes)
    return {
        "validity": all(m in sequence[s] for m, s in sender.items() if s in correct),
        "agreement": agree(correct),
        "uniform-agreement": agree(everyone),
        "integrity": integrity(correct),
        "uniform-integrity": integrity(everyone),
        "total-order": total(correct),
        "uniform-total-order": total(everyone),
        "gap-free-total-order": gap_free(),
        "fifo-order": fifo(correct),
        "uniform-fifo-order": fifo(everyone),
        "causal-order": causal(correct),
        "uniform-causal-order": causal(everyone),
    }


def _causally(log: Log) -> set[tuple[int, int]]:
    """Pairs of messages of which the first's broadcast precedes the second's: by closure over all events."""
    reaches = {(a, b): log[a][0] == log[b][0] and a < b for a, b in product(range(len(log)), repeat=2)}
    seen: set[tuple[int, int]] = set()
    for b, (node, kind, message) in enumerate(log):
        if kind == "d" and (node, message) not in seen:
            seen.add((node, message))
            for a, (_, other, same) in enumerate(log):
                if other == "b" and same == message:
                    reaches[a, b] = True
    for k, i, j in product(range(len(log)), repeat=3):
        reaches[i, j] = reaches[i, j] or (reaches[i, k] and reaches[k, j])
    sent = [i for i, each in enumerate(log) if each[1] == "b"]
    return {(log[i][2], log[j][2]) for i, j in product(sent, sent) if reaches[i, j]}


def _can_be_interleaved(log: Log) -> bool:
    """Whether the nodes' sequences can be run so that each message is broadcast before anybody delivers it."""
    left = {node: [(kind, m) for n, kind, m in log if n == node] for node in {n for n, _, _ in log}}
    out: set[int] = set()
    moved = True
    while moved:
        moved = False
        for own in left.values():
            while own and (own[0][0] == "b" or own[0][1] in out):
                kind, message = own.pop(0)
                out |= {message} if kind == "b" else set()
                moved = True
    return not any(left.values())
