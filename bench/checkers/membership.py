"""Membership by views: who belongs to the group, in which order that changed, and what was delivered in between.

For membership that has no views (failure detectors, gossip) see :mod:`.opinions`. After Chockler, Keidar and Vitenberg,
"Group communication specifications: a comprehensive study" (ACM Computing Surveys 33(4), 2001), sections 3 and 4. A
node is *in* the view that it installed last.

- ``self-inclusion``: a node installs only views that it is a member of.
- ``view-agreement``: one identifier, one membership.
- ``view-order``: no node installs a view twice, and no two install two views in different orders.
- ``initial-view``: nothing is sent or delivered outside a view.
- ``same-view-delivery``: all who deliver a message do it in one view; ``sending-view-delivery``: in the sender's view.
- ``virtual-synchrony``: nodes that go from one view to the same next one deliver the same messages in the former.
- ``primary-component``: the views form one chain by their identifiers: somebody went from each directly to the next, so
  no two of them live side by side.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from time import monotonic, perf_counter

import numpy as np

from ..errors import UsageError
from ..history.history import IntColumn
from .properties import Doubt, Violation, conclude, demand
from .sequences import Ints, Late, find_conflict
from .verdict import Verdict

INSTALL, SEND, DELIVER = 0, 1, 2
"""Kinds of rows."""
VIRTUAL_SYNCHRONY = (
    "self-inclusion",
    "view-agreement",
    "view-order",
    "initial-view",
    "same-view-delivery",
    "virtual-synchrony",
)
PROPERTIES = (*VIRTUAL_SYNCHRONY, "sending-view-delivery", "primary-component")


@dataclass(frozen=True)
class Views:
    """Views installed, messages sent and delivered, a row each, in any order that keeps every node's own.

    Attributes:
        node: who, from 0.
        kind: INSTALL, SEND or DELIVER.
        what: the view (an index into ``identifiers`` and ``members``) or the code of the message.
        identifiers: of each view; two views with one identifier are meant to be the same.
        members: of each view.
    """

    node: IntColumn
    kind: IntColumn
    what: IntColumn
    identifiers: IntColumn
    members: tuple[frozenset[int], ...]

    def __post_init__(self) -> None:
        if not len(self.node) == len(self.kind) == len(self.what):
            raise UsageError(f"columns of {len(self.node)}, {len(self.kind)}, {len(self.what)} rows: not of one log")
        if not np.isin(self.kind, (INSTALL, SEND, DELIVER)).all():
            raise UsageError(f"kinds {np.unique(self.kind).tolist()}: must be {INSTALL} to {DELIVER}")
        if len(self.identifiers) != len(self.members):
            raise UsageError(f"{len(self.identifiers)} identifiers of {len(self.members)} views")
        views = self.what[self.kind == INSTALL]
        if len(views) and not (views.min() >= 0 and views.max() < len(self.members)):
            raise UsageError(f"views {views.min()} to {views.max()}: must be 0 to {len(self.members) - 1}")

    def __len__(self) -> int:
        return len(self.node)


def check(log: Views, budget_s: float = 20.0, *, properties: Iterable[str] = VIRTUAL_SYNCHRONY) -> Verdict:
    """Whether views and what was delivered in them have these properties (of :data:`PROPERTIES`).

    Raises:
        UsageError: if a property is unknown.
    """
    began, deadline = perf_counter(), monotonic() + budget_s
    demanded = demand(properties, PROPERTIES)
    stays = _Stays(log)
    finders = {
        "self-inclusion": stays.self_inclusion,
        "view-agreement": stays.agreement,
        "view-order": lambda: stays.order(deadline),
        "initial-view": stays.initial,
        "same-view-delivery": stays.same_view,
        "sending-view-delivery": stays.sending_view,
        "virtual-synchrony": stays.virtual_synchrony,
        "primary-component": stays.primary,
    }
    found: list[Violation | Doubt] = []
    for each in demanded:
        try:
            found.extend(finders[each]())
        except Late:
            found.append(Doubt(each, f"{budget_s:g} s were not enough to decide {each}"))
    figures = {"views": float(len(np.unique(stays.view[stays.installs]))), "installed": float(len(stays.installs))}
    return conclude("views", began, demanded, found, figures)


class _Stays:
    """The log sorted by node; events are indices into that. A *stay* is what a node does between two views."""

    def __init__(self, log: Views) -> None:
        self.log = log
        self.row = np.argsort(log.node, kind="stable")
        self.node = log.node[self.row].astype(np.int64)
        self.kind = log.kind[self.row]
        self.what = log.what[self.row].astype(np.int64)
        self.installs = np.flatnonzero(self.kind == INSTALL)
        self.view = np.full(len(self.row), -1)  # identifiers, as dense codes
        self.names, codes = np.unique(log.identifiers, return_inverse=True)
        self.view[self.installs] = codes[self.what[self.installs]]

    @cached_property
    def stay(self) -> Ints:
        """The event that installed the view which its node is in at each event, -1 for none."""
        last = np.maximum.accumulate(np.where(self.kind == INSTALL, np.arange(len(self.row)), -1))
        return np.where((last >= 0) & (self.node[last] == self.node), last, -1)

    @cached_property
    def next(self) -> Ints:
        """Of each installing event, the node's next one, -1 for none."""
        follows = np.full(len(self.row), -1)
        same = self.node[self.installs[1:]] == self.node[self.installs[:-1]]
        follows[self.installs[:-1][same]] = self.installs[1:][same]
        return follows

    def rows(self, *events: int) -> tuple[int, ...]:
        return tuple(int(self.row[event]) for event in events)

    def name(self, event: int) -> str:
        """The view that was installed there."""
        return f"view {self.names[self.view[event]]}"

    def self_inclusion(self) -> Iterator[Violation]:
        for event in self.installs.tolist():
            if int(self.node[event]) not in self.log.members[self.what[event]]:
                words = f"node {self.node[event]} installed {self.name(event)}, which it is no member of"
                yield Violation("self-inclusion", "not-a-member", words, self.rows(event))
                return

    def agreement(self) -> Iterator[Violation]:
        seen: dict[int, int] = {}
        for event in self.installs.tolist():
            other = seen.setdefault(int(self.view[event]), event)
            ours, theirs = (self.log.members[self.what[each]] for each in (other, event))
            if ours != theirs:
                words = (
                    f"{self.name(event)} has members {sorted(ours)} at node {self.node[other]} and {sorted(theirs)} at "
                    f"node {self.node[event]}"
                )
                yield Violation("view-agreement", "two-memberships", words, self.rows(other, event))
                return

    def order(self, deadline: float) -> Iterator[Violation]:
        pair = self.node[self.installs] * max(1, len(self.names)) + self.view[self.installs]
        _, first, code = np.unique(pair, return_index=True, return_inverse=True)
        again = np.flatnonzero(first[code] != np.arange(len(pair)))
        if len(again):
            one, two = int(self.installs[first[code[again[0]]]]), int(self.installs[again[0]])
            words = f"node {self.node[two]} installed {self.name(two)} more than once"
            yield Violation("view-order", "reinstalled", words, self.rows(one, two))
        events = self.installs[np.sort(first)]
        conflict = find_conflict(self.node[events], self.view[events], deadline)
        if conflict is not None:
            shown = [int(events[index]) for index in conflict]
            one, two, other, _ = shown
            words = (
                f"node {self.node[one]} installed {self.name(one)} before {self.name(two)}, "
                f"node {self.node[other]} the other way round"
            )
            yield Violation("view-order", "views-out-of-order", words, self.rows(*shown))

    def initial(self) -> Iterator[Violation]:
        outside = np.flatnonzero(self.stay < 0)
        if len(outside):
            event = int(outside[0])
            verb = "sent" if self.kind[event] == SEND else "delivered"
            words = f"node {self.node[event]} {verb} m{self.what[event]} before it installed a view"
            yield Violation("initial-view", "outside-a-view", words, self.rows(event))

    def _deliveries(self) -> Ints:
        return np.flatnonzero((self.kind == DELIVER) & (self.stay >= 0))

    def same_view(self) -> Iterator[Violation]:
        events = self._deliveries()
        events = events[np.argsort(self.what[events], kind="stable")]
        view = self.view[self.stay[events]]
        differs = np.flatnonzero((self.what[events][1:] == self.what[events][:-1]) & (view[1:] != view[:-1]))
        if len(differs):
            one, two = int(events[differs[0]]), int(events[differs[0] + 1])
            words = (
                f"node {self.node[one]} delivered m{self.what[one]} in {self.name(int(self.stay[one]))}, "
                f"node {self.node[two]} in {self.name(int(self.stay[two]))}"
            )
            shown = self.rows(int(self.stay[one]), one, int(self.stay[two]), two)
            yield Violation("same-view-delivery", "delivered-in-two-views", words, shown)

    def sending_view(self) -> Iterator[Violation | Doubt]:
        sent = np.flatnonzero(self.kind == SEND)
        sent = sent[np.argsort(self.what[sent], kind="stable")]
        twice = np.flatnonzero(np.diff(self.what[sent]) == 0)
        if len(twice):
            yield Doubt("sending-view-delivery", f"m{self.what[sent[twice[0]]]} was sent more than once")
            return
        sent = sent[self.stay[sent] >= 0]
        events = self._deliveries()
        if not len(sent) or not len(events):
            return
        at = np.minimum(np.searchsorted(self.what[sent], self.what[events]), len(sent) - 1)
        source = sent[at]
        known = self.what[source] == self.what[events]
        wrong = np.flatnonzero(known & (self.view[self.stay[events]] != self.view[self.stay[source]]))
        if len(wrong):
            one, two = int(source[wrong[0]]), int(events[wrong[0]])
            words = (
                f"node {self.node[one]} sent m{self.what[one]} in {self.name(int(self.stay[one]))}, "
                f"node {self.node[two]} delivered it in {self.name(int(self.stay[two]))}"
            )
            shown = self.rows(int(self.stay[one]), one, int(self.stay[two]), two)
            yield Violation("sending-view-delivery", "delivered-in-another-view", words, shown)

    def virtual_synchrony(self) -> Iterator[Violation]:
        """In each transition from a view to the next, a message has as many deliverers as there are nodes in it."""
        moved = self.installs[self.next[self.installs] >= 0]
        if not len(moved):
            return
        pairs = self.view[moved] * len(self.names) + self.view[self.next[moved]]
        codes, code = np.unique(pairs, return_inverse=True)
        transition = np.full(len(self.row), -1)
        transition[moved] = code
        nodes = int(self.node.max()) + 1
        taking = np.unique(code * nodes + self.node[moved])
        size = np.bincount(taking // nodes, minlength=len(codes))
        events = self._deliveries()
        events = events[transition[self.stay[events]] >= 0]
        message = np.unique(self.what[events], return_inverse=True)[1]
        delivered = (transition[self.stay[events]] * len(events) + message) * nodes + self.node[events]
        distinct, first = np.unique(delivered, return_index=True)
        each, begin, count = np.unique(distinct // nodes, return_index=True, return_counts=True)
        short = np.flatnonzero(count < size[each // max(1, len(events))])
        if not len(short):
            return
        at = int(begin[short[0]])
        event = int(events[first[at]])
        which = int(transition[self.stay[event]])
        have = distinct[at : at + int(count[short[0]])] % nodes
        lacking = int(np.setdiff1d(taking[taking // nodes == which] % nodes, have)[0])
        stay = int(moved[np.flatnonzero((code == which) & (self.node[moved] == lacking))[0]])
        mine = int(self.stay[event])
        words = (
            f"nodes {self.node[event]} and {lacking} went from {self.name(mine)} to {self.name(int(self.next[mine]))}, "
            f"and only the first delivered m{self.what[event]} in the former"
        )
        shown = self.rows(mine, event, int(self.next[mine]), stay, int(self.next[stay]))
        yield Violation("virtual-synchrony", "not-the-same-messages", words, shown)

    def primary(self) -> Iterator[Violation]:
        present = np.unique(self.view[self.installs])
        moved = self.installs[self.next[self.installs] >= 0]
        links = set(zip(self.view[moved].tolist(), self.view[self.next[moved]].tolist(), strict=True))
        for one, two in zip(present[:-1].tolist(), present[1:].tolist(), strict=True):
            if (one, two) not in links:
                shown = [int(self.installs[self.view[self.installs] == view][0]) for view in (one, two)]
                words = f"nobody went from {self.name(shown[0])} to {self.name(shown[1])}, the next one"
                yield Violation("primary-component", "broken-chain", words, self.rows(*shown))
                return
