"""Sets: add-only ones decided exactly and quickly; the others element by element, which is necessary.

**Add-only sets.** If nothing is removed, each element is added once, and what is read is the whole set, then the sets
that reads saw must be a chain S1 < S2 < ... by inclusion (the set only grows; this is how overlapping reads {x} and {y}
are impossible together although each alone is not). The chain fixes the order of everything but equals: an add of x
comes before the reads of the first Si that has x and after those of S(i-1); an add that no read saw comes after all
reads. So *places* alternate: adds of S1, reads of S1, adds of S2 \\ S1, reads of S2, ...; within a place any order that
real time allows will do. The history is linearizable iff the sets are a chain, every element read was added, and no
operation ended before one with an earlier place began: all pairs, against the greatest start at earlier places. Adds
without answer that no read saw are dropped.

**Any set.** Membership of x is a register that ``add`` and ``remove`` write and ``contains`` and whole-set reads read.
If a history of the set is linearizable, so is that of each element. Where there are no whole-set reads, elements are
objects of their own, and the converse holds (locality).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..history.history import INFO, NEVER, NIL
from ..history.operations import MISSING, Operation
from .decision import VALID, Decision
from .pairs import Describe
from .steps import Step

PRESENT, ABSENT = 1, NIL


def members(operation: Operation) -> frozenset[Hashable]:
    """What a whole-set read saw."""
    return frozenset(operation.result or ())


@dataclass(frozen=True)
class _Placed:
    place: int
    row: int
    start: int
    end: int


def decide_add_only(operations: Sequence[Operation], rows: Sequence[int], describe: Describe) -> Decision | None:
    """Whether the operations in these rows are those of one set, empty in the beginning; None if this cannot tell."""
    adds: dict[Hashable, int] = {}
    maybe: list[int] = []
    reads: dict[frozenset[Hashable], list[int]] = {}
    for row in rows:
        operation = operations[row]
        if operation.function == "read":
            if operation.outcome != INFO and operation.result is not MISSING:
                reads.setdefault(members(operation), []).append(row)
        elif operation.function != "add":
            return None
        elif operation.outcome == INFO:
            maybe.append(row)
        elif adds.setdefault(operation.argument, row) != row:
            return None
    chain = sorted(reads, key=len)
    largest = chain[-1] if chain else frozenset()
    for row in maybe:
        value = operations[row].argument
        if value in adds and any(value in seen for seen in chain):
            return None
    for smaller, greater in pairwise(chain):
        if not smaller <= greater:
            return _apart(operations, reads, smaller, greater, adds, maybe, describe)
    for row in maybe:
        value = operations[row].argument
        if value in largest and adds.setdefault(value, row) != row:
            return None
    placed, orphan = _places(operations, chain, reads, adds)
    if orphan is not None:
        value, row = orphan
        return Decision("invalid", f"{describe(row)} saw {value!r}, which nobody added", (row,))
    return _out_of_order(operations, placed, chain, reads, describe) or VALID


def _apart(
    operations: Sequence[Operation],
    reads: dict[frozenset[Hashable], list[int]],
    one: frozenset[Hashable],
    two: frozenset[Hashable],
    adds: dict[Hashable, int],
    maybe: Sequence[int],
    describe: Describe,
) -> Decision:
    sources = adds | {operations[row].argument: row for row in maybe}
    x = min(one - two, key=repr)
    y = min(two - one, key=repr)
    a, b = reads[one][0], reads[two][0]
    words = f"{describe(a)} saw {x!r} and not {y!r}, {describe(b)} saw {y!r} and not {x!r}: nothing is removed"
    return Decision("invalid", words, tuple(sorted({a, b, *(sources[each] for each in (x, y) if each in sources)})))


def _places(
    operations: Sequence[Operation],
    chain: Sequence[frozenset[Hashable]],
    reads: dict[frozenset[Hashable], list[int]],
    adds: dict[Hashable, int],
) -> tuple[list[_Placed], tuple[Hashable, int] | None]:
    """Every operation with its place, in order of places; or an element that was read and never added."""
    placed: list[_Placed] = []
    known: frozenset[Hashable] = frozenset()

    def put(place: int, row: int) -> None:
        operation = operations[row]
        end = NEVER if operation.outcome == INFO else operation.completed
        placed.append(_Placed(place, row, operation.invoked, end))

    for level, seen in enumerate(chain):
        for value in seen - known:
            if value not in adds:
                return placed, (value, reads[seen][0])
            put(2 * level, adds[value])
        for row in reads[seen]:
            put(2 * level + 1, row)
        known = seen
    for value, row in adds.items():
        if value not in known:
            put(2 * len(chain), row)
    return placed, None


def _out_of_order(
    operations: Sequence[Operation],
    placed: Sequence[_Placed],
    chain: Sequence[frozenset[Hashable]],
    reads: dict[frozenset[Hashable], list[int]],
    describe: Describe,
) -> Decision | None:
    latest: _Placed | None = None  # greatest start at earlier places
    here: _Placed | None = None  # and at this one
    place = 0
    for each in placed:
        if each.place != place:
            if here is not None and (latest is None or here.start > latest.start):
                latest = here
            here, place = None, each.place
        if latest is not None and each.end < latest.start:
            return _sentence(operations, latest, each, chain, reads, describe)
        if here is None or each.start > here.start:
            here = each
    return None


def _sentence(
    operations: Sequence[Operation],
    earlier: _Placed,
    later: _Placed,
    chain: Sequence[frozenset[Hashable]],
    reads: dict[frozenset[Hashable], list[int]],
    describe: Describe,
) -> Decision:
    """``later`` ended before ``earlier`` began, though what was read puts it behind."""
    one, two = describe(earlier.row), describe(later.row)
    rows = [earlier.row, later.row]
    if earlier.place % 2 and later.place % 2:
        words = f"{one} misses what {two} had seen before it began"
    elif earlier.place % 2:
        words = f"{one} misses {operations[later.row].argument!r}, though {two} had ended before it began"
    elif later.place % 2:
        words = f"{two} saw {operations[earlier.row].argument!r}, though {one} began only after it had ended"
    else:
        witness = reads[chain[earlier.place // 2]][0]
        rows.append(witness)
        words = f"{describe(witness)} saw what came by {one} and misses what came by {two}, which had ended before"
    return Decision("invalid", words, tuple(sorted(rows)))


def has_whole_reads(operations: Sequence[Operation], rows: Sequence[int]) -> bool:
    """Whether some read says what was in the whole set."""
    return any(
        operations[row].function == "read" and operations[row].outcome != INFO and operations[row].result is not MISSING
        for row in rows
    )


def elements(
    operations: Sequence[Operation], rows: Sequence[int], initial: frozenset[Hashable], limit: int
) -> dict[Hashable, list[Step]] | None:
    """The steps on the membership of each element; one that is there in the beginning has a write before all time.

    None if they would be more than ``limit``.
    """
    steps: dict[Hashable, list[Step]] = {
        value: [Step(-1, None, PRESENT, None, -NEVER, -NEVER, False)] for value in initial
    }
    whole: list[tuple[int, Operation, frozenset[Hashable]]] = []
    for row in rows:
        operation = operations[row]
        optional = operation.outcome == INFO
        end = NEVER if optional else operation.completed
        need: int | None = None
        gives: int | None = None
        if operation.function == "read":
            if not optional and operation.result is not MISSING:
                whole.append((row, operation, members(operation)))
            continue
        if operation.function == "contains":
            if optional or operation.result is MISSING:
                continue
            need = PRESENT if operation.result else ABSENT
        else:
            gives = PRESENT if operation.function == "add" else ABSENT
        own = steps.setdefault(operation.argument, [])
        own.append(Step(row, need, gives, None, operation.invoked, end, optional))
    for _, _, seen in whole:
        for value in seen:
            steps.setdefault(value, [])
    if len(steps) * len(whole) > limit:
        return None
    for value, own in steps.items():
        for row, operation, seen in whole:
            need = PRESENT if value in seen else ABSENT
            own.append(Step(row, need, None, None, operation.invoked, operation.completed, False))
    return steps
