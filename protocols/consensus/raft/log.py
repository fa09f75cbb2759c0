"""The log in memory: what follows the compacted prefix, who the members are by it, and how much of it is on disk."""

from __future__ import annotations

from collections import deque

from .messages import Entry, Members


class Log:
    """Entries ``base + 1 .. last``; indices count from 1. Whoever changes it writes the same change to disk.

    Attributes:
        entries: those above ``base``; a list, so that views need no copy.
        base, base_term: the last entry that is gone, and its term (0, 0: none).
        last: index of the last entry.
        durable: entries up to here are on our disk.
        changes: (index, members) of every change of membership from the snapshot on, and before them what it was then.
    """

    __slots__ = ("base", "base_term", "changes", "durable", "entries", "last", "unsynced")

    def __init__(self, base: int, base_term: int, entries: list[Entry], snapshot_index: int, members: Members) -> None:
        self.entries = entries
        self.base, self.base_term = base, base_term
        self.last = self.durable = base + len(entries)
        self.unsynced: deque[tuple[int, int]] = deque()  # (turn, last index written in it)
        self.changes: list[tuple[int, Members]] = [(snapshot_index, members)]
        self._note_changes(snapshot_index + 1)

    # --- reading -----------------------------------------------------------------------------------------------------

    @property
    def members(self) -> Members:
        """The latest membership in the log. It counts as soon as it is there, committed or not (section 4.1)."""
        return self.changes[-1][1]

    @property
    def changed_at(self) -> int:
        """Where in the log the latest membership is."""
        return self.changes[-1][0]

    def members_at(self, index: int) -> Members:
        """The membership after that entry; ``index`` is at least the snapshot's."""
        return next(members for at, members in reversed(self.changes) if at <= index)

    @property
    def last_term(self) -> int:
        """Term of the last entry; 0 if there never was one."""
        return self.entries[-1].term if self.entries else self.base_term

    def term(self, index: int) -> int:
        """Term of the entry at ``index``, which is at least ``base``."""
        return self.entries[index - self.base - 1].term if index > self.base else self.base_term

    def entry(self, index: int) -> Entry:
        """The entry at ``index``, which is above ``base``."""
        return self.entries[index - self.base - 1]

    def after(self, index: int, most: int) -> tuple[Entry, ...]:
        """At most so many entries above ``index``."""
        start = index - self.base
        return tuple(self.entries[start : start + most])

    # --- changing ----------------------------------------------------------------------------------------------------

    def extend(self, entries: tuple[Entry, ...], turn: int) -> None:
        """Append; they are durable when the writes of ``turn`` are."""
        first = self.last + 1
        self.entries.extend(entries)
        self.last += len(entries)
        self.unsynced.append((turn, self.last))
        self._note_changes(first)

    def cut(self, index: int) -> None:
        """Remove the entries at ``index`` and above; with them goes the membership they brought (section 4.1)."""
        del self.entries[index - self.base - 1 :]
        self.last = index - 1
        self.durable = min(self.durable, self.last)
        self.unsynced = deque((turn, min(last, self.last)) for turn, last in self.unsynced)
        while len(self.changes) > 1 and self.changes[-1][0] >= index:
            self.changes.pop()

    def compact(self, index: int, snapshot_index: int) -> None:
        """Forget the entries up to ``index``; a snapshot up to ``snapshot_index``, which is not lower, holds them."""
        members = self.members_at(snapshot_index)
        self.changes = [(snapshot_index, members), *(each for each in self.changes if each[0] > snapshot_index)]
        self.base_term = self.term(index)
        del self.entries[: index - self.base]
        self.base = index

    def restart(self, index: int, term: int, members: Members, turn: int) -> None:
        """Begin again, empty, after a snapshot up to ``index``, which is durable when the writes of ``turn`` are."""
        self.entries.clear()
        self.base, self.base_term = index, term
        self.last = index
        self.durable = min(self.durable, index)
        self.unsynced = deque([(turn, index)])
        self.changes = [(index, members)]

    def synced(self, turn: int) -> int:
        """The writes up to ``turn`` are on disk; returns the index up to which entries are."""
        unsynced = self.unsynced
        while unsynced and unsynced[0][0] <= turn:
            self.durable = unsynced.popleft()[1]
        return self.durable

    def _note_changes(self, first: int) -> None:
        for position in range(first - self.base - 1, len(self.entries)):
            members = self.entries[position].members
            if members is not None:
                self.changes.append((self.base + position + 1, members))
