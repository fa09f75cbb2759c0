"""Transactions over several keys, in columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .history import IntColumn

READ, WRITE, APPEND = 0, 1, 2
"""Kinds of micro-operations."""

NIL = -1
"""The value of a key that was never written."""
UNKNOWN = -2
"""A read whose result was not recorded."""
LIST = -3
"""A read that saw a list: see ``start`` and ``end``."""


@dataclass(frozen=True)
class Transactions:
    """Transactions in order of invocation, and their micro-operations in the order of the program.

    Keys and values are codes from 0; ``keys`` and ``values`` say what they stand for. Values are coded a key apart or
    together, as the reader likes: a value is identified by (key, code).

    Attributes:
        process: who ran each transaction; one at a time. A session is a process.
        invoked, completed: ns, or positions in the source; ``NEVER`` (see :mod:`.history`) for an ``info``.
        outcome: 0 ok (committed), 1 fail (aborted), 2 info (either).
        line: of the invocation in the source, from 1; 0 where there is none.
        first: transaction *t* has the micro-operations ``first[t]`` to ``first[t + 1]``; one longer than the others.
        kind: read, write or append.
        key: code of the key.
        value: code of the value written, appended or read; NIL, UNKNOWN or LIST for some reads.
        start, end: the list that a read saw is ``elements[start:end]``; 0, 0 where it saw none.
        elements: codes of values.
        keys, values: the things that codes stand for.
        realtime: whether ``invoked`` and ``completed`` are comparable between processes. Where they are not, only the
            order within each process is known.
    """

    process: IntColumn
    invoked: IntColumn
    completed: IntColumn
    outcome: IntColumn
    line: IntColumn
    first: IntColumn
    kind: IntColumn
    key: IntColumn
    value: IntColumn
    start: IntColumn
    end: IntColumn
    elements: IntColumn = field(default_factory=lambda: np.empty(0, np.int64))
    keys: tuple[Any, ...] = ()
    values: tuple[Any, ...] = ()
    realtime: bool = True

    def __len__(self) -> int:
        return len(self.process)

    def transaction_of(self) -> NDArray[np.int64]:
        """The transaction of each micro-operation."""
        return np.repeat(np.arange(len(self), dtype=np.int64), np.diff(self.first))
