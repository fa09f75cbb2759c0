"""Space-time diagrams of a traced run: nodes side by side, time downwards, messages as arrows (after Lamport 1978).

:func:`space_time` draws an SVG for reports, :func:`text_space_time` the same for a terminal, and
:func:`operations_svg` only what the clients saw. All three choose what to show, and say how much they left out.
:func:`violation_svg` and :func:`violation_text` make these choices for a run that ended in a violation.
"""

from __future__ import annotations

import math
import textwrap
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from ..faults.spec import FaultRecord
from ..history.history import History
from ..runtime.record import TraceEvent
from .canvas import COLOURS, FAINT, GREEN, INK, RED, RULE, SKY, Axis, Canvas, fit, milliseconds, text_width
from .evidence import violation_svg, violation_text
from .scene import Band, Bar, Message, Point, Scene, build_scene
from .text import text_space_time
from .timeline import operations_svg

__all__ = ["operations_svg", "space_time", "text_space_time", "violation_svg", "violation_text"]

_GUTTER = 84
_FIRST = {"violation": 0, "mark": 1}
_DASHES = ("", "7 3", "2 3")
_TINTS = {"down": "#9aa3ad", "pause": "#b08d57", "stall": "#b08d57", "partition": "#8e6bbf"}


def space_time(
    trace: Sequence[TraceEvent],
    *,
    around: int,
    nodes: Sequence[str],
    window: tuple[int, int] | None = None,
    faults: Sequence[FaultRecord] = (),
    history: History | None = None,
    rows: Sequence[int] = (),
    title: str = "",
    budget: int = 110,
) -> str:
    """A self-contained SVG: no script, no external resource; contents of messages appear under the pointer.

    Args:
        trace: of the whole run, in order of time.
        around: ns from the start of the load: the moment of interest, usually that of the violation.
        nodes: the columns, from left to right; what happens elsewhere is left out.
        window: (from, to) in ns; None chooses what led up to ``around``.
        faults: drawn as bands beside the nodes they hit.
        history: its operations are drawn as bars at the clients among ``nodes`` (client 0 is node ``c1``).
        rows: of the history: the operations that show the violation, drawn in red.
        title: a sentence, wrapped at the top.
        budget: messages and points to draw at most.
    """
    scene = build_scene(trace, around, window, nodes, faults, history, rows, budget)
    return _Drawing(scene, title).svg()


class _Drawing:
    """One scene on one canvas."""

    def __init__(self, scene: Scene, title: str) -> None:
        self.scene = scene
        count = max(1, len(scene.nodes))
        self.spacing = max(128.0, min(230.0, 1080 / count))
        width = max(_GUTTER + self.spacing * count + 24, 620)
        kinds = Counter(message.what for message in scene.messages)
        self.looks = {
            what: (COLOURS[index % len(COLOURS)], _DASHES[index // len(COLOURS) % len(_DASHES)])
            for index, what in enumerate(sorted(kinds, key=lambda what: (-kinds[what], what)))
        }
        self.canvas = Canvas(width, 0, title or "space-time diagram")
        self.columns = {node: _GUTTER + self.spacing * (index + 0.28) for index, node in enumerate(scene.nodes)}
        self.taken: dict[tuple[str, str], list[tuple[float, float]]] = {}
        self.y = 0.0
        self._head(title, kinds)
        instants = scene.instants()
        length = min(1500.0, max(360.0, 15.0 * len(instants)))
        self.top = self.y + 46
        self.axis = Axis(instants, self.top + 8, length, 3, 44)
        self.bottom = self.axis.end + 22
        self.canvas.height = self.bottom + 14
        self._frame()
        for band in scene.bands:
            self._band(band)
        for bar in scene.bars:
            self._bar(bar)
        for message in scene.messages:
            self._message(message)
        # Labels last, over the arrows; those that matter most choose their places first.
        for point in sorted(scene.points, key=lambda point: _FIRST.get(point.kind, 2)):
            self._point(point)
        for bar in scene.bars:
            answer = "" if bar.end is not None else " (unanswered)"
            colour = RED if bar.guilty else FAINT
            self._label(bar.node, self.axis(bar.start) + 4, bar.text + answer, colour, bar.detail, bold=bar.guilty)

    def svg(self) -> str:
        return self.canvas.svg()

    # --- head and frame ----------------------------------------------------------------------------------------------

    def _head(self, title: str, kinds: Counter[str]) -> None:
        canvas, left = self.canvas, 20
        self.y = 14.0
        for line in textwrap.wrap(title, max(40, int((canvas.width - 40) / 8.4))):
            self.y += 19
            canvas.text(left, self.y, line, 14, INK, 'font-weight="600"')
        notes = ["Time runs down; it is not to scale, quiet stretches are cut short."]
        notes += self.scene.notes()
        for line in textwrap.wrap(" ".join(notes), max(40, int((canvas.width - 40) / 6))):
            self.y += 16
            canvas.text(left, self.y, line, 11, FAINT)
        self.y += 22
        x = float(left)
        entries = [(what, f"{what} ({count})") for what, count in kinds.most_common()]
        if any(message.lost for message in self.scene.messages):
            entries.append(("lost", "lost"))
        if any(message.arrived is None or message.arrived > self.scene.end for message in self.scene.messages):
            entries.append(("way", "still under way"))
        if any(bar.guilty for bar in self.scene.bars):
            entries.append(("guilty", "operation of the violation"))
        if any(not bar.guilty for bar in self.scene.bars):
            entries.append(("bar", "other operation"))
        entries += [(f"band {kind}", kind) for kind in sorted({band.kind for band in self.scene.bands})]
        for what, label in entries:
            need = 34 + text_width(label, 11) + 16
            if x + need > canvas.width - 10 and x > left:
                x = left
                self.y += 18
            self._key(what, x, self.y)
            canvas.text(x + 34, self.y, label, 11)
            x += need

    def _key(self, what: str, x: float, y: float) -> None:
        if what in self.looks:
            colour, dash = self.looks[what]
            self._arrow(x, y - 4, x + 26, y - 4, colour, dash)
        elif what == "lost":
            self.canvas.line(x, y - 4, x + 16, y - 4, FAINT, 1.4)
            self.canvas.cross(x + 20, y - 4, RED, "")
        elif what == "way":
            self.canvas.line(x, y - 4, x + 24, y - 4, FAINT, 1.5, 'stroke-dasharray="3 3"')
        elif what.startswith("band "):
            self.canvas.rect(x + 6, y - 10, 14, 12, _tint(what[5:]), 'opacity="0.45"')
        else:
            self.canvas.rect(x + 9, y - 11, 8, 14, RED if what == "guilty" else "#b9c6d3", 'rx="2"')

    def _frame(self) -> None:
        canvas = self.canvas
        right = canvas.width - 14
        ticks = self.axis.ticks(26)
        gaps = [later[1] - sooner[1] for sooner, later in pairwise(ticks)]
        resolution = min(gaps, default=1_000_000)
        canvas.text(_GUTTER - 18, self.top - 22, "time (ms)", 10.5, FAINT, 'text-anchor="end"')
        for y, time in ticks:
            canvas.line(_GUTTER - 12, y, right, y, "#eef1f4")
            canvas.text(_GUTTER - 18, y + 3.6, milliseconds(time, resolution), 10.5, FAINT, 'text-anchor="end"')
        for sooner, later in self.axis.cut:
            y = (self.axis(sooner) + self.axis(later)) / 2
            canvas.rect(_GUTTER - 15, y - 5, 10, 10, "#ffffff")
            canvas.add(
                f'<path d="M{_GUTTER - 15} {y + 1:.1f}q2.5 -5 5 0t5 0M{_GUTTER - 15} {y + 5:.1f}q2.5 -5 5 0t5 0"'
                f' stroke="{FAINT}" fill="none"',
                f"{milliseconds(later - sooner, resolution)} ms in which nothing drawn happens",
            )
        for node, x in self.columns.items():
            canvas.line(x, self.top, x, self.bottom, "#8b96a2", 1.3)
            width = max(44.0, text_width(node, 13) + 22)
            canvas.rect(x - width / 2, self.top - 34, width, 24, "#f3f5f8", f'rx="6" stroke="{RULE}"')
            canvas.text(x, self.top - 17.5, node, 13, INK, 'text-anchor="middle" font-weight="600"')

    # --- what happened -----------------------------------------------------------------------------------------------

    def _message(self, message: Message) -> None:
        colour, dash = self.looks[message.what]
        x1, x2 = self.columns[message.source], self.columns[message.target]
        y1 = self.axis(message.sent)
        arrives = message.arrived is not None and message.arrived <= self.scene.end
        y2 = self.axis(message.arrived) if message.arrived is not None and arrives else self.bottom
        when = f"sent {milliseconds(message.sent, 1e4)} ms"
        if message.lost and arrives:
            when += (
                ", lost"
                if message.arrived == message.sent
                else f", lost at {milliseconds(message.arrived or 0, 1e4)} ms"
            )
        elif arrives:
            when += f", handled {milliseconds(message.arrived or 0, 1e4)} ms"
        else:
            when += ", under way"
        hover = f"{message.what} {message.source} → {message.target}, {when}\n{message.text}"
        reach = 1.0
        if message.lost and arrives:
            reach = 0.55 if message.arrived == message.sent else 0.93
            if message.arrived == message.sent:
                y2 = min(y1 + 12, self.bottom)
        elif not arrives:
            # As steep as if it took the rest of the picture, but only its first stretch.
            reach, y2 = 0.3, min(y1 + 16, self.bottom)
        end_x, end_y = x1 + (x2 - x1) * reach, y1 + (y2 - y1) * (reach if arrives and y2 > y1 + 12 else 1.0)
        self._arrow(x1, y1, end_x, end_y, colour, dash if arrives else "3 3", hover, head=arrives and not message.lost)
        if message.lost and arrives:
            self.canvas.cross(end_x, end_y, RED, hover)

    def _arrow(
        self, x1: float, y1: float, x2: float, y2: float, colour: str, dash: str, hover: str = "", *, head: bool = True
    ) -> None:
        canvas = self.canvas
        angle = math.atan2(y2 - y1, x2 - x1)
        back_x, back_y = x2 - 7 * math.cos(angle), y2 - 7 * math.sin(angle)
        dashes = f'stroke-dasharray="{dash}"' if dash else ""
        canvas.line(x1, y1, back_x if head else x2, back_y if head else y2, colour, 1.5, dashes)
        if head:
            side_x, side_y = -3.6 * math.sin(angle), 3.6 * math.cos(angle)
            canvas.add(
                f'<path d="M{x2:.1f} {y2:.1f}L{back_x + side_x:.1f} {back_y + side_y:.1f}'
                f'L{back_x - side_x:.1f} {back_y - side_y:.1f}z" fill="{colour}"'
            )
        if hover:  # a broad invisible line is easier to point at
            canvas.add(
                f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#000" stroke-opacity="0"'
                f' stroke-width="9" pointer-events="stroke"',
                hover,
            )

    def _point(self, point: Point) -> None:
        x, y = self.columns[point.node], self.axis(point.at)
        hover = f"{point.node} at {milliseconds(point.at, 1e4)} ms: {point.text} {point.detail}".strip()
        if point.kind == "violation":
            self.canvas.line(_GUTTER - 12, y, self.canvas.width - 14, y, RED, 1.6, 'stroke-dasharray="6 4"')
            self.canvas.add(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6" fill="{RED}" stroke="#fff"', hover)
            self._label(point.node, y + 14, f"violation: {point.text}", RED, hover, bold=True)
        elif point.kind == "timer":
            path = f'<path d="M{x:.1f} {y - 4.5:.1f}l4.5 4.5l-4.5 4.5l-4.5 -4.5z" fill="#fff" stroke="{FAINT}"'
            self.canvas.add(path, hover)
            self._label(point.node, y, point.text, FAINT, hover)
        elif point.kind == "crash":
            self.canvas.cross(x, y, INK, hover, 6)
            self._label(point.node, y, "crash", INK, hover)
        else:
            colour = GREEN if point.kind == "boot" else INK
            self.canvas.add(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.8" fill="{colour}" stroke="#fff"', hover)
            self._label(point.node, y, point.text, colour, hover, bold=point.kind == "mark")

    def _bar(self, bar: Bar) -> None:
        x, y1 = self.columns[bar.node] - 4, self.axis(bar.start)
        y2 = self.bottom if bar.end is None else self.axis(bar.end)
        lane = 0
        while any(top < y2 and y1 < bottom for top, bottom in self.taken.get((bar.node, f"bars {lane}"), [])):
            lane += 1
        self.taken.setdefault((bar.node, f"bars {lane}"), []).append((y1, y2))
        x -= 11 * min(lane, 5)
        colour = RED if bar.guilty else "#b9c6d3"
        extra = 'rx="2"' + (' opacity="0.55"' if bar.end is None else "")
        self.canvas.rect(x, y1, 8, max(y2 - y1, 3), colour, extra, bar.detail)
        if bar.start < self.scene.start:  # it began above
            self.canvas.add(f'<path d="M{x:.1f} {y1 - 1:.1f}l4 -6l4 6z" fill="{colour}"', bar.detail)

    def _band(self, band: Band) -> None:
        y1, y2 = self.axis(band.start), self.bottom if band.end is None else self.axis(band.end)
        x = self.columns[band.node]
        lane = 0
        if band.kind != "down":
            used = self.taken.setdefault((band.node, "bands"), [])
            lane = 1 + sum(1 for top, bottom in used if top < y2 and y1 < bottom)
            used.append((y1, y2))
            if lane > 4:
                return
        left, width = (x - 9, 18.0) if not lane else (x - 9 - 6 * lane, 5.0)
        until = "the end" if band.end is None else f"{milliseconds(band.end)} ms"
        hover = f"{band.node}: {band.detail} ({milliseconds(band.start)} ms to {until})"
        opacity = "0.35" if not lane else "0.6"
        self.canvas.rect(left, y1, width, y2 - y1, _tint(band.kind), f'opacity="{opacity}" rx="2"', hover)

    def _label(self, node: str, y: float, text: str, colour: str, hover: str, *, bold: bool = False) -> None:
        """Beside a node's line, moved down until it is free; left out (but for the pointer) if that is too far."""
        used = self.taken.setdefault((node, "labels"), [])
        place = y
        for top, bottom in sorted(used):
            if place + 7 > top and place - 7 < bottom:
                place = bottom + 7
        if place - y > 46 or place > self.bottom + 4:
            return
        used.append((place - 7, place + 7))
        x = self.columns[node] + 12
        text = fit(text, min(self.spacing - 34, self.canvas.width - x - 6), 10.5)
        if place - y > 3:
            self.canvas.line(self.columns[node] + 4, y, x - 1, place, colour, 0.7)
        style = 'paint-order="stroke" stroke="#fff" stroke-width="4.5" stroke-linejoin="round"'
        self.canvas.text(x, place + 3.6, text, 10.5, colour, style + (' font-weight="600"' if bold else ""), hover)


def _tint(kind: str) -> str:
    return _TINTS.get(kind, SKY)
