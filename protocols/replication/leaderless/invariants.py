"""What holds of all servers together, checked after every turn in the simulator; ``claims.py`` says what is promised.

Servers tell what they did in a ledger; what is checked is not their word but what follows from it: a coordinator that
says who acknowledged is compared with what those have, now and after every crash.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...family import Invariant
from ...partitioning.ring import Ring
from . import items, levels
from .items import Context, Item
from .places import ring_of
from .replica import View

_rings: dict[Any, Ring] = {}


def replicas(view: View, key: str) -> tuple[str, ...]:
    """Who keeps the key."""
    config = view.config
    layout = (view.servers, config.vnodes, config.zones)
    ring = _rings.get(layout)
    if ring is None:
        ring = _rings[layout] = ring_of(*layout)
    return ring.preference(key)[: min(config.replicas, len(view.servers))]


def holds(how: str, mine: Item | None, item: Item) -> bool:
    """Whether ``mine`` has taken account of all that ``item`` has.

    By ``vv`` that is all that can be said: which replaced siblings are still about depends on the order of merges.
    """
    if mine is None or how == "vv":
        return mine is not None and items.descends(mine.context, item.context)
    return items.merge(how, mine, item) == mine


class Ledgers:
    """Reads what each server has added to its ledger since its last turn."""

    name = "?"

    def __init__(self) -> None:
        self.read: dict[str, int] = {}

    def restarted(self, node: str) -> None:
        """Its ledger begins anew."""
        self.read[node] = 0

    def step(self, node: str, view: View, views: Mapping[str, View]) -> str | None:
        """Judge each new event."""
        fresh = view.events - self.read.get(node, 0)
        if not fresh:
            return None
        self.read[node] = view.events
        for event in list(view.ledger)[-fresh:] if fresh < len(view.ledger) else list(view.ledger):
            problem = self.event(node, view, views, event)
            if problem is not None:
                return problem
        return None

    def event(self, node: str, view: View, views: Mapping[str, View], event: tuple[Any, ...]) -> str | None:
        """Judge one."""
        raise NotImplementedError


class VersionsRise(Ledgers):
    """A replica's item only grows: whatever arrives late, twice or by repair, nothing newer is undone by it."""

    name = "versions_rise"

    def event(self, node: str, view: View, views: Mapping[str, View], event: tuple[Any, ...]) -> str | None:
        """Whether what is new has taken account of what was there."""
        if event[0] == "kept":
            _, key, old, new = event
            if old is not None and not holds(view.config.conflict, new, old):
                return f"{node} replaced {items.newest(old)} of {key} by {items.newest(new)}, which is not newer"
        return None


class AcknowledgedIsKept(Ledgers):
    """Whoever a coordinator counted for a write has it on disk: at that time, and after every crash."""

    name = "acknowledged_is_kept"

    def __init__(self) -> None:
        super().__init__()
        self.owed: dict[str, dict[str, Item]] = {}
        self.forgot: set[str] = set()
        self.returned: set[str] = set()

    def restarted(self, node: str) -> None:
        """What it says next is what its disk has kept."""
        super().restarted(node)
        self.returned.add(node)

    def step(self, node: str, view: View, views: Mapping[str, View]) -> str | None:
        """After a crash, compare the disk with all that was acknowledged."""
        if node in self.returned:
            self.returned.discard(node)
            if view.forgot:
                self.forgot.add(node)
                self.owed.pop(node, None)
            for key, item in self.owed.get(node, {}).items():
                if not holds(view.config.conflict, view.store.get(key), item):
                    return f"{node} acknowledged {items.newest(item)} of {key}, crashed, and has it no more"
        return super().step(node, view, views)

    def event(self, node: str, view: View, views: Mapping[str, View], event: tuple[Any, ...]) -> str | None:
        """Remember who acknowledged what."""
        if event[0] == "removed":
            self.owed.get(node, {}).pop(event[1], None)
        if event[0] != "wrote":
            return None
        _, key, item, _, heard, _ = event
        for server in heard:
            if server in self.forgot:
                continue
            owed = self.owed.setdefault(server, {})
            merged = items.merge(view.config.conflict, owed.get(key), item)
            assert merged is not None
            owed[key] = merged
            there = views.get(server)
            if there is not None and server not in self.returned and not there.forgot:
                old = items.alive(item) == () and key not in there.store  # a tombstone, removed since
                if not old and not holds(view.config.conflict, there.store.get(key), item):
                    return f"{node} counted {server} for a write of {key} that {server} does not have"
        return None


class QuorumsAreCounted(Ledgers):
    """An answer rests on as many different replicas as its level asks for; who stands in for one is none."""

    name = "quorums_are_counted"

    def event(self, node: str, view: View, views: Mapping[str, View], event: tuple[Any, ...]) -> str | None:
        """Count again."""
        if event[0] not in ("wrote", "read"):
            return None
        standing: tuple[str, ...] = ()
        if event[0] == "wrote":
            _, key, _, wanted, heard, standing = event
        else:
            _, _, key, _, wanted, heard = event
        strangers = sorted(set(heard) - set(replicas(view, key)))
        if strangers:
            return f"{node} counted {', '.join(strangers)} as replicas of {key}, which they are not"
        if len(set(heard)) < len(heard):
            return f"{node} counted a replica of {key} twice: {', '.join(heard)}"
        zones = _zones(view)
        if event[0] == "wrote" and not levels.met(wanted, [*heard, *standing], lambda each: zones[each]):
            return f"{node} answered a write of {key} after {len(heard) + len(standing)} acknowledgements"
        return None


class QuorumsIntersect(Ledgers):
    """R + W > N, none standing in: a read has taken account of every write acknowledged before it began.

    This is regularity in terms of versions (Lamport 1986), not linearizability.
    """

    name = "quorums_intersect"

    def __init__(self) -> None:
        super().__init__()
        self.written: dict[str, dict[int, Item]] = {}
        self.floors: dict[tuple[str, int], dict[int, Item]] = {}

    def event(self, node: str, view: View, views: Mapping[str, View], event: tuple[Any, ...]) -> str | None:
        """Compare what a read returns with what was acknowledged when it began."""
        how = view.config.conflict
        if event[0] == "removed":
            self.written.pop(event[1], None)
            self.floors = {at: known for at, known in self.floors.items() if at[0] == ""}
        elif event[0] == "wrote":
            _, key, item, wanted, _, standing = event
            if not standing and len(wanted) == 1 and wanted[0][0] == levels.ANYWHERE:
                known = self.written.setdefault(key, {})
                merged = items.merge(how, known.get(wanted[0][1]), item)
                assert merged is not None
                known[wanted[0][1]] = merged
        elif event[0] == "began":
            self.floors[node, event[1]] = dict(self.written.get(event[2], {}))
        elif event[0] == "read":
            _, number, key, found, wanted, heard = event
            floors = self.floors.pop((node, number), {})
            n = len(replicas(view, key))
            if len(wanted) != 1 or wanted[0][0] != levels.ANYWHERE or len(heard) < wanted[0][1]:
                return None
            for w, item in floors.items():
                if wanted[0][1] + w > n and not holds(how, found, item):
                    return (
                        f"{node} read {items.newest(found)} of {key} from {', '.join(heard)}, though "
                        f"{items.newest(item)} had been acknowledged by {w} of {n} before"
                    )
        return None


class NothingIsLost(Ledgers):
    """vv and dvv: a sibling goes only when some client that had seen it wrote."""

    name = "nothing_is_lost"

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, Context] = {}

    def event(self, node: str, view: View, views: Mapping[str, View], event: tuple[Any, ...]) -> str | None:
        """Each sibling that is gone must be covered by the context of a write."""
        if view.config.conflict == "lww":
            return None
        if event[0] == "numbered":
            self.seen[event[1]] = items.join(self.seen.get(event[1], ()), event[2])
        elif event[0] == "kept" and event[2] is not None:
            _, key, old, new = event
            left = {sibling.version for sibling in new.siblings}
            for sibling in old.siblings:
                if sibling.version not in left and not items.covers(self.seen.get(key, ()), sibling.version):
                    return f"{node} dropped {sibling.version} of {key}, which no client that wrote had seen"
        return None


class OneValueAVersion(Ledgers):
    """A version, or a dot, names one value for ever: else one of two writes is taken for the other, and gone."""

    name = "one_value_a_version"

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[tuple[str, items.Version], bytes] = {}

    def event(self, node: str, view: View, views: Mapping[str, View], event: tuple[Any, ...]) -> str | None:
        """Compare with whoever had it first. What was never on disk was never sent, and its dot is free again."""
        if event[0] == "has":
            for sibling in event[2].siblings:
                if self.values.setdefault((event[1], sibling.version), sibling.value) != sibling.value:
                    return f"{node} has another value of {event[1]} under {sibling.version} than was seen before"
        return None


class HintsExpire(Ledgers):
    """No hint is handed over that is older than a tombstone gets: it could undo a delete that nobody remembers."""

    name = "hints_expire"

    def event(self, node: str, view: View, views: Mapping[str, View], event: tuple[Any, ...]) -> str | None:
        """By the clock of who kept it."""
        if event[0] == "handed" and event[2] > view.config.hint_life:
            return f"{node} handed over a hint for {event[1]} that was {event[2] / 1e9:.3g} s old"
        return None


class LostWrites(Ledgers):
    """Judges nothing and counts: what conflict resolution did to acknowledged writes.

    Figures: ``at_once``, the share of acknowledged writes that replicas preferred an earlier acknowledged write to
    (lww: its timestamp was larger), so that they were never seen; ``elements``, the share of 8-byte words of
    acknowledged values that no replica has at the end (for carts: what was put in and is gone).
    """

    name = "lost_writes"

    def __init__(self) -> None:
        super().__init__()
        self.views: Mapping[str, View] = {}
        self.latest: dict[str, items.Version] = {}
        self.words: dict[str, set[bytes]] = {}
        self.acknowledged = self.at_once = 0

    def event(self, node: str, view: View, views: Mapping[str, View], event: tuple[Any, ...]) -> str | None:
        """Count."""
        if event[0] == "wrote":
            self.views = views
            _, key, item, *_ = event
            self.acknowledged += 1
            if view.config.conflict == "lww":
                version = items.newest(item)
                self.at_once += version < self.latest.get(key, items.NEVER)
                self.latest[key] = max(version, self.latest.get(key, items.NEVER))
            self.words.setdefault(key, set()).update(_words(item))
        return None

    def figures(self) -> dict[str, float]:
        """See the class."""
        left: dict[str, set[bytes]] = {}
        for view in self.views.values():
            for key, item in view.store.items():
                left.setdefault(key, set()).update(_words(item))
        every = sum(len(words) for words in self.words.values())
        gone = sum(len(words - left.get(key, set())) for key, words in self.words.items())
        return {"at_once": self.at_once / max(1, self.acknowledged), "elements": gone / max(1, every)}


def _words(item: Item) -> set[bytes]:
    return {each.value[at : at + 8] for each in items.alive(item) for at in range(0, len(each.value), 8)}


def _zones(view: View) -> dict[str, str]:
    zones = view.config.zones
    return {server: zones[at % len(zones)] if zones else "" for at, server in enumerate(view.servers)}


def invariants() -> list[Invariant]:
    """A fresh set, for one run."""
    return [
        VersionsRise(),
        AcknowledgedIsKept(),
        QuorumsAreCounted(),
        QuorumsIntersect(),
        NothingIsLost(),
        OneValueAVersion(),
        HintsExpire(),
        LostWrites(),
    ]


def differing(views: Mapping[str, View]) -> str:
    """Why replicas are not equal yet, in a few words; empty if they are."""
    for node, view in sorted(views.items()):
        if view.joining:
            return f"{node} has not got back what it lost"
        for key, item in view.store.items():
            for other in replicas(view, key):
                if other in views and views[other].store.get(key) != item:
                    return f"{node} and {other} differ in {key}"
    return ""
