"""Session guarantees, each as far as histories of registers show it.

After Terry, Demers, Petersen, Spreitzer, Theimer and Welch ("Session guarantees for weakly consistent replicated data",
1994), in the terms of Viotti and Vukolić ("Consistency in non-transactional distributed storage systems", 2016,
section 3.4: visibility and arbitration). Common to all four:

For each session *s* there is one order of all transactions (its arbitration) that contains the order of *s*, the order
in which every other session wrote each key, and what *s* read before what *s* did with it; each read of *s* saw the
last version, in this order, of those visible to it; and causality (session order and reads-from) has no circles. A
guarantee says what must be visible to a read *r* of *s*, besides what it saw:

- *read your writes*: what *s* wrote before *r*;
- *monotonic reads*: the versions that *s* read before *r*;
- *monotonic writes*: what another session had written before it wrote something that *s* read, up to *r* itself. Here
  the arbitration contains the whole order of every session;
- *writes follow reads*: what another session had read before it wrote something that *s* read, up to *r* itself, and so
  on, what that session's sources had read. Here the arbitration contains causality.

So the order of versions is that of their writers' sessions and what reads reveal; real time plays no part, and what
both leave open may be any order, the same for all reads of a session and not necessarily for two sessions. That another
session wrote one key before another key says nothing of versions unless monotonic writes are promised: stores that
order versions by timestamps keep the first two guarantees while one key's versions contradict what another key's
suggest of causality. Everything is decidable: none of these is ever ``unknown`` but for time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Literal

import numpy as np

from .causal import circular
from .deciding import VALID, Found, circle, stale
from .isolation import last_in_session
from .order import Order, OutOfTime, causal_order, session_edges
from .overwritten import Writers
from .sessions import Ints, Sessions, runs


@dataclass
class _Rules:
    """What must be visible, as edges (version, version read), each by the run of reads (a session's) that says so."""

    source: list[Ints] = field(default_factory=list)
    target: list[Ints] = field(default_factory=list)
    read: list[Ints] = field(default_factory=list)
    run: list[Ints] = field(default_factory=list)
    initial: tuple[int, int] | None = None
    size: int = 0
    helpers: list[tuple[Ints, Ints]] = field(default_factory=list)

    def add(self, s: Sessions, run: int, earlier: Ints, reads: Ints) -> None:
        """Each of these versions (-1: none) must be visible to the read."""
        later = s.read_from[reads]
        unborn = np.flatnonzero((earlier >= 0) & (later < 0))
        if len(unborn) and self.initial is None:
            self.initial = int(earlier[unborn[0]]), int(reads[unborn[0]])
        good = (earlier >= 0) & (later >= 0) & (earlier != later)
        self.source.append(earlier[good])
        self.target.append(later[good])
        self.read.append(reads[good])
        self.run.append(np.full(int(good.sum()), run))


_Rule = Callable[[Sessions, Order, list[Ints], _Rules], None]
_Base = Literal["key", "session", "causality"]
"""What every arbitration contains of other sessions: the order of their writes to each key, all of it, or causality."""


def read_your_writes(s: Sessions, deadline: float) -> Found:
    """Read your writes: a session's reads see its own earlier writes, or later versions."""
    return _decide(s, deadline, _own, "key", "a session sees its own writes", "was its session's own")


def monotonic_reads(s: Sessions, deadline: float) -> Found:
    """Monotonic reads: what a session has read, or later versions, it reads ever after."""
    return _decide(s, deadline, _again, "key", "what a session has seen stays visible to it", "its session had seen")


def monotonic_writes(s: Sessions, deadline: float) -> Found:
    """Monotonic writes: who has seen a write sees all that its writer wrote before it."""
    what = "who has seen a write sees those that its session wrote before"
    return _decide(s, deadline, _prefix, "session", what, "was written before a write that its session had seen")


def writes_follow_reads(s: Sessions, deadline: float) -> Found:
    """Writes follow reads: who has seen a write sees all that its writer had read before it."""
    what = "who has seen a write sees what its session had read before"
    return _decide(s, deadline, _sources, "causality", what, "had been read before a write that its session had seen")


def _decide(s: Sessions, deadline: float, rule: _Rule, base: _Base, what: str, why: str) -> Found:
    causal = causal_order(s, deadline)
    bad = circular(causal)
    if bad:
        return bad
    rules = _Rules(size=len(s))
    observers = runs(s)
    rule(s, causal, observers, rules)
    if rules.initial:
        return stale(causal, "stale-initial-read", *rules.initial, why)
    source, target, read, run = (_join(each) for each in (rules.source, rules.target, rules.read, rules.run))
    helpers = _join([pair[0] for pair in rules.helpers]), _join([pair[1] for pair in rules.helpers])

    def judged(order: Order, some: Ints) -> Found:
        whole = order.with_edges(
            np.concatenate([helpers[0], source[some]]), np.concatenate([helpers[1], target[some]]), rules.size
        )
        if whole.sequence is not None:
            return VALID
        reasons = {(int(source[at]), int(target[at])): int(read[at]) for at in some.tolist()}
        return circle(whole, reasons, causal, "cyclic-versions", what)

    # No circle in what all sessions see, none in what one sees.
    everything = causal.with_edges(
        np.concatenate([helpers[0], source]), np.concatenate([helpers[1], target]), rules.size
    )
    if everything.sequence is not None:
        return VALID
    plain = session_edges(s)
    by_key = _same_key(s) if base == "key" else plain
    for number in np.unique(run).tolist():
        if monotonic() > deadline:
            raise OutOfTime
        order = causal
        if base != "causality":
            mine = observers[number]
            kept = plain if base == "session" else _own_order(s, mine, plain, by_key)
            mine = mine[s.read_from[mine] >= 0]
            order = Order(
                s,
                len(s),
                np.concatenate([kept[0], s.read_from[mine]]),
                np.concatenate([kept[1], s.read[mine]]),
                deadline,
            )
        found = judged(order, np.flatnonzero(run == number))
        if found.word != "valid":
            return found
    return VALID


def _same_key(s: Sessions) -> tuple[Ints, Ints]:
    """Each write of a key after the one before it of the same key in its session."""
    code = s.write_key * len(s) + s.write
    # An ``info`` that is a session by itself comes after what its own session had written.
    alone = (s.position == 0) & (s.before >= 0)
    last = np.where(alone, s.before, np.arange(len(s)) - 1)[s.write]
    place = np.searchsorted(code, s.write_key * len(s) + last, "right") - 1
    some = (last >= 0) & (place >= 0)
    place = np.maximum(place, 0)
    owner = s.session[np.maximum(last, 0)]
    some &= (s.write_key[place] == s.write_key) & (s.session[s.write[place]] == owner)
    some &= alone[s.write] | (owner == s.session[s.write])
    return s.write[place[some]], s.write[some]


def _own_order(s: Sessions, reads: Ints, whole: tuple[Ints, Ints], by_key: tuple[Ints, Ints]) -> tuple[Ints, Ints]:
    """The whole order of the session with these reads, and of all others that of their writes to each key."""
    mine = np.unique(s.session[s.read[reads]])
    before = s.before[s.first[mine]]  # the session that an ``info`` by itself belongs to
    own = np.isin(s.session[whole[1]], np.concatenate([mine, s.session[before[before >= 0]]]))
    return np.concatenate([whole[0][own], by_key[0]]), np.concatenate([whole[1][own], by_key[1]])


def _own(s: Sessions, causal: Order, observers: list[Ints], rules: _Rules) -> None:
    earlier = last_in_session(s)
    for number, reads in enumerate(observers):
        rules.add(s, number, earlier[reads], reads)


def _again(s: Sessions, causal: Order, observers: list[Ints], rules: _Rules) -> None:
    for number, reads in enumerate(observers):
        order = reads[np.argsort(s.read_key[reads], kind="stable")]
        same = s.read_key[order[1:]] == s.read_key[order[:-1]]
        rules.add(s, number, np.where(same, s.read_from[order[:-1]], -1), order[1:])


def _prefix(s: Sessions, causal: Order, observers: list[Ints], rules: _Rules) -> None:
    writers = Writers.of(s)
    # An ``info`` by itself wrote after a part of another session.
    alone = (s.position == 0) & (s.before >= 0)
    parent = np.maximum(s.before, 0)
    session = np.where(alone, s.session[parent], s.session)
    much = np.where(alone, s.position[parent] + 1, s.position)
    for number, reads in enumerate(observers):
        if monotonic() > causal.deadline:
            raise OutOfTime
        index, segment = writers.spread(s.read_key[reads], 0, s.count)
        order = np.argsort(writers.session[segment], kind="stable")
        index, segment = index[order], segment[order]
        for which, at, seen in _steps(s.read_from[reads], session, much):
            begin, end = np.searchsorted(writers.session[segment], [which, which + 1])
            place = np.searchsorted(at, index[begin:end], "right") - 1
            limit = np.where(place >= 0, seen[np.maximum(place, 0)], 0)
            chosen = reads[index[begin:end]]
            rules.add(s, number, writers.last(s.read_key[chosen], segment[begin:end], limit), chosen)


def _steps(sources: Ints, session: Ints, much: Ints) -> list[tuple[int, Ints, Ints]]:
    """(session, places, how much of it is seen from that place on), by the sources in the order they were read."""
    some = np.flatnonzero(sources >= 0)
    owner = session[sources[some]]
    order = some[np.argsort(owner, kind="stable")]
    owner = session[sources[order]]
    starts = np.flatnonzero(np.append(True, owner[1:] != owner[:-1])) if len(order) else np.empty(0, np.int64)
    return [
        (int(owner[begin]), order[begin:end], np.maximum.accumulate(much[sources[order[begin:end]]]))
        for begin, end in zip(starts.tolist(), [*starts[1:].tolist(), len(order)], strict=False)
    ]


def _sources(s: Sessions, causal: Order, observers: list[Ints], rules: _Rules) -> None:
    # The clock of a write says how much of each session had been read before it: of its own session what is in front of
    # it (with its own transaction's reads), of another one what is in front of the writes that were read, and so on.
    lists = _Lists(s, rules)
    for low, high, clocks in causal.blocks():
        for number, reads in enumerate(observers):
            if monotonic() > causal.deadline:
                raise OutOfTime
            sources = s.read_from[reads]
            seen = np.where((sources >= 0)[:, None], clocks[np.maximum(sources, 0)], 0)
            lists.visible(number, reads, np.maximum.accumulate(seen, axis=0), low, high)


class _Lists:
    """Per session and key the different versions, in the order in which they were first read.

    Of such a list a prefix is visible. It may have as many entries as the session has reads, so edges from all of them
    would be too many: helper nodes stand for runs of 1, 2, 4 ... of them, and two cover any part of the list.
    """

    def __init__(self, s: Sessions, rules: _Rules) -> None:
        self.s, self.rules = s, rules
        self.entries: dict[int, dict[int, tuple[list[int], list[int], dict[int, int]]]] = {}
        """key -> session -> (positions of first reads, versions, version -> index)."""
        columns = (s.read_key, s.session[s.read], s.position[s.read], s.read_from)
        for key, session, position, version in zip(*(column.tolist() for column in columns), strict=True):
            positions, versions, index = self.entries.setdefault(key, {}).setdefault(session, ([], [], {}))
            if version >= 0 and version not in index:
                index[version] = len(versions)
                positions.append(position)
                versions.append(version)
        self.runs: dict[tuple[int, int], list[list[int]]] = {}

    def visible(self, number: int, reads: Ints, seen: Ints, low: int, high: int) -> None:
        """Adds what the reads of one run say, of whom the sessions in [low, high) are seen so far."""
        s = self.s
        source: list[int] = []
        which: list[int] = []
        keys = s.read_key[reads]
        order = np.argsort(keys, kind="stable")
        for mine in np.split(order, np.flatnonzero(np.diff(keys[order])) + 1):
            key = int(keys[mine[0]])
            chosen = reads[mine].tolist()
            versions = s.read_from[reads[mine]].tolist()
            for session, (positions, some, index) in self.entries.get(key, {}).items():
                if not low <= session < high:
                    continue
                many = np.searchsorted(np.array(positions, np.int64), seen[mine, session - low], "left")
                for at, read, version in zip(many.tolist(), chosen, versions, strict=True):
                    if at:
                        own = index.get(version, at)
                        nodes = self._cover(key, session, 0, min(own, at)) + self._cover(key, session, own + 1, at)
                        if version < 0:
                            nodes = some[:1]
                        source += nodes
                        which += [read] * len(nodes)
        self.rules.add(s, number, np.array(source, np.int64), np.array(which, np.int64))

    def _cover(self, key: int, session: int, begin: int, end: int) -> list[int]:
        if begin >= end:
            return []
        runs = self.runs.get((key, session))
        if runs is None:
            runs = self.runs[key, session] = self._make(self.entries[key][session][1])
        level = (end - begin).bit_length() - 1
        return [*{runs[level][begin], runs[level][end - (1 << level)]}]

    def _make(self, versions: list[int]) -> list[list[int]]:
        runs = [versions]
        step = 1
        while 2 * step <= len(versions):
            below = runs[-1]
            count = len(versions) - 2 * step + 1
            nodes = list(range(self.rules.size, self.rules.size + count))
            self.rules.size += count
            both = np.array([*below[:count], *below[step : step + count]], np.int64)
            self.rules.helpers.append((both, np.array([*nodes, *nodes], np.int64)))
            runs.append(nodes)
            step *= 2
        return runs


def _join(parts: list[Ints]) -> Ints:
    return np.concatenate([np.empty(0, np.int64), *parts])
