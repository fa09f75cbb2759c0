"""Linearizability of one register whose values are all different: decided exactly, in O(n log n).

After Gibbons and Korach, "Testing Shared Memories" (1997), section 4 (read-mapping), extended to compare-and-set.

**Blocks.** Each value *v* has one step that leaves it (the initial value: a virtual step before all time). In a
linearization the register holds *v* over one stretch: that step, then the steps that need *v* and leave it alone, in
any order that real time allows, then a step that changes it. If that changing step needs *v* (a compare-and-set that
swapped), *v*'s stretch and the next value's are neighbours; at most one step can do this to *v*. So the values fall
into chains, a *block* is the steps of one chain, the order inside a block is fixed but for reads of one value, and a
history is linearizable iff

1. every value needed is left by some step, no value has two swapping successors, and no chain is a cycle;
2. inside each block no step ended before one with an earlier place in the chain began;
3. the blocks can be put in a row so that no step ended before one of an earlier block began.

*Necessary*: said above, because every step here has to take effect: the mandatory ones by definition, and an optional
one that :func:`without_unobserved` kept leaves a value that a mandatory step needs, through steps that are the only
source of what the next one needs. *Sufficient*: the blocks in that row, each in its chain's order with the reads of
one value by their start, is a sequence in which every step finds what it needs and no step follows one that began
after it ended.

**Condition 3.** Let ``first_end`` be the least end and ``last_start`` the greatest start in a block. A must come before
B iff ``A.first_end < B.last_start``. If this relation has a cycle, then it has one of two blocks: let M have the
greatest last_start in the cycle and N be the block after M, so that M before N; whatever follows N in the cycle has a
last_start <= M's, so N before M. Two blocks conflict iff ``A.first_end < B.last_start`` and ``B.first_end <
A.last_start``. Call a block *forward* if first_end < last_start. Two forward blocks conflict iff the open intervals
(first_end, last_start) intersect; a forward A and another B conflict iff [B.last_start, B.first_end] lies inside A's
open interval; two that are not forward never do (their inequalities would form a circle). So: sort the forward
intervals, look for neighbours that intersect; then for each other block look up the one forward interval that begins
last before it, for the earlier ones end before that begins.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter

from ..history.history import NEVER, NIL
from .steps import Step

UNWRITTEN, BRANCH, CIRCLE, BACKWARDS, CROSSED = "unwritten", "branch", "circle", "backwards", "crossed"


@dataclass(frozen=True)
class Flaw:
    """Why a register is not linearizable.

    Attributes:
        kind: and what ``steps`` then are:
            ``unwritten``: (reader): needs a value that nothing left;
            ``branch``: (one, other): both swapped the same value for another;
            ``circle``: the swaps of a chain that begins nowhere;
            ``backwards``: (earlier, later): by the chain ``earlier`` comes first, but ``later`` ended before it began;
            ``crossed``: (a, b, c, d): a ended before b began, c ended before d began, while a and d belong to one
            block, b and c to another.
    """

    kind: str
    steps: tuple[Step, ...]


_ORIGIN = Step(-1, None, NIL, None, -NEVER, -NEVER, False)


@dataclass
class _Block:
    first_end: Step
    last_start: Step


def find_flaw(steps: Sequence[Step]) -> Flaw | None:
    """The first flaw found, or None if the steps on this key are linearizable.

    ``steps`` must have passed :func:`without_unobserved` and :func:`values_are_unique`.
    """
    source: dict[int, Step] = {NIL: _ORIGIN}
    readers: dict[int, list[Step]] = {}
    swap: dict[int, Step] = {}
    for step in steps:
        if step.gives is not None:
            source[step.gives] = step
            if step.need is not None:
                other = swap.setdefault(step.need, step)
                if other is not step:
                    return Flaw(BRANCH, (other, step))
        elif step.need is not None:
            readers.setdefault(step.need, []).append(step)
    for needed in (readers, swap):
        for value in needed:
            if value not in source:
                return Flaw(UNWRITTEN, (_first(needed[value]),))

    blocks: list[_Block] = []
    placed = 0
    for value, step in source.items():
        if step.need is not None:
            continue  # not the head of a chain
        block = _Block(step, step)
        latest = step  # greatest start among the places before the current one
        while True:
            placed += 1
            if step.end < latest.start:
                return Flaw(BACKWARDS, (latest, step))
            _widen(block, step)
            if step.start > latest.start:
                latest = step
            newest = latest
            for reader in readers.get(value, ()):
                if reader.end < latest.start:
                    return Flaw(BACKWARDS, (latest, reader))
                _widen(block, reader)
                if reader.start > newest.start:
                    newest = reader
            latest = newest
            successor = swap.get(value)
            if successor is None or successor.gives is None:
                break
            step, value = successor, successor.gives
        blocks.append(block)
    if placed < len(source):  # every chain with a head was walked to its end, so what is left has no head
        return Flaw(CIRCLE, _circle(swap, source))
    return _crossed(blocks)


def _first(found: Step | list[Step]) -> Step:
    return found if isinstance(found, Step) else min(found, key=attrgetter("end"))


def _widen(block: _Block, step: Step) -> None:
    if step.end < block.first_end.end:
        block.first_end = step
    if step.start > block.last_start.start:
        block.last_start = step


def _circle(swap: dict[int, Step], source: dict[int, Step]) -> tuple[Step, ...]:
    walked: set[int] = set()
    for value, step in source.items():
        if step.need is None:
            walked.add(value)
            while (successor := swap.get(value)) is not None and successor.gives is not None:
                value = successor.gives
                walked.add(value)
    return tuple(step for value, step in source.items() if value not in walked)


def _crossed(blocks: list[_Block]) -> Flaw | None:
    forward = sorted(
        (block for block in blocks if block.first_end.end < block.last_start.start),
        key=lambda block: block.first_end.end,
    )
    for one, two in pairwise(forward):
        if two.first_end.end < one.last_start.start:
            return _conflict(one, two)
    begins = [block.first_end.end for block in forward]
    for block in blocks:
        if block.first_end.end >= block.last_start.start:
            at = bisect_left(begins, block.last_start.start) - 1
            if at >= 0 and block.first_end.end < forward[at].last_start.start:
                return _conflict(forward[at], block)
    return None


def _conflict(one: _Block, two: _Block) -> Flaw:
    return Flaw(CROSSED, (one.first_end, two.last_start, two.first_end, one.last_start))
