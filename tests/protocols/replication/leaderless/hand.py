"""The store driven by hand: operations one by one, links cut and healed, and what servers have."""

from __future__ import annotations

from typing import Any

from bench.network.latency import Constant
from bench.network.spec import Network
from bench.runtime.sim.world import World
from bench.trial import ServiceTimes
from protocols.node import Ok, Outcome
from protocols.replication.leaderless import Client, ClientConfig, Server, ServerConfig
from protocols.replication.leaderless.items import Item
from protocols.requests import Read, Write

MS = 1_000_000


class Store:
    """Some servers and clients, booted; time passes only when something is asked."""

    def __init__(self, nodes: int = 3, clients: int = 1, seed: int = 1, **params: Any) -> None:
        names = {*ServerConfig.__struct_fields__}
        server = ServerConfig(**{name: value for name, value in params.items() if name in names})
        client = ClientConfig(
            **{name: value for name, value in params.items() if name in ClientConfig.__struct_fields__}
        )
        server.validate(nodes)
        client.validate(nodes)
        self.outcomes: dict[int, Outcome] = {}
        self.world = World(
            seed, Network(latency=Constant(MS)), ServiceTimes(message=0, wakeup=0, fsync=0), on_reply=self._replied
        )
        for number in range(nodes):
            self.world.add(f"n{number + 1}", lambda: Server(server), server=True)
        for number in range(clients):
            self.world.add(f"c{number + 1}", lambda: Client(client), server=False)
        deleting = ClientConfig(
            **{**{name: getattr(client, name) for name in client.__struct_fields__}, "deletes": 1.0}
        )
        self.deleter = clients + 1
        self.world.add(f"c{self.deleter}", lambda: Client(deleting), server=False)
        for machine in self.world.machines.values():
            self.world.boot(machine)
        self.operations = 0

    def _replied(self, node: str, operation: int, outcome: Outcome, at: int) -> None:
        self.outcomes[operation] = outcome

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.world.run(self.world.now + round(seconds * 1e9))

    def ask(self, request: Read | Write, client: int = 1, patience_s: float = 20.0) -> Outcome | None:
        """Run one operation to its end."""
        self.operations += 1
        machine = self.world.machines[f"c{client}"]
        self.world.request(machine, self.operations, request)
        until = self.world.now + round(patience_s * 1e9)
        while self.operations not in self.outcomes and self.world.now < until:
            self.world.run(self.world.now + MS)
        return self.outcomes.get(self.operations)

    def write(self, key: str, value: bytes, client: int = 1) -> bool:
        """Whether it was acknowledged."""
        return isinstance(self.ask(Write(key, value), client), Ok)

    def delete(self, key: str) -> bool:
        """By a client that does nothing else."""
        return self.write(key, b"deleted!", self.deleter)

    def read(self, key: str, client: int = 1) -> bytes | None:
        """The value; the operation must succeed."""
        outcome = self.ask(Read(key), client)
        assert isinstance(outcome, Ok), outcome
        value = outcome.value
        assert value is None or isinstance(value, bytes)
        return value

    def item(self, node: str, key: str) -> Item | None:
        """What a server keeps of a key."""
        engine = self.world.machines[node].engine
        assert engine is not None
        found = engine.node.inspect().store.get(key)
        assert found is None or isinstance(found, Item)
        return found

    def cut(self, node: str, *, on: bool) -> None:
        """Cut a server off from everybody, or connect it again."""
        for other in self.world.machines.values():
            if other.name != node:
                for link in (self.world.link(self.world.machines[node], other.name), self.world.link(other, node)):
                    link.cuts += 1 if on else -1
                    link.settle()
