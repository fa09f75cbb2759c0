"""Durability: a node whose every turn writes over two logs, a key, and the same in a child's scope.

Line *k* is the k-th write turn of all its lives that survived. Whoever asks is told how many lines there are by a turn
that writes nothing: the case in which the answer must wait for *other* turns' writes.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from protocols.node import Context, Durable, Node, on


class Line(msgspec.Struct, frozen=True, tag=True):
    """Write one line; the answer is a Count."""

    rewrite: bool = False


class Ask(msgspec.Struct, frozen=True, tag=True):
    """How many lines are there?"""


class Count(msgspec.Struct, frozen=True, tag=True):
    lines: int


class Copy(Node):
    """The child: a second scope in the same record."""

    stored: ClassVar[dict[str, Any]] = {"text": int, "lines": int}


class Scribe(Node):
    """Writes lines; odd and even ones go to different logs as well, and some turns cut a log's end or beginning."""

    messages: ClassVar[Any] = Line | Ask
    stored: ClassVar[dict[str, Any]] = {"text": int, "even": int, "lines": int}

    def start(self, ctx: Context, durable: Durable) -> None:
        self.lines = durable.get("lines", 0)
        self.copy_ctx = ctx.child("copy", Copy(None))

    @on(Line)
    def line(self, ctx: Context, source: str, message: Line) -> None:
        self.lines = number = self.lines + 1
        text = ctx.read_log("text")
        if message.rewrite and len(text):
            # the order of writes within a turn must survive as well: cut, then append
            ctx.truncate_suffix("text", text.first + len(text) - 1)
            ctx.append("text", (-number,))
            ctx.compact_prefix("even", 1)
        ctx.append("text", (number,))
        self.copy_ctx.append("text", (number,))
        self.copy_ctx.persist("lines", number)
        if number % 2 == 0:
            ctx.append("even", (number,))
        ctx.persist("lines", number)
        ctx.send(source, Count(number))

    @on(Ask)
    def ask(self, ctx: Context, source: str, message: Ask) -> None:
        ctx.send(source, Count(self.lines))


class Reader(Node):
    """Remembers the highest count it was ever told: a promise that no crash may take back."""

    messages: ClassVar[Any] = Count

    def start(self, ctx: Context, durable: Durable) -> None:
        self.heard: list[int] = []

    @on(Count)
    def count(self, ctx: Context, source: str, message: Count) -> None:
        self.heard.append(message.lines)


def on_disk(keys: dict[str, Any], logs: dict[str, Any]) -> tuple[Any, ...]:
    """Everything a Scribe stores, in comparable form."""
    return (
        tuple(sorted(keys.items())),
        tuple(sorted((name, log.first, tuple(log.entries)) for name, log in logs.items())),
    )
