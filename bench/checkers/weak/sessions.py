"""What every check of a weaker model needs to know of a history: transactions in sessions, and who read from whom.

A single operation is a transaction with one micro-operation (a compare-and-set that swapped has two). Written values
must differ on each key; then a read tells which transaction it read from. Read once, in columns, for all models.

**Sessions.** In :class:`Transactions` and in a sequence of :class:`Operation` a session is a process. In our own
:class:`History`, processes are renumbered after an ``info`` and ``client`` says who it was: a session is a client if no
two of its answered operations overlap, else (open-loop clients) a process.

**Info.** What was not answered may take effect at any time after its call, or never. If nobody saw what it wrote, then
it is left out: a witness of any model here stays one without it. If somebody did, then it happened, after what its
session did before; what its session did later is *not* after it.

**Read consistency** (Møldrup and Pavlogiannis 2025, section 2; Biswas and Enea 2019). Demanded by all models, whatever
the order: no read of a value nobody wrote (thin air), that only a failed write would have written (aborted), that its
writer itself overwrote (intermediate), or that the reader writes only later (future); and a transaction that wrote a
key reads its own last write of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ...history.history import History
from ...history.operations import Operation
from ...history.transactions import Transactions

Ints = NDArray[np.int64]
Input = History | Transactions | Sequence[Operation]


class Undecidable(Exception):
    """The history is not one of registers with unique values; the message says why."""


@dataclass(frozen=True)
class Problem:
    """A read that no model explains.

    Attributes:
        name: thin-air-read, aborted-read, intermediate-read, future-read or internal.
        rows: of the input.
        words: one sentence.
    """

    name: str
    rows: tuple[int, ...]
    words: str


@dataclass(frozen=True)
class Sessions:
    """The transactions that happened, numbered session by session in the order of each; no two have one number.

    Attributes:
        row: of each transaction in the input.
        session: a session's number; an observed ``info`` that is not the last of its session is one by itself.
        position: within the session.
        first: session *s* has the transactions ``first[s]`` to ``first[s + 1]``.
        before: the transaction that came before in the session, -1 for none.
        read, read_key, read_from: the reads from other transactions, in the order of the program, each by the
            transaction that did it, its key and the transaction it read from; -1: the initial value.
        write, write_key: who wrote which key, each once, sorted by key and then by transaction.
        answered: whether it was.
        problems: reads that violate read consistency; left out of ``read``.
        doubt: why ``valid`` cannot be said, if so.
        words: describes a row of the input.
        key_name: describes a key.
        invoked, completed: of each transaction, ns.
        realtime: whether these can be compared between sessions.
        memory: what several models derive from the history.
    """

    row: Ints
    session: Ints
    position: Ints
    first: Ints
    before: Ints
    read: Ints
    read_key: Ints
    read_from: Ints
    write: Ints
    write_key: Ints
    answered: NDArray[np.bool_]
    problems: tuple[Problem, ...]
    doubt: str
    words: Callable[[int], str]
    key_name: Callable[[int], str]
    invoked: Ints
    completed: Ints
    realtime: bool
    memory: dict[str, object] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.row)

    @property
    def count(self) -> int:
        """How many sessions there are."""
        return len(self.first) - 1

    def keep(self, nodes: Ints) -> Sessions:
        """These transactions (sorted) by themselves; reads from others are forgotten.

        What satisfies a model here satisfies it with fewer transactions and fewer reads.
        """
        number = np.full(len(self) + 1, -1)  # the last entry: of -1
        number[nodes] = np.arange(len(nodes))
        sessions, session = np.unique(self.session[nodes], return_inverse=True)
        first = np.searchsorted(session, np.arange(len(sessions) + 1))
        before = np.arange(len(nodes), dtype=np.int64) - 1
        before[first[:-1]] = -1
        for each, begin in zip(sessions.tolist(), first[:-1].tolist(), strict=True):
            parent = int(self.before[self.first[each]])
            if parent >= 0:
                place = int(np.searchsorted(nodes, parent, "right")) - 1
                if place >= 0 and self.session[nodes[place]] == self.session[parent]:
                    before[begin] = place
        reads = (number[self.read] >= 0) & ((self.read_from < 0) | (number[self.read_from] >= 0))
        writes = number[self.write] >= 0
        return replace(
            self,
            row=self.row[nodes],
            session=session.astype(np.int64),
            position=np.arange(len(nodes)) - first[session],
            first=first.astype(np.int64),
            before=before,
            read=number[self.read[reads]],
            read_key=self.read_key[reads],
            read_from=number[self.read_from[reads]],
            write=number[self.write[writes]],
            write_key=self.write_key[writes],
            answered=self.answered[nodes],
            problems=(),
            invoked=self.invoked[nodes],
            completed=self.completed[nodes],
            memory={},
        )


def runs(s: Sessions) -> list[Ints]:
    """The reads (indices) of each session, in its order.

    An observed ``info`` that is a session by itself has those of what its session did before, too.
    """
    session = s.session[s.read]
    arranged = np.argsort(session, kind="stable")
    bounds = np.searchsorted(session[arranged], np.arange(s.count + 1)).tolist()
    every = [arranged[begin:end] for begin, end in itertools.pairwise(bounds)]
    out = []
    for each in np.unique(session).tolist():
        reads, before = every[each], int(s.before[s.first[each]])
        if before >= 0:
            earlier = every[int(s.session[before])]
            reads = np.concatenate([earlier[s.read[earlier] <= before], reads])
        out.append(reads)
    return out
