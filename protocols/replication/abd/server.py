"""A server of the register: it keeps the newest version of each key that it hears of, and tells it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import msgspec

from ...node import Context, Durable, Node, on
from .config import ServerConfig
from .messages import Entry, Newest, Query, Store, Stored, Version

NOTHING = Entry(Version(0, ""), None)
"""Of a key that was never written."""


class View(msgspec.Struct, frozen=True):
    """What invariants may see of a server.

    Attributes:
        entries: by key; not to be changed.
        silent: it has lost its disk.
    """

    entries: dict[str, Entry]
    silent: bool


class Server(Node):
    """One of n servers; a majority of them is the register."""

    messages: ClassVar[Any] = Query | Store
    stored: ClassVar[Mapping[str, Any]] = MappingProxyType({"entry:": Entry, "silent": bool})

    config: ServerConfig

    def start(self, ctx: Context, durable: Durable) -> None:
        """Boot with what is on disk. A server that has lost it acknowledged writes that it forgot, and is silent:

        with its answers a quorum might miss a completed write. It counts as one of the minority that may fail.
        """
        self.silent = durable.lost or bool(durable.corrupt) or durable.get("silent", False)
        if self.silent:
            ctx.mark("silent")
            ctx.persist("silent", True)
        self.entries: dict[str, Entry] = {
            name.partition(":")[2]: value for name, value in durable.keys.items() if name.startswith("entry:")
        }

    def inspect(self) -> View:
        """See :class:`View`."""
        return View(self.entries, self.silent)

    @on(Query)
    def query(self, ctx: Context, source: str, message: Query) -> None:
        """Tell the newest version. Prefix durability holds the answer back until that version is on disk."""
        if self.silent:
            return
        entry = self.entries.get(message.key, NOTHING)
        ctx.send(source, Newest(message.phase, entry if message.values else Entry(entry.version, None)))

    @on(Store)
    def store(self, ctx: Context, source: str, message: Store) -> None:
        """Keep what is newer; acknowledge in any case, for then something newer is here."""
        if self.silent:
            return
        if message.entry.version > self.entries.get(message.key, NOTHING).version:
            self.entries[message.key] = message.entry
            ctx.persist("entry:" + message.key, message.entry)
        ctx.send(source, Stored(message.phase))
