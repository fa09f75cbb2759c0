"""Checks of histories that several clocks recorded; see :mod:`bench.history.clocks`."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import msgspec

from ..history.clocks import views
from ..history.history import History
from .verdict import Verdict, merge

Check = Callable[[History, float], Verdict]


def in_every_clock(check: Check) -> Check:
    """The check from each clock that recorded some of the history: invalid if it is in one of these views.

    With one clock, which is the rule, this is the check itself. The budget is shared out.
    """

    @wraps(check)
    def checked(history: History, budget_s: float = 20.0) -> Verdict:
        found = views(history)
        if len(found) == 1:
            return check(found[0].history, budget_s)
        verdicts: list[Verdict] = []
        for left, view in zip(range(len(found), 0, -1), found, strict=True):
            spent = sum(verdict.took_s for verdict in verdicts)
            verdict = check(view.history, max(0.0, budget_s - spent) / left)
            verdicts.append(verdict)
            if verdict.verdict == "invalid":
                how = f"by the clock of c{int(history.client[_of(history, view.clock)]) + 1}, others widened"
                reason = f"{verdict.reason} ({how} by what theirs may be wrong)"
                return msgspec.structs.replace(verdict, reason=reason, took_s=spent + verdict.took_s)
        word = merge(verdict.verdict for verdict in verdicts)
        chosen = next(verdict for verdict in verdicts if verdict.verdict == word)
        return msgspec.structs.replace(chosen, took_s=sum(verdict.took_s for verdict in verdicts))

    return checked


def _of(history: History, clock: int) -> int:
    """A row that this clock recorded."""
    assert history.clock is not None
    return int((history.clock == clock).argmax())
