"""Atomic commitment: agreement, validity, no reversal, termination, and how long participants were blocked.

After Bernstein, Hadzilacos and Goodman, "Concurrency Control and Recovery in Database Systems" (1987), section 7.3:

- ``agreement`` (AC1): all processes that reach a decision reach the same one.
- ``no-reversal`` (AC2): a process cannot reverse its decision.
- ``commit-validity`` (AC3): commit is decided only if all participants voted yes, and not before they did.
- ``abort-validity`` (AC4, sharpened): abort is decided only if some participant voted no, or after a failure or a
  suspicion of one. (AC4 says only that without failures unanimous yes commits; a coordinator that gives up for no
  reason while votes are under way would pass it. Non-triviality in Guerraoui, "Non-blocking atomic commit in
  asynchronous distributed systems with failure detectors", Distributed Computing 2002.)
- ``termination`` (AC5): if all failures were repaired, all participants decide in the end. With ``nonblocking``, all
  correct ones do whatever failed (Skeen 1981; the same book, section 7.5).
- ``single-vote``: a participant votes once, or repeats itself.

Blocking is measured at a participant and by its own clock: from its yes, after which it cannot decide alone, to its
decision (the book's *uncertainty period*).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..history.history import IntColumn
from .properties import Doubt, Violation, conclude
from .verdict import Verdict

Ints = NDArray[np.int64]

NAME = "atomic-commitment"
MEMBER, YES, NO, COMMIT, ABORT, FAILURE = range(6)
"""Kinds of rows."""
PROPERTIES = ("agreement", "no-reversal", "commit-validity", "abort-validity", "single-vote", "termination")

_NONE = -1


@dataclass(frozen=True)
class Commitments:
    """Votes, decisions and failures, a row each, in any order that keeps every node's own.

    Attributes:
        transaction: code of the transaction, from 0; -1 for a failure that any of them may have suffered from.
        node: who, from 0.
        kind: MEMBER (it takes part; a vote says so too), YES, NO, COMMIT, ABORT, or FAILURE (one happened, or this node
            began to suspect one: a timeout). A client that asks for an abort votes no.
        at: ns.
        crashed: of each node, whether it crashed and did not come back.
        settled: whether the run went on, without further failures, until nothing was under way.
        comparable: whether ``at`` can be compared between nodes. If not, only each node's own order is used.
    """

    transaction: IntColumn
    node: IntColumn
    kind: IntColumn
    at: IntColumn
    crashed: NDArray[np.bool_]
    settled: bool = True
    comparable: bool = True

    def __post_init__(self) -> None:
        columns = (self.transaction, self.node, self.kind, self.at)
        if len({len(column) for column in columns}) > 1:
            raise UsageError(f"columns of {', '.join(str(len(column)) for column in columns)} rows: not of one log")
        if len(self) and not (self.node.min() >= 0 and self.node.max() < len(self.crashed)):
            raise UsageError(f"nodes {self.node.min()} to {self.node.max()}: must be 0 to {len(self.crashed) - 1}")
        if not np.isin(self.kind, range(6)).all():
            raise UsageError(f"kinds {np.unique(self.kind).tolist()}: must be {MEMBER} to {FAILURE}")
        if ((self.transaction < 0) & ((self.kind != FAILURE) | (self.transaction < -1))).any():
            raise UsageError("a transaction below 0: only a failure may have -1, for all of them")
        order = np.argsort(self.node, kind="stable")
        back = np.flatnonzero((np.diff(self.at[order]) < 0) & (np.diff(self.node[order]) == 0))
        if len(back):
            raise UsageError(f"row {order[back[0] + 1]}: time runs backwards at node {self.node[order[back[0]]]}")

    def __len__(self) -> int:
        return len(self.transaction)


def check(log: Commitments, budget_s: float = 20.0, *, nonblocking: bool = False) -> Verdict:
    """Whether the transactions were committed atomically.

    Figures: ``transactions``, ``committed``, ``aborted`` (decided so by somebody), ``undecided`` (correct participants
    without a decision), ``blocked`` (those of them that had voted yes), ``blocking_p50_s``, ``blocking_p99_s``,
    ``blocking_max_s`` over all participants that voted yes (the blocked ones counted up to the end of the log).
    """
    del budget_s  # O(n log n)
    began = perf_counter()
    state = _State.of(log)
    found: list[Violation | Doubt] = [
        *_decisions(state),
        *_commits(state),
        *_aborts(state),
        *_votes(state),
        *_termination(state, nonblocking),
    ]
    order = {name: index for index, name in enumerate(PROPERTIES)}
    found.sort(key=lambda each: order[each.of])
    return conclude(NAME, began, PROPERTIES, found, _figures(state))


@dataclass(frozen=True)
class _State:
    """The first row of each kind at each (transaction, node), -1 for none; sorted by transaction, then by node."""

    log: Commitments
    names: Ints
    transaction: Ints
    node: Ints
    first: dict[int, Ints]
    decision: Ints  # the first row that decides

    @classmethod
    def of(cls, log: Commitments) -> _State:
        rows = np.flatnonzero(log.transaction >= 0)
        names, code = np.unique(log.transaction[rows].astype(np.int64), return_inverse=True)
        nodes = max(1, len(log.crashed))
        keys, place = np.unique(code * nodes + log.node[rows], return_inverse=True)

        def first(*kinds: int) -> Ints:
            found = np.full(len(keys), _NONE)
            chosen = np.isin(log.kind[rows], kinds)[::-1]
            found[place[::-1][chosen]] = rows[::-1][chosen]  # of several assignments the last one, the first row, stays
            return found

        by_kind = {kind: first(kind) for kind in range(6)}
        return cls(log, names, keys // nodes, keys % nodes, by_kind, first(COMMIT, ABORT))

    @property
    def takes_part(self) -> NDArray[np.bool_]:
        return (self.first[MEMBER] >= 0) | (self.first[YES] >= 0) | (self.first[NO] >= 0)

    def of_transaction(self, rows: Ints) -> Ints:
        """The first in time of these rows (-1: none) of each transaction, or in the log if times cannot be compared."""
        found = np.full(len(self.names), _NONE)
        there = np.flatnonzero(rows >= 0)
        when = self.log.at[rows[there]] if self.log.comparable else rows[there]
        order = there[np.lexsort((rows[there], when))[::-1]]
        found[self.transaction[order]] = rows[order]
        return found

    def name(self, index: int) -> str:
        return f"transaction {self.names[self.transaction[index]]}"


def _decisions(state: _State) -> Iterator[Violation]:
    kind = state.log.kind
    back = np.flatnonzero(state.decision >= 0)[::-1]
    committed = kind[state.decision[back]] == COMMIT
    commits, aborts = np.full((2, len(state.names)), _NONE)
    commits[state.transaction[back[committed]]] = back[committed]
    aborts[state.transaction[back[~committed]]] = back[~committed]
    both = np.flatnonzero((commits >= 0) & (aborts >= 0))
    if len(both):
        one, other = int(commits[both[0]]), int(aborts[both[0]])
        words = f"node {state.node[one]} committed {state.name(one)} and node {state.node[other]} aborted it"
        yield Violation("agreement", "split-decision", words, (int(state.decision[one]), int(state.decision[other])))
    commit, abort = state.first[COMMIT], state.first[ABORT]
    both = np.flatnonzero((commit >= 0) & (abort >= 0))
    if len(both):
        index = int(both[0])
        rows = sorted((int(commit[index]), int(abort[index])))
        verbs = [("committed", "aborted")[int(kind[row] == ABORT)] for row in rows]
        words = f"node {state.node[index]} {verbs[0]} {state.name(index)} and later {verbs[1]} it"
        yield Violation("no-reversal", "reversed", words, tuple(rows))


def _commits(state: _State) -> Iterator[Violation]:
    log = state.log
    commit = state.of_transaction(state.first[COMMIT])[state.transaction]  # for each participant, the earliest anywhere
    yes, no, own = state.first[YES], state.first[NO], state.first[COMMIT]
    voted = yes >= 0
    late = voted & (own >= 0) & (yes > own)
    if log.comparable:
        late |= voted & (log.at[yes] > log.at[commit])
    wrong = np.flatnonzero(state.takes_part & (commit >= 0) & ((no >= 0) | ~voted | late))
    if len(wrong):
        index = int(wrong[0])
        if no[index] >= 0:
            how, shown = "voted no", int(no[index])
        elif late[index]:
            how, shown = "voted yes only later", int(yes[index])
        else:
            how, shown = "had not voted", int(state.first[MEMBER][index])
        decided = int(own[index]) if late[index] and yes[index] > own[index] >= 0 else int(commit[index])
        words = f"node {log.node[decided]} committed {state.name(index)}, although node {state.node[index]} {how}"
        yield Violation("commit-validity", "commit-without-yes", words, (decided, shown))


def _aborts(state: _State) -> Iterator[Violation]:
    log = state.log
    abort = state.of_transaction(state.first[ABORT])
    cause = np.full(len(state.names), False)
    for kind in (NO, FAILURE):
        row = state.of_transaction(state.first[kind])
        cause |= (row >= 0) & ((log.at[row] <= log.at[abort]) if log.comparable else True)
    everywhere = np.flatnonzero(log.transaction < 0)
    if len(everywhere):
        cause |= (log.at[everywhere].min() <= log.at[abort]) if log.comparable else True
    wrong = np.flatnonzero((abort >= 0) & ~cause)
    if len(wrong):
        first = int(abort[wrong[0]])
        words = (
            f"node {log.node[first]} aborted transaction {log.transaction[first]}, although nobody had voted no and "
            "nothing had failed or been suspected"
        )
        yield Violation("abort-validity", "abort-without-cause", words, (first,))


def _votes(state: _State) -> Iterator[Violation]:
    both = np.flatnonzero((state.first[YES] >= 0) & (state.first[NO] >= 0))
    if len(both):
        index = int(both[0])
        words = f"node {state.node[index]} voted both yes and no on {state.name(index)}"
        yield Violation("single-vote", "two-votes", words, (int(state.first[YES][index]), int(state.first[NO][index])))


def _undecided(state: _State) -> Ints:
    return np.flatnonzero(state.takes_part & (state.decision < 0) & ~state.log.crashed[state.node])


def _termination(state: _State, nonblocking: bool) -> Iterator[Violation | Doubt]:
    undecided = _undecided(state)
    if len(undecided) and (nonblocking or not state.log.crashed.any()):
        index = int(undecided[0])
        words = f"correct node {state.node[index]} takes part in {state.name(index)} and never decided"
        if state.log.settled:
            rows = [int(rows[index]) for kind, rows in state.first.items() if kind in (MEMBER, YES, NO)]
            yield Violation("termination", "undecided", words, (max(rows),))
        else:
            yield Doubt("termination", f"{words}, but the log ends before all was quiet")


def _figures(state: _State) -> dict[str, float]:
    log = state.log
    yes, done = state.first[YES], state.decision
    undecided = _undecided(state)
    blocked = undecided[yes[undecided] >= 0]
    ended = np.flatnonzero((yes >= 0) & (done >= 0))
    last = log.at.max() if len(log) else 0
    waits = np.concatenate((np.maximum(0, log.at[done[ended]] - log.at[yes[ended]]), last - log.at[yes[blocked]])) / 1e9
    share = {f"blocking_p{q}_s": float(np.quantile(waits, q / 100)) if len(waits) else 0.0 for q in (50, 99)}
    return {
        "transactions": float(len(state.names)),
        "committed": float(len(np.unique(log.transaction[log.kind == COMMIT]))),
        "aborted": float(len(np.unique(log.transaction[log.kind == ABORT]))),
        "undecided": float(len(undecided)),
        "blocked": float(len(blocked)),
        **share,
        "blocking_max_s": float(waits.max(initial=0.0)),
    }
