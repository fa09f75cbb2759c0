"""Linearizability of one object of any model: a search, just in time.

After Lowe, "Testing for linearizability" (2017), on Wing and Gong (1993). A *configuration* says which of the open
operations have taken effect and in which state the object is. The search goes from end to end, in order of time:
an answered operation must have taken effect by its answer, and only then is anything made to take effect: the operation
itself, after any sequence of other open ones. These keep configurations few; each is without loss because every
linearization can be rearranged to obey it.

* *Reads as soon as they fit.* An operation that changes no state whatever (:attr:`Model.observes`) takes effect at once
  when the state suits it: this takes nothing from what follows. One that merely changes nothing *here* may not: a
  compare-and-set that finds the wrong value now may be needed later.
* *Identical operations in order of their ends.* If y takes effect while x, of the same kind, is open and ends no later,
  exchange the two: both are open now, and x's place was before x's end, hence before y's. If x never takes effect, put
  it in y's place; that needs x to be answered (so it does take effect) or y to be optional (so it need not).
* *Optional operations that change nothing here* take no effect here: leaving them out leaves the rest as it is.
* *Dominated configurations.* Of two with the same place, state and answered operations done, the one that has used a
  subset of the other's optional operations can do whatever the other can.
* *No step twice*: states and kinds of operation are numbered and the outcome of each pair remembered.

The search is depth first: a history that is linearizable usually shows it on the first descent.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from sys import getsizeof
from time import monotonic
from typing import Any, Literal

import msgspec

from ..history.operations import Operation

MAX_CONFIGURATIONS = 1_000_000
"""Memory bound: about 300 bytes each."""
MAX_BYTES = 300_000_000
"""Memory bound for the states themselves."""
_CLOCK_EVERY = 256

StepFunction = Callable[[Any, Operation], Any]
"""(state, operation) -> state after it, or None if it cannot have ended as it did in that state. Pure."""


class Call(msgspec.Struct, gc=False, eq=False):
    """One operation as the search sees it.

    Attributes:
        row: of the operations given.
        kind: calls of one kind have the same outcome in every state.
        start, end: ns; it took effect at some instant from ``start`` to ``end``, both included.
        optional: it may also never have taken effect.
        observes: it changes no state whatever.
    """

    row: int
    kind: int
    start: int
    end: int
    optional: bool
    observes: bool


@dataclass(frozen=True)
class Found:
    """How a search ended.

    Attributes:
        word: ``valid``, ``invalid``, or ``unknown`` (out of time or memory).
        stuck: for ``invalid``: the answered call, latest in time, that no configuration could get past.
        why: for ``unknown``: which bound was met.
        configurations: how many were expanded.
    """

    word: Literal["valid", "invalid", "unknown"]
    stuck: Call | None = None
    why: str = ""
    configurations: int = 0


class Machine:
    """A step function with its states and kinds of operation numbered and its outcomes remembered."""

    def __init__(self, initial: Hashable, step: StepFunction) -> None:
        self._step = step
        self._numbers: dict[Hashable, int] = {initial: 0}
        self._states: list[Hashable] = [initial]
        self._kinds: dict[Hashable, int] = {}
        self._operations: list[Operation] = []
        self._outcomes: list[dict[int, int]] = []
        self.bytes = 0
        """What the states met take, about."""

    def kind(self, of: Hashable, operation: Operation) -> int:
        """The number of that kind, of which ``operation`` is one."""
        number = self._kinds.setdefault(of, len(self._operations))
        if number == len(self._operations):
            self._operations.append(operation)
            self._outcomes.append({})
        return number

    def after(self, state: int, kind: int) -> int:
        """The state after an operation of that kind; -1 if it cannot have happened in this one."""
        outcomes = self._outcomes[kind]
        number = outcomes.get(state)
        if number is None:
            reached = self._step(self._states[state], self._operations[kind])
            if reached is None:
                number = -1
            else:
                number = self._numbers.setdefault(reached, len(self._states))
                if number == len(self._states):
                    self._states.append(reached)
                    self.bytes += getsizeof(reached) + 200
            outcomes[state] = number
        return number


class _Moment:
    """What is open just before an end, the same for every configuration that gets there."""

    __slots__ = ("bit", "call", "movers", "optional", "readers")

    def __init__(self, call: Call, bit: int) -> None:
        self.call = call
        self.bit = bit
        self.optional = 0
        self.movers: tuple[tuple[int, Call], ...] = ()
        self.readers: tuple[tuple[int, int], ...] = ()


class _Timeline:
    """The moments of a history, made as the search first reaches them."""

    def __init__(self, calls: Sequence[Call], until: int) -> None:
        self._starts = sorted(calls, key=attrgetter("start"))
        # An optional call that outlasts all answers needs no moment of its own.
        self.ends = sorted((call for call in calls if not call.optional or call.end < until), key=attrgetter("end"))
        self.moments: list[_Moment] = []
        self._next = 0
        self._bits: dict[int, int] = {}
        self._free: list[int] = []
        self._width = 0
        self._movers: list[tuple[int, Call]] = []
        self._readers: dict[int, int] = {}
        self._optional = 0

    def extend(self) -> _Moment:
        index = len(self.moments)
        if index:
            self._close(self.ends[index - 1])
        last = self.ends[index]
        # Ties: a call that starts at the instant of this end is concurrent with it, so it is open here.
        while self._next < len(self._starts) and self._starts[self._next].start <= last.end:
            self._open(self._starts[self._next])
            self._next += 1
        moment = _Moment(last, self._bits[id(last)])
        moment.optional = self._optional
        moment.movers = tuple(self._movers)
        moment.readers = tuple(self._readers.items())
        self.moments.append(moment)
        return moment

    def _open(self, call: Call) -> None:
        if self._free:
            bit = self._free.pop()
        else:
            bit = 1 << self._width
            self._width += 1
        self._bits[id(call)] = bit
        if call.observes:
            self._readers[call.kind] = self._readers.get(call.kind, 0) | bit
        else:
            insort(self._movers, (bit, call), key=lambda mover: mover[1].end)
            if call.optional:
                self._optional |= bit

    def _close(self, call: Call) -> None:
        bit = self._bits[id(call)]
        self._free.append(bit)  # every configuration that gets past this end has cleared it
        self._optional &= ~bit
        if call.observes:
            self._readers[call.kind] &= ~bit
            if not self._readers[call.kind]:
                del self._readers[call.kind]
        else:
            self._movers = [mover for mover in self._movers if mover[1] is not call]


def search(calls: Sequence[Call], machine: Machine, deadline: float, limit: int = MAX_CONFIGURATIONS) -> Found:
    """Whether the calls on one object have a linearization.

    Args:
        calls: optional ones must not be ``observes``: they constrain nothing.
        machine: the object, in its initial state 0.
        deadline: of ``time.monotonic()``.
        limit: configurations to remember before giving up.
    """
    answered = max((call.end for call in calls if not call.optional), default=None)
    if answered is None:
        return Found("valid")
    timeline = _Timeline([call for call in calls if call.start <= answered], answered)
    total, moments, after = len(timeline.ends), timeline.moments, machine.after
    seen: dict[tuple[int, int, int], list[int]] = {}
    expanded = furthest = 0
    stack: list[tuple[int, int, int]] = [(0, 0, 0)]
    while stack:
        index, state, done = stack.pop()
        while index < total:
            moment = moments[index] if index < len(moments) else timeline.extend()
            for kind, bits in moment.readers:
                if bits & ~done and after(state, kind) == state:
                    done |= bits
            if not done & moment.bit:
                break
            done ^= moment.bit
            index += 1
        else:
            return Found("valid", configurations=expanded)
        used = done & moment.optional
        less = seen.setdefault((index, state, done ^ used), [])
        if any(not other & ~used for other in less):
            continue
        less.append(used)
        expanded += 1
        furthest = max(furthest, index)
        if expanded % _CLOCK_EVERY == 0:
            if monotonic() > deadline:
                return Found("unknown", why="out of time", configurations=expanded)
            if expanded + len(stack) > limit or machine.bytes > MAX_BYTES:
                return Found("unknown", why="out of memory", configurations=expanded)
        _push(stack, moment, index, state, done, after)
        if moment.call.optional:
            stack.append((index + 1, state, done))
    return Found("invalid", stuck=timeline.ends[furthest], configurations=expanded)


def _push(
    stack: list[tuple[int, int, int]],
    moment: _Moment,
    index: int,
    state: int,
    done: int,
    after: Callable[[int, int], int],
) -> None:
    """The configurations one operation further, the most promising last, because it is taken first."""
    tried: set[int] = set()
    tried_answered: set[int] = set()
    branches: list[tuple[int, int, int]] = []
    optional: list[tuple[int, int, int]] = []
    first: list[tuple[int, int, int]] = []
    target = moment.call
    for bit, call in moment.movers:
        if done & bit or call.kind in (tried if call.optional else tried_answered):
            continue
        tried.add(call.kind)
        if not call.optional:
            tried_answered.add(call.kind)
        reached = after(state, call.kind)
        if reached < 0 or (call.optional and reached == state):
            continue
        suits = call is target or (target.observes and after(reached, target.kind) == reached)
        (first if suits else optional if call.optional else branches).append((index, reached, done | bit))
    for each in (optional, branches, first):
        each.reverse()
        stack.extend(each)
