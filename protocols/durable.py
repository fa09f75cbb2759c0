"""What survived a crash: the durable state that a node finds when it boots."""

from __future__ import annotations

from typing import Any


class LogImage:
    """One durable log: entries ``first .. first + len(entries) - 1``; indices count from 1.

    ``first`` exceeds 1 after :meth:`Context.compact_prefix`.
    """

    __slots__ = ("entries", "first")

    def __init__(self, first: int = 1, entries: list[Any] | None = None) -> None:
        self.first = first
        self.entries: list[Any] = [] if entries is None else entries

    def __len__(self) -> int:
        return len(self.entries)

    def __repr__(self) -> str:
        return f"LogImage(first={self.first}, entries={self.entries!r})"


class Durable:
    """The state that survived, handed to :meth:`Node.start`.

    Attributes:
        lost: the disk is empty although this node has run before. What it promised then is forgotten, so a protocol
            whose promises must outlive crashes has to keep such a node from breaking them.
        torn: records at the end of the write-ahead log that were written but not synced, and were cut off.
        corrupt: synced records that no longer match their checksum; they and all that followed are cut off.
    """

    __slots__ = ("corrupt", "keys", "logs", "lost", "torn")

    def __init__(
        self,
        keys: dict[str, Any] | None = None,
        logs: dict[str, LogImage] | None = None,
        *,
        lost: bool = False,
        torn: int = 0,
        corrupt: int = 0,
    ) -> None:
        self.keys: dict[str, Any] = {} if keys is None else keys
        self.logs: dict[str, LogImage] = {} if logs is None else logs
        self.lost = lost
        self.torn = torn
        self.corrupt = corrupt

    def get(self, key: str, default: Any = None) -> Any:
        """The value last persisted under ``key``, or ``default``."""
        return self.keys.get(key, default)

    def log(self, name: str) -> LogImage:
        """The log of that name; empty if nothing was ever appended to it."""
        image = self.logs.get(name)
        return LogImage() if image is None else image
