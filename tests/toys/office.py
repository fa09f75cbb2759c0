"""Composition: an office holds an archive (a static child) and desks (dynamic children), each desk a drawer.

A grandchild's event climbs to the root in the turn that caused it; storage, timers and messages stay in their scopes,
though the names in them are the same on purpose (``papers``, ``last``, ``remind``).
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from protocols.node import (
    Context,
    Durable,
    Node,
    on,
    on_batch_end,
    on_disconnect,
    on_durable,
    on_event,
    on_timer,
)


class Open(msgspec.Struct, frozen=True, tag=True):
    desk: str


class Close(msgspec.Struct, frozen=True, tag=True):
    desk: str


class Paper(msgspec.Struct, frozen=True, tag=True):
    number: int


class Receipt(msgspec.Struct, frozen=True, tag=True):
    number: int


class Reminder(msgspec.Struct, frozen=True, tag=True):
    number: int


class Filed(msgspec.Struct, frozen=True, tag=True):
    number: int


class Stuffed(msgspec.Struct, frozen=True, tag=True):
    number: int


class Heard(msgspec.Struct, frozen=True, tag=True):
    desk: str
    number: int


REMIND = 1_000


class Drawer(Node):
    """The innermost scope: a log of papers; says so whenever it holds an even number of them."""

    stored: ClassVar[dict[str, Any]] = {"papers": int, "last": int}

    def start(self, ctx: Context, durable: Durable) -> None:
        self.found = tuple(durable.log("papers").entries)

    def put(self, ctx: Context, number: int) -> None:
        ctx.append("papers", (number,))
        ctx.persist("last", -number)
        if len(ctx.read_log("papers")) % 2 == 0:
            ctx.emit(Stuffed(number))


class Desk(Node):
    """Takes papers, answers each with a receipt, and reminds the sender later."""

    messages: ClassVar[Any] = Paper | Receipt | Reminder
    stored: ClassVar[dict[str, Any]] = {"paper:": int, "papers": int, "last": int}

    def start(self, ctx: Context, durable: Durable) -> None:
        self.found = tuple(durable.log("papers").entries)
        self.last = durable.get("last", 0)
        self.drawer = Drawer(None)
        self.drawer_ctx = ctx.child("drawer", self.drawer)
        self.senders: dict[int, str] = {}
        self.received: list[tuple[str, Any]] = []
        self.turns_synced: list[int] = []
        self.batches = 0
        self.gone: list[str] = []

    @on(Paper)
    def paper(self, ctx: Context, source: str, message: Paper) -> None:
        number = message.number
        ctx.persist(f"paper:{number}", number)
        ctx.persist("last", number)
        ctx.append("papers", (number,))
        self.senders[number] = source
        self.drawer.put(self.drawer_ctx, number)
        ctx.send(source, Receipt(number))
        ctx.set_timer("remind", REMIND, number)
        ctx.at_batch_end()
        ctx.mark("paper", number=number)

    @on(Receipt, Reminder)
    def noted(self, ctx: Context, source: str, message: Receipt | Reminder) -> None:
        self.received.append((source, message))

    @on_timer("remind")
    def remind(self, ctx: Context, number: int) -> None:
        ctx.send(self.senders[number], Reminder(number))

    @on_event("drawer", Stuffed)
    def stuffed(self, ctx: Context, child: str, event: Stuffed) -> None:
        ctx.emit(event)

    @on_durable
    def synced(self, ctx: Context, turn: int) -> None:
        self.turns_synced.append(turn)

    @on_batch_end
    def batch_over(self, ctx: Context) -> None:
        self.batches += 1

    @on_disconnect
    def disconnected(self, ctx: Context, peer: str) -> None:
        self.gone.append(peer)


class Archive(Node):
    """A static child, called by its parent within the parent's turn."""

    stored: ClassVar[dict[str, Any]] = {"papers": int, "last": int}

    def start(self, ctx: Context, durable: Durable) -> None:
        self.found = tuple(durable.log("papers").entries)

    def file(self, ctx: Context, number: int) -> None:
        ctx.append("papers", (number,))
        ctx.persist("last", 100 + number)
        ctx.emit(Filed(number))


class Office(Node):
    """The root: opens and closes desks, and files what its desks' drawers can hold no longer."""

    messages: ClassVar[Any] = Open | Close
    stored: ClassVar[dict[str, Any]] = {"desk:": bool, "papers": int, "last": int}

    def start(self, ctx: Context, durable: Durable) -> None:
        self.found = tuple(durable.log("papers").entries)
        self.keys = tuple(sorted(durable.keys))
        self.filed: list[int] = []
        self.desks: dict[str, Desk] = {}
        self.archive = Archive(None)
        self.archive_ctx = ctx.child("archive", self.archive)
        for key in sorted(durable.keys):
            if key.startswith("desk:"):
                self._open(ctx, key.removeprefix("desk:"))

    def _open(self, ctx: Context, name: str) -> None:
        self.desks[name] = Desk(None)
        ctx.child(f"desk-{name}", self.desks[name])

    @on(Open)
    def open(self, ctx: Context, source: str, message: Open) -> None:
        ctx.persist(f"desk:{message.desk}", True)
        self._open(ctx, message.desk)

    @on(Close)
    def close(self, ctx: Context, source: str, message: Close) -> None:
        ctx.delete(f"desk:{message.desk}")
        del self.desks[message.desk]
        ctx.drop_child(f"desk-{message.desk}")

    @on_event("desk-*", Stuffed)
    def stuffed(self, ctx: Context, child: str, event: Stuffed) -> None:
        ctx.persist("last", 1000 + event.number)
        ctx.append("papers", (event.number,))
        self.archive.file(self.archive_ctx, event.number)
        ctx.emit(Heard(child, event.number))

    @on_event("archive", Filed)
    def archived(self, ctx: Context, child: str, event: Filed) -> None:
        self.filed.append(event.number)
