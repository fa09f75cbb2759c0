"""A client of the register: two phases an operation, each with all servers, each over with a quorum of answers.

*Write*: ask a read quorum for its newest version; store the value under a larger one at a write quorum.
*Read*: ask a read quorum; take the newest entry; store that at a write quorum (write back); return it.
"""

from __future__ import annotations

from typing import Any, ClassVar

from ...deadlines import Deadlines
from ...node import SECOND, Context, Durable, Fail, Info, Node, Ok, on, on_request, on_timer
from ...requests import Read, Write
from .config import ClientConfig, quorum
from .messages import Entry, Newest, Query, Store, Stored, Version
from .server import NOTHING


class Phase:
    """An operation in one of its phases.

    Attributes:
        value: to be written; None for a read.
        heard: servers that answered in this phase -> the version they have.
        newest: the newest entry heard of; in the second phase, what is stored.
        message: of this phase, for those who have not answered.
    """

    __slots__ = ("deadline", "due", "heard", "key", "message", "newest", "operation", "reading", "value")

    def __init__(self, operation: int, key: str, value: bytes | None, reading: bool, deadline: int) -> None:
        self.operation = operation
        self.key = key
        self.value = value
        self.reading = reading
        self.deadline = deadline
        self.due = 0
        self.heard: dict[str, Version] = {}
        self.newest: Entry = NOTHING
        self.message: Query | Store


class Client(Node):
    """One client; it may have many operations under way."""

    messages: ClassVar[Any] = Newest | Stored

    config: ClientConfig

    def start(self, ctx: Context, durable: Durable) -> None:
        """A client remembers nothing, so each of its lives writes under a name of its own."""
        n = len(ctx.bootstrap)
        self.read_quorum = quorum(self.config.read_quorum, n)
        self.write_quorum = quorum(self.config.write_quorum, n)
        self.writer = f"{ctx.id}.{ctx.rng.getrandbits(32):08x}"
        self.phases: dict[int, Phase] = {}
        self.last_phase = ctx.rng.getrandbits(48)  # answers to an earlier life are not for this one
        self.highest: dict[str, int] = {}
        self.deadlines = Deadlines("retry")
        self.retry = round(self.config.retry_s * SECOND)
        self.patience = round(self.config.operation_timeout_s * SECOND)

    # --- first phase -------------------------------------------------------------------------------------------------

    @on_request(Read, Write)
    def request(self, ctx: Context, operation: int, request: Read | Write) -> None:
        """Ask all servers for their newest version."""
        reading = type(request) is Read
        value = None if reading else request.value  # type: ignore[union-attr]
        phase = Phase(operation, request.key, value, reading, ctx.monotonic() + self.patience)
        if not reading:
            ctx.attempt(operation)
        self._enter(ctx, phase, Query(0, request.key, reading))

    def _enter(self, ctx: Context, phase: Phase, message: Query | Store) -> None:
        """Begin a phase, with a number of its own: late answers to the last one must not count for it."""
        self.last_phase += 1
        number = self.last_phase
        if type(message) is Query:
            phase.message = Query(number, message.key, message.values)
        else:
            phase.message = Store(number, message.key, message.entry)  # type: ignore[union-attr]
        phase.heard = {}
        self.phases[number] = phase
        ctx.broadcast(phase.message)
        now = ctx.monotonic()
        phase.due = min(now + self.retry, phase.deadline)
        self.deadlines.add(ctx, number, phase.due, now)

    @on(Newest)
    def newest(self, ctx: Context, source: str, message: Newest) -> None:
        """With a read quorum, the newest of its entries is at least as new as any write completed before we asked."""
        phase = self.phases.get(message.phase)
        if phase is None:
            return
        phase.heard[source] = message.entry.version
        if message.entry.version > phase.newest.version:
            phase.newest = message.entry
        if len(phase.heard) < self.read_quorum:
            return
        del self.phases[message.phase]
        if not phase.reading:
            self._enter(ctx, phase, Store(0, phase.key, self._newer(phase)))
            return
        holders = sum(version == phase.newest.version for version in phase.heard.values())
        kept = self.config.fast_reads and holders >= self.write_quorum
        if not self.config.write_back or kept or phase.newest is NOTHING:
            self._end(ctx, phase)
        else:
            ctx.mark("write_back")
            self._enter(ctx, phase, Store(0, phase.key, phase.newest))

    def _newer(self, phase: Phase) -> Entry:
        """A version above all that were heard of, and above those this client has under way for the key."""
        number = max(phase.newest.version.number, self.highest.get(phase.key, 0)) + 1
        self.highest[phase.key] = number
        return Entry(Version(number, self.writer), phase.value)

    # --- second phase ------------------------------------------------------------------------------------------------

    @on(Stored)
    def stored_there(self, ctx: Context, source: str, message: Stored) -> None:
        """With a write quorum, every later read quorum meets this version or a newer one."""
        phase = self.phases.get(message.phase)
        if phase is None:
            return
        phase.heard[source] = phase.newest.version
        if len(phase.heard) >= self.write_quorum:
            del self.phases[message.phase]
            self._end(ctx, phase)

    def _end(self, ctx: Context, phase: Phase) -> None:
        ctx.reply(phase.operation, Ok(phase.newest.value if phase.reading else None))

    # --- no answer ---------------------------------------------------------------------------------------------------

    @on_timer("retry")
    def retry_timeout(self, ctx: Context, key: Any) -> None:
        """Ask those again that have not answered; or give up, and the value may be on some of them."""
        now = ctx.monotonic()
        for due, number in self.deadlines.due(ctx, now):
            phase = self.phases.get(number)
            if phase is None or phase.due != due:
                continue
            if now >= phase.deadline:
                del self.phases[number]
                if phase.reading:
                    ctx.reply(phase.operation, Fail("no quorum answered in time"))
                else:
                    ctx.reply(phase.operation, Info("no quorum answered in time"))
                continue
            for server in ctx.bootstrap:
                if server not in phase.heard:
                    ctx.send(server, phase.message)
            phase.due = min(now + self.retry, phase.deadline)
            self.deadlines.add(ctx, number, phase.due, now)
