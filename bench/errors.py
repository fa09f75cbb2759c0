"""Errors for people: one sentence that names the field, the value, what is allowed, and the nearest valid name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

EXIT_VALID = 0
EXIT_VIOLATION = 1
EXIT_USAGE = 2
EXIT_UNKNOWN = 3
EXIT_THRESHOLD = 4
EXIT_HARNESS = 70

_SEVERITY = (EXIT_HARNESS, EXIT_VIOLATION, EXIT_UNKNOWN, EXIT_THRESHOLD)


class UsageError(Exception):
    """The input is wrong: the command ends with this one sentence and exit code 2, and nothing is written."""


class HarnessError(Exception):
    """The harness, not the protocol under test, failed: exit code 70.

    Attributes:
        history: what clients had seen until a live trial failed (:class:`bench.history.History`), if that is known.
    """

    def __init__(self, sentence: str, history: Any = None) -> None:
        super().__init__(sentence)
        self.history = history


def unknown_name(what: str, name: str, known: Iterable[str]) -> UsageError:
    """``unknown protocol 'rfat': did you mean 'raft'? (known: raft, ...)``."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f": did you mean {close[0]!r}?" if close else ""
    listing = f" (known: {', '.join(each or repr(each) for each in names)})" if names else ": there is none"
    return UsageError(f"unknown {what} {name!r}{hint}{listing}")


def worst_exit(codes: Iterable[int]) -> int:
    """The exit code for several trials: 70 outranks 1 outranks 3 outranks 4 outranks 0."""
    seen = set(codes)
    return next((code for code in _SEVERITY if code in seen), EXIT_VALID)
