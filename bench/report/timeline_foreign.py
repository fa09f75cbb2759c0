"""Timelines of histories that others recorded: operations on anything, transactions, with or without a clock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..checkers.cells import say
from ..history.history import FAIL, INFO, NEVER, OK, OUTCOMES, History
from ..history.operations import MISSING, Operation
from ..history.readers import Read
from ..history.transactions import APPEND, LIST, NIL, READ, UNKNOWN, Transactions
from .canvas import FAINT, RED, RULE, Canvas, milliseconds
from .timeline import NEIGHBOURS, Bar, Scale, bars_svg, operations_svg

POSITIONS = Scale("position in the file, quiet stretches cut short", clock=False)
SESSIONS = Scale("position in each session: they have no clock in common", clock=False, window=False)
_LANES = 16
_SHORT = 46
_FEW = 20
"""Fewer operations than this are seen at one glance as it is."""


def violation_timeline(history: Read, rows: Sequence[int], title: str = "", *, clock: bool = True) -> str:
    """A self-contained SVG of the rows of a history that show a violation, and of what happened near them.

    Args:
        history: of any kind.
        rows: those that show it.
        title: a sentence above.
        clock: whether instants are ns; else positions in the source.
    """
    if isinstance(history, History):
        return operations_svg(history, rows, title)
    guilty = sorted({row for row in rows if 0 <= row < len(history)})
    if isinstance(history, Transactions):
        return _transactions(history, guilty, title, clock)
    near = _near(history, guilty)
    bars = [
        Bar(_process(each), each.invoked, _end(each), short(each), full(each), row in guilty)
        for row in sorted({*guilty, *near})
        for each in (history[row],)
    ]
    lanes = [f"p{number}" for number in sorted({history[row].process for row in {*guilty, *near}})]
    return bars_svg(bars, lanes, title, Scale() if clock else POSITIONS)


def overview_svg(history: Read, rows: Sequence[int], *, clock: bool = True) -> str:
    """A strip over the whole history: how much went on when, and where in it the violation is.

    Empty without rows, and for fewer than 20 operations.
    """
    if isinstance(history, Transactions) and not history.realtime:
        return ""
    starts = _starts(history)
    chosen = [row for row in rows if 0 <= row < len(starts)]
    if len(starts) < _FEW or not chosen:
        return ""
    width, left, height = 1000.0, 20.0, 44.0
    first, last = int(starts.min()), int(starts.max())
    span = max(1, last - first)
    scale = (width - 2 * left) / span
    canvas = Canvas(width, height + 24, "where in the history it is")
    counts, _ = np.histogram(starts, bins=min(240, max(8, len(starts) // 4)), range=(first, first + span))
    step = (width - 2 * left) / len(counts)
    for number, count in enumerate(counts.tolist()):
        tall = (height - 8) * count / max(1, int(counts.max()))
        canvas.rect(
            left + number * step, height - tall, max(step - 0.5, 0.5), tall, "#c9d4df", "", f"{count} operations"
        )
    for row in chosen:
        x = left + (int(starts[row]) - first) * scale
        canvas.rect(x - 1.5, 4, 3, height - 4, RED, "", "of the violation")
    canvas.line(left, height, width - left, height, RULE)
    for x, at, anchor in ((left, first, "start"), (width - left, last, "end")):
        words = f"{milliseconds(at, 1e6)} ms" if clock else f"position {at}"
        canvas.text(x, height + 15, words, 10.5, FAINT, f'text-anchor="{anchor}"')
    words = f"all {len(starts):,} in the order in which they began; red: those below"
    canvas.text(width / 2, height + 15, words, 10.5, FAINT, 'text-anchor="middle"')
    return canvas.svg()


def table(history: Read, rows: Sequence[int], *, clock: bool = True) -> list[tuple[str, str, str, str, str]]:
    """(line or number, process, what, outcome, when) of each row, in order of invocation."""
    found = []
    for row in sorted({row for row in rows if 0 <= row < len(history)}):
        if isinstance(history, History):
            from ..checkers.linearizability import describe

            who, _, what = describe(history, row).partition("'s ")
            begin, end = int(history.invoked[row]), int(history.completed[row])
            place, outcome = f"operation {row + 1}", int(history.outcome[row])
            what = what.rpartition(" (")[0]
        elif isinstance(history, Transactions):
            who, what = _session(history, row), transaction_words(history, row, limit=100_000)
            begin, end, outcome = (int(column[row]) for column in (history.invoked, history.completed, history.outcome))
            place = f"line {int(history.line[row])}" if history.line[row] else f"transaction {row + 1}"
        else:
            each = history[row]
            who, what, outcome = _process(each), short(each, 100_000), each.outcome
            begin, end = each.invoked, each.completed
            place = f"line {each.line}" if each.line else f"operation {row + 1}"
        when = ""
        if clock:
            until = "unanswered" if outcome == INFO or end >= NEVER else f"{milliseconds(end, 1e4)} ms"
            when = f"{milliseconds(begin, 1e4)} to {until}"
        found.append((place, who, what, OUTCOMES[outcome], when))
    return found


# --- words ----------------------------------------------------------------------------------------------------------


def short(operation: Operation, limit: int = _SHORT) -> str:
    """``cas 1 to 2``, ``read → 3``."""
    words = operation.function
    if operation.key is not None:
        words += f" {say(operation.key)}"
    argument = operation.argument
    if operation.function == "cas" and isinstance(argument, tuple) and len(argument) == 2:
        words += f" {_value(argument[0])} to {_value(argument[1])}"
    elif isinstance(argument, tuple) and operation.result is not MISSING:
        pass  # the answer repeats it
    elif argument is not None:
        words += f" {_value(argument)}"
    if operation.outcome == OK and operation.result is not MISSING:
        words += f" → {_value(operation.result)}"
    if operation.outcome == FAIL:
        words += " (failed)"
    return words if len(words) <= limit else f"{words[: limit - 1]}…"


def full(operation: Operation) -> str:
    """The operation in full, for the pointer."""
    place = f", line {operation.line}" if operation.line else ""
    return f"process {operation.process}: {short(operation, 2000)} ({OUTCOMES[operation.outcome]}{place})"


def _value(value: Any) -> str:
    if value is None:
        return "nil"
    if isinstance(value, tuple):
        return f"[{' '.join(_value(each) for each in value)}]"
    return repr(value) if isinstance(value, str) and (not value or " " in value) else str(value)


def transaction_words(history: Transactions, row: int, limit: int = _SHORT) -> str:
    """``r x 1, append y 2``; of one that failed or was not answered, what it meant to do."""
    words = []
    for mop in range(int(history.first[row]), int(history.first[row + 1])):
        kind, code = int(history.kind[mop]), int(history.value[mop])
        if code == LIST:
            elements = history.elements[int(history.start[mop]) : int(history.end[mop])].tolist()
            value = f"[{' '.join(_value(history.values[each]) for each in elements)}]"
        else:
            value = "nil" if code == NIL else "?" if code == UNKNOWN else _value(history.values[code])
        name = "r" if kind == READ else "append" if kind == APPEND else "w"
        words.append(f"{name} {_value(history.keys[int(history.key[mop])])} {value}")
    said = ", ".join(words) or "nothing"
    said += {OK: "", FAIL: " (aborted)", INFO: " (unknown)"}[int(history.outcome[row])]
    return said if len(said) <= limit else f"{said[: limit - 1]}…"


# --- bars -----------------------------------------------------------------------------------------------------------


def _process(operation: Operation) -> str:
    return f"p{operation.process}"


def _session(history: Transactions, row: int) -> str:
    return f"{'p' if history.realtime else 's'}{int(history.process[row])}"


def _end(operation: Operation) -> int | None:
    return None if operation.outcome == INFO or operation.completed >= NEVER else operation.completed


def _starts(history: Read) -> np.ndarray[Any, np.dtype[np.int64]]:
    if isinstance(history, (History, Transactions)):
        return np.asarray(history.invoked, dtype=np.int64)
    return np.array([each.invoked for each in history], dtype=np.int64)


def _near(history: Sequence[Operation], guilty: Sequence[int]) -> list[int]:
    """Others on the same objects that began about when the guilty ones did, of few processes."""
    if not guilty:
        return []
    keys = {history[row].key for row in guilty}
    lanes = {history[row].process for row in guilty}
    chosen = set(guilty)
    low = min(history[row].invoked for row in guilty)
    high = max(_end(history[row]) or history[row].invoked for row in guilty)

    def apart(row: int) -> tuple[bool, int]:
        """What went on meanwhile first, then what came before; what came after explains nothing."""
        began, end = history[row].invoked, history[row].completed
        return not (began <= high and end >= low), low - began if began < low else 3 * (began - low)

    others = [
        row
        for row, each in enumerate(history)
        if row not in chosen
        and each.key in keys
        and each.outcome != FAIL
        and not (each.outcome == INFO and each.function in ("read", "get"))
    ]
    others.sort(key=apart)
    near: list[int] = []
    for row in others:
        if len(near) >= min(NEIGHBOURS, 6 + 4 * len(guilty)):
            break
        process = history[row].process
        if process in lanes or len(lanes) < _LANES:
            lanes.add(process)
            near.append(row)
    return near


def _transactions(history: Transactions, guilty: Sequence[int], title: str, clock: bool) -> str:
    if history.realtime:
        begin, end = history.invoked, np.where(history.outcome == INFO, NEVER, history.completed)
    else:  # each session from its own beginning
        order = np.argsort(history.process, kind="stable")
        sizes = np.unique(history.process[order], return_counts=True)[1]
        place = np.concatenate([np.arange(size) for size in sizes]) if len(sizes) else order
        begin = np.empty(len(history), np.int64)
        begin[order] = 4 * place
        end = begin + 3
    sessions = {int(history.process[row]) for row in guilty}
    low = min((int(begin[row]) for row in guilty), default=0)
    high = max((int(begin[row]) for row in guilty), default=0)
    own = np.flatnonzero(np.isin(history.process, sorted(sessions)) & (history.outcome != FAIL))
    own = own[np.argsort(np.maximum(low - begin[own], begin[own] - high), kind="stable")]
    chosen = set(guilty)
    near = [row for row in own.tolist() if row not in chosen][: min(NEIGHBOURS, 6 + 3 * len(guilty))]
    bars = [
        Bar(
            _session(history, row),
            int(begin[row]),
            None if int(end[row]) >= NEVER else int(end[row]),
            transaction_words(history, row, 70),
            f"{_session(history, row)}, line {int(history.line[row])}: {transaction_words(history, row, 2000)}",
            row in chosen,
        )
        for row in [*guilty, *near]
    ]
    ordered = sorted({int(history.process[row]): _session(history, row) for row in [*guilty, *near]}.items())
    scale = SESSIONS if not history.realtime else Scale() if clock else POSITIONS
    return bars_svg(bars, [name for _, name in ordered], title, scale)
