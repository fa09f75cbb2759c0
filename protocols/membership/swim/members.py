"""What one member knows of the others, at a cost that grows with what is news, not with the size of the group.

Ten thousand members that each kept ten thousand records would need 10^8 of them. Nearly all would say the same: alive,
as in the beginning. So all members share that beginning (the initial servers' tuple), and each keeps only what differs.
"""

from __future__ import annotations

from collections.abc import Mapping

from .messages import ALIVE, DEAD, Update, Updates

Known = tuple[int, int]
"""(incarnation, status): a record, and, compared as a tuple, what overrides what (SWIM, section 4.2)."""

INITIAL: Known = (0, ALIVE)


class _Shared:
    """The beginning asked for last, as a table: members that boot one after the other share one."""

    base: tuple[str, ...] = ()
    table: Mapping[str, None] = {}

    @classmethod
    def of(cls, base: tuple[str, ...]) -> Mapping[str, None]:
        """A table of these names; the same one while the same tuple is asked for."""
        if cls.base is not base:
            cls.base, cls.table = base, dict.fromkeys(base)
        return cls.table


class Members:
    """Everybody this member knows of, itself included.

    Attributes:
        base: names known from the beginning, shared by all members; never copied.
        changed: those of whom something else is known than the beginning: name -> record.
        joined: names that were not known in the beginning, in the order in which they were learnt.
        down: names that are dead or have left, with the incarnation at which they did.
        size: number of names, whatever their status.
    """

    __slots__ = ("_table", "base", "changed", "down", "joined", "size")

    def __init__(self, base: tuple[str, ...]) -> None:
        self.base = base
        self._table = _Shared.of(base)
        self.changed: dict[str, Known] = {}
        self.joined: list[str] = []
        self.down: dict[str, int] = {}
        self.size = len(base)

    @property
    def alive(self) -> int:
        """Members that are not down."""
        return self.size - len(self.down)

    def name(self, index: int) -> str:
        """The member of that number."""
        base = self.base
        return base[index] if index < len(base) else self.joined[index - len(base)]

    def get(self, name: str) -> Known | None:
        """What is known of it; None for a stranger."""
        known = self.changed.get(name)
        if known is not None:
            return known
        return INITIAL if name in self._table else None

    def put(self, name: str, incarnation: int, status: int) -> None:
        """Take up what has been found to override what was known."""
        if name not in self.changed and name not in self._table:
            self.joined.append(name)
            self.size += 1
        self.changed[name] = (incarnation, status)
        if status >= DEAD:
            self.down[name] = incarnation
        else:
            self.down.pop(name, None)

    def state(self, origin: str) -> Updates:
        """All that differs from the beginning, for an exchange."""
        return tuple(Update(name, status, incarnation, origin) for name, (incarnation, status) in self.changed.items())
