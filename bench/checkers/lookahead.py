"""What the whole history tells of a state: that nothing leads on from it, or that it is as good as another.

**Queues and stacks.** Say *v* is enqueued once and dequeued once, both for certain known. Where a lies before b in a
queue, a leaves first; so the state is hopeless if the dequeue of a began after that of b had ended. Where b lies upon a
in a stack, b leaves first; so the state is hopeless if the pop of a had ended before that of b began. A value of a
queue that no answered dequeue took can only leave by an unanswered one. Each new state differs from one already judged
in its last element.

**Stores with appends.** A value is *silent* if it is no prefix of anything that some operation saw or expected. Nothing
appended makes it otherwise, and in no silent state can any of these operations have met its value; so all silent states
are one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from ..history.history import INFO, NEVER
from ..history.operations import MISSING, Operation

Seen = Callable[[Any], Any]
"""State -> one that leads on just as well; None if no linearization goes through it."""


def _taken_once(operations: Sequence[Operation], into: str) -> tuple[dict[Hashable, Operation], set[Hashable]]:
    """Of each value put in once and taken once: the operation that took it; and the values put in once."""
    put = Counter(each.argument for each in operations if each.function == into)
    out = [each for each in operations if each.function != into and each.outcome != INFO]
    if any(each.result is MISSING for each in out):
        return {}, set()
    taken = Counter(each.result for each in out)
    once = {value for value, count in put.items() if count == 1}
    return {each.result: each for each in out if each.result in once and taken[each.result] == 1}, once


def of_queue(operations: Sequence[Operation]) -> Seen:
    """For the contents of a queue, oldest first."""
    taken, once = _taken_once(operations, "enqueue")
    seen = {each.result for each in operations if each.function == "dequeue"}
    maybe = min(
        (each.invoked for each in operations if each.function == "dequeue" and each.outcome == INFO), default=NEVER
    )
    never = once - seen if taken else set()

    def hopeless(state: tuple[Hashable, ...]) -> bool:
        last = taken.get(state[-1]) if state else None
        if last is None:
            return False
        for value in state[:-1]:
            first = taken.get(value)
            if first is not None:
                if first.invoked > last.completed:
                    return True
            elif value in never and maybe > last.completed:
                return True
        return False

    return lambda state: None if hopeless(state) else state


def of_stack(operations: Sequence[Operation]) -> Seen:
    """For the contents of a stack, top last."""
    taken, _ = _taken_once(operations, "push")

    def hopeless(state: tuple[Hashable, ...]) -> bool:
        top = taken.get(state[-1]) if state else None
        if top is None:
            return False
        return any((below := taken.get(value)) is not None and below.completed < top.invoked for value in state[:-1])

    return lambda state: None if hopeless(state) else state


def of_store(operations: Sequence[Operation]) -> Seen:
    """For the value of one key, the only member of the state, if values are strings."""
    known: set[Any] = set()
    for each in operations:
        if each.result is not MISSING:
            known.add(each.result)
        if each.function == "cas":
            known.add(each.argument[0])
    known.discard(None)
    if not all(isinstance(value, str) for value in known):
        return lambda state: state
    ordered = sorted(known)
    silent = "\0"
    while any(value.startswith(silent) for value in ordered):
        silent += "\0"

    def seen(state: tuple[Any]) -> tuple[Any]:
        (value,) = state
        if not isinstance(value, str):
            return state
        at = bisect_left(ordered, value)  # what has it as a prefix would be next
        return state if not value or (at < len(ordered) and ordered[at].startswith(value)) else (silent,)

    return seen
