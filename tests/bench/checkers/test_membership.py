"""Views: against their definitions, and one deliberate violation of each kind."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import numpy as np
import pytest

from bench.checkers.membership import PROPERTIES, VIRTUAL_SYNCHRONY, Views, check
from bench.errors import UsageError

from .brute_logs import View, views
from .faults import Fault
from .fuzzing import seeds
from .logs import sees

KINDS = ["view", "send", "deliver"]
Run = tuple[list[View], list[int], list[frozenset[int]]]


def columns(log: list[View], identifiers: list[int], members: list[frozenset[int]]) -> Views:
    return Views(
        node=np.array([each[0] for each in log], np.int32),
        kind=np.array([KINDS.index(each[1]) for each in log], np.int8),
        what=np.array([each[2] for each in log], np.int64),
        identifiers=np.array(identifiers, np.int64),
        members=tuple(members),
    )


def run(rng: Random, nodes: int, count: int) -> Run:
    """Views of a primary component, flushed before each change; then everyone's steps interleaved."""
    own: dict[int, list[View]] = {node: [] for node in range(nodes)}
    members, group = list[frozenset[int]](), frozenset(range(nodes))
    message = 0
    for view in range(count):
        members.append(group)
        for node in group:
            own[node].append((node, "view", view))
        for _ in range(rng.randint(0, 3)):
            sender = rng.choice(sorted(group))
            own[sender].append((sender, "send", message))
            for node in group:
                own[node].append((node, "deliver", message))
            message += 1
        kept = {node for node in sorted(group) if rng.random() < 0.8} or {min(group)}
        group = frozenset(kept | {node for node in range(nodes) if rng.random() < 0.2})
    log: list[View] = []
    while any(own.values()):
        node = rng.choice([node for node, left in own.items() if left])
        log.append(own[node].pop(0))
    return log, [7 * view + 3 for view in range(count)], members


def drawn(seed: int) -> Run:
    rng = Random(seed)
    nodes = rng.randint(1, 4)
    log, identifiers, members = run(rng, nodes, rng.randint(1, 4))
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        at = rng.randrange(len(log)) if log else 0
        match rng.choice(("drop", "move", "member", "others", "identifier", "again", "swap", "steal")):
            case "drop" if log:
                del log[at]
            case "move" if log:
                log.insert(rng.randrange(len(log)), log.pop(at))
            case "member":
                view = rng.randrange(len(members))
                members[view] = members[view] ^ {rng.randrange(nodes)}
            case "others":
                view = rng.randrange(len(members))
                members[view] = frozenset(rng.sample(range(nodes), min(nodes, len(members[view]))))
                identifiers[view] = rng.choice(identifiers)
            case "identifier":
                identifiers[rng.randrange(len(members))] = rng.choice(identifiers)
            case "again" if log:
                log.insert(rng.randrange(len(log)), log[at])
            case "steal" if log:
                log[rng.choice([place for place, each in enumerate(log) if each[1:] == log[at][1:]])] = log[at]
            case "swap" if log:
                other = rng.choice([place for place, each in enumerate(log) if each[1] == log[at][1]])
                (one, what, a), (two, _, b) = log[at], log[other]
                log[at], log[other] = (one, what, b), (two, what, a)
    return log, identifiers, members


def problem(seed: int) -> str | None:
    log, identifiers, members = drawn(seed)
    expected = views(log, identifiers, members)
    sent = [what for _, kind, what in log if kind == "send"]
    for name in PROPERTIES:
        verdict = check(columns(log, identifiers, members), properties=(name,))
        if name == "sending-view-delivery" and len({*sent}) < len(sent):
            if verdict.verdict != "unknown":
                return f"seed {seed}: a message sent twice, and it is {verdict.verdict}"
            expected.discard(name)
            continue
        if verdict.verdict != ("invalid" if name in expected else "valid"):
            return (
                f"seed {seed}: {name} is {verdict.verdict}, by the definition {expected}: {log} {identifiers} {members}"
            )
        if verdict.verdict == "invalid":
            shown = [log[row] for row in verdict.rows]
            if name == "primary-component":  # what shows it is also what nobody did
                there = sorted({identifiers[view] for _, what, view in log if what == "view"})
                good = tuple(sorted(identifiers[each[2]] for each in shown)) in pairwise(there)
            else:
                good = name in views(shown, identifiers, members) and len(shown) <= 5
            if not good:
                return f"seed {seed}: rows {verdict.rows} do not show {name}: {log} {identifiers} {members}"
    whole = check(columns(log, identifiers, members), properties=PROPERTIES)
    return None if {*whole.violated} == expected else f"seed {seed}: all together {whole.violated}"


def test_random_logs() -> None:
    for seed in seeds(1_000):
        assert (found := problem(seed)) is None, found


def test_correct_runs_are_valid() -> None:
    for seed in range(60):
        log, identifiers, members = run(Random(seed), 5, 6)
        asked = tuple(name for name in PROPERTIES if name != "primary-component")  # it may lose all its members at once
        assert check(columns(log, identifiers, members), properties=asked).satisfied == asked


MEMBERS = [frozenset({0, 1, 2}), frozenset({0, 1}), frozenset({0, 1, 3})]
CORRECT: list[View] = [
    (0, "view", 0), (1, "view", 0), (2, "view", 0), (0, "send", 5), (0, "deliver", 5), (1, "deliver", 5),
    (0, "view", 1), (1, "view", 1), (1, "send", 6), (0, "deliver", 6), (1, "deliver", 6),
]  # fmt: skip
VIOLATIONS: dict[str, tuple[list[View], tuple[int, ...]]] = {
    "self-inclusion": ([*CORRECT, (2, "view", 1)], (11,)),
    "view-agreement": ([*CORRECT[:7], (1, "view", 2)], (6, 7)),
    "view-order": ([CORRECT[7], *CORRECT[:5], CORRECT[6], (1, "deliver", 5)], (0, 1, 2, 6)),
    "initial-view": ([(2, "deliver", 5), *CORRECT], (0,)),
    "same-view-delivery": ([*CORRECT[:5], CORRECT[7], CORRECT[5]], (0, 4, 5, 6)),
    "sending-view-delivery": ([*CORRECT[:4], CORRECT[7], CORRECT[5]], (0, 3, 4, 5)),
    "virtual-synchrony": ([*CORRECT[:5], *CORRECT[6:]], (0, 1, 4, 5, 6)),
    "primary-component": ([(0, "view", 0), (1, "view", 1)], (0, 1)),
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_deliberate_violation(name: str) -> None:
    identifiers = [10, 20, 20] if name == "view-agreement" else [10, 20, 30]
    assert check(columns(CORRECT, identifiers, MEMBERS), properties=PROPERTIES).verdict == "valid"
    log, rows = VIOLATIONS[name]
    verdict = check(columns(log, identifiers, MEMBERS), properties=(name,))
    assert (verdict.verdict, verdict.violated, verdict.rows) == ("invalid", (name,), rows), verdict.reason


def test_a_view_installed_twice() -> None:
    verdict = check(columns([*CORRECT, (0, "view", 0)], [10, 20, 30], MEMBERS))
    assert (verdict.anomalies, verdict.rows) == (("reinstalled",), (0, 11))
    assert verdict.satisfied == tuple(name for name in VIRTUAL_SYNCHRONY if name != "view-order")


def test_what_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="views 9 to 9: must be 0 to 2"):
        columns([(0, "view", 9)], [1, 2, 3], MEMBERS)
    with pytest.raises(UsageError, match="unknown property 'view-ordr'"):
        check(columns(CORRECT, [1, 2, 3], MEMBERS), properties=("view-ordr",))


def test_out_of_time_is_unknown_and_nothing_is_valid() -> None:
    late = columns(VIOLATIONS["view-order"][0], [10, 20, 30], MEMBERS)
    assert check(late, -1.0, properties=("view-order",)).verdict == "unknown"
    assert check(columns([], [], []), properties=PROPERTIES).verdict == "valid"


FAULTS = {
    "anyone may install it": ("not in self.log.members[self.what[event]]", "not in range(99)"),
    "memberships of one size agree": ("if ours != theirs:", "if len(ours) != len(theirs):"),
    "views may come again": ("again = np.flatnonzero(first[code] != np.arange(len(pair)))", "again = first[:0]"),
    "all is in a view": ("outside = np.flatnonzero(self.stay < 0)", "outside = np.flatnonzero(self.stay < -1)"),
    "the view of the node before": ("np.where((last >= 0) & (self.node[last] == self.node), last, -1)", "last"),
    "next views across nodes": ("same = self.node[self.installs[1:]] == self.node[self.installs[:-1]]",
                                "same = self.node[self.installs[1:]] >= 0"),
    "sent in any view": ("known & (self.view[self.stay[events]] != self.view[self.stay[source]])",
                         "known & (self.view[self.stay[events]] < self.view[self.stay[source]])"),
    "deliveries in order of views only": ("& (view[1:] != view[:-1]))", "& (view[1:] > view[:-1]))"),
    "one may miss a message": ("count < size[each", "count < size[each * 0 + each.min() * 0"),
    "twice by one is by two": ("np.unique(delivered, return_index=True)",
                               "(lambda o: (delivered[o], o))(np.argsort(delivered, kind='stable'))"),
    "whatever came next": ("self.view[moved] * len(self.names) + self.view[self.next[moved]]", "self.view[moved]"),
    "a chain of any length": ("if (one, two) not in links:", "if not links:"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(name: str) -> None:
    assert sees(Fault("membership", *FAULTS[name]), problem), "the fuzzing does not see it"
