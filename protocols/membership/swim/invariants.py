"""What holds of SWIM at every step. That everybody finds out in the end is judged over the whole run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ...family import Invariant
from .messages import STATUS

if TYPE_CHECKING:
    from .members import Known
    from .messages import Update
    from .server import View


class IncarnationOrigin:
    """Only a member itself raises its incarnation (section 4.2): nobody knows a higher one than it has.

    A later life included, which is why it is on disk. A member whose disk was lost is exempt: it learns from others.
    """

    name = "incarnation_origin"

    def __init__(self) -> None:
        self.exempt: set[str] = set()

    def restarted(self, node: str) -> None:
        """Incarnations outlive restarts."""

    def step(self, node: str, view: View, views: Mapping[str, View]) -> str | None:
        """What this member knows of others, and what others know of it."""
        if view.amnesiac:
            self.exempt.add(node)
        for name, (incarnation, _) in view.changed.items():
            its = views.get(name)
            if its is not None and incarnation > its.incarnation and name not in self.exempt:
                return f"{node} knows incarnation {incarnation} of {name}, which is at {its.incarnation}"
        if node in self.exempt:
            return None
        for other, its in views.items():
            known = its.changed.get(node)
            if known is not None and known[0] > view.incarnation:
                return f"{node} is at incarnation {view.incarnation}, {other} knows {known[0]} of it"
        return None


class Precedence:
    """Within one life, what a member knows of another is only ever overridden by what ranks above it (section 4.2).

    A higher incarnation, or at the same one: alive, suspect, dead.
    """

    name = "precedence"

    def __init__(self) -> None:
        self.seen: dict[str, dict[str, Known]] = {}

    def restarted(self, node: str) -> None:
        """A new life knows what everybody knew in the beginning."""
        self.seen.pop(node, None)

    def step(self, node: str, view: View, views: Mapping[str, View]) -> str | None:
        """Compare with the last look."""
        seen = self.seen.setdefault(node, {})
        for name, known in view.changed.items():
            before = seen.get(name)
            if before is not None and known < before:
                was, now = (f"{STATUS[status]} at {incarnation}" for incarnation, status in (before, known))
                return f"{node} knew {name} to be {was}, and let that be overridden by {now}"
            seen[name] = known
        return None


class HelpersAreOthers:
    """Who is asked to ping for a member is neither that member nor the one it cannot reach (section 3.1)."""

    name = "helpers_are_others"

    def restarted(self, node: str) -> None:
        """Nothing is remembered."""

    def step(self, node: str, view: View, views: Mapping[str, View]) -> str | None:
        """Look at the probe under way."""
        if view.target and view.target in view.helpers:
            return f"{node} asked {view.target} to find out whether {view.target} is up"
        if node in view.helpers:
            return f"{node} asked itself for help"
        return None


class LeastToldFirst:
    """No piece of news is passed on while one that was told less often is left out (section 4.1)."""

    name = "least_told_first"

    def __init__(self) -> None:
        self.seen: dict[str, dict[str, tuple[int, Update]]] = {}

    def restarted(self, node: str) -> None:
        """A new life has other news."""
        self.seen.pop(node, None)

    def step(self, node: str, view: View, views: Mapping[str, View]) -> str | None:
        """Compare with the last look: who rose, and who of a lower count did not?"""
        before = self.seen.get(node, {})
        now = {name: (told, view.news[name]) for name, told in view.told.items()}
        waiting = [(told, name) for name, (told, update) in now.items() if before.get(name) == (told, update)]
        if waiting:
            least, left_out = min(waiting)
            for name, (told, update) in now.items():
                old = before.get(name)
                if old is not None and old[1] is update and least < old[0] < told:
                    return f"{node} passed on {name} for the {told}th time, and left out {left_out}, told {least} times"
        self.seen[node] = now
        return None


def invariants() -> list[Invariant]:
    """A fresh set for one run."""
    return [IncarnationOrigin(), Precedence(), HelpersAreOthers(), LeastToldFirst()]
