"""Which isolation levels a history of transactions satisfies.

``list-append``: exact for (strict, strong session) serializable, read committed and read uncommitted, since reads tell
the order of versions: what was appended and never seen can go in any order that the graph allows. For snapshot
isolation and its kin the order of unseen appends matters, and is searched (:mod:`.orders`) where it can matter.

``rw-register``: what reads and the declared assumptions tell (:mod:`.registers`), then a serial order found by
simulation (:mod:`.witness`), which proves the strongest levels at once, or the same search: exact within its budget.
Elle's own answer to such a history is *valid* where it found nothing; here that is *unknown*.

References are in :mod:`.lists`, :mod:`.registers`, :mod:`.cycles`, :mod:`.orders` and :mod:`.levels`.

"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from time import monotonic, perf_counter

import msgspec
import numpy as np

from ...errors import UsageError, unknown_name
from ...history.history import OK
from ...history.transactions import Transactions
from ..verdict import Verdict
from . import lists, orders, registers
from .cycles import Cycle, Cycles, Late
from .graph import DATA, PROCESS, REALTIME, WW, Graph, components, ints, without_adjacent
from .levels import (
    ALIASES,
    FORBIDDEN,
    IMPLIES,
    NEEDS_REALTIME,
    STRONGER,
    WEAKER,
    closed_down,
    closed_up,
    strongest,
    weakest,
)
from .recovered import Columns, Evidence, Recovered, Undecidable
from .registers import ASSUMPTIONS
from .witness import serial_order
from .words import chain, cycle_svg, sentence

KINDS = ("list-append", "rw-register")
EVIDENCE_S = 4.0
"""Seconds that making cycles small may take, beyond deciding."""

_SEARCHED: tuple[tuple[str, orders.Mode, int], ...] = (
    ("strict-serializable", "serializable", PROCESS | REALTIME),
    ("strong-session-serializable", "serializable", PROCESS),
    ("serializable", "serializable", 0),
    ("strong-snapshot-isolation", "snapshot", PROCESS | REALTIME),
    ("strong-session-snapshot-isolation", "snapshot", PROCESS),
    ("snapshot-isolation", "snapshot", 0),
    ("parallel-snapshot-isolation", "parallel", 0),
)


@dataclass
class Analysis:
    """Everything found out about a history.

    Attributes:
        columns: the micro-operations, and their words.
        lists: whether they are lists.
        evidence: the anomalies, worst first; variants with the order of processes, or real time, only where the level
            that was asked for knows these.
        cycles: those of them that are cycles.
        violated, satisfied: all levels proven either way; the rest is undecided.
        undecided: why, for some level.
        listed: evidence that rules out nothing by itself (:func:`check`, ``closed``).
    """

    columns: Columns
    lists: bool
    evidence: list[Evidence] = field(default_factory=list)
    cycles: dict[str, Cycle] = field(default_factory=dict)
    violated: set[str] = field(default_factory=set)
    satisfied: set[str] = field(default_factory=set)
    undecided: dict[str, str] = field(default_factory=dict)
    listed: frozenset[str] = frozenset()

    def drawings(self) -> dict[str, str]:
        """An SVG for each cycle, by the name of the anomaly."""
        return {name: cycle_svg(self.columns, cycle, self.lists) for name, cycle in self.cycles.items()}


def check(
    transactions: Transactions,
    budget_s: float = 20.0,
    *,
    kind: str = "list-append",
    level: str | None = None,
    assumptions: Iterable[str] = (),
    closed: bool | None = None,
) -> Verdict:
    """Whether the transactions satisfy an isolation level; which others they satisfy and violate; the anomalies.

    Args:
        transactions: the history.
        budget_s: seconds, after which the verdict is ``unknown``.
        kind: ``list-append`` or ``rw-register``.
        level: the level asked for (:data:`.levels.IMPLIES`); without one, strict serializability where times of
            different processes are comparable, else serializability.
        assumptions: about version orders of ``rw-register``: any of :data:`.registers.ASSUMPTIONS`.
        closed: whether the history holds every write there was, so that a read of a value nobody wrote violates every
            level. Otherwise such a read is listed among the anomalies and rules out nothing, which is how Elle takes
            registers. Default: closed for lists, not for registers.

    Raises:
        UsageError: there is no such kind, level or assumption.
    """
    level = level_of(transactions, level)
    began = perf_counter()
    try:
        analysis = analyse(transactions, budget_s, kind=kind, level=level, assumptions=assumptions, closed=closed)
    except Undecidable as error:
        return Verdict(name=kind, verdict="unknown", reason=f"{error}", took_s=perf_counter() - began)
    verdict = _verdict(analysis, kind, level)
    return msgspec.structs.replace(verdict, took_s=perf_counter() - began)


def level_of(transactions: Transactions, level: str | None) -> str:
    """The level meant.

    Raises:
        UsageError: there is none of that name.
    """
    if level is None:
        return "strict-serializable" if transactions.realtime else "serializable"
    level = ALIASES.get(level, level)
    if level not in IMPLIES:
        raise unknown_name("isolation level", level, IMPLIES)
    return level


def analyse(
    transactions: Transactions,
    budget_s: float = 20.0,
    *,
    kind: str = "list-append",
    level: str = "serializable",
    assumptions: Iterable[str] = (),
    closed: bool | None = None,
) -> Analysis:
    """All that :func:`check` finds out; ``level`` is the one decided first.

    Raises:
        Undecidable: the history breaks what the kind assumes.
        UsageError: there is no such kind or assumption.
    """
    if kind not in KINDS:
        raise unknown_name("kind of transactions", kind, KINDS)
    assumptions = tuple(assumptions)
    for each in assumptions:
        if each not in ASSUMPTIONS:
            raise unknown_name("assumption", each, ASSUMPTIONS)
    if assumptions and kind == "list-append":
        raise UsageError("list-append takes no assumptions: reads tell the order of versions")
    deadline = monotonic() + budget_s
    listing = kind == "list-append"
    if listing:
        columns, found = lists.recover(transactions)
    else:
        columns, found = registers.recover(transactions, {*assumptions, "writes-follow-reads"})
    analysis = Analysis(
        columns, listing, listed=frozenset() if (listing if closed is None else closed) else frozenset({"garbage-read"})
    )
    found.edges.processes(transactions, found.committed)
    if transactions.realtime:
        found.edges.realtime(transactions, found.committed)
    graph = found.edges.build()
    analysis.evidence = list(found.evidence)
    ruled = [FORBIDDEN[each.anomaly] for each in found.evidence if each.anomaly not in analysis.listed]
    analysis.violated = closed_up([*found.violated, *(each for some in ruled for each in some)])
    cycles = Cycles(graph, deadline)
    _Levels(analysis, found, graph, cycles, level, deadline, transactions.realtime).decide()
    if cycles.any:
        by = PROCESS if "session" in level else PROCESS | REALTIME if level in NEEDS_REALTIME else 0
        analysis.cycles = cycles.find(by, min(deadline, monotonic() + EVIDENCE_S))
        analysis.evidence += [
            Evidence(name, sentence(columns, cycle, listing), tuple(sorted(set(cycle.rows))))
            for name, cycle in analysis.cycles.items()
        ]
    analysis.evidence.sort(key=_severity)
    return analysis


def _severity(evidence: Evidence) -> tuple[int, int]:
    """The weaker the levels that forbid it, the worse."""
    names = FORBIDDEN.get(evidence.anomaly, ())
    return (min((len(WEAKER[each]) for each in names), default=99), len(evidence.rows))


class _Levels:
    def __init__(
        self,
        analysis: Analysis,
        found: Recovered,
        graph: Graph,
        cycles: Cycles,
        level: str,
        deadline: float,
        realtime: bool,
    ) -> None:
        self.analysis, self.found, self.graph, self.cycles = analysis, found, graph, cycles
        self.level, self.deadline, self.realtime = level, deadline, realtime

    def decide(self) -> None:
        analysis = self.analysis
        known = {level for level in IMPLIES if self.realtime or level not in NEEDS_REALTIME}
        try:
            analysis.violated |= closed_up(self.cycles.violated(self.realtime))
        except Late:
            analysis.undecided[self.level] = "out of time on the cycles of the dependency graph"
            return
        open_ = known - analysis.violated
        if analysis.lists:
            self._lists(open_)
        else:
            self._registers(open_)
        analysis.satisfied = closed_down(analysis.satisfied) - analysis.violated

    def _lists(self, open_: set[str]) -> None:
        analysis = self.analysis
        exact = {
            level for level in open_ if level.endswith(("serializable", "committed", "uncommitted", "repeatable-read"))
        }
        analysis.satisfied |= closed_down(exact & open_) - analysis.violated
        rest = open_ - analysis.satisfied
        if not rest:
            return
        if not self.found.unordered:
            analysis.satisfied |= rest
            return
        self._search()
        if {"snapshot-isolation", "parallel-snapshot-isolation"} & analysis.satisfied:
            analysis.satisfied |= closed_down(analysis.satisfied)

    def _registers(self, open_: set[str]) -> None:
        # Read committed and weaker forbid only cycles without rw, and versions that nothing orders can follow any order
        # that agrees with wr (and the order of processes, or real time): exact.
        analysis = self.analysis
        analysis.satisfied |= {level for level in open_ if level.endswith(("committed", "uncommitted"))}
        if open_ <= analysis.satisfied:
            return
        guessed = self._guess()
        if guessed is not None:
            analysis.satisfied |= closed_down([guessed]) - analysis.violated
        self._search()

    def _search(self) -> None:
        """Each level that is still open, the asked one first, then from the strongest."""
        analysis = self.analysis
        todo = [each for each in _SEARCHED if self.realtime or each[0] not in NEEDS_REALTIME]
        asked = "serializable" if self.level == "repeatable-read" else self.level
        todo.sort(key=lambda each: each[0] != asked)
        t = analysis.columns.transactions
        times: list[int] = np.where(t.outcome == OK, t.completed, t.invoked).tolist()
        for name, mode, extra in todo:
            if name in analysis.violated or name in analysis.satisfied:
                continue
            if analysis.lists and mode == orders.SNAPSHOT and self._fits(extra):
                analysis.satisfied |= closed_down([name]) - analysis.violated
                continue
            remaining = self.deadline - monotonic()
            until = monotonic() + (remaining if name == self.level else remaining / 2)
            answer = orders.decide(
                self.graph.of_kinds(DATA | extra), self.found.unordered, self.found.readers, mode, until, times
            )
            if answer.word == "satisfied":
                analysis.satisfied |= closed_down([name]) - analysis.violated
            elif answer.word == "violated":
                # Any such cycle is one of item anti-dependencies, which repeatable read forbids; plain ones, that is.
                names = {name} | ({"repeatable-read"} if not extra else set())
                if name == "parallel-snapshot-isolation":
                    names.add("consistent-view")
                if not names <= analysis.violated:
                    analysis.violated |= closed_up(names)
                    self._note(name, answer)
            else:
                analysis.undecided[name] = answer.why

    def _note(self, level: str, answer: orders.Answer) -> None:
        c, count = self.analysis.columns, self.graph.transactions
        if answer.stuck is not None:
            key, one, two = answer.stuck
            said = [
                f"{c.name(first)}'s before {c.name(second)}'s is excluded by {chain(c, circle, count)}"
                + (f", which read {c.name(first)}'s" if circle and circle[-1][1] != first else "")
                for (first, second), circle in zip(((one, two), (two, one)), answer.circles, strict=False)
            ]
            forced = [f"{c.say_key(k)} of {c.name(a)} before {c.name(b)}" for k, a, b in answer.forced]
            rests = (
                f"; for the same reason {', '.join(forced[:8])}{', ...' if len(forced) > 8 else ''}" if forced else ""
            )
            words = (
                f"no-version-order: {level} allows neither order of what {c.name(one)} and {c.name(two)} wrote to "
                f"{c.say_key(key)}: {'; '.join(said)}{rests}"
            )
        else:
            words = f"no-version-order: {level} allows no order of the versions: {answer.why}"
        real = tuple(row for row in answer.rows if row < count)
        self.analysis.evidence.append(Evidence("no-version-order", words, real))

    def _fits(self, extra: int) -> bool:
        """Whether unseen appends, put in the order of their times, close no cycle that snapshot isolation forbids.

        For large histories, in which only the last few appends of each key are unseen. A witness; if it fails, nothing
        is known.
        """
        t = self.analysis.columns.transactions
        graph = self.graph.of_kinds(DATA | extra)
        for times in (t.completed, t.invoked):
            when: list[int] = times.tolist()
            pairs: list[tuple[int, int]] = []
            for writers in self.found.unordered.values():
                pairs += pairwise(sorted(writers, key=when.__getitem__))
            if not self._cyclic(graph, pairs):
                return True
        return False

    @staticmethod
    def _cyclic(graph: Graph, pairs: list[tuple[int, int]]) -> bool:
        more = ints(pairs).reshape(-1, 2)
        blank = np.full(len(more), -1, np.int64)
        whole = Graph(
            graph.transactions,
            graph.nodes,
            np.concatenate((graph.source, more[:, 0])),
            np.concatenate((graph.target, more[:, 1])),
            np.concatenate((graph.kind, np.full(len(more), WW))),
            *(np.concatenate((column, blank)) for column in (graph.key, graph.before, graph.after)),
        )
        walks = without_adjacent(whole)
        return bool(components(walks.nodes, walks.source, walks.target))

    def _guess(self) -> str | None:
        """The strongest level for which a serial order was found by running the transactions again."""
        t = self.analysis.columns.transactions
        for level, extra in (
            ("strict-serializable", PROCESS | REALTIME),
            ("strong-session-serializable", PROCESS),
            ("serializable", 0),
        ):
            if level in self.analysis.violated or (extra & REALTIME and not self.realtime):
                continue
            graph = self.graph.of_kinds(DATA | extra)
            if serial_order(t, graph, self.found.unordered, self.found.readers, self.deadline) is not None:
                return level
        return None


def _verdict(analysis: Analysis, kind: str, level: str) -> Verdict:
    anomalies = sorted({each.anomaly for each in analysis.evidence})
    explanations = []
    for each in analysis.evidence:
        words = each.words if each.words.startswith(each.anomaly) else f"{each.anomaly}: {each.words}"
        explanations.append(f"{words} (and {each.more} more)" if each.more else words)
    base = Verdict(
        name=kind,
        verdict="unknown",
        anomalies=tuple(anomalies),
        explanations=tuple(explanations),
        satisfied=strongest(analysis.satisfied),
        violated=weakest(analysis.violated),
        figures={"transactions": float(len(analysis.columns.transactions))},
    )
    if level in analysis.violated:
        shows = [
            each
            for each in analysis.evidence
            if each.anomaly not in analysis.listed
            and (each.anomaly == "no-version-order" or any(level in STRONGER[one] for one in FORBIDDEN[each.anomaly]))
        ]
        rows = min((each.rows for each in shows if each.rows), key=len, default=())
        best = min((each for each in shows if each.rows == rows), key=_severity, default=None)
        name = best.anomaly if best is not None else "a cycle"
        weak = ", ".join(weakest(analysis.violated))
        reason = f"not {level}: {name}" + (f" of {len(rows)} transactions" if rows else "") + f" (violates {weak})"
        return msgspec.structs.replace(base, verdict="invalid", reason=reason, rows=rows)
    if level in analysis.satisfied:
        garbage = [each.anomaly for each in analysis.evidence if each.anomaly in analysis.listed]
        reason = f"{level} holds" + (
            ", if the values that were read and never written were written by someone the history does not show"
            if garbage
            else ""
        )
        return msgspec.structs.replace(base, verdict="valid", reason=reason)
    why = analysis.undecided.get(level, "")
    if level in NEEDS_REALTIME and not analysis.columns.transactions.realtime:
        why = "times of different processes are not comparable"
    return msgspec.structs.replace(
        base, reason=f"undecided whether {level} holds: {why or 'the level is not searched for'}"
    )


__all__ = ["KINDS", "Analysis", "analyse", "check", "level_of"]
