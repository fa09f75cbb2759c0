"""A push epidemic: the smallest protocol of which fifty nodes make sense. A toy to run many live nodes with.

A client tells a rumour to one server. In periodic rounds, every server tells all rumours it knows to a few others,
drawn at random. Rumours are on disk before anybody hears of them, so who crashes still knows them.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from bench.runtime.ray.host import Host
from protocols.family import Family
from protocols.node import SECOND, Context, Durable, Node, Ok, on, on_request, on_timer
from protocols.registry import MODULES
from protocols.requests import Write

NAME = "gossip"


class ServerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Seconds between two rounds, and to how many servers in each."""

    period_s: float = 0.1
    fanout: int = 3

    def validate(self, nodes: int) -> None:
        """Raise ``ValueError`` with one sentence if a value cannot be."""
        if self.period_s <= 0 or self.fanout < 1:
            raise ValueError(f"period_s {self.period_s:g} and fanout {self.fanout} have to be above 0")


class ClientConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Seconds after which a client tells somebody else."""

    retry_s: float = 0.3

    def validate(self, nodes: int) -> None:
        """There is nothing that could be wrong."""


class Tell(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """A rumour of a client."""

    operation: int
    rumour: str


class Told(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """It is on disk."""

    operation: int


class Push(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """All rumours that a server knows."""

    rumours: tuple[str, ...]


class Knows(msgspec.Struct, frozen=True):
    """What a look at a server shows."""

    rumours: tuple[str, ...]


class Server(Node):
    """Marks: ``booted`` with the rumours found on disk, ``heard`` for each that is new."""

    messages: ClassVar[Any] = Tell | Push
    stored: ClassVar[dict[str, Any]] = {"rumour:": bool}
    config: ServerConfig

    def start(self, ctx: Context, durable: Durable) -> None:
        self.known = {key.removeprefix("rumour:"): True for key in sorted(durable.keys)}
        self.others = [name for name in ctx.bootstrap if name != ctx.id]
        ctx.mark("booted", rumours=list(self.known))
        ctx.set_timer("round", ctx.rng.randrange(round(self.config.period_s * SECOND)))  # not all at once

    def inspect(self) -> Knows:
        return Knows(tuple(self.known))

    @on(Tell)
    def tell(self, ctx: Context, source: str, message: Tell) -> None:
        self._hear(ctx, message.rumour)
        ctx.send(source, Told(message.operation))

    @on(Push)
    def push(self, ctx: Context, source: str, message: Push) -> None:
        for rumour in message.rumours:
            self._hear(ctx, rumour)

    @on_timer("round")
    def round(self, ctx: Context, key: Any) -> None:
        if self.known:
            chosen = ctx.rng.sample(self.others, min(self.config.fanout, len(self.others)))
            ctx.broadcast(Push(tuple(self.known)), chosen)
        ctx.set_timer("round", round(self.config.period_s * SECOND))

    def _hear(self, ctx: Context, rumour: str) -> None:
        if rumour not in self.known:
            self.known[rumour] = True
            ctx.persist(f"rumour:{rumour}", True)
            ctx.mark("heard", rumour=rumour)


class Client(Node):
    """Tells a random server, and after a while another."""

    messages: ClassVar[Any] = Told
    config: ClientConfig

    def start(self, ctx: Context, durable: Durable) -> None:
        self.open: dict[int, str] = {}

    @on_request(Write)
    def write(self, ctx: Context, operation: int, request: Write) -> None:
        self.open[operation] = f"{ctx.id}/{operation}"
        self.tell(ctx, operation)

    @on_timer("retry")
    def tell(self, ctx: Context, operation: int) -> None:
        ctx.attempt(operation)
        ctx.send(ctx.bootstrap[ctx.rng.randrange(len(ctx.bootstrap))], Tell(operation, self.open[operation]))
        ctx.set_timer("retry", round(self.config.retry_s * SECOND), operation)

    @on(Told)
    def told(self, ctx: Context, source: str, message: Told) -> None:
        if self.open.pop(message.operation, None) is not None:
            ctx.cancel_timer("retry", message.operation)
            ctx.reply(message.operation, Ok(None))


family = Family(
    name=NAME,
    summary="a push epidemic (toy)",
    paper="Demers et al., Epidemic algorithms for replicated database maintenance, PODC 1987",
    server=Server,
    client=Client,
    server_config=ServerConfig,
    client_config=ClientConfig,
    invariants=list,
    model="none",
    functions=("write",),
)


class GossipHost(Host):
    """A host whose process knows this protocol, which no registry lists: to be made an actor in place of ``Host``."""

    def __init__(self, ip: str) -> None:
        MODULES[NAME] = __name__
        super().__init__(ip)
