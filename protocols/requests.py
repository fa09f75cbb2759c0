"""The operations a workload asks of a replicated key-value store, whatever protocol replicates it."""

from __future__ import annotations

import msgspec


class Read(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """The value of ``key``: ``Ok(bytes)``, or ``Ok(None)`` if it was never written."""

    key: str


class Write(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Set ``key`` to ``value``: ``Ok(None)``."""

    key: str
    value: bytes


class Cas(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Set ``key`` to ``value`` if it holds ``expected`` (None: absent): ``Ok(witness)``, the value found.

    It took effect iff the witness equals ``expected``; otherwise it was a read.
    """

    key: str
    expected: bytes | None
    value: bytes


Request = Read | Write | Cas
