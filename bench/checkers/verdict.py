"""Verdicts: what a checker says of a history, and how several merge."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

Word = Literal["valid", "invalid", "unknown"]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """One checker's answer.

    Attributes:
        name: of the check (``linearizable``, ``election_safety``, ``liveness`` ...).
        verdict: valid, invalid (a violation), or unknown (out of time or memory; never a guess).
        reason: one sentence for people.
        rows: rows of the history that show a violation, as few as possible.
        at: simulated ns of the violation, where it was found on global state; -1 otherwise.
        took_s: seconds the check needed.
        anomalies: names of the anomalies found, in the terms of Adya and Elle; each once, sorted.
        explanations: what shows each of them, in words.
        satisfied: the strongest models that the history satisfies, where the check decides several.
        violated: the weakest models that it violates, where the check decides several.
        figures: what was measured beside the verdict (staleness, blocking time ...): name -> number.
    """

    name: str
    verdict: Word
    reason: str = ""
    rows: tuple[int, ...] = ()
    at: int = -1
    took_s: float = 0.0
    anomalies: tuple[str, ...] = ()
    explanations: tuple[str, ...] = ()
    satisfied: tuple[str, ...] = ()
    violated: tuple[str, ...] = ()
    figures: dict[str, float] = {}


def merge(verdicts: Iterable[str]) -> Word:
    """invalid > unknown > valid; valid for none at all."""
    seen = set(verdicts)
    return "invalid" if "invalid" in seen else "unknown" if "unknown" in seen else "valid"
