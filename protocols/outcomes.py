"""How an operation ends: it took effect, it definitely did not, or nobody can say."""

from __future__ import annotations

from typing import Any

import msgspec


class Ok(msgspec.Struct, frozen=True, tag="ok"):
    """The operation took effect, and this is its result (for a failed compare-and-set: the value witnessed)."""

    value: Any = None


class Fail(msgspec.Struct, frozen=True, tag="fail"):
    """The operation definitely did not take effect, and never will."""

    reason: str = ""


class Info(msgspec.Struct, frozen=True, tag="info"):
    """The operation may have taken effect, may do so later, or never."""

    reason: str = ""


Outcome = Ok | Fail | Info
