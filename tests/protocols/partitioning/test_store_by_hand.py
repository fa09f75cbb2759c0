"""The partitioned store driven by hand: moves that meet what random faults seldom bring together."""

from __future__ import annotations

from collections import Counter
from typing import Any

from bench.network.latency import Constant
from bench.network.spec import Network
from bench.runtime.sim.machine import MESSAGE
from bench.runtime.sim.world import World
from bench.trial import ServiceTimes
from protocols.node import AddServer, Ok, Outcome, RemoveServer
from protocols.partitioning.store import Client, ClientConfig, Server, StoreConfig
from protocols.partitioning.store.messages import SERVES, Chunk
from protocols.partitioning.store.placing import position
from protocols.partitioning.store.shaping import Coordinator
from protocols.requests import Cas, Read, Write

MS = 1_000_000


class Store:
    """Servers and a client, booted; time passes only when something is asked."""

    def __init__(self, nodes: int, **params: Any) -> None:
        config = StoreConfig(**params)
        config.validate(nodes)
        client = ClientConfig(placement=config.placement, partitions=config.partitions, initial=config.initial)
        self.outcomes: dict[int, Outcome] = {}
        self.world = World(
            1, Network(latency=Constant(MS)), ServiceTimes(message=0, wakeup=0, fsync=0), on_reply=self._replied
        )
        for number in range(nodes):
            self.world.add(f"n{number + 1}", lambda: Server(config), server=True)
        self.world.add("c1", lambda: Client(client), server=False)
        for machine in self.world.machines.values():
            self.world.boot(machine)

    def _replied(self, node: str, operation: int, outcome: Outcome, at: int) -> None:
        self.outcomes[operation] = outcome

    def wait(self, seconds: float) -> None:
        self.world.run(self.world.now + round(seconds * 1e9))

    def ask(self, request: Read | Write | Cas) -> object:
        """What it found; the operation must succeed within ten seconds."""
        number = len(self.outcomes) + 1
        self.world.request(self.world.machines["c1"], number, request)
        until = self.world.now + 10_000 * MS
        while number not in self.outcomes and self.world.now < until:
            self.wait(0.001)
        outcome = self.outcomes[number]
        assert isinstance(outcome, Ok), outcome
        return outcome.value

    def tell(self, request: AddServer | RemoveServer) -> None:
        """An operator's request to the coordinator."""
        self.world.admin(self.world.machines["n1"], request)

    def restart(self, name: str) -> None:
        self.world.crash(self.world.machines[name])
        self.world.boot(self.world.machines[name])

    def server(self, name: str) -> Server:
        engine = self.world.machines[name].engine
        assert engine is not None, f"{name} is down: {self.world.handler_crashes}"
        assert isinstance(engine.node, Server)
        return engine.node

    @property
    def coordinator(self) -> Coordinator:
        found = self.server("n1").coordinator
        assert found is not None
        return found

    def owned(self) -> Counter[str]:
        """How many partitions each server has, by the directory."""
        return Counter(entry.server for entry in self.coordinator.entries.values())

    def fill(self, count: int) -> None:
        for number in range(count):
            self.ask(Write(f"k{number}", b"before"))


def test_a_compare_and_set_of_no_key_while_its_partition_moves() -> None:
    """It finds nothing, changes nothing, and there is no pair to send: only a session that must move."""
    store = Store(2, partitions=2, chunk=1, catch_up=0, pause_s=0.02)
    keys = [f"k{number}" for number in range(40) if position(f"k{number}", "modulo", 2) == "0000"]
    for key in keys[:5]:
        store.ask(Write(key, b"before"))
    source, target = ("n1", "n2") if store.server("n1").holdings.get(0) else ("n2", "n1")
    store.tell(RemoveServer(source))
    store.wait(0.02)
    assert 0 in store.server(source).outgoing
    assert store.ask(Cas(keys[-1], b"expected", b"new")) is None
    store.wait(3)
    assert store.world.handler_crashes == []
    assert store.server(target).holdings[0].state == SERVES
    assert store.ask(Read(keys[0])) == b"before" and store.ask(Read(keys[-1])) is None


def test_a_first_part_that_comes_again_after_the_targets_restart_does_not_hold_the_move_up() -> None:
    """The target takes it for a new beginning; the source, further on, must hear that the rest is missing."""
    store = Store(2, partitions=2, chunk=1, catch_up=0, pause_s=0.05)
    store.fill(20)
    source, target = ("n1", "n2") if store.server("n1").holdings.get(0) else ("n2", "n1")
    store.tell(RemoveServer(source))
    store.wait(0.2)
    out, data = store.server(source).outgoing[0], store.server(source).data[0]
    key = min(data)
    first = Chunk(0, 2, out.low, out.high, out.attempt, 1, ((key, data[key]),), (), False)
    assert out.number > 2
    store.restart(target)
    store.world._arrive(store.world.machines[target], MESSAGE, source, first)
    store.wait(5)
    assert 0 in store.server(target).holdings, "the move never ends"
    assert store.ask(Read(key)) == b"before"


def test_what_is_on_its_way_to_a_server_that_leaves_goes_on_to_another() -> None:
    store = Store(3, partitions=6, chunk=1, catch_up=0, pause_s=0.02, moves=10)
    store.fill(30)
    store.tell(RemoveServer("n2"))
    store.wait(0.001)
    assert any(move.target == "n3" for move in store.coordinator.moves.values())
    store.tell(RemoveServer("n3"))
    store.wait(10)
    assert store.owned() == {"n1": 6}


def test_a_join_goes_on_after_the_coordinators_restart() -> None:
    store = Store(2, partitions=30, initial=1, chunk=1, catch_up=0, moves=2, pause_s=0.01)
    store.fill(60)
    store.tell(AddServer("n2"))
    store.wait(0.1)
    assert 0 < store.owned()["n2"] < 10
    store.restart("n1")
    store.wait(20)
    assert store.owned() == {"n1": 15, "n2": 15}


def test_a_join_goes_on_when_somebody_else_joins_meanwhile() -> None:
    store = Store(3, partitions=30, initial=1, chunk=1, catch_up=0, moves=2, pause_s=0.01)
    store.fill(60)
    store.tell(AddServer("n2"))
    store.wait(0.1)
    assert 0 < store.owned()["n2"] < 10
    store.tell(AddServer("n3"))
    store.wait(20)
    assert store.owned() == {"n1": 10, "n2": 10, "n3": 10}


def test_who_has_left_is_not_back_after_the_coordinators_restart() -> None:
    store = Store(3, partitions=6, initial=2, join_at_s=0.5)
    store.wait(2)
    assert store.owned() == {"n1": 2, "n2": 2, "n3": 2}
    store.tell(RemoveServer("n2"))
    store.wait(2)
    store.restart("n1")
    store.wait(2)
    assert store.owned() == {"n1": 3, "n3": 3}


def test_a_server_that_there_is_not_gets_nothing() -> None:
    """A move to it would never end, and as it is no server, the operator could not have it removed again."""
    store = Store(2, partitions=4)
    store.fill(10)
    for name in ("n9", "c1"):
        store.tell(AddServer(name))
    store.wait(1)
    assert not store.coordinator.moves and store.owned() == {"n1": 2, "n2": 2}
    assert store.ask(Read("k1")) == b"before"


def test_a_server_whose_disk_was_damaged_stays_silent_also_after_its_next_restart() -> None:
    """What was damaged is cut off when it is found, so that only one boot hears of it, as in a live run."""
    store = Store(2, partitions=2)
    store.fill(4)
    machine = store.world.machines["n2"]
    mine = next(at for at, holding in store.server("n2").holdings.items())
    store.tell(RemoveServer("n2"))
    store.wait(1)
    assert store.server("n1").holdings[mine].state == SERVES
    store.world.crash(machine)
    machine.disk.lose(corrupt=True)
    store.world.boot(machine)
    store.wait(1)
    store.world.crash(machine)
    machine.disk.corrupt = 0
    store.world.boot(machine)
    assert mine not in store.server("n2").holdings
