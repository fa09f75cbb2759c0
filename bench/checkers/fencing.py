"""Locks that expire: mutual exclusion of the holds, and fencing at the resources that they guard.

A lock service with leases cannot keep two clients from *believing* that they hold a lock: one may stall past its
expiry. What it can do is give each hold a token that grows, and have the resource refuse a token older than one it has
seen (Gray and Cheriton, "Leases", SOSP 1989; Burrows, "The Chubby lock service", OSDI 2006, section 2.4, sequencers).
So these are two verdicts: :func:`check` judges the holds, :func:`check_accesses` the resources.

- ``exclusion``: no two holders hold one lock at a time. A hold surely lasts from its grant's answer to
  min(release called, expiry); replies to releases play no part. Holds that touch do not overlap.
- ``tokens``: no two holders have one token of a lock, and a hold that was asked for after another had been granted has
  no smaller one. (The order of two answers alone says nothing of the order of two grants.)
- ``fencing``: a resource never accepts a token smaller than one it has accepted; and only tokens that were granted.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..history.history import NEVER, IntColumn
from .properties import Doubt, Violation, conclude
from .verdict import Verdict

Ints = NDArray[np.int64]
HOLDS = ("exclusion", "tokens")
ACCESSES = ("fencing",)


@dataclass(frozen=True)
class Holds:
    """Holds of locks, in any order; times in ns.

    Attributes:
        lock: code of the lock, from 0.
        holder: who held it. A hold that was renewed is one hold with a later expiry.
        token: the fencing token that came with it.
        asked: when the holder asked for it.
        granted: when the holder was told.
        released: when the holder began to release it; ``NEVER`` if it did not.
        expires: when it ended by itself, as the holder reckons; ``NEVER`` if it does not.
        slack: by how many ns a clock may be wrong; 0 with one clock.
    """

    lock: IntColumn
    holder: IntColumn
    token: IntColumn
    asked: IntColumn
    granted: IntColumn
    released: IntColumn
    expires: IntColumn
    slack: int = 0

    def __post_init__(self) -> None:
        columns = (self.lock, self.holder, self.token, self.asked, self.granted, self.released, self.expires)
        if len({len(column) for column in columns}) > 1:
            raise UsageError(f"columns of {', '.join(str(len(column)) for column in columns)} rows: not of one log")
        wrong = np.flatnonzero(self.asked > self.granted)
        if len(wrong):
            row = int(wrong[0])
            raise UsageError(f"hold {row} was granted at {self.granted[row]}, before it was asked for")

    def __len__(self) -> int:
        return len(self.lock)


@dataclass(frozen=True)
class Accesses:
    """What resources were asked to do under a token; each resource's rows in its own order.

    Attributes:
        resource: code of the resource, from 0; one lock guards it.
        token: that came with the access.
        accepted: whether the resource did it.
        lock: which guards it.
    """

    resource: IntColumn
    token: IntColumn
    accepted: NDArray[np.bool_]
    lock: IntColumn

    def __post_init__(self) -> None:
        columns = (self.resource, self.token, self.accepted, self.lock)
        if len({len(column) for column in columns}) > 1:
            raise UsageError(f"columns of {', '.join(str(len(column)) for column in columns)} rows: not of one log")

    def __len__(self) -> int:
        return len(self.resource)


def check(holds: Holds, budget_s: float = 20.0) -> Verdict:
    """Whether nobody held a lock that another held, and tokens grew.

    Figures: ``overlaps`` (holds that began while another holder's lasted), ``longest_overlap_s``, ``held_s``.
    """
    del budget_s  # O(n log n)
    began = perf_counter()
    found: list[Violation | Doubt] = []
    begin = holds.granted.astype(np.int64) + holds.slack
    end = np.minimum(holds.released, holds.expires).astype(np.int64)
    end = np.where(end < NEVER, end - holds.slack, NEVER)
    real = np.flatnonzero(end > begin)
    row, length = _overlaps(holds, real, begin, end)
    if len(row):
        two = int(row[0])
        others = real[(holds.lock[real] == holds.lock[two]) & (holds.holder[real] != holds.holder[two])]
        then = others[(begin[others] <= begin[two]) & (begin[two] < end[others])]
        one = int(then[np.argmax(end[then])])
        until = min(end[one], end[two])
        how_long = f"for {(until - begin[two]) / 1e9:.9g} s" if until < NEVER else "without end"
        words = (
            f"holder {holds.holder[one]} and holder {holds.holder[two]} both held lock {holds.lock[two]} "
            f"from {begin[two]} ns, {how_long}"
        )
        found.append(Violation("exclusion", "overlap", words, (one, two)))
    found.extend(_tokens(holds))
    lasted = (end - begin)[real][end[real] < NEVER]
    endless = len(length) and length.max() >= NEVER // 2
    figures = {
        "holds": float(len(holds)),
        "overlaps": float(len(row)),
        "longest_overlap_s": float("inf") if endless else float(length.max(initial=0)) / 1e9,
        "held_s": float(lasted.sum()) / 1e9,
    }
    return conclude("mutual-exclusion", began, HOLDS, found, figures)


def check_accesses(accesses: Accesses, holds: Holds | None = None, budget_s: float = 20.0) -> Verdict:
    """Whether resources refused what came under a token older than one they had accepted.

    With ``holds``, also whether each token that was accepted had been granted. ``rows`` are those of ``accesses``.
    Figures: ``accepted``, ``refused``, ``refused_newest`` (refused under a token at least as new as all accepted so
    far: not unsafe, but somebody waits).
    """
    del budget_s  # O(n log n)
    began = perf_counter()
    found: list[Violation | Doubt] = []
    accepted = np.asarray(accesses.accepted, np.bool_)
    order = np.argsort(accesses.resource, kind="stable")
    token, resource, yes = accesses.token[order].astype(np.int64), accesses.resource[order], accepted[order]
    lowest = token.min(initial=0) - 1
    seen, group = np.where(yes, token, lowest), _codes(resource)
    reach = np.full(len(order), lowest)
    reach[1:] = np.where(group[1:] == group[:-1], _running_max(seen, group)[:-1], lowest)
    stale = np.flatnonzero(yes & (token < reach))
    if len(stale):
        at = stale[np.argmin(order[stale])]
        newer = order[np.flatnonzero(yes & (group == group[at]) & (token == reach[at]))[0]]
        words = f"resource {resource[at]} accepted token {token[at]} after token {reach[at]}"
        found.append(Violation("fencing", "stale-token", words, (int(newer), int(order[at]))))
    if holds is not None:
        granted = set(zip(holds.lock.tolist(), holds.token.tolist(), strict=True))
        pairs = zip(accesses.lock.tolist(), accesses.token.tolist(), accepted.tolist(), strict=True)
        row = next((row for row, (lock, each, done) in enumerate(pairs) if done and (lock, each) not in granted), -1)
        if row >= 0:
            words = f"resource {accesses.resource[row]} accepted token {accesses.token[row]}, which was never granted"
            found.append(Violation("fencing", "invented-token", words, (row,)))
    figures = {
        "accepted": float(accepted.sum()),
        "refused": float(len(accepted) - accepted.sum()),
        "refused_newest": float((~yes & (token >= reach)).sum()),
    }
    return conclude("fencing", began, ACCESSES, found, figures)


def _overlaps(holds: Holds, real: Ints, begin: Ints, end: Ints) -> tuple[Ints, Ints]:
    """The holds that began while another holder's lasted, by when they began, and for how long both did.

    Each holder's own holds that overlap are joined first: then whatever overlaps is another's. Of those that began
    before, the one that ends last is there if any is, and overlaps longest.
    """
    if not len(real):
        return real, real
    order = real[np.lexsort((begin[real], holds.holder[real], holds.lock[real]))]
    group = _codes(holds.lock[order], holds.holder[order])
    reach = _running_max(end[order], group)
    new = np.ones(len(order), np.bool_)
    new[1:] = (group[1:] != group[:-1]) | (begin[order][1:] >= reach[:-1])
    joined, last = order[new], np.maximum.reduceat(end[order], np.flatnonzero(new))
    again = np.lexsort((begin[joined], holds.lock[joined]))
    joined, last = joined[again], last[again]
    lock = _codes(holds.lock[joined])
    reach = _running_max(last, lock)
    within = np.flatnonzero((lock[1:] == lock[:-1]) & (begin[joined][1:] < reach[:-1])) + 1
    length = np.minimum(last[within], reach[within - 1]) - begin[joined[within]]
    when = np.argsort(begin[joined[within]], kind="stable")
    return joined[within][when], length[when]


def _tokens(holds: Holds) -> list[Violation]:
    if not len(holds):
        return []
    found = []
    token = holds.token.astype(np.int64)
    granted, asked = holds.granted.astype(np.int64) + holds.slack, holds.asked.astype(np.int64) - holds.slack
    times, place = np.unique(np.concatenate((granted, asked)), return_inverse=True)
    lock = np.unique(holds.lock, return_inverse=True)[1]
    key, wanted = lock * len(times) + place[: len(holds)], lock * len(times) + place[len(holds) :]
    order = np.argsort(key, kind="stable")
    reach = _running_max(token[order], lock[order])
    last = np.searchsorted(key[order], wanted) - 1  # of those granted before each was asked for, the last one
    there = (last >= 0) & (lock[order][last] == lock)
    wrong = np.flatnonzero(there & (reach[last] > token))
    if len(wrong):
        two = int(wrong[np.argmin(holds.granted[wrong])])
        before = order[: last[two] + 1]
        one = int(before[(lock[before] == lock[two]) & (token[before] == reach[last[two]])][0])
        words = (
            f"lock {holds.lock[two]} was granted with token {token[two]} to holder {holds.holder[two]}, who asked for "
            f"it after holder {holds.holder[one]} had been granted token {token[one]}"
        )
        found.append(Violation("tokens", "token-order", words, (one, two)))
    order = np.lexsort((holds.holder, token, lock))
    one_, two_ = order[:-1], order[1:]
    same = (lock[one_] == lock[two_]) & (token[one_] == token[two_]) & (holds.holder[one_] != holds.holder[two_])
    if same.any():
        one, two = int(one_[np.argmax(same)]), int(two_[np.argmax(same)])
        words = (
            f"lock {holds.lock[two]}: holders {holds.holder[one]} and {holds.holder[two]} had one token, {token[two]}"
        )
        found.append(Violation("tokens", "token-repeated", words, (one, two)))
    return found


def _codes(*columns: IntColumn) -> Ints:
    """Consecutive numbers of the runs of equal entries."""
    new = np.zeros(len(columns[0]), np.bool_)
    for column in columns:
        new[1:] |= column[1:] != column[:-1]
    return np.cumsum(new)


def _running_max(values: Ints, group: Ints) -> Ints:
    """The greatest value so far in each run of one group; groups do not decrease."""
    names, rank = np.unique(values, return_inverse=True)
    reached: Ints = names[np.maximum.accumulate(rank + group * len(names)) - group * len(names)]
    return reached
