"""What the clients saw, as one line a client: the operations of a violation among their neighbours."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..checkers.linearizability import describe
from ..history.history import FAIL, INFO, NEVER, History
from .canvas import FAINT, INK, ORANGE, RED, RULE, Axis, Canvas, fit, milliseconds, text_width

_WIDTH, _RIGHT, _LANE = 1000.0, 30.0, 46.0
_PALE = "#b9c6d3"
_WIDEST = 360.0
_BOLD = 1.1
NEIGHBOURS = 40
"""Other operations on the same keys that are drawn at most."""


@dataclass(frozen=True)
class Bar:
    """One operation, or transaction, as it is drawn.

    Attributes:
        lane: whose line it is on.
        start, end: ns or positions; no end: it was not answered.
        label: what it did, in a few words.
        hover: the same in full.
        guilty: whether it is one of those that show the violation.
    """

    lane: str
    start: int
    end: int | None
    label: str
    hover: str
    guilty: bool


@dataclass(frozen=True)
class Scale:
    """What the axis says.

    Attributes:
        name: of what goes to the right.
        clock: whether instants are ns, shown as ms; else they are shown as they are.
        window: whether the stretch of the last operation to begin means anything: lines share one order.
    """

    name: str = "time (ms), quiet stretches cut short"
    clock: bool = True
    window: bool = True


def operations_svg(history: History, rows: Sequence[int], title: str = "") -> str:
    """A self-contained SVG: time to the right, a line a client, the operations of ``rows`` in red.

    Beside them, pale, the nearest other operations of these clients on the same keys. The shaded stretch is the
    operation that began last: the one that what came before it does not explain. An operation without an answer fades
    out to the right.
    """
    guilty = sorted(set(rows), key=lambda row: int(history.invoked[row]))
    shown = guilty + (_neighbours(history, guilty) if guilty else [])
    bars = [
        Bar(
            lane=f"c{int(history.client[row]) + 1}",
            start=int(history.invoked[row]),
            end=_end(history, row),
            label=_label(history, row),
            hover=describe(history, row),
            guilty=number < len(guilty),
        )
        for number, row in enumerate(shown)
    ]
    lanes = [f"c{client + 1}" for client in sorted({int(history.client[row]) for row in shown})]
    return bars_svg(bars, lanes, title)


def bars_svg(bars: Sequence[Bar], lanes: Sequence[str], title: str = "", scale: Scale | None = None) -> str:
    """A self-contained SVG of bars on lanes, from the top; see :func:`operations_svg` for what it shows."""
    if not bars:
        canvas = Canvas(_WIDTH, 60, title or "operations")
        canvas.text(20, 34, title or "no operations", 14)
        return canvas.svg()
    return _Timeline(bars, lanes, title, scale or Scale()).svg()


class _Timeline:
    def __init__(self, bars: Sequence[Bar], lanes: Sequence[str], title: str, scale: Scale) -> None:
        self.bars = sorted(bars, key=lambda bar: (bar.start, not bar.guilty))
        self.scale = scale
        self.canvas = Canvas(_WIDTH, 0, title or "operations")
        heading = textwrap.wrap(title, 118)
        for number, words in enumerate(heading):
            self.canvas.text(20, 32 + 19 * number, words, 14, INK, 'font-weight="600"')
        self.top = 40.0 + 19 * len(heading) if heading else 22.0
        self.left = max(76.0, 40 + max(text_width(lane, 13) for lane in lanes))
        instants = [bar.start for bar in bars] + [bar.end for bar in bars if bar.end is not None]
        width = _WIDTH - self.left - _RIGHT - 60
        self.axis = Axis(instants, self.left + 8, width, min(10.0, width / max(1, len(set(instants)) - 1)), 240)
        self.places: dict[int, int] = {}
        self.depths: dict[str, tuple[int, int]] = {}
        line = 0
        for lane in lanes:
            depth = self._place(lane, line)
            self.depths[lane] = (line, depth)
            line += depth
        self.bottom = self.top + _LANE * line

    def _place(self, lane: str, first: int) -> int:
        """Rows for the bars of one lane, so that neither bars nor labels of guilty ones overlap; how many it takes."""
        taken: list[tuple[float, float, int]] = []
        depth = 1
        for number, bar in enumerate(self.bars):
            if bar.lane != lane:
                continue
            left, right = self._span(bar)
            if bar.guilty:
                width = _BOLD * text_width(self._words(bar), 11) + 8
                left = min(left, _WIDTH - _RIGHT - width + 8)
                right = max(right, left + width)
            row = first
            while any(at == row and low < right + 4 and left < high + 4 for low, high, at in taken):
                row += 1
            taken.append((left, right, row))
            self.places[number] = row
            depth = max(depth, row - first + 1)
        return depth

    def _span(self, bar: Bar) -> tuple[float, float]:
        left = self.axis(bar.start)
        return left, max(_WIDTH - _RIGHT if bar.end is None else self.axis(bar.end), left + 6)

    @staticmethod
    def _words(bar: Bar) -> str:
        return fit(bar.label, _WIDEST, 11)

    def svg(self) -> str:
        canvas, bottom = self.canvas, self.bottom
        guilty = [bar for bar in self.bars if bar.guilty]
        if guilty and self.scale.window:
            left, right = self._span(max(guilty, key=lambda bar: bar.start))
            canvas.rect(left, self.top - 6, max(right - left, 3), bottom - self.top + 6, ORANGE, 'opacity="0.16"')
        for lane, (first, depth) in self.depths.items():
            y = self.top + _LANE * first
            canvas.line(20, y - 3, _WIDTH - 16, y - 3, RULE)
            canvas.text(24, y + _LANE * depth / 2 + 4, lane, 13, INK, 'font-weight="600"')
        self._ticks()
        note = "red: what shows the violation; pale: other operations near it"
        if guilty and self.scale.window:
            note += "; shaded: the last to begin"
        canvas.text(20, bottom + 34, note, 10.5, FAINT)
        for number, bar in sorted(enumerate(self.bars), key=lambda each: each[1].guilty):
            self._draw(bar, self.top + _LANE * self.places[number])
        canvas.height = bottom + 46
        return canvas.svg()

    def _ticks(self) -> None:
        ticks = self.axis.ticks(70)
        resolution = min((later[1] - sooner[1] for sooner, later in pairwise(ticks)), default=1e6)
        for x, time in ticks:
            words = milliseconds(time, resolution) if self.scale.clock else str(time)
            self.canvas.line(x, self.top - 3, x, self.bottom, "#e6eaee")
            self.canvas.text(x, self.bottom + 17, words, 10.5, FAINT, 'text-anchor="middle"')
        self.canvas.line(self.left, self.bottom, _WIDTH - 16, self.bottom, FAINT)
        self.canvas.text(_WIDTH - 16, self.bottom + 34, self.scale.name, 10.5, FAINT, 'text-anchor="end"')

    def _draw(self, bar: Bar, y: float) -> None:
        canvas = self.canvas
        left, right = self._span(bar)
        extra = 'rx="3"' + (' opacity="0.5"' if bar.end is None else "")
        canvas.rect(left, y + 20, max(right - left, 4), 11, RED if bar.guilty else _PALE, extra, bar.hover)
        if bar.end is None:
            canvas.text(right - 4, y + 15, "unanswered", 10, FAINT, 'text-anchor="end"')
        if bar.guilty:
            words = self._words(bar)
            x = min(left, _WIDTH - _RIGHT - _BOLD * text_width(words, 11))
            canvas.text(x, y + 15, words, 11, RED, 'font-weight="600"', bar.hover)
        elif (short := fit(bar.label, right - left, 9.5)) and len(short) > 4:
            canvas.text(left, y + 15, short, 9.5, FAINT, "", bar.hover)


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
