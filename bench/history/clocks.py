"""Histories that several clocks recorded: what is certain of the order of their operations.

All times of a history are moved to one clock, but each clock's by an offset that may be wrong by up to its ``slack``.
Operations that one clock recorded are compared exactly: an error moves them together. Only between clocks is an order
uncertain, if the gap is not above both slacks together.

Widening every interval by its slack would be sound, and would lose the order within each clock: clients send an
operation right after the answer to the last one, so already their program order would be gone. Nor can that order be
saved by cutting the widened intervals: wherever they are cut, some error within the bounds puts the operation on the
other side of the cut, and a violation is reported that never was. So a history is looked at once *from each clock*:
operations of that clock as they were recorded, those of any other widened by its slack and this clock's. Each of these
views is sound by itself: let t be an instant of true time at which an operation of another clock took effect, and let
the clock that looks have shown t' then, moved as its times are. Moving all instants by t -> t' keeps their order; the
looking clock's operations take effect within their recorded intervals, and the others within theirs widened by both
errors. So if the true execution was correct, no view shows a violation, whatever the errors within the bounds; and a
violation among operations of one clock shows in the view from there, as with one clock alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from .history import FAIL, NEVER, OK, History, IntColumn


class View(NamedTuple):
    """A history as it is certain from one clock; rows are those of the history, in its order."""

    clock: int
    history: History


def views(history: History) -> list[View]:
    """The history from each clock that recorded some of it, as histories of one clock.

    A history is correct only if all of them are; each may be checked as if nothing were uncertain.
    """
    if history.clock is None or history.slack is None:
        return [View(0, history)]
    single = replace(history, clock=None, slack=None)
    clocks = np.unique(history.clock).tolist()
    if len(clocks) < 2:
        return [View(clocks[0] if clocks else 0, single)]
    found = []
    for clock in clocks:
        own = history.clock == clock
        wider = np.where(own, 0, history.slack + history.slack[own].max())
        ended = np.where(history.completed >= NEVER, 0, wider)
        found.append(View(clock, replace(single, invoked=history.invoked - wider, completed=history.completed + ended)))
    return found


class PowerLost(NamedTuple):
    """What several clocks cost.

    Attributes:
        pairs: of the pairs of operations on one key of which one was recorded to end before the other began, the share
            whose order is uncertain.
        neighbours: of the operations, the share for which the one that had ended last before it on its key is such.
    """

    pairs: float
    neighbours: float


def power_lost(history: History) -> PowerLost:
    """How much of the order that was recorded is uncertain, because different clocks recorded it.

    Only pairs whose order means something count: the first has an answer, and the second may have happened.
    """
    if history.clock is None or history.slack is None or len(history) == 0:
        return PowerLost(0.0, 0.0)
    clocks = np.unique(history.clock).tolist()
    if len(clocks) < 2:
        return PowerLost(0.0, 0.0)
    slack = {clock: int(history.slack[history.clock == clock].max()) for clock in clocks}
    by_number = np.zeros(max(clocks) + 1, dtype=np.int64)
    by_number[clocks] = [slack[clock] for clock in clocks]
    order = np.argsort(history.key, kind="stable")
    starts = np.flatnonzero(np.diff(history.key[order], prepend=-1))
    ordered = lost = followers = lonely = 0
    for rows in np.split(order, starts[1:]):
        ended = rows[history.outcome[rows] == OK]
        begun = rows[history.outcome[rows] != FAIL]
        ended = ended[np.argsort(history.completed[ended], kind="stable")]
        ordered += _before(history.completed[ended], history.invoked[begun])
        for one in clocks:
            ends = history.completed[ended[history.clock[ended] == one]]
            for other in clocks:
                if one != other:
                    begins = history.invoked[begun[history.clock[begun] == other]]
                    lost += _before(ends, begins) - _before(ends, begins - slack[one] - slack[other])
        last = np.searchsorted(history.completed[ended], history.invoked[begun]) - 1
        begun, last = begun[last >= 0], last[last >= 0]
        before = ended[last]
        here, there = history.clock[before].astype(np.int64), history.clock[begun].astype(np.int64)
        gap = history.invoked[begun] - history.completed[before]
        followers += len(begun)
        lonely += int(np.count_nonzero((here != there) & (gap <= by_number[here] + by_number[there])))
    return PowerLost(lost / ordered if ordered else 0.0, lonely / followers if followers else 0.0)


def _before(ends: IntColumn, begins: IntColumn) -> int:
    """How many pairs there are of an end and a later begin; ``ends`` are sorted."""
    return int(np.searchsorted(ends, begins).sum())
