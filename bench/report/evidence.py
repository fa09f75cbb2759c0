"""The pictures of a run's first violation, with the moment, the columns and the operations chosen from its verdict."""

from __future__ import annotations

from typing import Any

from ..checkers.verdict import Verdict
from ..history.history import INFO, NEVER
from ..runtime.record import RunRecord
from ..trial import Result
from .text import text_space_time
from .timeline import operations_svg

MOST_SERVERS = 9


def violation_svg(record: RunRecord, result: Result) -> str:
    """The violation drawn: what the clients saw, where operations show it, and below it the space-time diagram.

    One or two SVG elements after each other, to be put into a page. Empty if nothing is violated; without the
    space-time diagram if the run was not traced.
    """
    from .diagram import space_time  # it offers this function too

    verdict = _first(result)
    if verdict is None:
        return ""
    title = verdict.reason or verdict.name
    pictures = [operations_svg(record.history, verdict.rows, title)] if verdict.rows else []
    if record.trace is not None:
        pictures.append(space_time(record.trace, title=title, **_choices(record, result, verdict)))
    return "\n".join(pictures)


def space_time_svg(record: RunRecord, result: Result, title: str = "") -> str:
    """The space-time diagram of the violation alone; empty without a violation or a trace."""
    from .diagram import space_time  # it offers functions of this module too

    verdict = _first(result)
    if verdict is None or record.trace is None:
        return ""
    return space_time(record.trace, title=title, **_choices(record, result, verdict))


def violation_text(record: RunRecord, result: Result) -> str:
    """The space-time diagram for a terminal, at most 60 lines; empty without a violation or a trace."""
    verdict = _first(result)
    if verdict is None or record.trace is None:
        return ""
    return text_space_time(record.trace, title=verdict.reason or verdict.name, **_choices(record, result, verdict))


def _first(result: Result) -> Verdict | None:
    """The violation that has a place: one of global state, else one shown by operations, else any."""
    broken = [verdict for verdict in result.violations if verdict.verdict == "invalid"]
    return min(broken, key=lambda each: (each.at == -1, not each.rows), default=None)


def _choices(record: RunRecord, result: Result, verdict: Verdict) -> dict[str, Any]:
    history = record.history
    clients = sorted({int(history.client[row]) + 1 for row in verdict.rows})
    answers = [
        int(history.completed[row])
        for row in verdict.rows
        if int(history.completed[row]) < NEVER and int(history.outcome[row]) != INFO
    ]
    if verdict.at != -1:
        around = verdict.at
    elif answers:
        around = max(answers)
    else:
        around = record.trace[-1].at if record.trace and verdict.name != "liveness" else record.run_end
    servers = [f"n{number + 1}" for number in range(result.nodes)]
    return {
        "around": around,
        "nodes": [*servers[:MOST_SERVERS], *(f"c{number}" for number in clients)],
        "faults": record.faults,
        "history": history,
        "rows": verdict.rows,
    }
