"""A Raft client: finds the leader, retries, and gives each command a session that makes retries exactly-once.

Every operation under way has a session of its own, taken from those that are idle, so that operations of one client
may overlap while each session still numbers its commands one by one (dissertation, section 6.3).

One timer serves all operations under way: nearly all are answered long before they would be asked again, and a timer
each, set and cancelled, would be a tenth of what an operation costs.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Any, ClassVar

import msgspec

from ...node import SECOND, Context, Durable, Fail, Node, Ok, on, on_disconnect, on_request, on_timer
from ...requests import Cas, Read, Write
from .config import ClientConfig
from .messages import ClientRequest, Deposed, Done, Expired, Opened, OpenSession, Refused

NEVER = 1 << 63


class Pending(msgspec.Struct, gc=False):
    """One operation under way: what it asks, where it was last sent.

    At ``due`` (ns) it is asked again, and from ``deadline`` on no more.
    """

    message: ClientRequest | OpenSession
    request: Read | Write | Cas
    deadline: int
    due: int = NEVER
    server: str = ""
    sent: int = 0
    hinted: bool = False
    """Following a hint; the next one waits, for two servers may name each other."""
    retries: int = 0


class Client(Node):
    """One client; it may have many operations under way."""

    messages: ClassVar[Any] = Done | Refused | Deposed | Opened | Expired

    config: ClientConfig

    def start(self, ctx: Context, durable: Durable) -> None:
        """A client remembers nothing: after a crash its sessions are new, and old operations stay unanswered."""
        self.servers = ctx.bootstrap
        self.leader = ""
        self.silent = ""  # who did not answer, or whose process went away; not asked, whoever names it, before then:
        self.silent_until = 0
        self.pending: dict[int, Pending] = {}
        self.queue: list[tuple[int, int]] = []  # (due, operation), a heap; it counts if that is still when it is due
        self.alarm = NEVER  # when the timer rings
        self.idle: list[tuple[str, int]] = []  # sessions without an operation under way, and their last numbers
        self.next_server = ctx.rng.randrange(len(self.servers))
        # Where any server may answer a read: how long each took last, in ns. Untried ones come first, then the nearest.
        self.took: dict[str, int] | None = None
        if self.config.reads == "follower":
            first = self.next_server
            self.took = dict.fromkeys((*self.servers[first:], *self.servers[:first]), 0)
        self.retry = round(self.config.retry_s * SECOND)
        self.backoff = round(self.config.backoff_s * SECOND)
        self.patience = round(self.config.operation_timeout_s * SECOND)

    # --- asking ------------------------------------------------------------------------------------------------------

    @on_request(Read, Write, Cas)
    def request(self, ctx: Context, operation: int, request: Read | Write | Cas) -> None:
        """Send it to the leader, as far as known."""
        read = type(request) is Read
        message: ClientRequest | OpenSession
        if not read and self.config.max_sessions and not self.idle:
            message = OpenSession(operation)
        else:
            session, sequence = ("", 0) if read else self._session(ctx)
            message = ClientRequest(operation, session, sequence, request)
        now = ctx.monotonic()
        pending = self.pending[operation] = Pending(message, request, now + self.patience)
        self._try(ctx, operation, pending, self._nearest() if read else self.leader, now)

    def _nearest(self) -> str:
        return min(self.took, key=self.took.__getitem__) if self.took else self.leader

    def _session(self, ctx: Context) -> tuple[str, int]:
        """An idle session with its next sequence number; a random id keeps two lives of this client apart."""
        if self.idle:
            session, last = self.idle.pop()
            return session, last + 1
        return f"{ctx.id}.{ctx.rng.getrandbits(64):016x}", 1

    def _try(self, ctx: Context, operation: int, pending: Pending, server: str, now: int) -> None:
        if not server:
            server = self._next()
            if server == self.silent and now < self.silent_until:
                server = self._next()
        pending.server = server
        pending.sent = now
        if type(pending.message) is ClientRequest:  # that a session is opened is no attempt at the operation
            ctx.attempt(operation)
        ctx.send(server, pending.message)
        due = now + (self.retry << min(pending.retries, 3) if pending.retries else self.retry)
        self._wait(ctx, operation, pending, due if due < pending.deadline else pending.deadline, now)

    def _next(self) -> str:
        server = self.servers[self.next_server]
        self.next_server = (self.next_server + 1) % len(self.servers)
        return server

    def _wait(self, ctx: Context, operation: int, pending: Pending, due: int, now: int) -> None:
        pending.due = due
        heappush(self.queue, (due, operation))
        if due < self.alarm:
            self.alarm = due
            ctx.set_timer("retry", due - now)

    # --- answers -----------------------------------------------------------------------------------------------------

    @on(Done)
    def done(self, ctx: Context, source: str, message: Done) -> None:
        """The operation took effect exactly once, however often it was sent."""
        pending = self.pending.pop(message.operation, None)
        if pending is None:
            return
        if self.took and type(pending.request) is Read:
            if source == pending.server:
                self.took[source] = ctx.monotonic() - pending.sent
        else:
            self.leader = source
        sent = pending.message
        if type(sent) is ClientRequest and sent.session:
            self.idle.append((sent.session, sent.sequence))
        ctx.reply(message.operation, Ok(message.result))

    @on(Opened)
    def opened(self, ctx: Context, source: str, message: Opened) -> None:
        """Now the command may be sent.

        Only the first session that was opened for the operation is used, and no other is kept: the network may deliver
        this answer twice, and two operations must not share a session.
        """
        pending = self.pending.get(message.operation)
        if pending is None or type(pending.message) is ClientRequest:
            return
        pending.message = ClientRequest(message.operation, message.session, 1, pending.request)
        pending.retries, pending.hinted = 0, False
        self.leader = source
        self._try(ctx, message.operation, pending, source, ctx.monotonic())

    @on(Expired)
    def expired(self, ctx: Context, source: str, message: Expired) -> None:
        """Neither done nor definitely not: another copy of the command may have come before the session expired.

        So it is not tried under another session, and the runtime makes this ``info``. The session is gone.
        """
        if self.pending.pop(message.operation, None) is not None:
            ctx.reply(message.operation, Fail("the session has expired"))

    @on(Refused)
    def refused(self, ctx: Context, source: str, message: Refused) -> None:
        """Follow the hint, or wait a moment for an election to end.

        Not counted as a definite failure, though this server has not taken the command up: the network may deliver the
        request a second time, when the server leads. Only an answer from the log is definite.
        """
        self._redirect(ctx, source, message.operation, message.leader)

    @on(Deposed)
    def deposed(self, ctx: Context, source: str, message: Deposed) -> None:
        """That attempt may still succeed; asking again is safe, because the session recognises a repetition."""
        self._redirect(ctx, source, message.operation, message.leader)

    def _redirect(self, ctx: Context, source: str, operation: int, leader: str) -> None:
        if self.leader == source:
            self.leader = ""
        pending = self.pending.get(operation)
        if pending is None or pending.server != source:
            return  # answered, or asked elsewhere since
        now = ctx.monotonic()
        if source == self.silent:
            self.silent_until = 0
        # Until they elect another, followers name the leader that died: who believes them waits for it again and again.
        believed = leader != self.silent or now >= self.silent_until
        if leader and leader != source and believed and not pending.hinted:
            self.leader = leader
            pending.hinted = True
            self._try(ctx, operation, pending, leader, now)
        else:
            pending.hinted = False
            pending.retries = 0
            pending.server = ""  # it did answer
            self._wait(ctx, operation, pending, now + self.backoff + int(ctx.rng.random() * self.backoff), now)

    # --- no answer ---------------------------------------------------------------------------------------------------

    @on_timer("retry")
    def retry_timeout(self, ctx: Context, key: Any) -> None:
        """Ask again for what is due, and sleep until something else may be."""
        self.alarm = NEVER
        now = ctx.monotonic()
        while self.queue:
            due, operation = self.queue[0]
            pending = self.pending.get(operation)
            if pending is None or pending.due != due:
                heappop(self.queue)  # answered, or put off
            elif due <= now:
                heappop(self.queue)
                self._again(ctx, operation, pending, now)
            else:
                if due < self.alarm:
                    self.alarm = due
                    ctx.set_timer("retry", due - now)
                break

    def _again(self, ctx: Context, operation: int, pending: Pending, now: int) -> None:
        """Ask whoever leads now by what other operations found out, else the next server; or give up."""
        if now >= pending.deadline:
            self._give_up(ctx, operation, pending)
            return
        if self.leader == pending.server:
            self.leader = ""
        if pending.server:
            self._unheard(pending.server, now)
        pending.retries += 1
        pending.hinted = False
        self._try(ctx, operation, pending, self.leader, now)

    def _unheard(self, server: str, now: int) -> None:
        if self.took:
            self.took[server] = 8 * self.retry
        self.silent = server
        self.silent_until = now + 4 * self.retry

    def _give_up(self, ctx: Context, operation: int, pending: Pending) -> None:
        """Too long: the runtime makes this ``info`` unless every attempt is known to have failed.

        The session is abandoned with it, for its command may still be applied.
        """
        del self.pending[operation]
        ctx.reply(operation, Fail("no answer in time"))

    @on_disconnect
    def disconnected(self, ctx: Context, peer: str) -> None:
        """The process at the other end is probably dead: do not wait for its answers."""
        if self.leader == peer:
            self.leader = ""
        now = ctx.monotonic()
        self._unheard(peer, now)
        for operation, pending in self.pending.items():
            if pending.server == peer:
                pending.retries = 0
                self._wait(ctx, operation, pending, now + int(ctx.rng.random() * self.backoff), now)
