"""The space-time diagram for a terminal: a line an event, a column a node."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from ..faults.spec import FaultRecord
from ..history.history import NEVER, History
from ..runtime.record import TraceEvent
from .canvas import milliseconds
from .scene import Bar, Message, Point, Scene, build_scene

WIDTH = 100
LINES = 60
_GUTTER = 11


def text_space_time(
    trace: Sequence[TraceEvent],
    *,
    around: int,
    nodes: Sequence[str],
    window: tuple[int, int] | None = None,
    faults: Sequence[FaultRecord] = (),
    history: History | None = None,
    rows: Sequence[int] = (),
    title: str = "",
) -> str:
    """At most 60 lines of 100 columns; the arguments are those of :func:`bench.report.diagram.space_time`.

    A message is drawn where it was handled or lost; ``+1.5`` at its tail says how many ms it was under way.
    """
    most = (WIDTH - _GUTTER) // 12
    kept, cut = list(nodes[:most]), list(nodes[most:])
    heading = textwrap.wrap(title, WIDTH)[:4]
    notes = [f"columns left out: {', '.join(cut)}"[:WIDTH]] if cut else []
    budget = LINES - len(heading) - len(notes) - 12
    only_guilty = list(rows)
    while True:
        scene = build_scene(trace, around, window, kept, faults, history, only_guilty, budget)
        lines = _Lines(scene).lines()
        total = len(heading) + len(lines) + len(notes) + 5
        if total <= LINES or budget <= 8:
            break
        budget -= max(1, (total - LINES) // 2)
    for note in scene.notes():
        notes += textwrap.wrap(note, WIDTH, max_lines=2, placeholder=" ...")
    return "\n".join([*heading, "", *lines, *notes])


class _Lines:
    """Draws a scene line by line; where nothing happens, a column shows whether its node is up."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.width = min(22, (WIDTH - _GUTTER) // max(1, len(scene.nodes)))
        self.at = {node: _GUTTER + self.width * index + 2 for index, node in enumerate(scene.nodes)}
        self.down = [band for band in scene.bands if band.kind == "down"]
        self.out: list[str] = []
        self.span = max(1, scene.end - scene.start)

    def lines(self) -> list[str]:
        """The header and the events in order of time."""
        header = [" "] * WIDTH
        for node, place in self.at.items():
            self._put(header, place - len(node) // 2, node)
        self._put(header, 0, "time (ms)")
        self.out = ["".join(header).rstrip()]
        events = self._events()
        last = ""
        last = ""
        before: Point | None = None  # the event of the line above, if this one may share it
        for time, order, event in sorted(events, key=lambda each: each[:2]):
            text = milliseconds(time, self.span / 300)
            line = self._lifelines(time)
            self._put(line, 0, f"{text:>{_GUTTER - 2}}" if text != last else " " * (_GUTTER - 2))
            last = text
            if isinstance(event, Message):
                self._message(line, event)
            elif isinstance(event, Point):
                self._point(line, event)
            elif isinstance(event, Bar):
                mark, what = ("┏", event.text) if order == 0 else ("┗", f"{event.text} ended")
                if order == 0 and event.end is None:
                    what += ", unanswered"
                self._note(line, event.node, mark, what)
            drawn = "".join(line).rstrip()
            if isinstance(event, Point) and before is not None and before.at == event.at:
                shared = _overlay(self.out[-1], drawn, self.at[event.node], "│┊")
                if shared and len(before.text) < self.width - 3 and before.node != event.node:
                    self.out[-1] = shared
                    before = event
                    continue
            before = event if isinstance(event, Point) and event.kind != "violation" else None
            self.out.append(drawn)
        return self.out

    def _events(self) -> list[tuple[int, int, Message | Point | Bar]]:
        """(time, order among those of the same instant, what): causes before effects."""
        scene = self.scene
        events: list[tuple[int, int, Message | Point | Bar]] = [
            (message.arrived, 1, message)
            for message in scene.messages
            if message.arrived is not None and message.arrived <= scene.end
        ]
        events += [(point.at, 3 if point.kind == "violation" else 2, point) for point in scene.points]
        guilty = [bar for bar in scene.bars if bar.guilty]
        events += [(bar.start, 0, bar) for bar in guilty if bar.start >= scene.start]
        events += [(bar.end, 4, bar) for bar in guilty if bar.end is not None and bar.end <= scene.end]
        events += [
            (band.start, 0, Point(band.start, band.node, "fault", band.kind, band.detail))
            for band in scene.bands
            if band.kind != "down" and band.start >= scene.start
        ]
        return events

    def _lifelines(self, time: int) -> list[str]:
        line = [" "] * WIDTH
        for node, place in self.at.items():
            dead = any(band.node == node and band.start < time and (band.end or NEVER) > time for band in self.down)
            line[place] = "┊" if dead else "│"
        return line

    @staticmethod
    def _put(line: list[str], place: int, text: str) -> None:
        for offset, character in enumerate(text):
            if 0 <= place + offset < WIDTH:
                line[place + offset] = character

    def _note(self, line: list[str], node: str, mark: str, text: str) -> None:
        place = self.at[node]
        room = WIDTH - place - 2
        following = [other for other in self.at.values() if other > place]
        if following and len(text) > self.width - 3:
            room = min(room, max(self.width - 3, 40))  # may run over the next columns: nothing happens there now
        line[place] = mark
        text = text if len(text) <= room else text[: room - 1] + "…"
        self._put(line, place + 2, text + " ")

    def _point(self, line: list[str], point: Point) -> None:
        marks = {"crash": "✖", "boot": "▲", "violation": "█", "timer": "◇", "fault": "!", "mark": "●"}
        text = point.text
        if point.kind == "violation":
            text = f"VIOLATION {point.text}"
        self._note(line, point.node, marks.get(point.kind, "●"), text)

    def _message(self, line: list[str], message: Message) -> None:
        start, end = self.at[message.source], self.at[message.target]
        if start == end:
            self._note(line, message.target, "●", f"{message.what} to itself")
            return
        low, high = min(start, end), max(start, end)
        for place in range(low + 1, high):
            line[place] = "─" if not message.lost else "╌"
        line[start] = "├" if end > start else "┤"
        arrived = message.arrived if message.arrived is not None else message.sent
        delay = (arrived - message.sent) / 1e6
        label = message.what if delay < 0.05 else f"{message.what} +{delay:.1f}"
        room = high - low - 3
        if len(label) > room:
            label = message.what if len(message.what) <= room else message.what[: room - 1] + "…"
        middle = low + 1 + max(0, (high - low - 1 - len(label)) // 2)
        self._put(line, middle, label)
        head = end - 1 if end > start else end + 1
        line[head] = ("✕" if message.lost else "▶") if end > start else ("✕" if message.lost else "◀")


def _overlay(above: str, below: str, place: int, lifelines: str) -> str:
    """``above`` with what ``below`` has from ``place`` on, if nothing but lifelines is there; else nothing."""
    if any(character not in lifelines + " " for character in above[place:]):
        return ""
    return above[:place].ljust(place) + below[place:]
