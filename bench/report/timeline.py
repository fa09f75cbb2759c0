"""What the clients saw, as one line a client: the operations of a violation among their neighbours."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import pairwise

from ..checkers.linearizability import describe
from ..history.history import FAIL, INFO, NEVER, History
from .canvas import FAINT, INK, ORANGE, RED, RULE, Axis, Canvas, fit, milliseconds, text_width

_WIDTH, _LEFT, _RIGHT, _LANE = 1000.0, 76.0, 30.0, 46.0
NEIGHBOURS = 40
"""Other operations on the same keys that are drawn at most."""


def operations_svg(history: History, rows: Sequence[int], title: str = "") -> str:
    """A self-contained SVG: time to the right, a line a client, the operations of ``rows`` in red.

    Beside them, pale, the nearest other operations of these clients on the same keys. The shaded stretch is the
    operation that began last: the one that what came before it does not explain. An operation without an answer fades
    out to the right.
    """
    guilty = sorted(set(rows), key=lambda row: int(history.invoked[row]))
    if not guilty:
        canvas = Canvas(_WIDTH, 60, title or "operations")
        canvas.text(20, 34, title or "no operations", 14)
        return canvas.svg()
    shown = guilty + _neighbours(history, guilty)
    clients = sorted({int(history.client[row]) for row in shown})
    instants = [int(history.invoked[row]) for row in shown]
    instants += [end for row in shown if (end := _end(history, row)) is not None]
    heading = textwrap.wrap(title, 118)
    top = 58.0 + 19 * len(heading)
    canvas = Canvas(_WIDTH, 0, title or "operations")
    for number, words in enumerate(heading):
        canvas.text(20, 32 + 19 * number, words, 14, INK, 'font-weight="600"')
    axis = Axis(instants, _LEFT + 8, _WIDTH - _LEFT - _RIGHT - 60, 10, 240)

    lanes: list[tuple[float, float, int]] = []  # (left, right, row of the picture) of what is placed
    places: dict[int, int] = {}
    rows_of: dict[int, tuple[int, int]] = {}
    line = 0
    for client in clients:
        first = line
        depth = 1
        for row in sorted(
            (each for each in shown if history.client[each] == client), key=lambda each: int(history.invoked[each])
        ):
            left = axis(int(history.invoked[row]))
            end = _end(history, row)
            right = max(_WIDTH - _RIGHT if end is None else axis(end), left + 6)
            if row in guilty:
                right = max(right, left + text_width(_label(history, row), 11) + 8)
            lane = first
            while any(at == lane and low < right + 4 and left < high + 4 for low, high, at in lanes):
                lane += 1
            lanes.append((left, right, lane))
            places[row] = lane
            depth = max(depth, lane - first + 1)
        rows_of[client] = (first, depth)
        line += depth
    bottom = top + _LANE * line

    last = guilty[-1]
    left, end = axis(int(history.invoked[last])), _end(history, last)
    right = _WIDTH - _RIGHT if end is None else axis(end)
    canvas.rect(left, top - 6, max(right - left, 3), bottom - top + 6, ORANGE, 'opacity="0.16"')
    for client, (first, depth) in rows_of.items():
        y = top + _LANE * first
        canvas.line(20, y - 3, _WIDTH - 16, y - 3, RULE)
        canvas.text(24, y + _LANE * depth / 2 + 4, f"c{client + 1}", 13, INK, 'font-weight="600"')
    ticks = axis.ticks(70)
    resolution = min((later[1] - sooner[1] for sooner, later in pairwise(ticks)), default=1e6)
    for x, time in ticks:
        canvas.line(x, top - 3, x, bottom, "#e6eaee")
        canvas.text(x, bottom + 17, milliseconds(time, resolution), 10.5, FAINT, 'text-anchor="middle"')
    canvas.line(_LEFT, bottom, _WIDTH - 16, bottom, FAINT)
    canvas.text(_WIDTH - 16, bottom + 34, "time (ms), quiet stretches cut short", 10.5, FAINT, 'text-anchor="end"')
    note = "red: the operations of the violation; pale: others of these clients on the key; shaded: the last to begin"
    canvas.text(20, bottom + 34, note, 10.5, FAINT)
    for row in [*(each for each in shown if each not in guilty), *guilty]:
        _draw(canvas, history, row, axis, top + _LANE * places[row], guilty=row in guilty)
    canvas.height = bottom + 46
    return canvas.svg()


def _draw(canvas: Canvas, history: History, row: int, axis: Axis, y: float, *, guilty: bool) -> None:
    left, end = axis(int(history.invoked[row])), _end(history, row)
    right = _WIDTH - _RIGHT if end is None else axis(end)
    colour = RED if guilty else "#b9c6d3"
    extra = 'rx="3"' + (' opacity="0.5"' if end is None else "")
    canvas.rect(left, y + 20, max(right - left, 4), 11, colour, extra, describe(history, row))
    if end is None:
        canvas.text(right - 4, y + 15, "unanswered", 10, FAINT, 'text-anchor="end"')
    label = _label(history, row)
    if guilty:
        x = min(left, _WIDTH - _RIGHT - text_width(label, 11))
        canvas.text(x, y + 15, label, 11, RED, 'font-weight="600"', describe(history, row))
    elif (short := fit(label, right - left, 9.5)) and len(short) > 4:
        canvas.text(left, y + 15, short, 9.5, FAINT, "", describe(history, row))


def _label(history: History, row: int) -> str:
    return f"{describe(history, row).partition(chr(39) + 's ')[2].rpartition(' (')[0]}"


def _end(history: History, row: int) -> int | None:
    end = int(history.completed[row])
    return None if int(history.outcome[row]) == INFO or end >= NEVER else end


def _neighbours(history: History, guilty: Sequence[int]) -> list[int]:
    keys = {int(history.key[row]) for row in guilty}
    clients = {int(history.client[row]) for row in guilty}
    last = int(history.invoked[guilty[-1]])
    others = [
        row
        for row in range(len(history))
        if row not in guilty
        and int(history.key[row]) in keys
        and int(history.client[row]) in clients
        and int(history.outcome[row]) != FAIL
        and int(history.outcome[row]) != INFO
    ]
    others.sort(key=lambda row: abs(int(history.invoked[row]) - last))
    return others[: min(NEIGHBOURS, 4 * len(guilty))]
