"""The updates that a member passes on: infection-style dissemination on messages that are sent anyway (section 4.1)."""

from __future__ import annotations

from heapq import nsmallest

from .messages import Update, Updates


class News:
    """One update a subject, the latest; each is passed on a limited number of times, the least told ones first.

    Both matter: without a limit old news would crowd out new, and without the order what arrives during a burst would
    wait until the burst is told (starve).
    """

    __slots__ = ("told", "updates")

    def __init__(self) -> None:
        self.updates: dict[str, Update] = {}
        self.told: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self.updates)

    def add(self, update: Update) -> None:
        """Pass it on; it replaces what was being said of its subject."""
        self.updates[update.subject] = update
        self.told[update.subject] = 0

    def take(self, most: int, limit: int) -> Updates:
        """At most so many for one message; who has been told ``limit`` times is dropped."""
        told = self.told
        chosen = list(told) if len(told) <= most else nsmallest(most, told, key=told.__getitem__)
        taken = []
        for subject in chosen:
            taken.append(self.updates[subject])
            told[subject] += 1
            if told[subject] >= limit:
                del told[subject], self.updates[subject]
        return tuple(taken)
