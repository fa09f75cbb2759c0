"""Linearizability by the definition: try every order of every subset of the unanswered operations.

Shares nothing with the checkers but the columns' meaning. For histories of a handful of operations.
"""

from __future__ import annotations

from itertools import chain, combinations, permutations

from bench.history.history import CAS, FAIL, INFO, NIL, NOTHING, READ, WRITE, History


def linearizable(history: History) -> bool:
    """Whether the operations of each key can be put in an order that explains them all."""
    return all(_key(history, key) for key in set(history.key.tolist()))


def _key(history: History, key: int) -> bool:
    rows = [row for row in range(len(history)) if history.key[row] == key and history.outcome[row] != FAIL]
    certain = [row for row in rows if history.outcome[row] != INFO]
    uncertain = [row for row in rows if history.outcome[row] == INFO]
    subsets = chain.from_iterable(combinations(uncertain, size) for size in range(len(uncertain) + 1))
    return any(_explained(history, order) for some in subsets for order in permutations([*certain, *some]))


def _explained(history: History, order: tuple[int, ...]) -> bool:
    for place, row in enumerate(order):
        for later in order[place + 1 :]:
            if history.outcome[later] != INFO and history.completed[later] < history.invoked[row]:
                return False
    value = NIL
    for row in order:
        told, known = int(history.result[row]), history.outcome[row] != INFO
        if history.function[row] == WRITE:
            value = int(history.argument[row])
        elif history.function[row] == READ:
            if known and told not in (NOTHING, value):
                return False
        elif history.function[row] == CAS:
            swaps = value == int(history.expected[row])
            if known and told != NOTHING and told != value:
                return False
            if known and told == NOTHING and swaps:
                return False
            if swaps:
                value = int(history.argument[row])
    return True
