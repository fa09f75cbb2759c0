"""From what a model's algorithm found to a verdict; and violations in words."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from time import monotonic, perf_counter
from typing import Literal, Protocol

import numpy as np

from ..verdict import Verdict
from .order import Graph, Order, OutOfTime, cycle, graph, path
from .reading import sessions
from .sessions import Input, Sessions, Undecidable


@dataclass(frozen=True)
class Found:
    """What an algorithm says.

    Attributes:
        word: valid, invalid or unknown.
        reason: one sentence, for the latter two.
        nodes: transactions that show a violation.
        anomaly: its name.
        explanations: the violation step by step.
    """

    word: Literal["valid", "invalid", "unknown"]
    reason: str = ""
    nodes: tuple[int, ...] = ()
    anomaly: str = ""
    explanations: tuple[str, ...] = ()


VALID = Found("valid")
SHRINK_S = 2.0
"""Seconds that making a violation small may take, beyond finding it."""

Decide = Callable[[Sessions, float], Found]
"""(sessions, deadline) -> what the model says of them, given that they have no problems. It may raise OutOfTime."""


class Check(Protocol):
    """A checker of one model."""

    def __call__(self, history: Input, budget_s: float = 20.0) -> Verdict:
        """Whether the history satisfies the model."""
        ...


def checker(name: str, decide: Decide) -> Check:
    """The check of one model, as a function of any history of registers."""

    def check(history: Input, budget_s: float = 20.0) -> Verdict:
        began = perf_counter()
        deadline = monotonic() + budget_s
        try:
            some = sessions(history)
        except Undecidable as error:
            return Verdict(name=name, verdict="unknown", reason=f"{error}", took_s=perf_counter() - began)
        return judge(name, decide, some, deadline, began)

    check.__doc__ = decide.__doc__
    check.__name__ = name
    return check


def judge(name: str, decide: Decide, some: Sessions, deadline: float, began: float | None = None) -> Verdict:
    """The verdict on sessions; read consistency comes first."""
    began = perf_counter() if began is None else began
    if some.problems:
        first = some.problems[0]
        return Verdict(
            name=name,
            verdict="invalid",
            reason=f"{first.words}.",
            rows=first.rows,
            took_s=perf_counter() - began,
            anomalies=tuple(sorted({each.name for each in some.problems})),
            explanations=tuple(each.words for each in some.problems[:20]),
        )
    try:
        found = decide(some, deadline)
    except OutOfTime:
        found = Found("unknown", "the budget of time ran out before the history was judged.")
    if found.word == "invalid":
        some, found = _smaller(decide, some, found)
    if found.word == "valid" and some.doubt:
        found = Found("unknown", f"{some.doubt}; but for them it would be valid.")
    rows = tuple(sorted({int(some.row[node]) for node in found.nodes}))
    return Verdict(
        name=name,
        verdict=found.word,
        reason=found.reason,
        rows=rows,
        took_s=perf_counter() - began,
        anomalies=(found.anomaly,) if found.anomaly else (),
        explanations=found.explanations,
    )


def _smaller(decide: Decide, some: Sessions, found: Found) -> tuple[Sessions, Found]:
    """As few transactions as show the violation by themselves, whatever the others did."""
    until = monotonic() + SHRINK_S

    def judged(nodes: list[int]) -> Found | None:
        try:
            verdict = decide(some.keep(np.array(nodes, np.int64)), min(until, monotonic() + SHRINK_S / 4))
        except OutOfTime:
            return None
        return verdict if verdict.word == "invalid" else None

    kept = sorted(found.nodes)
    best = judged(kept)
    if best is None:  # what was found needs more than it names
        kept, best = list(range(len(some))), found
    size = max(1, len(kept) // 2) if len(kept) > 12 else 1
    while monotonic() < until:
        at, shrunk = 0, False
        while at < len(kept) and monotonic() < until:
            rest = kept[:at] + kept[at + size :]
            smaller = judged(rest) if rest else None
            if smaller is None:
                at += size
            else:
                kept, best, shrunk = rest, smaller, True
        if size == 1 and not shrunk:
            break
        size = max(1, size // 2)
    return some.keep(np.array(kept, np.int64)), replace(best, nodes=tuple(range(len(kept))))


# --- violations in words --------------------------------------------------------------------------------------------

Why = Mapping[tuple[int, int], int]
"""(v, w) -> the read (index) that shows v before w."""


def circle(order: Order, why: Why, seen: Order, anomaly: str, what: str, nodes: frozenset[int] = frozenset()) -> Found:
    """The violation that a cyclic order is.

    Args:
        order: with a cycle.
        why: the read behind each edge that is neither session order nor reads-from.
        seen: what a read saw is what comes before it here; shows why a version was visible.
        anomaly: its name.
        what: the model demands, for the reason.
        nodes: more transactions that belong to it.
    """
    s = order.sessions
    ring = cycle(order)
    steps = list(zip(ring, ring[1:] + ring[:1], strict=True))
    after: Graph = {}
    involved = set(nodes)
    lines = []
    for one, two in _without_auxiliary(_corners(steps, s), len(s)):
        involved |= {one, two}
        read = why.get((one, two))
        line, more = _step(s, one, two, read)
        if read is not None:
            if not after:
                after = graph(seen.source, seen.target, s.session)
            more |= set(_way(after, s, one, int(s.read[read])))
        involved |= more
        lines.append(line)
    return Found(
        "invalid",
        f"{what}, but {lines[0]}" + (f", and so on round a circle of {len(lines)}." if len(lines) > 1 else "."),
        tuple(sorted(involved)),
        anomaly,
        tuple(lines),
    )


def stale(seen: Order, anomaly: str, version: int, read: int, what: str) -> Found:
    """The violation that one read is: it saw something older than ``version``, which was visible to it."""
    s = seen.sessions
    reader, key = int(s.read[read]), s.key_name(int(s.read_key[read]))
    from_ = int(s.read_from[read])
    way = _way(graph(seen.source, seen.target, s.session), s, version, reader)
    old = "the initial value" if from_ < 0 else f"what {_word(s, from_)} wrote"
    line = f"{_word(s, reader)} read {old} of key {key}, though {_word(s, version)}, which is later, {what}"
    nodes = {reader, version, *way} | ({from_} if from_ >= 0 else set())
    if from_ >= 0:
        nodes |= set(_way(graph(seen.source, seen.target, s.session), s, from_, version))
    return Found("invalid", f"{line}.", tuple(sorted(nodes)), anomaly, (line,))


def _way(after: Graph, s: Sessions, start: int, goal: int) -> list[int]:
    way, _ = path(after, start, goal, len(s) + 1)
    steps = _corners(list(itertools.pairwise(way)), s)
    return [each for step in steps for each in step if each < len(s)]


def _corners(steps: list[tuple[int, int]], s: Sessions) -> list[tuple[int, int]]:
    """Steps along one session in a row are one step."""

    def inner(one: int, two: int) -> bool:
        return one < two < len(s) and bool(s.session[one] == s.session[two])

    for turn in range(len(steps)):  # begin a ring where a session is entered
        if not inner(*steps[turn - 1]) and steps[turn - 1][1] == steps[turn][0]:
            steps = steps[turn:] + steps[:turn]
            break
    out: list[tuple[int, int]] = []
    for one, two in steps:
        if out and inner(*out[-1]) and inner(one, two) and out[-1][1] == one:
            out[-1] = (out[-1][0], two)
        else:
            out.append((one, two))
    return out


def _without_auxiliary(steps: list[tuple[int, int]], size: int) -> list[tuple[int, int]]:
    for turn in range(len(steps)):
        if steps[turn][0] < size:
            steps = steps[turn:] + steps[:turn]
            break
    out: list[tuple[int, int]] = []
    for one, two in steps:
        if out and out[-1][1] >= size:
            out[-1] = (out[-1][0], two)
        else:
            out.append((one, two))
    return out


def _step(s: Sessions, one: int, two: int, read: int | None) -> tuple[str, set[int]]:
    first, second = _word(s, one), _word(s, two)
    if read is not None:
        reader = int(s.read[read])
        key = s.key_name(int(s.read_key[read]))
        return (
            f"{first} comes before {second}, because {_word(s, reader)}, to which both had to be visible, read key "
            f"{key} as the latter wrote it",
            {reader},
        )
    reads = ((s.read == two) & (s.read_from == one)).nonzero()[0]
    if len(reads):
        key = s.key_name(int(s.read_key[reads[0]]))
        return f"{second} read key {key} as {first} wrote it", set()
    if s.session[one] == s.session[two] or (s.before[two] >= 0 and s.session[s.before[two]] == s.session[one]):
        return f"{second} follows {first} in its session", set()
    return f"{first} comes before {second}", set()


def _word(s: Sessions, node: int) -> str:
    return s.words(int(s.row[node]))
