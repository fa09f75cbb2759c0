"""Effects of requests: exactly once, at least once, at most once.

A request may be tried several times; what its client knows in the end is the best of its answers: *done* if one said
so, *refused* if all said that it did not happen, else *open*. Each application of it is an effect. With n effects:

==============  ==========  =========  =======
demand          done        refused    open
==============  ==========  =========  =======
exactly-once    n = 1       n = 0      n <= 1
at-least-once   n >= 1      n = 0      any
at-most-once    n <= 1      n = 0      n <= 1
==============  ==========  =========  =======

and an effect of a request that nobody made violates all three. What was done but had no effect is *lost*; more than
one effect is *duplicated*; a refused one that had an effect is *denied*; the last is *invented*. (Bernstein and
Newcomer, "Principles of Transaction Processing", 2nd ed. 2009, section 4.1: request, work and reply each happen once.)

The effects are those of one place, where each should be found once: an account, an outbox, one replica's state machine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError, unknown_name
from ..history.history import FAIL, INFO, OK, IntColumn
from .properties import Doubt, Violation, conclude
from .verdict import Verdict

NAME = "effects"
ATTEMPT, EFFECT = 0, 1
"""Kinds of rows."""

DEMANDS = {
    "exactly-once": ("lost", "duplicated", "denied", "invented"),
    "at-least-once": ("lost", "denied", "invented"),
    "at-most-once": ("duplicated", "denied", "invented"),
}
"""What each of them rules out."""


@dataclass(frozen=True)
class Effects:
    """Attempts at requests, and effects, a row each, in any order.

    Attributes:
        kind: ATTEMPT or EFFECT.
        request: code of the request.
        outcome: of an attempt: OK, FAIL (it definitely did nothing) or INFO; anything for an effect.
        settled: whether all effects that were to come had come when the log ended.
    """

    kind: IntColumn
    request: IntColumn
    outcome: IntColumn
    settled: bool = True

    def __post_init__(self) -> None:
        if not len(self.kind) == len(self.request) == len(self.outcome):
            raise UsageError(f"columns of {len(self.kind)}, {len(self.request)}, {len(self.outcome)} rows")
        if not np.isin(self.kind, (ATTEMPT, EFFECT)).all():
            raise UsageError(f"kinds {np.unique(self.kind).tolist()}: must be {ATTEMPT} or {EFFECT}")
        if not np.isin(self.outcome[self.kind == ATTEMPT], (OK, FAIL, INFO)).all():
            raise UsageError(f"outcomes {np.unique(self.outcome).tolist()}: must be {OK}, {FAIL} or {INFO}")

    def __len__(self) -> int:
        return len(self.kind)


def check(log: Effects, budget_s: float = 20.0, *, demand: str = "exactly-once") -> Verdict:
    """Whether each request had as many effects as the demand (of :data:`DEMANDS`) allows.

    ``rows`` are the attempts and effects of one request that shows it. In a log that is not settled nothing is lost
    yet: ``unknown``. The figures count requests in each way, also in those that the demand allows; ``open`` are those
    whose client does not know, ``open_done`` those of them that had an effect.

    Raises:
        UsageError: if the demand is unknown.
    """
    del budget_s  # O(n log n)
    began = perf_counter()
    if demand not in DEMANDS:
        raise unknown_name("demand", demand, DEMANDS)
    names, code = np.unique(log.request, return_inverse=True)
    attempts = log.kind == ATTEMPT

    def count(rows: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.bincount(code[rows], minlength=len(names))

    effects, tried = count(~attempts), count(attempts)
    done = count(attempts & (log.outcome == OK)) > 0
    refused = (tried > 0) & (count(attempts & (log.outcome == FAIL)) == tried)
    ways: dict[str, tuple[NDArray[np.bool_], Callable[[str, int], str]]] = {
        "lost": (done & (effects == 0), lambda name, _: f"request {name} was answered as done and had no effect"),
        "duplicated": (effects > 1, lambda name, times: f"request {name} had {times} effects"),
        "denied": (
            refused & (effects > 0),
            lambda name, _: f"request {name} was answered as definitely not done and had an effect",
        ),
        "invented": (tried == 0, lambda name, _: f"there is an effect of request {name}, which nobody made"),
    }
    found: list[Violation | Doubt] = []
    for way in DEMANDS[demand]:
        wrong, say = ways[way]
        if wrong.any():
            which = int(np.argmax(wrong))
            words = say(f"{names[which]}", int(effects[which]))
            if way == "lost" and not log.settled:
                found.append(Doubt(demand, f"{words} yet, and the log ends before all was quiet"))
                continue
            rows = np.flatnonzero(code == which)
            told, had = rows[attempts[rows]], rows[~attempts[rows]]
            shown = {
                "lost": told[log.outcome[told] == OK][:1],
                "duplicated": had[:2],
                "denied": np.append(told, had[:1]),
                "invented": had[:1],
            }
            found.append(Violation(demand, way, words, tuple(shown[way].tolist())))
    unsure = (tried > 0) & ~done & ~refused
    figures = {name: float(wrong.sum()) for name, (wrong, _) in ways.items()} | {
        "requests": float((tried > 0).sum()),
        "effects": float(effects.sum()),
        "open": float(unsure.sum()),
        "open_done": float((unsure & (effects > 0)).sum()),
    }
    return conclude(NAME, began, (demand,), found, figures)
