"""What can be recovered from a history before any cycle is looked for: dependencies, and anomalies of single reads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...history.history import FAIL, OK
from ...history.transactions import LIST, NIL, READ, UNKNOWN, Transactions
from .graph import Edges, Ints, ints


class Undecidable(Exception):
    """The history breaks an assumption of the method; the sentence says which."""


@dataclass(frozen=True)
class Evidence:
    """One anomaly.

    Attributes:
        anomaly: its name.
        words: what shows it.
        rows: the transactions that show it.
        more: how many others there are like it.
    """

    anomaly: str
    words: str
    rows: tuple[int, ...]
    more: int = 0


@dataclass
class Recovered:
    """What was recovered.

    Attributes:
        edges: dependencies that hold for certain.
        committed: the transactions that took place: those that ended ok, and those unanswered whose writes were seen.
        evidence: anomalies that need no cycle.
        unordered: for each key with versions whose order is not known: the writers of these.
        readers: readers of the version that a transaction left on a key: (writer, key) -> readers; writer -1: initial.
        violated: levels that are violated, shown by cycles that will be found anyway.
    """

    edges: Edges
    committed: NDArray[np.bool_]
    evidence: list[Evidence] = field(default_factory=list)
    unordered: dict[int, list[int]] = field(default_factory=dict)
    readers: dict[tuple[int, int], list[int]] = field(default_factory=dict)
    violated: set[str] = field(default_factory=set)

    def note(self, anomaly: str, words: str, rows: Iterable[int], count: int = 1) -> None:
        """One anomaly, and how many there are like it."""
        self.evidence.append(Evidence(anomaly, words, tuple(sorted({int(row) for row in rows})), count - 1))


class Columns:
    """The micro-operations as int64 columns, and their words."""

    def __init__(self, transactions: Transactions) -> None:
        t = self.transactions = transactions
        self.of: Ints = t.transaction_of()
        self.kind, self.key, self.value = ints(t.kind), ints(t.key), ints(t.value)
        self.start, self.end, self.elements = ints(t.start), ints(t.end), ints(t.elements)
        self.outcome = ints(t.outcome)
        self.keys = int(self.key.max(initial=-1)) + 1
        self.width = int(max(self.value.max(initial=-1), self.elements.max(initial=-1))) + 1
        known = (self.kind == READ) & (self.value != UNKNOWN) & (self.outcome[self.of] == OK)
        self.reads: Ints = np.flatnonzero(known)

    def writers(self, kind: int) -> tuple[Ints, Ints]:
        """(sorted identity ``key * width + value``, its micro-operation) of what was written, the failed last.

        Raises:
            Undecidable: a value was written twice to one key, and both may have happened.
        """
        rows = np.flatnonzero(self.kind == kind)
        identity = self.key[rows] * self.width + self.value[rows]
        failed = self.outcome[self.of[rows]] == FAIL
        order = np.lexsort((failed, identity))
        identity, rows, failed = identity[order], rows[order], failed[order]
        again = np.flatnonzero((identity[1:] == identity[:-1]) & ~failed[1:])
        if len(again):
            row = int(rows[again[0] + 1])
            raise Undecidable(
                f"{self.say(self.value[row])} was written to {self.say_key(self.key[row])} twice, by "
                f"{self.name(self.of[rows[again[0]]])} and {self.name(self.of[row])}: written values must be unique"
            )
        first = np.ones(len(rows), bool)
        first[1:] = identity[1:] != identity[:-1]
        return identity[first], rows[first]

    def runs(self, rows: Ints) -> tuple[Ints, NDArray[np.bool_]]:
        """These micro-operations by transaction and key, in the order of the program; whether each is as the one before
        it of the same transaction and key."""
        order = rows[np.lexsort((rows, self.key[rows], self.of[rows]))]
        same = np.zeros(len(order), bool)
        same[1:] = (self.of[order][1:] == self.of[order][:-1]) & (self.key[order][1:] == self.key[order][:-1])
        return order, same

    # Words.

    def say(self, code: Any) -> str:
        """A value."""
        code = int(code)
        if code == NIL:
            return "nil"
        return str(self.transactions.values[code]) if 0 <= code < len(self.transactions.values) else str(code)

    def say_key(self, code: Any) -> str:
        """A key."""
        code = int(code)
        return str(self.transactions.keys[code]) if 0 <= code < len(self.transactions.keys) else str(code)

    def name(self, row: Any) -> str:
        """A transaction: ``T`` and its number from 1, as rows are counted, and the line it began on."""
        row = int(row)
        line = int(self.transactions.line[row])
        return f"T{row + 1} (line {line})" if line else f"T{row + 1}"

    def seen(self, mop: Any, limit: int = 24) -> str:
        """What a read saw."""
        mop = int(mop)
        if int(self.value[mop]) != LIST:
            return self.say(self.value[mop])
        found = [self.say(each) for each in self.elements[self.start[mop] : self.end[mop]].tolist()]
        if len(found) > limit:
            found = [*found[: limit // 2], "...", *found[-limit // 2 :]]
        return f"[{' '.join(found)}]"

    def words(self, row: Any, limit: int = 12) -> str:
        """The micro-operations of a transaction."""
        row = int(row)
        first, last = int(self.transactions.first[row]), int(self.transactions.first[row + 1])
        said = []
        for mop in range(first, min(last, first + limit)):
            key, kind = self.say_key(self.key[mop]), int(self.kind[mop])
            if kind == READ:
                known = int(self.value[mop]) != UNKNOWN and int(self.outcome[row]) == OK
                said.append(f"r({key}) = {self.seen(mop) if known else '?'}")
            else:
                said.append(f"{'w' if kind == 1 else 'append'}({key}, {self.say(self.value[mop])})")
        return "; ".join(said) + ("; ..." if last - first > limit else "")


def look_up(identities: Ints, rows: Ints, wanted: Ints) -> Ints:
    """The row of each identity wanted, -1 where there is none. ``identities`` are sorted."""
    if not len(identities):
        return np.full(len(wanted), -1, np.int64)
    place = np.minimum(np.searchsorted(identities, wanted), len(identities) - 1)
    return np.where(identities[place] == wanted, rows[place], -1)


def ranges(starts: Ints, counts: Ints) -> Ints:
    """``start, start + 1, ...``, ``count`` of them, for each; in a row."""
    total = int(counts.sum())
    before = np.cumsum(counts) - counts
    return np.repeat(starts - before, counts) + np.arange(total)
