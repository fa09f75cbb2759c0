"""What an algorithm for one kind of object says of one object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Decision:
    """What is known of an object, or of several.

    Attributes:
        word: valid, invalid, or unknown.
        reason: one sentence, for the latter two.
        rows: of an invalid one: as few as show it.
    """

    word: Literal["valid", "invalid", "unknown"]
    reason: str = ""
    rows: tuple[int, ...] = ()


VALID = Decision("valid")
