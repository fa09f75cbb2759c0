"""Linearizability of registers by the definition: try every order of every subset of the unanswered operations.

Shares nothing with the checkers but the columns' meaning. For histories of a handful of operations.
"""

from __future__ import annotations

from bench.history.history import CAS, FAIL, INFO, NIL, NOTHING, READ, WRITE, History


def linearizable(history: History) -> bool:
    """Whether the operations of each key can be put in an order that explains them all."""
    return all(_key(history, key) for key in set(history.key.tolist()))


def _key(history: History, key: int) -> bool:
    rows = [row for row in range(len(history)) if history.key[row] == key and history.outcome[row] != FAIL]
    columns = [
        (
            int(history.function[row]),
            int(history.argument[row]),
            int(history.expected[row]),
            int(history.result[row]),
            int(history.invoked[row]),
            int(history.completed[row]),
            bool(history.outcome[row] != INFO),
        )
        for row in rows
    ]
    return _some_order(columns, NIL)


def _some_order(left: list[tuple[int, int, int, int, int, int, bool]], value: int) -> bool:
    certain = [completed for *_, completed, known in left if known]
    if not certain:
        return True
    for place, (function, argument, expected, told, invoked, _, known) in enumerate(left):
        if invoked > min(certain):
            continue  # another had ended before this one began
        after = value
        if function == WRITE:
            after = argument
        elif function == READ:
            if known and told not in (NOTHING, value):
                continue
        elif function == CAS:
            swaps = value == expected
            if known and ((told != NOTHING and told != value) or (told == NOTHING and swaps)):
                continue
            after = argument if swaps else value
        if _some_order(left[:place] + left[place + 1 :], after):
            return True
    return False
