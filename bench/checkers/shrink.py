"""Making a violation small without making it a different one.

A part of a history proves the whole wrong only if what is left out could not have explained what is kept. So a step
that changes nothing may always be left out: it only constrains. A step that leaves *v* may be left out only if no kept
step that needs *v* can have seen this one, and if each still has some other source of *v*: a read of 3 whose every
write of 3 is left out would be a riddle, not evidence.

**Claim**: if the part is not linearizable, the whole is not. For take a linearization of the whole, and in it a step
that is left out and leaves *v*. Up to the next change the register holds *v*; of the kept steps none in this stretch
needs *v* (or avoids a value), so there are none but writes, and the stretch can be cut out. Doing this for every step
left out gives a linearization of the part.

A step *r* cannot have seen what *w* left if r ended before w began, or if some step of the whole that certainly took
effect and changes the register began after w ended and ended before r began: it then lies between them in every
linearization.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence

from ..history.history import NEVER, NIL
from .steps import Step, givers

Violates = Callable[[Sequence[Step]], bool]


class Whole:
    """All steps on a key, and which of them can have seen which."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = steps
        self._givers = givers(steps)
        changes = sorted((step.start, step.end) for step in steps if step.gives is not None and not step.optional)
        starts = [start for start, _ in changes]
        soonest = [NEVER]  # soonest end among the changes from here on
        for _, end in reversed(changes):
            soonest.append(min(end, soonest[-1]))
        soonest.reverse()
        self._gone_by = {id(step): soonest[bisect_right(starts, step.end)] for step in steps if step.gives is not None}

    def can_see(self, reader: Step, giver: Step) -> bool:
        """Whether ``reader`` may lie in the stretch that ``giver`` begins, for all that their times tell."""
        return reader.end >= giver.start and reader.start <= self._gone_by[id(giver)]

    def with_sources(self, core: Iterable[Step]) -> list[Step]:
        """The steps of ``core`` and all that must stay with them, in the old order.

        With an optional step also stays one that proves that it took effect, by needing what it left (the first found
        from the mandatory steps backwards, so the proofs end in one).
        """
        proof: dict[int, Step] = {}
        demands = [step for step in self.steps if not step.optional]
        for step in demands:  # grows as optional steps turn out to be demanded
            if step.need is not None and step.need not in proof:
                proof[step.need] = step
                demands.extend(giver for giver in self._givers.get(step.need, ()) if giver.optional)
        kept: set[int] = set()
        todo = list(core)
        while todo:
            step = todo.pop()
            if id(step) in kept:
                continue
            kept.add(id(step))
            todo.extend(self._sources(step))
            if step.optional and step.gives in proof:
                todo.append(proof[step.gives])
        return [step for step in self.steps if id(step) in kept]

    def _sources(self, step: Step) -> list[Step]:
        if step.avoid is not None:
            return [giver for some in self._givers.values() for giver in some if self.can_see(step, giver)]
        if step.need is None:
            return []
        all_of_it = self._givers.get(step.need, [])
        visible = [giver for giver in all_of_it if self.can_see(step, giver)]
        if visible or not all_of_it or step.need == NIL:
            return visible
        before = [giver for giver in all_of_it if giver.start <= step.end]
        return [max(before, key=lambda giver: giver.start)] if before else [all_of_it[0]]

    def without(self, steps: Sequence[Step], removed: Iterable[Step]) -> list[Step]:
        """``steps`` without those removed, and without what may not stay once they are gone."""
        todo = list(removed)
        gone = {id(step) for step in todo}
        if all(step.gives is None for step in todo):  # nobody can have seen these
            return [step for step in steps if id(step) not in gone]
        gone.clear()
        readers: dict[int, list[Step]] = {}
        avoiders: list[Step] = []
        sources: dict[int, int] = {NIL: 1}
        for step in steps:
            if step.need is not None:
                readers.setdefault(step.need, []).append(step)
            if step.avoid is not None:
                avoiders.append(step)
            if step.gives is not None:
                sources[step.gives] = sources.get(step.gives, 0) + 1
        while todo:
            step = todo.pop()
            if id(step) in gone:
                continue
            gone.add(id(step))
            if step.gives is not None:
                sources[step.gives] -= 1
                last = not sources[step.gives]
                todo.extend(reader for reader in readers.get(step.gives, ()) if last or self.can_see(reader, step))
                todo.extend(reader for reader in avoiders if self.can_see(reader, step))
        return [step for step in steps if id(step) not in gone]

    def shrink(self, core: Sequence[Step], violates: Violates, out_of_time: Callable[[], bool]) -> list[Step]:
        """A small part of ``core`` that still violates and speaks for the whole: delta debugging, coarse to fine.

        ``core`` must come from :meth:`with_sources`. The result is minimal in that no further step can be left out,
        unless time ran out; then it is merely smaller. (Of steps one by one a single pass is enough: where one cannot
        be left out of a part, neither can it of a smaller one, which is a part of that.)
        """
        kept = list(core)
        size = max(1, len(kept) // 2)
        while True:
            at = 0  # from the beginning: what is old matters least
            while at < len(kept):
                if out_of_time():
                    return kept
                candidate = self.without(kept, kept[at : at + size])
                if candidate and violates(candidate):
                    kept = candidate
                else:
                    at += size
            if size == 1:
                return kept
            size = max(1, size // 2)
