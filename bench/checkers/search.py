"""Linearizability of one register with any values: a search, just in time.

After Lowe, "Testing for linearizability" (2017), and Wing and Gong (1993). A *configuration* says which of the open
steps have taken effect and what the register holds. The search goes from answer to answer, in order of time: a step
must have taken effect by its answer, and only then is anything made to take effect: the step itself, after any
sequence of other open steps. The following keep the number of configurations small; each is without loss because
every linearization can be rearranged to obey it.

* *Reads as soon as they fit.* A step that changes nothing takes effect at once when the register suits it: this takes
  nothing from the steps after it.
* *No configuration twice*, since what follows depends on it alone, *and none that is dominated*: of two with the same
  place, value and answered steps done, the one that has used a subset of the other's optional steps can do whatever the
  other can.
* *Equal steps in order of their ends.* If of two open steps with the same need and gift the one that ends later takes
  effect first, exchanging them keeps the sequence valid: both were open at the first place, and the second place is
  before the earlier end. (Answered steps so go before optional ones.)
* *Silent writes hide.* A write is silent once no step whose answer is still to come needs its value. Where another
  write takes effect, all open silent ones take effect right before it: at any later place nothing could see them, so
  taking them away from there disturbs nothing. Other than so, a silent write moves only at its own answer, and an
  optional one never. (Not beside steps that *avoid* a value: these see every change.)

The search is depth first: a history that is linearizable usually shows it on the first descent.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Literal

from ..history.history import NIL
from .steps import Step

MAX_CONFIGURATIONS = 1_500_000
"""Memory bound: about 300 bytes each."""
_CLOCK_EVERY = 512


@dataclass(frozen=True)
class Found:
    """How the search ended.

    Attributes:
        word: ``valid``, ``invalid``, or ``unknown`` (out of time or memory).
        stuck: for ``invalid``: the answered step, latest in time, that no configuration could get past.
        why: for ``unknown``: which bound was met.
        configurations: how many were expanded.
    """

    word: Literal["valid", "invalid", "unknown"]
    stuck: Step | None = None
    why: str = ""
    configurations: int = 0


@dataclass(frozen=True)
class _Mover:
    """An open step that changes the register, with its place in the set of open steps."""

    bit: int
    need: int | None
    gives: int
    step: Step


def _end(mover: _Mover) -> int:
    return mover.step.end


class _Moment:
    """What is open just before one answer, the same for every configuration that gets there."""

    __slots__ = ("avoiders", "bit", "movers", "optional", "readers", "silent", "step")

    def __init__(self, step: Step, bit: int) -> None:
        self.step = step
        self.bit = bit
        self.readers: dict[int, int] = {}
        self.avoiders: dict[int, int] = {}
        self.movers: list[_Mover] = []
        self.silent = 0
        self.optional = 0


class _Timeline:
    """The moments of a history, made as the search first reaches them."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.starts = sorted(steps, key=lambda step: step.start)
        self.answers = sorted((step for step in steps if not step.optional), key=lambda step: step.end)
        self.moments: list[_Moment] = []
        self._next = 0
        self._bits: dict[int, int] = {}
        self._free: list[int] = []
        self._width = 0
        self._readers: dict[int, int] = {}
        self._avoiders: dict[int, int] = {}
        self._movers: list[_Mover] = []
        self._optional = 0
        self._sees_all = any(step.avoid is not None for step in steps)
        self._last_need: dict[int, int] = {}
        for index, step in enumerate(self.answers):
            if step.need is not None:
                self._last_need[step.need] = index
        for step in steps:
            if step.optional and step.need is not None:
                self._last_need[step.need] = len(self.answers)

    def __len__(self) -> int:
        return len(self.answers)

    def moment(self, index: int) -> _Moment:
        """What is open before answer ``index``."""
        while len(self.moments) <= index:
            self._extend()
        return self.moments[index]

    def _extend(self) -> None:
        index = len(self.moments)
        if index:
            self._close(self.answers[index - 1])
        answer = self.answers[index]
        # Ties: a step that starts at the instant of this answer is concurrent with it, so it is open here.
        while self._next < len(self.starts) and self.starts[self._next].start <= answer.end:
            self._open(self.starts[self._next])
            self._next += 1
        moment = _Moment(answer, self._bits[id(answer)])
        moment.optional = self._optional
        moment.readers = self._readers.copy()
        moment.avoiders = self._avoiders.copy()
        for mover in self._movers:
            silent = not self._sees_all and self._last_need.get(mover.gives, -1) < index
            if silent and mover.need is None and not mover.step.optional:
                moment.silent |= mover.bit
                if mover.step is not answer:
                    continue
            elif silent and mover.step.optional:
                continue
            moment.movers.append(mover)
        self.moments.append(moment)

    def _open(self, step: Step) -> None:
        if self._free:
            bit = self._free.pop()
        else:
            bit = 1 << self._width
            self._width += 1
        self._bits[id(step)] = bit
        if step.gives is not None:
            insort(self._movers, _Mover(bit, step.need, step.gives, step), key=_end)
            if step.optional:
                self._optional |= bit
        elif step.avoid is not None:
            self._avoiders[step.avoid] = self._avoiders.get(step.avoid, 0) | bit
        elif step.need is not None:
            self._readers[step.need] = self._readers.get(step.need, 0) | bit

    def _close(self, step: Step) -> None:
        bit = self._bits[id(step)]
        self._free.append(bit)  # every configuration that gets past this answer has cleared it
        if step.gives is not None:
            self._movers = [mover for mover in self._movers if mover.step is not step]
        else:
            table, value = (self._readers, step.need) if step.avoid is None else (self._avoiders, step.avoid)
            assert value is not None
            table[value] &= ~bit
            if not table[value]:
                del table[value]


def search(steps: Sequence[Step], deadline: float, limit: int = MAX_CONFIGURATIONS) -> Found:
    """Whether the steps on one key have a linearization.

    Args:
        steps: having passed :func:`without_unobserved`, or not: that only costs time.
        deadline: of ``time.monotonic()``.
        limit: configurations to remember before giving up.
    """
    timeline = _Timeline(steps)
    total = len(timeline)
    seen: dict[tuple[int, int, int], list[int]] = {}
    expanded = 0
    stack: list[tuple[int, int, int]] = [(0, NIL, 0)]
    furthest = 0
    moments = timeline.moments
    while stack:
        index, value, done = stack.pop()
        while index < total:
            moment = moments[index] if index < len(moments) else timeline.moment(index)
            done |= moment.readers.get(value, 0)
            if moment.avoiders:
                for avoided, bits in moment.avoiders.items():
                    if avoided != value:
                        done |= bits
            if not done & moment.bit:
                break
            done ^= moment.bit
            index += 1
        else:
            return Found("valid", configurations=expanded)
        used = done & moment.optional
        less = seen.get(configuration := (index, value, done ^ used))
        if less is None:
            seen[configuration] = [used]
        elif any(not other & ~used for other in less):
            continue
        else:
            less.append(used)
        expanded += 1
        if index > furthest:
            furthest = index
        if expanded % _CLOCK_EVERY == 0:
            if monotonic() > deadline:
                return Found("unknown", why="out of time", configurations=expanded)
            if expanded + len(stack) > limit:
                return Found("unknown", why="out of memory", configurations=expanded)
        _push(stack, moment, index, value, done)
    return Found("invalid", stuck=timeline.answers[furthest], configurations=expanded)


def _push(stack: list[tuple[int, int, int]], moment: _Moment, index: int, value: int, done: int) -> None:
    """The configurations one change further, the most promising last, because it is taken first."""
    target = moment.step
    wanted = target.need if target.need != value else None
    tried: set[tuple[int | None, int]] = set()
    later: list[tuple[int, int, int]] = []
    first: list[tuple[int, int, int]] = []
    for mover in moment.movers:
        if done & mover.bit:
            continue
        need, gives = mover.need, mover.gives
        if need is not None and need != value:
            continue
        kind = (need, gives)
        if kind in tried:
            continue
        tried.add(kind)
        after = (index, gives, done | mover.bit | (moment.silent if need is None else 0))
        if mover.step is target or (wanted is not None and gives == wanted):
            first.append(after)
        else:
            later.append(after)
    later.reverse()
    first.reverse()
    stack.extend(later)
    stack.extend(first)


FEW = 12
"""Steps up to which :func:`can_be_ordered` is quicker than :func:`search`."""


def can_be_ordered(steps: Sequence[Step]) -> bool:
    """Whether a few steps on one key have a linearization, by trying all orders; no (done, value) is tried twice."""
    count = len(steps)
    after = [
        sum(1 << other for other in range(count) if not steps[other].optional and steps[other].end < steps[each].start)
        for each in range(count)
    ]
    wanted = sum(1 << each for each in range(count) if not steps[each].optional)
    seen = {(0, NIL)}
    stack = [(0, NIL)]
    while stack:
        done, value = stack.pop()
        if not wanted & ~done:
            return True
        for each, step in enumerate(steps):
            if done >> each & 1 or after[each] & ~done or step.avoid == value:
                continue
            if step.need is not None and step.need != value:
                continue
            then = (done | 1 << each, value if step.gives is None else step.gives)
            if then not in seen:
                seen.add(then)
                stack.append(then)
    return False
