"""What a node has on disk, as values: the writes of turns applied one after the other. Shared by both worlds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from protocols.node import LogImage

PUT, DELETE, APPEND, TRUNCATE, COMPACT, RESET = range(6)

Write = tuple[int, str, Any]
"""(PUT, key, value), (DELETE, key, None), (APPEND, log, entries), (TRUNCATE, log, index), (COMPACT, log, index),
(RESET, log, index): an empty log that starts above ``index``."""


class Image:
    """Keys and logs after a prefix of turns."""

    __slots__ = ("keys", "logs")

    def __init__(self) -> None:
        self.keys: dict[str, Any] = {}
        self.logs: dict[str, LogImage] = {}

    def copy(self) -> Image:
        """An independent image that shares the (immutable) values and entries."""
        other = Image()
        other.keys = dict(self.keys)
        other.logs = {name: LogImage(log.first, list(log.entries)) for name, log in self.logs.items()}
        return other

    def apply(self, writes: Iterable[Write]) -> None:
        """Apply the writes of one turn, in their order."""
        for kind, name, what in writes:
            if kind == APPEND:
                log = self.logs.get(name)
                if log is None:
                    log = self.logs[name] = LogImage()
                log.entries.extend(what)
            elif kind == PUT:
                self.keys[name] = what
            elif kind == DELETE:
                self.keys.pop(name, None)
            elif kind == RESET:
                self.logs[name] = LogImage(what + 1, [])
            else:
                log = self.logs.get(name)
                if log is None:
                    continue
                if kind == TRUNCATE:
                    del log.entries[max(0, what - log.first) :]
                else:
                    cut = min(max(0, what + 1 - log.first), len(log.entries))
                    del log.entries[:cut]
                    log.first += cut
