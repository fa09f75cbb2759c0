"""Locks: mutual exclusion decided exactly by minimal holds, in O(n log n).

An owner surely holds the lock from the moment its ``acquire`` was answered until it calls ``release``: the *minimal
hold*. **Claim**: if each owner acquires and releases by turns, the history is linearizable iff no two minimal holds
overlap. *Necessary*: whatever instants are chosen, the hold contains the minimal one, and two holds cannot overlap.
*Sufficient*: let each acquire take effect the moment it is answered, each release the moment it is called. Holds that
touch (one ends as another begins) do not overlap; so much for ties. Replies to releases play no part: a release may
take effect long before its answer, and the next owner may be told of its hold before the previous one hears of its own
release.

An unanswered acquire is dropped (it may never have happened, and an owner that hears nothing does nothing more); an
unanswered release counts from its call, as any. Owners whose operations overlap, or that act after an unanswered one,
are beyond this.

**Leases.** Where a lock expires, the hold surely lasts only to min(release called, acquire called + lease): the lease
may have begun to run that early. Then this is a necessary condition (each owner could choose when its lease began, and
they cannot all have chosen the worst), and nothing is demanded of the order in which one owner acts.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from itertools import pairwise
from operator import itemgetter

from ..history.history import INFO, NEVER
from ..history.operations import Operation
from .decision import VALID, Decision

Hold = tuple[int, int, int, int]
"""(from, to, row of the acquire, row of the release or -1)."""


def decide(
    operations: Sequence[Operation],
    rows: Sequence[int],
    describe: Callable[[int], str],
    owner: Callable[[Operation], Hashable],
    lease_ns: int | None = None,
) -> Decision | None:
    """Whether the operations in these rows are those of one lock, free in the beginning; None if this cannot tell.

    Args:
        operations: all of them.
        rows: of one lock.
        describe: row -> the operation in words.
        owner: who acquires or releases.
        lease_ns: how long a hold lasts at most; None: until it is released.
    """
    by_owner: dict[Hashable, list[int]] = {}
    for row in sorted(rows, key=lambda row: (operations[row].invoked, operations[row].completed)):
        by_owner.setdefault(owner(operations[row]), []).append(row)
    holds: list[Hold] = []
    touching = False  # which of two operations at one instant came first is anybody's guess
    for own in by_owner.values() if lease_ns is None else ():
        for before, after in pairwise(own):
            if operations[before].outcome == INFO or operations[before].completed > operations[after].invoked:
                return None
            touching |= operations[before].completed == operations[after].invoked
    for own in by_owner.values():
        wrong = _turns(operations, own, describe, lease_ns, holds)
        if wrong is not None:
            return None if touching else wrong
    holds.sort(key=itemgetter(0, 1))
    for one, two in pairwise(holds):  # if any two overlap, two neighbours do
        if two[0] < one[1]:
            if touching:
                return None
            reason = (
                f"{describe(one[2])} had ended before {describe(two[2])} did, and {_until(one, describe)} only after"
                " that: both held the lock at once"
            )
            return Decision("invalid", reason, tuple(sorted(row for row in (*one[2:], *two[2:]) if row >= 0)))
    return VALID


def _until(hold: Hold, describe: Callable[[int], str]) -> str:
    return f"{describe(hold[3])} began" if hold[3] >= 0 else "its hold ended"


def _turns(
    operations: Sequence[Operation],
    own: Sequence[int],
    describe: Callable[[int], str],
    lease_ns: int | None,
    holds: list[Hold],
) -> Decision | None:
    """The minimal holds of one owner go into ``holds``; what is returned is wrong with the turns it takes."""
    held = -1
    before: tuple[int, ...] = ()  # the last turn

    def note(release: int) -> None:
        begin = operations[held].completed
        end = operations[release].invoked if release >= 0 else NEVER
        if lease_ns is not None:
            end = min(end, operations[held].invoked + lease_ns)
        if end >= begin:
            holds.append((begin, end, held, release))

    for row in own:
        operation = operations[row]
        if operation.function == "acquire":
            if operation.outcome == INFO:
                continue
            if held >= 0:
                if lease_ns is None:
                    return Decision(
                        "invalid", f"{describe(row)} was granted what {describe(held)} held already", (held, row)
                    )
                note(-1)
            held = row
        else:
            if held >= 0:
                note(row)
                held, before = -1, (held, row)
            elif lease_ns is None and operation.outcome != INFO:
                return Decision(
                    "invalid", f"{describe(row)} released a lock that its owner did not hold", (*before, row)
                )
    if held >= 0:
        note(-1)
    return None
