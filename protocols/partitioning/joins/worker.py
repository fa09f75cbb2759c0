"""A worker has a part of each table, and joins what it is sent.

*Repartition* (the parallel hash join of Gamma: DeWitt et al., VLDB 1986): every row goes to the worker that the hash of
the attribute names, so that rows which match meet. *Broadcast* (fragment and replicate: Epstein, Stonebraker and Wong,
SIGMOD 1978): the left table goes to everybody, the right one stays. *Colocated*: matching rows are on one worker
already. *Denormalised*: each row of the right table carries a copy of its match, and nothing is joined.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

import msgspec

from ...node import Context, Durable, Node, on
from ..hashing import hash_key
from ..ring import natural
from .messages import Answer, Begin, Change, Changed, Joined, Part, Row

T = TypeVar("T")


class WorkerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a worker has, and how it sends it.

    Attributes:
        left, right: its rows of both tables.
        copies: its rows of the right table with their matches in the left one, if tables are denormalised.
        chunk: rows a message.
    """

    left: tuple[Row, ...] = ()
    right: tuple[Row, ...] = ()
    copies: tuple[Joined, ...] = ()
    chunk: int = 256


class Join(msgspec.Struct):
    """What a worker knows of one attempt: parts by sender, side and number; how many each sender has for it."""

    begun: bool = False
    done: bool = False
    parts: dict[tuple[str, bool, int], tuple[Row, ...]] = {}
    awaited: dict[tuple[str, bool], int] = {}


def home(key: int, workers: Sequence[str]) -> str:
    """Where rows with that attribute meet."""
    return workers[hash_key(f"join {key}") % len(workers)]


def chunks(rows: Sequence[T], size: int) -> list[tuple[T, ...]]:
    """In parts of that size; of no rows one part, for who waits must hear that there are none."""
    return [tuple(rows[at : at + size]) for at in range(0, len(rows), size)] or [()]


def hash_join(left: Iterable[Row], right: Iterable[Row]) -> list[Joined]:
    """All pairs with equal attributes: a table in memory of the left rows, through which the right ones go.

    >>> hash_join([(1, b"a"), (2, b"b")], [(2, b"x"), (2, b"y"), (3, b"z")])
    [(2, b'b', b'x'), (2, b'b', b'y')]
    """
    table: dict[int, list[bytes]] = {}
    for key, rest in left:
        table.setdefault(key, []).append(rest)
    return [(key, match, rest) for key, rest in right for match in table.get(key, ())]


class Worker(Node):
    """It keeps nothing of a join on disk: who wants the answer asks again. Marks: ``received`` (rows)."""

    messages: ClassVar[Any] = Begin | Part | Change
    stored: ClassVar[Mapping[str, Any]] = MappingProxyType({"left": tuple[Row, ...], "copies": tuple[Joined, ...]})

    config: WorkerConfig

    def start(self, ctx: Context, durable: Durable) -> None:
        """The tables are on disk as far as they have changed."""
        self.workers = tuple(sorted(ctx.bootstrap, key=natural))
        self.left: dict[int, bytes] = dict(durable.get("left", self.config.left))
        self.copies: list[Joined] = list(durable.get("copies", self.config.copies))
        self.joins: dict[tuple[str, int], Join] = {}

    # --- joining -----------------------------------------------------------------------------------------------------

    @on(Begin)
    def begin(self, ctx: Context, source: str, message: Begin) -> None:
        """Send what others need. An earlier attempt of that client is over."""
        place = (source, message.attempt)
        for other in [each for each in self.joins if each[0] == source and each != place]:
            del self.joins[other]
        join = self.joins.setdefault(place, Join())
        if join.begun:
            return  # a message that came twice
        join.begun = True
        if message.strategy == "denormalised":
            self._answer(ctx, source, message.attempt, self.copies)
        elif message.strategy == "colocated":
            self._answer(ctx, source, message.attempt, hash_join(self.left.items(), self.config.right))
        else:
            left, right = list(self.left.items()), list(self.config.right)
            everywhere = message.strategy == "broadcast"
            for worker in self.workers:
                mine = left if everywhere else [row for row in left if home(row[0], self.workers) == worker]
                self._send(ctx, worker, source, message.attempt, mine, left=True)
                if everywhere:
                    theirs = right if worker == ctx.id else []
                else:
                    theirs = [row for row in right if home(row[0], self.workers) == worker]
                self._send(ctx, worker, source, message.attempt, theirs, left=False)
            self._finish(ctx, place)

    def _send(self, ctx: Context, to: str, client: str, attempt: int, rows: Sequence[Row], *, left: bool) -> None:
        """One table's rows for one worker; what is for this one does not travel."""
        parts = chunks(rows, self.config.chunk)
        for number, part in enumerate(parts):
            if to == ctx.id:
                self._take((client, attempt), ctx.id, left, number, len(parts), part)
            else:
                ctx.send(to, Part(client, attempt, left, number, len(parts), part))

    def _take(self, place: tuple[str, int], source: str, left: bool, number: int, of: int, rows: Any) -> None:
        join = self.joins.setdefault(place, Join())
        join.parts[source, left, number] = rows
        join.awaited[source, left] = of

    @on(Part)
    def part(self, ctx: Context, source: str, message: Part) -> None:
        """Keep it, once however often it comes; with the last one, join."""
        place = (message.client, message.attempt)
        ctx.mark("received", rows=len(message.rows))
        self._take(place, source, message.left, message.number, message.of, message.rows)
        self._finish(ctx, place)

    def _finish(self, ctx: Context, place: tuple[str, int]) -> None:
        join = self.joins[place]
        complete = len(join.awaited) == 2 * len(self.workers) and len(join.parts) == sum(join.awaited.values())
        if join.begun and complete and not join.done:
            join.done = True
            sides: dict[bool, list[Row]] = {True: [], False: []}
            for (_, left, _), rows in sorted(join.parts.items()):
                sides[left] += rows
            self._answer(ctx, *place, hash_join(sides[True], sides[False]))

    def _answer(self, ctx: Context, client: str, attempt: int, rows: Sequence[Joined]) -> None:
        parts = chunks(rows, self.config.chunk)
        for number, part in enumerate(parts):
            ctx.send(client, Answer(attempt, number, len(parts), part))

    # --- changing a row of the left table ----------------------------------------------------------------------------

    @on(Change)
    def change(self, ctx: Context, source: str, message: Change) -> None:
        """Its one row, if it is here; or all rows that carry a copy of it."""
        if not message.copies:
            count = int(message.key in self.left)
            if count:
                self.left[message.key] = message.rest
                ctx.persist("left", tuple(self.left.items()))
        else:
            count = sum(key == message.key for key, _, _ in self.copies)
            if count:
                self.copies = [(k, message.rest if k == message.key else old, rest) for k, old, rest in self.copies]
                ctx.persist("copies", tuple(self.copies))
        ctx.send(source, Changed(message.attempt, count))
