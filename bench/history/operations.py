"""Operations on anything: histories that are not, or not only, reads and writes of unique integers.

The columnar :class:`~.history.History` is what our own runs record and what must be judged quickly; this is what
foreign histories and models with richer values are read into.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Final

import msgspec

from .history import NEVER, OK


class _Missing:
    """The type of :data:`MISSING`."""

    def __repr__(self) -> str:
        return "?"


MISSING: Final = _Missing()
"""A result that was not recorded, or cannot be known. ``None`` is a value: nil."""


class Operation(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One operation of a client.

    Attributes:
        process: who did it; no process has two operations open. After an ``info`` it does nothing any more.
        function: what it did, as its model names it (``read``, ``cas``, ``enqueue`` ...).
        key: the object it was done to; None where there is only one.
        argument: what it was given; a compare-and-set has (expected, new). Hashable.
        result: what it saw; :data:`MISSING` where that is not known. Hashable.
        invoked, completed: ns; ``NEVER`` for an ``info``: the time at which a client gives up bounds nothing. Where the
            source has no clock, the positions of its lines.
        outcome: ok, fail (definitely did not happen), info (may happen at any time after its call, or never).
        line: of its invocation in the source, from 1; 0 where there is none.
    """

    process: int
    function: str
    key: Hashable = None
    argument: Any = None
    result: Any = MISSING
    invoked: int = 0
    completed: int = NEVER
    outcome: int = OK
    line: int = 0
