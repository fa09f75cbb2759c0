"""A server: it shows the others that it is up, and deems down whoever does not show it in time."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from ...node import SECOND, Context, Durable, Node, on, on_timer
from ..asking import Answer, Ask
from .config import DetectorConfig
from .estimators import Estimator, estimator
from .messages import Heartbeat, Ping, Pong, Signed, Suspect, Trust, claim


class Peer:
    """What is known of another server."""

    __slots__ = ("deadline", "estimator", "heard", "life", "number", "up")

    def __init__(self, deadline: int) -> None:
        self.life = 0  # 0: never heard of
        self.number = 0  # of the latest sign of life
        self.estimator: Estimator | None = None
        self.deadline = deadline
        self.heard = -1  # when the latest came
        self.up = True


class PeerView(msgspec.Struct, frozen=True, gc=False):
    """A look at one peer, for invariants. ``wait``: ns from the last sign of life to the deadline."""

    node: str
    life: int
    number: int
    held: int
    rests_on: int
    wait: int


class View(msgspec.Struct, frozen=True):
    """What a look at a server shows: whom it deems down, and why."""

    down: tuple[str, ...]
    peers: tuple[PeerView, ...]
    config: DetectorConfig


class Server(Node):
    """Marks: ``booted``; ``deemed_down`` and ``deemed_up`` with their ``subject``.

    Also emits :class:`Suspect` and :class:`Trust`, so that another node can hold this one as its child.
    """

    messages: ClassVar[Any] = Heartbeat | Ping | Pong | Signed | Ask

    config: DetectorConfig

    # --- showing that one is up --------------------------------------------------------------------------------------

    def start(self, ctx: Context, durable: Durable) -> None:
        """Everybody is trusted for a while; who never shows a sign of life loses that."""
        self.life = 1 + ctx.rng.getrandbits(48)
        self.origin = ctx.monotonic()
        self.round = 0
        grace = round(self.config.grace_s * SECOND)
        self.peers = {name: Peer(self.origin + grace) for name in ctx.bootstrap if name != ctx.id}
        ctx.mark("booted")
        for name in self.peers:
            ctx.set_timer("expire", grace, name)
        ctx.set_timer("beat", self._phase())  # not all at once

    @on_timer("beat")
    def beat(self, ctx: Context, key: Any) -> None:
        """Every period, by the clock and not by counting: after a pause the number leaps.

        So heartbeat i leaves at i times the period whatever happened before, which is what estimates of its arrival
        rest on (Chen et al., section 6.3).
        """
        period = self.config.period
        elapsed = ctx.monotonic() - self.origin
        self.round = max(self.round, elapsed // period) + 1
        if self.config.style == "pull":
            ctx.broadcast(Ping(self.round), self.peers)
        elif self.config.signed:
            ctx.broadcast(self._signed(ctx, self.round), self.peers)
        else:
            ctx.broadcast(Heartbeat(self.life, self.round), self.peers)
        ctx.set_timer("beat", max(1, self.origin + self.round * period + self._phase() - ctx.monotonic()))

    def _phase(self) -> int:
        """Where within its period this server sends: everybody elsewhere, as the lives are random."""
        return self.life % self.config.period

    @on(Ping)
    def ping(self, ctx: Context, source: str, message: Ping) -> None:
        """Answer at once."""
        number = message.number
        ctx.send(source, self._signed(ctx, number) if self.config.signed else Pong(self.life, number))

    def _signed(self, ctx: Context, number: int) -> Signed:
        return Signed(self.life, number, ctx.sign(claim(ctx.id, self.life, number)))

    # --- watching the others -----------------------------------------------------------------------------------------

    @on(Signed)
    def heard_signed(self, ctx: Context, source: str, message: Signed) -> None:
        """A sign of life if nobody else can have said so."""
        if ctx.verify(source, claim(source, message.life, message.number), message.signature):
            self._alive(ctx, source, message)

    @on(Heartbeat, Pong)
    def heard(self, ctx: Context, source: str, message: Heartbeat | Pong) -> None:
        """A sign of life, where the network can be trusted to say from whom."""
        if not self.config.signed:
            self._alive(ctx, source, message)

    def _alive(self, ctx: Context, source: str, message: Heartbeat | Pong | Signed) -> None:
        """Unless it is late: what was sent before the latest one proves nothing new."""
        peer = self.peers.get(source)
        if peer is None:
            return
        if message.life != peer.life:
            # Another life. Of two lives it cannot be told which is the later; a late heartbeat of the former makes us
            # begin anew once more, which is harmless. Gaps between lives are outages, not samples.
            peer.life, peer.number, peer.estimator = message.life, 0, estimator(self.config)
        if message.number <= peer.number or peer.estimator is None:
            return
        now = ctx.monotonic()
        peer.number = message.number
        peer.heard = now
        peer.deadline = peer.estimator.arrived(message.number, now)
        if peer.deadline > now:
            self._trust(ctx, source, peer)
        ctx.set_timer("expire", max(1, peer.deadline - now), source)

    @on_timer("expire")
    def expire(self, ctx: Context, name: str) -> None:
        """No sign of life in time."""
        peer = self.peers[name]
        if peer.up:
            peer.up = False
            ctx.mark("deemed_down", subject=name)
            ctx.emit(Suspect(name))

    def _trust(self, ctx: Context, name: str, peer: Peer) -> None:
        if not peer.up:
            peer.up = True
            ctx.mark("deemed_up", subject=name)
            ctx.emit(Trust(name))

    # --- telling -----------------------------------------------------------------------------------------------------

    @on(Ask)
    def ask(self, ctx: Context, source: str, message: Ask) -> None:
        """What this server thinks; of itself it thinks that it is up."""
        peer = self.peers.get(message.subject)
        ctx.send(source, Answer(message.operation, peer is None or peer.up))

    def inspect(self) -> View:
        """For invariants, checks and reports."""
        return View(
            tuple(name for name, peer in self.peers.items() if not peer.up),
            tuple(
                PeerView(name, peer.life, peer.number, peer.estimator.held, peer.estimator.rests_on,
                         peer.deadline - peer.heard)
                for name, peer in self.peers.items()
                if peer.estimator is not None and peer.heard >= 0
            ),
            self.config,
        )  # fmt: skip
