"""Membership by opinions: whether, and how fast, everyone finds out who is up (failure detectors, gossip such as SWIM).

- ``strong-completeness``: in the end every node that is down is deemed down by every node that is up.
- ``eventual-accuracy``: in the end no node that is up is deemed down by one that is up.
- ``strong-accuracy``: nobody who is up ever begins to deem a node down that is up.

(Chandra and Toueg, "Unreliable failure detectors for reliable distributed systems", JACM 43, 1996, section 2, as far as
a finite log tells; Das, Gupta and Motivala, "SWIM", DSN 2002, on completeness and accuracy in membership.) The figures
are the quality of service of Chen, Toueg and Aguilera (IEEE Transactions on Computers 51(5), 2002), detection time,
mistakes and their duration, and the time until all agree on a change.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..history.history import IntColumn
from .properties import Doubt, Violation, conclude, demand, over
from .verdict import Verdict

DOWN, UP, DEEMS_DOWN, DEEMS_UP = range(4)
"""Kinds of rows."""
PROPERTIES = ("strong-completeness", "eventual-accuracy", "strong-accuracy")


@dataclass(frozen=True)
class Opinions:
    """What happened to nodes and what others deem, a row each, in order of time (ns, by one clock).

    In the beginning everyone deems right. A node's opinions outlive its crash; what it forgets, the log says.

    Attributes:
        at: when.
        kind: DOWN or UP (what happened to ``subject``), DEEMS_DOWN or DEEMS_UP (what ``node`` thinks of ``subject``).
        node: who thinks; the subject itself for what happened.
        subject: of whom.
        up: of each node, whether it was up in the beginning.
        ends: when the log ends.
        settled: whether the run went on long enough after the last change for the service to find out.
    """

    at: IntColumn
    kind: IntColumn
    node: IntColumn
    subject: IntColumn
    up: NDArray[np.bool_]
    ends: int
    settled: bool = True

    def __post_init__(self) -> None:
        columns = (self.at, self.kind, self.node, self.subject)
        if len({len(column) for column in columns}) > 1:
            raise UsageError(f"columns of {', '.join(str(len(column)) for column in columns)} rows: not of one log")
        back = np.flatnonzero(np.diff(self.at) < 0)
        if len(back):
            raise UsageError(f"row {back[0] + 1}: time runs backwards")
        if len(self) and self.ends < self.at[-1]:
            raise UsageError(f"the log ends at {self.ends}, before its last row at {self.at[-1]}")
        for column in (self.node, self.subject):
            if len(self) and not (column.min() >= 0 and column.max() < len(self.up)):
                raise UsageError(f"nodes {column.min()} to {column.max()}: must be 0 to {len(self.up) - 1}")
        if not np.isin(self.kind, range(4)).all():
            raise UsageError(f"kinds {np.unique(self.kind).tolist()}: must be {DOWN} to {DEEMS_UP}")

    def __len__(self) -> int:
        return len(self.at)


def check(
    log: Opinions,
    budget_s: float = 20.0,
    *,
    properties: Iterable[str] = ("strong-completeness", "eventual-accuracy"),
    **at_most: float,
) -> Verdict:
    """Whether the opinions have these properties (of :data:`PROPERTIES`) and keep within limits for the figures.

    Figures: ``changes``; ``convergence_p50_s``, ``convergence_max_s`` from a change until everyone who is up first
    deemed right of its subject, and ``unconverged`` (the subject changed again, or the log ended, before that);
    ``detection_p50_s``, ``detection_max_s`` from a crash until one node deemed so, over the nodes that were up then and
    stayed up, and ``undetected`` among these; ``false_positives``, ``mistake_mean_s``, ``mistake_max_s`` (until it was
    taken back, became true, or who made it crashed).

    Raises:
        UsageError: if there is no such property or figure.
    """
    del budget_s  # O(rows + changes x nodes)
    began = perf_counter()
    demanded = demand(properties, PROPERTIES)
    run = _Run(log)
    measured = run.figures()
    found = [each for each in run.found() if each.of in demanded]
    found.extend(over(measured, at_most))
    return conclude("opinions", began, (*demanded, *at_most), found, measured)


class _Run:
    """The log played through."""

    def __init__(self, log: Opinions) -> None:
        self.log = log
        nodes = len(log.up)
        self.up = log.up.astype(np.bool_).copy()
        self.deems = np.tile(self.up, (nodes, 1))  # [who, of whom]: deemed up
        self.wrong = np.zeros(nodes, np.int64)  # how many that are up deem wrongly of each
        self.pending: dict[int, int] = {}  # subject -> when it changed, until all know
        self.seeking: dict[int, tuple[int, set[int]]] = {}  # subject that is down -> (since when, who is to find out)
        self.mistakes: dict[tuple[int, int], int] = {}
        self.changes = self.unconverged = self.undetected = 0
        self.converged: list[int] = []
        self.detected: list[int] = []
        self.mistaken: list[int] = []
        self.false: list[int] = []
        columns = (log.at.tolist(), log.kind.tolist(), log.node.tolist(), log.subject.tolist())
        for row, (at, kind, node, subject) in enumerate(zip(*columns, strict=True)):
            if kind in (DOWN, UP):
                if self.up[subject] != (kind == UP):
                    self._change(at, subject, kind == UP)
            elif node != subject and self.deems[node, subject] != (kind == DEEMS_UP):
                self.deems[node, subject] = kind == DEEMS_UP
                if self.up[node]:
                    self._deem(row, at, node, subject, kind == DEEMS_UP)
        self.mistaken += [log.ends - since for since in self.mistakes.values()]
        self.unconverged += len(self.pending)
        self.undetected += sum(len(who) for _, who in self.seeking.values())

    def _change(self, at: int, subject: int, up: bool) -> None:
        self.changes += 1
        own = np.flatnonzero(self.deems[subject] != self.up)
        self.wrong[own] += 1 if up else -1
        self.up[subject] = up
        others = self.up.copy()
        others[subject] = False
        mistaken = others & (self.deems[:, subject] != up)
        self.wrong[subject] = int(mistaken.sum())  # whatever it is that the subject deems of itself
        if self.pending.pop(subject, None) is not None:
            self.unconverged += 1
        self.pending[subject] = at
        self._settle(at, (subject, *own.tolist()))
        for pair in [pair for pair in self.mistakes if subject in pair]:
            self.mistaken.append(at - self.mistakes.pop(pair))
        if up:
            self.undetected += len(self.seeking.pop(subject)[1]) if subject in self.seeking else 0
            return
        for _, who in self.seeking.values():
            who.discard(subject)
        self.detected += [0] * int((others & ~mistaken).sum())
        self.seeking[subject] = at, set(np.flatnonzero(mistaken).tolist())

    def _deem(self, row: int, at: int, node: int, subject: int, up: bool) -> None:
        right = bool(self.up[subject]) == up
        self.wrong[subject] += -1 if right else 1
        if right:
            self._settle(at, (subject,))
        if not up and right and subject in self.seeking and node in self.seeking[subject][1]:
            self.seeking[subject][1].remove(node)
            self.detected.append(at - self.seeking[subject][0])
        elif not up and not right:
            self.false.append(row)
            self.mistakes[node, subject] = at
        elif up and (node, subject) in self.mistakes:
            self.mistaken.append(at - self.mistakes.pop((node, subject)))

    def _settle(self, at: int, subjects: Iterable[int]) -> None:
        for subject in subjects:
            if subject in self.pending and not self.wrong[subject]:
                self.converged.append(at - self.pending.pop(subject))

    def found(self) -> list[Violation | Doubt]:
        """What the end of the log and the false positives show."""
        log, found = self.log, list[Violation | Doubt]()
        off = self.up[:, None] & (self.deems != self.up)
        np.fill_diagonal(off, False)
        for of, which, anomaly, deems, state in (
            ("strong-completeness", off & ~self.up, "not-detected", "up", "down"),
            ("eventual-accuracy", off & self.up, "still-suspected", "down", "up"),
        ):
            if which.any():
                node, subject = (int(each) for each in np.argwhere(which)[0])
                words = f"in the end node {node} deems node {subject} {deems}, which is {state}"
                if not log.settled:
                    found.append(Doubt(of, f"{words}, but the log ends before all was quiet"))
                    continue
                about = log.subject == subject
                changed = np.flatnonzero(about & np.isin(log.kind, (DOWN, UP)))[-1:]
                said = np.flatnonzero(about & (log.node == node) & np.isin(log.kind, (DEEMS_DOWN, DEEMS_UP)))[-1:]
                found.append(Violation(of, anomaly, words, (*changed.tolist(), *said.tolist())))
        if self.false:
            row = self.false[0]
            words = f"node {log.node[row]} deemed node {log.subject[row]} down, which was up"
            found.append(Violation("strong-accuracy", "false-positive", words, (row,)))
        return found

    def figures(self) -> dict[str, float]:
        """What :func:`check` says."""
        return {
            "changes": float(self.changes),
            "convergence_p50_s": float(np.median(self.converged)) / 1e9 if self.converged else 0.0,
            "convergence_max_s": max(self.converged, default=0) / 1e9,
            "unconverged": float(self.unconverged),
            "detection_p50_s": float(np.median(self.detected)) / 1e9 if self.detected else 0.0,
            "detection_max_s": max(self.detected, default=0) / 1e9,
            "undetected": float(self.undetected),
            "false_positives": float(len(self.false)),
            "mistake_mean_s": float(np.mean(self.mistaken)) / 1e9 if self.mistaken else 0.0,
            "mistake_max_s": max(self.mistaken, default=0) / 1e9,
        }
