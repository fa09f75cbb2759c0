"""Broadcast: validity, agreement, integrity, and total, FIFO and causal order, each also in its uniform form.

After Hadzilacos and Toueg, "A modular approach to fault-tolerant broadcasts and related problems" (TR 94-1425, 1994),
section 3, and Chandra and Toueg, "Unreliable failure detectors for reliable distributed systems" (JACM 43, 1996).
A node is *correct* unless it crashed for good.

- ``validity``: if a correct node broadcasts m, it delivers m in the end. (With agreement: then all correct ones do.)
- ``agreement``: if a correct node delivers m, all correct nodes do. ``uniform-agreement``: if any node delivers m.
- ``integrity``: a correct node delivers m at most once, and only if m was broadcast before. ``uniform-integrity``: any
  node. "Before" is the order of events alone: the log is refused only if there is *no* way to interleave the nodes in
  which each message is broadcast before it is delivered, that is, if "was broadcast or delivered at a node before that
  node broadcast" has a cycle.
- ``total-order``: if two correct nodes deliver m and m', they do so in the same order. ``uniform-total-order``: any two
  nodes. ``gap-free-total-order``: if some node delivers m' after m, any node delivers m' only after m; so nobody ever
  acts on a sequence with a hole (Défago, Schiper, Urbán, ACM Computing Surveys 2004, section 2).
- ``fifo-order``: if a node broadcasts m before m', no correct node delivers m' unless it has delivered m.
- ``causal-order``: if the broadcast of m precedes that of m' causally, no correct node delivers m' unless it has
  delivered m. Both have their uniform form, for any node that delivers.

Where a node delivers a message twice, its first delivery counts for everything but integrity. Validity and agreement
are about what happens in the end: in a log that is not settled, what is missing makes them ``unknown``.

**Causal order in O(nodes x events).** Hadzilacos and Toueg: causal order is FIFO order plus *local order* (if a node
delivers m before it broadcasts m', nobody delivers m' without m). For each deliverer by itself: a causal path from one
broadcast to another enters and leaves every node on it through a delivery and a broadcast there, so it is a chain of
broadcasts in which each was broadcast or delivered by the sender of the next, earlier than that; if a node that
delivers a message has delivered its direct predecessors, then by induction all. Of these it suffices to look at the
sender's last broadcast and what it delivered since: what is older are predecessors of that broadcast.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from time import monotonic, perf_counter

import numpy as np
from numpy.typing import NDArray

from ..history.deliveries import BROADCAST, DELIVER, Deliveries
from .properties import Doubt, Violation, conclude, demand, unusable
from .sequences import Ints, Late, components, find_conflict
from .verdict import Verdict

NAME = "broadcast"
RELIABLE = ("validity", "agreement", "integrity")
TOTAL_ORDER = (*RELIABLE, "total-order")
UNIFORM_TOTAL_ORDER = ("validity", "uniform-agreement", "uniform-integrity", "uniform-total-order")

Found = Iterator[Violation | Doubt]
_NEVER = 2**62


def check(log: Deliveries, budget_s: float = 20.0, *, properties: Iterable[str] = TOTAL_ORDER) -> Verdict:
    """Whether the log has these properties (of :data:`PROPERTIES`).

    ``rows`` are those of the first violation in the order of ``properties``. A log in which one message was broadcast
    twice is ``unknown``: nobody can tell then which was delivered.

    Raises:
        UsageError: if a property is unknown.
    """
    began, deadline = perf_counter(), monotonic() + budget_s
    demanded = demand(properties, PROPERTIES)
    events = _Events.of(log)
    twice = np.flatnonzero(np.bincount(events.message[events.broadcasts]) > 1)
    if len(twice):
        return unusable(NAME, began, f"message {events.name(int(twice[0]))} was broadcast more than once")
    found: list[Violation | Doubt] = []
    for each in demanded:
        try:
            found.extend(PROPERTIES[each](events, each, deadline))
        except Late:
            found.append(Doubt(each, f"{budget_s:g} s were not enough to decide {each}"))
    figures = {
        "nodes": float(len(log.crashed)),
        "broadcasts": float(len(events.broadcasts)),
        "deliveries": float(len(log) - len(events.broadcasts)),
    }
    return conclude(NAME, began, demanded, found, figures)


@dataclass(frozen=True)
class _Events:
    """The log, sorted by node and within a node in its order. An event is an index into these columns."""

    log: Deliveries
    row: Ints
    node: Ints
    message: Ints  # dense codes
    names: Ints
    broadcasts: Ints
    deliveries: Ints  # the first of each node and message

    @classmethod
    def of(cls, log: Deliveries) -> _Events:
        row = np.argsort(log.node, kind="stable")
        names, message = np.unique(log.message[row].astype(np.int64), return_inverse=True)
        node, kind = log.node[row].astype(np.int64), log.kind[row]
        delivered = np.flatnonzero(kind == DELIVER)
        pair = node[delivered] * max(1, len(names)) + message[delivered]
        first = np.sort(delivered[np.unique(pair, return_index=True)[1]])
        return cls(log, row, node, message, names, np.flatnonzero(kind == BROADCAST), first)

    @cached_property
    def source(self) -> Ints:
        """The event that broadcast each message, -1 for none."""
        source = np.full(len(self.names), -1)
        source[self.message[self.broadcasts]] = self.broadcasts
        return source

    @cached_property
    def everyone(self) -> NDArray[np.bool_]:
        return np.ones(len(self.log.crashed), np.bool_)

    @cached_property
    def correct(self) -> NDArray[np.bool_]:
        return ~self.log.crashed

    @cached_property
    def correct_deliveries(self) -> Ints:
        """How many correct nodes delivered each message."""
        by = self.deliveries[self.correct[self.node[self.deliveries]]]
        return np.bincount(self.message[by], minlength=len(self.names))

    def name(self, message: int) -> str:
        return f"m{int(self.names[message])}"

    def rows(self, *events: int) -> tuple[int, ...]:
        return tuple(int(self.row[event]) for event in events if event >= 0)

    def delivery(self, node: int, message: int) -> int:
        """The event in which the node delivered it, -1 for none."""
        there = self.deliveries[(self.node[self.deliveries] == node) & (self.message[self.deliveries] == message)]
        return int(there[0]) if len(there) else -1


def _validity(events: _Events, of: str, deadline: float) -> Found:
    del deadline
    own = events.broadcasts[events.correct[events.node[events.broadcasts]]]
    base = max(1, len(events.names))
    done = np.isin(
        events.node[own] * base + events.message[own],
        events.node[events.deliveries] * base + events.message[events.deliveries],
    )
    if not done.all():
        event = int(own[~done][0])
        words = f"node {events.node[event]} broadcast {events.name(int(events.message[event]))} and never delivered it"
        yield _in_the_end(events, Violation(of, "not-delivered-by-its-sender", words, events.rows(event)))


def _agreement(events: _Events, of: str, deadline: float, uniform: bool) -> Found:
    del deadline
    who = events.everyone if uniform else events.correct
    by = events.deliveries[who[events.node[events.deliveries]]]
    short = by[events.correct_deliveries[events.message[by]] < int(events.correct.sum())]
    if len(short):
        event = int(short[0])
        message = int(events.message[event])
        has = np.zeros(len(events.correct), np.bool_)
        has[events.node[events.deliveries[events.message[events.deliveries] == message]]] = True
        lacking = int(np.flatnonzero(events.correct & ~has)[0])
        words = f"{_node(events, event)} delivered {events.name(message)}, and correct node {lacking} never did"
        yield _in_the_end(events, Violation(of, "not-delivered-by-all", words, events.rows(event)))


def _in_the_end(events: _Events, violation: Violation) -> Violation | Doubt:
    if events.log.settled:
        return violation
    return Doubt(violation.of, f"{violation.words}, but the log ends before all was quiet")


def _node(events: _Events, event: int) -> str:
    node = int(events.node[event])
    return f"node {node}{' (crashed)' if events.log.crashed[node] else ''}"


def _integrity(events: _Events, of: str, deadline: float, uniform: bool) -> Found:
    del deadline
    who = events.everyone if uniform else events.correct
    delivered = np.flatnonzero((events.log.kind[events.row] == DELIVER) & who[events.node])
    again = np.setdiff1d(delivered, events.deliveries, assume_unique=True)
    if len(again):
        event = int(again[0])
        message = int(events.message[event])
        words = f"{_node(events, event)} delivered {events.name(message)} more than once"
        first = events.delivery(int(events.node[event]), message)
        yield Violation(of, "duplicated", words, events.rows(first, event))
    invented = delivered[events.source[events.message[delivered]] < 0]
    if len(invented):
        event = int(invented[0])
        words = f"{_node(events, event)} delivered {events.name(int(events.message[event]))}, which nobody broadcast"
        yield Violation(of, "invented", words, events.rows(event))
    cycle = _cycle(events, who)
    if cycle:
        told = ", ".join(_link(events, *link) for link in cycle)
        words = f"{events.name(int(events.message[cycle[0][0]]))} was delivered before it could be broadcast: {told}"
        yield Violation(of, "premature", words, events.rows(*(event for link in cycle for event in link)))


def _link(events: _Events, one: int, two: int) -> str:
    message = int(events.message[one])
    had = f"{'broadcast' if events.source[message] == one else 'delivered'} {events.name(message)}"
    return f"node {events.node[one]} had {had} before it broadcast {events.name(int(events.message[two]))}"


def _cycle(events: _Events, who: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Links (event of a message, a later broadcast of the same node) that form a cycle of messages."""
    known = events.source[events.message[events.deliveries]] >= 0
    counted = events.deliveries[who[events.node[events.deliveries]] & known]
    earlier = np.union1d(events.broadcasts, counted)
    after = np.searchsorted(events.broadcasts, earlier, side="right")
    there = after < len(events.broadcasts)
    earlier, later = earlier[there], events.broadcasts[after[there]]
    same = events.node[earlier] == events.node[later]
    earlier, later = earlier[same], later[same]
    tail, head = events.message[earlier], events.message[later]
    loops = np.flatnonzero(tail == head)
    if len(loops):
        return [(int(earlier[loops[0]]), int(later[loops[0]]))]
    component = components(tail, head, len(events.names))
    size = np.bincount(component, minlength=1)
    cyclic = np.flatnonzero(size > 1)
    if not len(cyclic):
        return []
    inside = np.flatnonzero((component[tail] == component[head]) & (component[tail] == cyclic[np.argmin(size[cyclic])]))
    links: dict[int, list[tuple[int, int]]] = {}
    for link in inside.tolist():
        links.setdefault(int(tail[link]), []).append((int(earlier[link]), int(later[link])))
    start = int(tail[inside[0]])
    came: dict[int, tuple[int, int]] = {}
    queue = deque([start])
    while start not in came:
        for one, two in links[queue.popleft()]:
            reached = int(events.message[two])
            if reached not in came:
                came[reached] = one, two
                queue.append(reached)
    cycle = [came[start]]
    while (message := int(events.message[cycle[-1][0]])) != start:
        cycle.append(came[message])
    return cycle[::-1]


def _total_order(events: _Events, of: str, deadline: float, uniform: bool) -> Found:
    who = events.everyone if uniform else events.correct
    by = events.deliveries[who[events.node[events.deliveries]]]
    conflict = find_conflict(events.node[by], events.message[by], deadline)
    if conflict is not None:
        one, two, other_two, other_one = (int(by[index]) for index in conflict)
        x, y = events.name(int(events.message[one])), events.name(int(events.message[two]))
        words = f"{_node(events, one)} delivered {x} before {y}, {_node(events, other_two)} {y} before {x}"
        yield Violation(of, "out-of-order", words, events.rows(one, two, other_two, other_one))


def _gap_free(events: _Events, of: str, deadline: float) -> Found:
    """If each message has the same predecessor wherever it is delivered, then sequences that end in it are the same."""
    del deadline
    by = events.deliveries
    if not len(by):
        return
    node, message = events.node[by], events.message[by]
    before = np.full(len(by), -1)
    follows = np.flatnonzero(node[1:] == node[:-1])
    before[follows + 1] = message[follows]
    order = np.argsort(message, kind="stable")
    differs = np.flatnonzero((message[order][1:] == message[order][:-1]) & (before[order][1:] != before[order][:-1]))
    if not len(differs):
        return
    a, b = int(order[differs[0]]), int(order[differs[0] + 1])
    ours = message[(node == node[a]) & (np.arange(len(by)) <= a)].tolist()
    theirs = message[(node == node[b]) & (np.arange(len(by)) <= b)].tolist()
    at = next(index for index, (x, y) in enumerate(zip(ours, theirs, strict=False)) if x != y)
    one, other, last, x, y = int(node[a]), int(node[b]), int(message[a]), ours[at], theirs[at]
    if x == last:
        holder, lacking, first = other, one, y
    elif y == last or x not in theirs:
        holder, lacking, first = one, other, x
    else:  # the other one has y before x, this one x without y
        holder, lacking, first, last = other, one, y, x
    words = (
        f"node {holder} delivered {events.name(last)} after {events.name(first)}, "
        f"node {lacking} {events.name(last)} without having delivered {events.name(first)}"
    )
    shown = [events.delivery(each, message) for each in (holder, lacking) for message in (first, last)]
    yield Violation(of, "gap", words, events.rows(*shown))


def _fifo(events: _Events, of: str, deadline: float, uniform: bool) -> Found:
    """The k-th delivery at a node of what one sender broadcast has to be the sender's k-th broadcast."""
    del deadline
    who = events.everyone if uniform else events.correct
    by = events.deliveries[who[events.node[events.deliveries]]]
    by = by[events.source[events.message[by]] >= 0]
    if not len(by):
        return
    source = events.source[events.message[by]]
    sender = events.node[source]
    begin = np.searchsorted(events.node[events.broadcasts], sender)  # the sender's first broadcast
    number = np.searchsorted(events.broadcasts, source) - begin
    group = events.node[by] * len(who) + sender
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    rank = np.arange(len(by)) - np.repeat(starts, np.diff(starts, append=len(by)))
    wrong = np.flatnonzero(number[order] != rank)
    if not len(wrong):
        return
    at = order[wrong[0]]  # the first of its group, so those before are right and number > rank
    event, missing = int(by[at]), int(events.broadcasts[begin[at] + rank[wrong[0]]])
    yield _overtaken(events, of, missing, int(source[at]), event, (missing,))


def _causal(events: _Events, of: str, deadline: float, uniform: bool) -> Found:
    who = events.everyone if uniform else events.correct
    known = events.deliveries[events.source[events.message[events.deliveries]] >= 0]
    if not len(known):
        return
    event = np.union1d(events.broadcasts, known)
    after = np.searchsorted(events.broadcasts, event)
    useful = after < len(events.broadcasts)
    useful[useful] = events.node[events.broadcasts[after[useful]]] == events.node[event[useful]]
    event = event[useful]  # up to the last broadcast of each node
    node, message = events.node[event], events.message[event]
    sends = events.source[message] == event
    # A segment is a node's broadcast and what it delivered until the next, or what it delivered before its first.
    begins = np.flatnonzero(sends | (np.diff(node, prepend=-1) > 0))
    judged = np.flatnonzero(sends[begins[1:]] & (node[begins[1:]] == node[begins[:-1]])) + 1
    if not len(judged):
        return
    target = message[begins[judged]]
    bounds = np.searchsorted(known, np.searchsorted(events.node, np.arange(len(who) + 1)))
    for deliverer in np.flatnonzero(who).tolist():
        if monotonic() > deadline:
            raise Late
        own = known[bounds[deliverer] : bounds[deliverer + 1]]
        if not len(own):
            continue
        place = np.full(len(events.names), _NEVER)
        place[events.message[own]] = own
        needed = np.maximum.reduceat(place[message], begins)[judged - 1]
        wrong = np.flatnonzero((place[target] < _NEVER) & (needed > place[target]))
        if len(wrong):
            chosen = wrong[np.argmin(place[target[wrong]])]
            start, stop = int(begins[judged[chosen] - 1]), int(begins[judged[chosen]])
            late = start + int(np.argmax(place[message[start:stop]] > place[target[chosen]]))
            source, link = int(events.source[message[late]]), int(event[late])
            yield _overtaken(events, of, source, int(event[stop]), int(place[target[chosen]]), (source, link))
            return


def _overtaken(events: _Events, of: str, missing: int, source: int, event: int, before: tuple[int, ...]) -> Violation:
    """``event`` delivers what ``source`` broadcast, without what ``missing`` broadcast, which comes ``before``."""
    first, then = int(events.message[missing]), int(events.message[source])
    sender = int(events.node[source])
    how = "broadcast" if int(events.node[missing]) == sender else "delivered"
    words = (
        f"{_node(events, event)} delivered {events.name(then)} without {events.name(first)}, which node {sender} had "
        f"{how} before it broadcast {events.name(then)}"
    )
    own = events.delivery(int(events.node[event]), first)
    return Violation(of, "overtaken", words, events.rows(*before, source, event, own))


PROPERTIES: dict[str, Callable[[_Events, str, float], Found]] = {
    "validity": _validity,
    "agreement": partial(_agreement, uniform=False),
    "uniform-agreement": partial(_agreement, uniform=True),
    "integrity": partial(_integrity, uniform=False),
    "uniform-integrity": partial(_integrity, uniform=True),
    "total-order": partial(_total_order, uniform=False),
    "uniform-total-order": partial(_total_order, uniform=True),
    "gap-free-total-order": _gap_free,
    "fifo-order": partial(_fifo, uniform=False),
    "uniform-fifo-order": partial(_fifo, uniform=True),
    "causal-order": partial(_causal, uniform=False),
    "uniform-causal-order": partial(_causal, uniform=True),
}
"""Name -> what finds a violation of it."""
