"""What a space-time diagram shows: the part of a trace worth looking at, as messages, points, bands and bars.

A run has tens of thousands of events and a reader has patience for about a hundred. Chosen are, going back from the
moment of interest: what nodes marked, crashes and reboots; then the kinds of message that are rare in the stretch (an
election among heartbeats says more than the heartbeats); then whatever came last. What is left out is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..checkers.linearizability import describe
from ..faults.spec import FaultRecord
from ..history.history import FAIL, INFO, NEVER, History
from ..runtime.record import TraceEvent

LOOK_BACK = 1_000_000_000
"""ns before the moment of interest that are considered when no window is given."""
LOOK_BACK_EVENTS = 4_000
RARE_SHARE = 0.6
"""Share of the events drawn that rare kinds may take."""
FEW_TIMERS = 8
"""A timer that runs out more often than this says nothing."""
OTHER_BARS = 8
"""Operations drawn beside those of the violation."""
_TOLD = ("mark", "crash", "boot", "violation")


@dataclass(frozen=True)
class Message:
    """A message: ``arrived`` is when it was handled or lost, None if it was still under way."""

    sent: int
    arrived: int | None
    source: str
    target: str
    what: str
    lost: bool
    text: str


@dataclass(frozen=True)
class Point:
    """Something that happened at one node at one instant: a mark, timer, crash, boot or violation."""

    at: int
    node: str
    kind: str
    text: str
    detail: str


@dataclass(frozen=True)
class Band:
    """A stretch of time on a node's line: it was down, paused, cut off ...; ``end`` None: to the end."""

    node: str
    kind: str
    start: int
    end: int | None
    detail: str


@dataclass(frozen=True)
class Bar:
    """An operation at a client. ``end`` None: unanswered. ``guilty``: part of the violation."""

    node: str
    start: int
    end: int | None
    text: str
    detail: str
    guilty: bool


@dataclass
class Scene:
    """All that is drawn between ``start`` and ``end`` (ns), on the lines of ``nodes``.

    ``earlier``: operations of the violation that ended before; ``omitted``: kind -> how many are not drawn.
    """

    start: int
    end: int
    nodes: list[str]
    messages: list[Message] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    bands: list[Band] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    earlier: list[str] = field(default_factory=list)
    omitted: Counter[str] = field(default_factory=Counter)

    def instants(self) -> list[int]:
        """Every instant at which something is drawn, in order."""
        times = {point.at for point in self.points}
        for message in self.messages:
            times.add(message.sent)
            if message.arrived is not None:
                times.add(message.arrived)
        for bar in self.bars:
            times.add(bar.start)
            if bar.end is not None:
                times.add(bar.end)
        for band in self.bands:
            times.add(band.start)
            if band.end is not None:
                times.add(band.end)
        times.update((self.start, self.end))
        return sorted(time for time in times if self.start <= time <= self.end)

    def notes(self) -> list[str]:
        """What the reader must know of what is not in the picture, a sentence each."""
        notes = [f"Before this: {', '.join(self.earlier)}."] if self.earlier else []
        return notes + ([self.omission() + "."] if self.omission() else [])

    def omission(self) -> str:
        """``+812 events not drawn (700 AppendEntries, 112 Vote)``, or nothing."""
        total = sum(self.omitted.values())
        if not total:
            return ""
        most = ", ".join(f"{count} {what}" for what, count in self.omitted.most_common(3))
        more = ", ..." if len(self.omitted) > 3 else ""
        return f"+{total} events not drawn ({most}{more})"


def build_scene(
    trace: Sequence[TraceEvent],
    around: int,
    window: tuple[int, int] | None,
    nodes: Sequence[str],
    faults: Sequence[FaultRecord],
    history: History | None,
    rows: Sequence[int],
    budget: int,
) -> Scene:
    """Choose what to draw; the arguments are those of :func:`bench.report.diagram.space_time`."""
    start, end = window if window is not None else _window(trace, around, history, rows)
    known = set(nodes)
    messages = [
        message
        for message in _messages(trace)
        if message.source in known
        and message.target in known
        and message.sent <= end
        and (message.arrived is None or message.arrived >= start)
        and (message.sent >= start or message.arrived is not None)
    ]
    points = [
        point for point in map(_point, trace) if point is not None and point.node in known and start <= point.at <= end
    ]
    told = {(point.node, point.at) for point in points if point.kind in _TOLD}
    often = Counter(point.text for point in points if point.kind == "timer")
    points = [
        point
        for point in points
        if point.kind != "timer" or ((point.node, point.at) not in told and often[point.text] <= FEW_TIMERS)
    ]
    scene = Scene(start, end, list(nodes))
    _choose(scene, messages, points, around, budget)
    if window is None:
        chosen = [message.sent for message in scene.messages] + [point.at for point in scene.points]
        guilty = [int(history.invoked[row]) for row in rows] if history is not None else []
        chosen += [at for at in guilty if at >= start]
        scene.start = max(start, min(chosen)) if chosen else start
    if history is not None:
        scene.bars = _bars(history, rows, scene, known, around)
        scene.earlier = [describe(history, row) for row in rows if _ended(history, row) < scene.start]
    scene.bands = _bands(trace, faults, scene, known)
    return scene


def timer_name(what: str) -> str:
    """``retry`` for ``/retry/37``: a timer's name without its node's path and its key."""
    parts = [part for part in what.split("/") if part and not part.lstrip("-").isdigit()]
    return parts[0] if parts else what


def _window(trace: Sequence[TraceEvent], around: int, history: History | None, rows: Sequence[int]) -> tuple[int, int]:
    before = [event.at for event in trace if event.at <= around]
    earliest = before[-LOOK_BACK_EVENTS:][0] if before else around - LOOK_BACK
    start = max(earliest, around - LOOK_BACK)
    end = around
    if history is not None and len(rows):
        last = max(rows, key=lambda row: int(history.invoked[row]))
        start = min(start, int(history.invoked[last]))
        answered = int(history.completed[last])
        end = max(end, answered if answered < NEVER else end)
    return start, end


def _messages(trace: Iterable[TraceEvent]) -> list[Message]:
    arrivals = {event.id: event for event in trace if event.kind in ("deliver", "drop")}
    messages = []
    for event in trace:
        if event.kind == "send":
            arrival = arrivals.get(event.id)
            lost = arrival is not None and arrival.kind == "drop"
            at = None if arrival is None else max(arrival.at, event.at)
            messages.append(Message(event.at, at, event.node, event.peer, event.what, lost, event.detail))
    return messages


def _point(event: TraceEvent) -> Point | None:
    if event.kind in _TOLD:
        return Point(event.at, event.node, event.kind, event.what, event.detail)
    if event.kind == "timer":
        name = timer_name(event.what)
        return Point(event.at, event.node, "timer", f"{name} timer", event.what)
    return None


def _choose(scene: Scene, messages: list[Message], points: list[Point], around: int, budget: int) -> None:
    groups: dict[str, list[Message | Point]] = {}
    for message in messages:
        groups.setdefault(message.what, []).append(message)
    told: list[Message | Point] = []
    for point in points:
        if point.kind in _TOLD:
            told.append(point)
        else:
            groups.setdefault(point.text, []).append(point)

    def nearness(item: Message | Point) -> int:
        return abs(around - (item.at if isinstance(item, Point) else item.sent))

    told.sort(key=nearness)
    chosen = told[: max(4, budget // 3)]
    left = told[len(chosen) :]
    for name in sorted(groups, key=lambda name: (len(groups[name]), name)):
        if len(chosen) + len(groups[name]) <= budget * RARE_SHARE:
            chosen += groups[name]
        else:
            left += groups[name]
    left.sort(key=nearness)
    fill = max(0, budget - len(chosen))
    chosen += left[:fill]
    scene.omitted = Counter(_kind(item) for item in left[fill:])
    scene.messages = sorted((item for item in chosen if isinstance(item, Message)), key=lambda item: item.sent)
    scene.points = sorted((item for item in chosen if isinstance(item, Point)), key=lambda item: item.at)


def _kind(item: Message | Point) -> str:
    return item.what if isinstance(item, Message) else item.kind if item.kind in _TOLD else item.text


def _ended(history: History, row: int) -> int:
    return NEVER if int(history.outcome[row]) == INFO else int(history.completed[row])


def _bars(history: History, rows: Sequence[int], scene: Scene, known: set[str], around: int) -> list[Bar]:
    """The operations of the violation, and answered ones on the same keys that ended nearest to ``around``."""
    guilty, keys = set(rows), {int(history.key[row]) for row in rows}
    bars, others = [], []
    for row in range(len(history)):
        node = f"c{int(history.client[row]) + 1}"
        begun, ended = int(history.invoked[row]), _ended(history, row)
        if node not in known or begun > scene.end or ended < scene.start:
            continue
        if row not in guilty and (ended >= NEVER or int(history.outcome[row]) == FAIL):
            continue  # open for ever, or without effect: says nothing here
        if row not in guilty and begun < scene.start and ended > scene.end:
            continue
        text = describe(history, row)
        what = text.partition("'s ")[2].rpartition(" (")[0]
        bar = Bar(node, begun, ended if ended < NEVER else None, what, text, row in guilty)
        if bar.guilty:
            bars.append(bar)
        elif not keys or int(history.key[row]) in keys:
            others.append(bar)
    others.sort(key=lambda bar: abs((bar.end or 0) - around))
    return bars + others[:OTHER_BARS]


def _bands(trace: Sequence[TraceEvent], faults: Sequence[FaultRecord], scene: Scene, known: set[str]) -> list[Band]:
    found = []
    lives: dict[str, list[TraceEvent]] = {}
    for event in trace:
        if event.kind in ("crash", "boot") and event.node in known:
            lives.setdefault(event.node, []).append(event)
    for node, events in lives.items():
        ends = [*(event.at for event in events[1:]), None]
        found += [
            Band(node, "down", event.at, end, "down")
            for event, end in zip(events, ends, strict=True)
            if event.kind == "crash"
        ]
    for fault in faults:
        if fault.kind in ("crash", "power-loss", "drain", "rolling-restart", "zone-loss", "lose-disk") and lives:
            continue  # the trace shows when each node was really down
        detail = fault.detail or fault.kind
        found += [Band(node, fault.kind, fault.start, fault.end, detail) for node in fault.targets if node in known]
    return [
        band
        for band in found
        if band.start <= scene.end and (band.end is None or band.end >= scene.start) and band.end != band.start
    ]
