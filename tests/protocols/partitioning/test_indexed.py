"""The indexed table: what its three kinds of index promise, driven by hand, tortured, and on real processes."""

from __future__ import annotations

from typing import Any

import pytest

from bench.campaign import judge
from bench.faults.spec import Crash
from bench.network import Constant, Exponential, Network
from bench.run import run_trial
from bench.runtime.sim.world import World
from bench.torture import torture
from bench.trial import Result, ServiceTimes, Trial
from bench.workload.spec import Workload
from protocols.family import Mutant
from protocols.node import Fail, Ok, Outcome
from protocols.partitioning.indexed import Client, ClientConfig, Server, TableConfig
from protocols.partitioning.indexed.invariants import differing
from protocols.partitioning.indexed.mutants import MUTANTS
from protocols.partitioning.indexed.placing import Placing, number_of, salted
from protocols.requests import Cas, Read, Write

MS = 1_000_000
KINDS = ("local", "sync", "async")


class Table:
    """Servers and clients, booted; time passes only when something is asked."""

    def __init__(self, nodes: int = 3, clients: int = 1, *, reads: str = "query", **params: Any) -> None:
        names = ("index", "attributes", "partitions", "placement", "span")
        shared = {name: params[name] for name in names if name in params}
        server = TableConfig(**{name: value for name, value in params.items() if name in TableConfig.__struct_fields__})
        client = ClientConfig(
            reads=reads,  # type: ignore[arg-type]
            **shared,
            **{name: params[name] for name in ("salts", "hot", "cache_ttl_s", "width") if name in params},
        )
        server.validate(nodes)
        client.validate(nodes)
        self.outcomes: dict[int, Outcome] = {}
        self.asked = 0
        self.world = World(
            1, Network(latency=Constant(MS)), ServiceTimes(message=0, wakeup=0, fsync=0), on_reply=self._replied
        )
        for number in range(nodes):
            self.world.add(f"n{number + 1}", lambda: Server(server), server=True)
        for number in range(clients):
            self.world.add(f"c{number + 1}", lambda: Client(client), server=False)
        for machine in self.world.machines.values():
            self.world.boot(machine)

    def _replied(self, node: str, operation: int, outcome: Outcome, at: int) -> None:
        self.outcomes[operation] = outcome

    def wait(self, seconds: float) -> None:
        self.world.run(self.world.now + round(seconds * 1e9))

    def begin(self, request: Read | Write | Cas, client: str = "c1") -> int:
        self.asked += 1
        self.world.request(self.world.machines[client], self.asked, request)
        return self.asked

    def ask(self, request: Read | Write | Cas, client: str = "c1") -> Any:
        """What it found; the operation must succeed within ten seconds."""
        number = self.begin(request, client)
        until = self.world.now + 10_000 * MS
        while number not in self.outcomes and self.world.now < until:
            self.wait(0.0005)
        outcome = self.outcomes[number]
        assert isinstance(outcome, Ok), outcome
        return outcome.value

    def put(self, key: str, number: int) -> None:
        self.ask(Write(key, number.to_bytes(8, "big")))

    def count(self, attribute: int) -> int:
        """How many records have the attribute, by the index."""
        return int.from_bytes(self.ask(Read(f"k{attribute}")), "big")

    def server(self, name: str) -> Server:
        engine = self.world.machines[name].engine
        assert engine is not None, f"{name} is down: {self.world.handler_crashes}"
        assert isinstance(engine.node, Server)
        return engine.node

    def differing(self) -> str:
        return differing({each.name: self.server(each.name).inspect() for each in self.world.servers})


# --- placing ---------------------------------------------------------------------------------------------------------


def test_ranges_are_contiguous_and_even_and_pieces_are_spread() -> None:
    placing = Placing(TableConfig(placement="range", span=100, partitions=10), ("n1", "n2", "n10"))
    assert placing.servers == ("n1", "n2", "n10")
    found = [placing.partition(f"k{number}") for number in range(100)]
    assert found == sorted(found)
    assert [found.count(at) for at in range(10)] == [10] * 10
    assert placing.partition("k1000") == 9
    assert placing.with_range(0, 9) == ("n1",) and placing.with_range(5, 14) == ("n1", "n2")
    assert len({placing.partition(piece) for piece in salted("k5", 8)}) > 3
    assert number_of("k5#3") == number_of("k5") == 5


def test_a_hashed_table_may_have_any_key_anywhere() -> None:
    assert Placing(TableConfig(), ("n1", "n2", "n3")).with_range(1, 1) == ("n1", "n2", "n3")


# --- by hand ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("index", KINDS)
def test_a_query_finds_what_the_records_say(index: str) -> None:
    table = Table(index=index, attributes=3)
    for number in range(30):
        table.put(f"k{number}", number)
    table.wait(0.1)
    assert [table.count(at) for at in range(3)] == [10, 10, 10]
    for number in range(0, 30, 3):
        table.put(f"k{number}", number + 1)
    table.wait(0.1)
    assert [table.count(at) for at in range(3)] == [0, 20, 10]
    assert table.differing() == ""


@pytest.mark.parametrize("index", ["local", "sync"])
def test_what_is_acknowledged_is_found_at_once(index: str) -> None:
    table = Table(index=index, attributes=2)
    for number in range(20):
        table.put("k0", number)
        assert table.count(number % 2) == 1, "whoever wrote it finds it"
        assert table.count((number + 1) % 2) == 0, "and nothing under the old attribute"


def test_an_asynchronous_index_is_late_by_as_long_as_updates_gather() -> None:
    table = Table(index="async", attributes=2, flush_s=0.5)
    table.put("k0", 1)
    assert table.count(1) == 0 and table.differing()
    table.wait(0.4)
    assert table.count(1) == 0
    table.wait(0.2)
    assert table.count(1) == 1 and table.differing() == ""


@pytest.mark.parametrize("index", ["sync", "async"])
def test_a_crash_of_the_index_loses_no_update(index: str) -> None:
    table = Table(index=index, attributes=2, flush_s=0.0)
    owner = table.server("n1").placing.owner_of_term(1)
    table.world.crash(table.world.machines[owner])
    keys = [f"k{number}" for number in range(40) if table.server(_other(owner)).placing.owner(f"k{number}") != owner]
    begun = [table.begin(Write(key, (2 * at + 1).to_bytes(8, "big"))) for at, key in enumerate(keys)]
    table.wait(0.05)
    assert all((number in table.outcomes) == (index == "async") for number in begun)
    table.world.boot(table.world.machines[owner])
    table.wait(1)
    assert all(isinstance(table.outcomes[number], Ok) for number in begun)
    assert table.count(1) == len(keys) and table.differing() == ""


def _other(name: str) -> str:
    return "n1" if name != "n1" else "n2"


@pytest.mark.parametrize("step", range(10))
def test_a_crash_of_the_records_server_at_any_step_leaves_no_entry_behind(step: int) -> None:
    table = Table(index="sync", attributes=2)
    table.put("k0", 2)
    begun = table.begin(Write("k0", (3).to_bytes(8, "big")))
    table.wait(0.0006 * step)
    owner = table.world.machines[table.server("n1").placing.owner("k0")]
    table.world.crash(owner)
    table.world.boot(owner)
    table.wait(2)
    assert isinstance(table.outcomes[begun], Ok)
    assert (table.count(0), table.count(1)) == (0, 1) and table.differing() == ""


def test_a_scan_finds_the_keys_of_its_range() -> None:
    for placement in ("hash", "range"):
        table = Table(reads="scan", placement=placement, span=40, partitions=8, width=10)
        for number in range(40):
            table.put(f"k{number}", number)
        assert int.from_bytes(table.ask(Read("k7")), "big") == 10
        assert int.from_bytes(table.ask(Read("k35")), "big") == 5


def test_a_read_of_a_salted_key_finds_the_piece_that_was_written_last() -> None:
    table = Table(reads="primary", salts=4)
    for number in range(1, 30):
        table.put("k0", number)
        assert table.ask(Read("k0")) == number.to_bytes(8, "big")
    pieces = [key for name in ("n1", "n2", "n3") for key in table.server(name).records]
    assert sorted(pieces) == [f"k0#{salt}" for salt in range(4)]
    number = table.begin(Cas("k0", None, b"12345678"))
    table.wait(0.01)
    assert isinstance(table.outcomes[number], Fail)


def test_only_hot_keys_are_cut() -> None:
    table = Table(reads="primary", salts=4, hot=1)
    for number in range(40):
        table.put(f"k{number % 2}", number)
    pieces = sorted(key for name in ("n1", "n2", "n3") for key in table.server(name).records)
    assert pieces == ["k0#0", "k0#1", "k0#2", "k0#3", "k1"]
    assert table.ask(Cas("k1", (39).to_bytes(8, "big"), b"12345678")) == (39).to_bytes(8, "big")


def test_a_cache_is_believed_for_its_time_and_not_after_a_write_of_ones_own() -> None:
    table = Table(reads="primary", clients=2, cache_ttl_s=0.5)
    table.put("k0", 1)
    assert table.ask(Read("k0"), "c2") == (1).to_bytes(8, "big")
    table.put("k0", 2)
    assert table.ask(Read("k0"), "c1") == (2).to_bytes(8, "big")
    assert table.ask(Read("k0"), "c2") == (1).to_bytes(8, "big"), "nobody has told the other client"
    table.wait(0.5)
    assert table.ask(Read("k0"), "c2") == (2).to_bytes(8, "big")


# --- trials ----------------------------------------------------------------------------------------------------------


def trial(index: str, **fields: Any) -> Trial:
    given: dict[str, Any] = {
        "protocol": "indexed",
        "duration": 1000 * MS,
        "network": Network(latency=Exponential(2 * MS)),
        "workload": Workload(clients=4, keys=20, rate=400.0),
        "service": ServiceTimes(fsync=MS),
        "params": {"index": index},
    }
    return Trial(**given | fields)


def judged(wanted: Trial, **more: Any) -> Result:
    result, _ = run_trial(wanted, **more)
    assert result.verdict == "valid", [each.reason for each in result.violations]
    return result


@pytest.mark.parametrize("index", KINDS)
def test_reads_by_the_index_are_linearizable_and_only_an_asynchronous_one_keeps_them_waiting(index: str) -> None:
    missed = judged(trial(index, nodes=5)).coverage.get("missed", 0)
    assert (missed > 20) == (index == "async")


@pytest.mark.parametrize("index", KINDS)
@pytest.mark.parametrize("victim", ["n1", "n2", "n3"])
def test_a_crash_of_any_server_is_survived(index: str, victim: str) -> None:
    crashes = tuple(Crash(at=(150 + 170 * at) * MS, target=victim, down=60 * MS) for at in range(4))
    assert judged(trial(index, faults=crashes)).checks["convergence"] == "valid"


@pytest.mark.parametrize("seed", range(1, 9))
def test_survives_the_full_nemesis(seed: int) -> None:
    result, _ = run_trial(torture("indexed", seed))
    assert result.violations == (), f"seed {seed}: {result.violations}"


@pytest.mark.parametrize(
    "params",
    [
        {"reads": "primary", "salts": 3},
        {"reads": "primary", "cache_ttl_s": 0.05},
        {"reads": "query"},
        {"reads": "scan"},
    ],
    ids=lambda params: "-".join(map(str, params.values())),
)
@pytest.mark.parametrize("seed", range(1, 4))
def test_other_clients_survive_it_too(seed: int, params: dict[str, Any]) -> None:
    result, _ = run_trial(torture("indexed", seed, params=params))
    assert result.violations == (), f"seed {seed}: {result.violations}"
    assert result.operations.ok > 20


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_nemesis_catches_every_mistake(mutant: Mutant) -> None:
    outcome = judge("indexed", mutant.name, mutant.seed)
    assert outcome.failed, f"seed {mutant.seed} no longer catches {mutant.name}: search for another"
    assert set(outcome.failed) & set(mutant.caught_by), f"caught by {outcome.failed}, not by {mutant.caught_by}"


@pytest.mark.parametrize("seed", sorted({mutant.seed for mutant in MUTANTS}))
def test_the_real_table_passes_the_same_seeds(seed: int) -> None:
    outcome = judge("indexed", None, seed)
    assert not outcome.failed, outcome.reason


@pytest.mark.live
@pytest.mark.parametrize("index", KINDS)
def test_the_index_is_kept_live(index: str, ray_session: Any) -> None:
    """On real processes, one of which is killed."""
    crash = Crash(at=500 * MS, target="n2", down=300 * MS)
    wanted = trial(index, runtime="ray", duration=1500 * MS, network=Network(), faults=(crash,), liveness=10_000 * MS)
    result = judged(wanted, session=ray_session)
    assert result.operations.ok > 100
