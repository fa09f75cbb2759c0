"""A toy that serves again only by a fence after the heal: n1 does once n3 is back, n2 fenced, and n2 back too."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from bench.runtime.ray.host import Host
from protocols.family import Family
from protocols.node import Context, Durable, Node, Ok, on, on_disconnect, on_request, on_timer
from protocols.registry import MODULES
from protocols.requests import Write

NAME = "fencer"
MS = 1_000_000


class Back(msgspec.Struct, frozen=True, tag=True):
    """Whoever sends it has crashed before."""


class Want(msgspec.Struct, frozen=True, tag=True):
    operation: int


class Served(msgspec.Struct, frozen=True, tag=True):
    operation: int


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """It has none."""

    def validate(self, nodes: int) -> None:
        """Everything can be."""


class Server(Node):
    """n1 serves; n2 and n3 tell it when they have crashed and are back."""

    messages: ClassVar[Any] = Back | Want
    stored: ClassVar[dict[str, Any]] = {"lived": bool}

    config: Config

    def start(self, ctx: Context, durable: Durable) -> None:
        self.held = self.fenced = False
        if durable.get("lived", False):
            ctx.set_timer("back", MS)
        ctx.persist("lived", True)

    @on_timer("back")
    def tell(self, ctx: Context, key: Any) -> None:
        ctx.send("n1", Back())
        ctx.set_timer("back", 20 * MS)

    @on_disconnect
    def lost(self, ctx: Context, peer: str) -> None:
        if ctx.id == "n1" and peer == "n3":
            self.held = True

    @on(Back)
    def back(self, ctx: Context, source: str, message: Back) -> None:
        if source == "n3" and self.held and not self.fenced:
            self.fenced = True
            ctx.mark("fences")
            ctx.fence("n2")
        elif source == "n2" and self.fenced:
            self.held = False

    @on(Want)
    def want(self, ctx: Context, source: str, message: Want) -> None:
        if not self.held:
            ctx.send(source, Served(message.operation))


class Client(Node):
    """Asks n1, again and again."""

    messages: ClassVar[Any] = Served

    config: Config

    def start(self, ctx: Context, durable: Durable) -> None:
        self.open: set[int] = set()

    @on_request(Write)
    def write(self, ctx: Context, operation: int, request: Write) -> None:
        self.open.add(operation)
        self.ask(ctx, operation)

    @on_timer("again")
    def ask(self, ctx: Context, operation: int) -> None:
        ctx.attempt(operation)
        ctx.send("n1", Want(operation))
        ctx.set_timer("again", 50 * MS, operation)

    @on(Served)
    def served(self, ctx: Context, source: str, message: Served) -> None:
        if message.operation in self.open:
            self.open.discard(message.operation)
            ctx.cancel_timer("again", message.operation)
            ctx.reply(message.operation, Ok(None))


family = Family(
    name=NAME,
    summary="service by way of a fence (toy)",
    paper="",
    server=Server,
    client=Client,
    server_config=Config,
    client_config=Config,
    invariants=list,
    model="none",
    functions=("write",),
    lives_partitioned=lambda config: False,
)


class FencerHost(Host):
    """A host whose process knows this protocol, which no registry lists."""

    def __init__(self, ip: str) -> None:
        MODULES[NAME] = __name__
        super().__init__(ip)
