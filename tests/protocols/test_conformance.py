"""The conformance battery: what every protocol must pass, by being registered once and without a test of its own."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import bench
from bench.checkers.registry import MODELS as MODELS_OF_HISTORIES
from bench.errors import UsageError
from bench.mutation import changed_lines, load_family
from bench.network import Constant, Exponential, Network
from bench.params import build_configs
from bench.plugins import protocol_names, register_protocol
from bench.run import run_trial
from bench.runtime.record import RunRecord
from bench.runtime.sim.run import Simulation
from bench.runtime.sim.world import World
from bench.torture import torture
from bench.trial import Result, ServiceTimes, Trial
from bench.workload.spec import Workload
from protocols.family import Family, Invariant
from protocols.node import Node, message_types
from protocols.registry import MODULES, load
from tests.protocols.strategies import values

MS = 1_000_000
ROOT = Path(bench.__file__).parent.parent
SEEDS = 6
"""Of each hostile network."""
MANY_TURNS, STRIDE = 60, 3
"""A server that takes more turns is killed after every third only, each server after others: the hundreds of runs of
talkative protocols took longer than all else here. QUORUMBENCH_EVERY_TURN=1 is the long run."""

SMALL = {
    "nodes": 3,
    "duration": 250 * MS,
    "liveness": 4000 * MS,
    "network": Network(latency=Constant(MS)),
    "workload": Workload(clients=2, keys=2, rate=60.0),
    "service": ServiceTimes(fsync=2 * MS),
}
"""A trial of a few hundred turns, in which nothing goes wrong by itself."""

NETWORKS = {
    "duplicated": {"duplication": 0.3},
    "lost": {"loss": 0.1},
    "delayed and reordered": {"latency": Exponential(8 * MS)},
    "all of it": {"latency": Exponential(5 * MS), "loss": 0.05, "duplication": 0.15},
    "in order": {"latency": Exponential(5 * MS), "fifo": True, "loss": 0.02},
}


def family(name: str) -> Family:
    """The protocol, or a skip while its module cannot be imported."""
    if importlib.util.find_spec(MODULES[name]) is None:
        pytest.skip(f"{MODULES[name]} does not exist yet")
    return load(name)


def simulate(name: str, protocol: Family | None = None, **fields: Any) -> RunRecord:
    """A small trial; ``protocol`` runs in place of the registered one."""
    trial = Trial(protocol=name, **(SMALL | fields))
    protocol = protocol or family(name)
    return Simulation(trial, protocol, *build_configs(protocol, {}, trial.nodes)).run()


def problems(record: RunRecord) -> list[str]:
    """Everything but ``valid`` that the run itself found."""
    return [f"{each.name}: {each.reason}" for each in record.verdicts if each.verdict != "valid"]


def judged(trial: Trial) -> Result:
    """The trial's result, which must hold no violation."""
    result, _ = run_trial(trial)
    assert result.violations == (), f"seed {trial.seed}: {result.violations}"
    return result


def _works(name: str) -> bool:
    """Ours, and what other distributions register, if it can be loaded."""
    try:
        return register_protocol(name)
    except UsageError:
        return False


pytestmark = pytest.mark.parametrize("name", [name for name in protocol_names() if _works(name)])


# --- declared --------------------------------------------------------------------------------------------------------


def test_it_says_what_it_is(name: str) -> None:
    protocol = family(name)
    assert protocol.name == name
    assert protocol.summary.strip()
    assert len(protocol.summary.splitlines()) == 1
    assert protocol.paper.strip()
    assert issubclass(protocol.server, Node)
    assert issubclass(protocol.client, Node)
    for cls in (protocol.server, protocol.client):
        assert (cls.__doc__ or "").strip()
        for message in message_types(cls):
            assert (message.__doc__ or "").strip(), f"{message.__name__} says nothing"


def test_its_parameters_have_defaults_that_are_valid_and_documented(name: str) -> None:
    protocol = family(name)
    for config in (protocol.server_config, protocol.client_config):
        assert config.__struct_config__.frozen
        made: Any = config()
        for nodes in (1, 3, 5):
            made.validate(nodes)
        for field in config.__struct_fields__:
            assert f"{field}" in (config.__doc__ or ""), f"{config.__name__}.{field} is not documented"


def test_its_variants_are_valid(name: str) -> None:
    protocol = family(name)
    for variant in protocol.variants:
        build_configs(protocol, dict(variant), 3)


def test_constructors_only_store(name: str) -> None:
    """What a node knows it learns in ``start``, from its context and its disk: so every boot is the same."""
    protocol = family(name)
    server, client = build_configs(protocol, {}, 3)
    for cls, config in ((protocol.server, server), (protocol.client, client)):
        assert vars(cls(config)) == {"config": config}


def test_invariants_are_fresh_for_each_run_and_have_distinct_names(name: str) -> None:
    protocol = family(name)
    one, two = protocol.invariants(), protocol.invariants()
    assert [each.name for each in one] == [each.name for each in two]
    assert len({each.name for each in one}) == len(one)
    assert not {id(each) for each in one} & {id(each) for each in two}


def sources(name: str) -> list[Path]:
    """The protocol's own files."""
    spec = importlib.util.find_spec(MODULES[name])
    if spec is None or spec.origin is None:
        pytest.skip(f"{MODULES[name]} does not exist yet")
    file = Path(spec.origin)
    return sorted(file.parent.rglob("*.py")) if file.name == "__init__.py" else [file]


def test_no_ambient_order_or_hash(name: str) -> None:
    """Sets of strings have another order in each process, and so has what ``hash`` says of strings."""
    for file in sources(name):
        for place in ast.walk(ast.parse(file.read_text())):
            where = f"{file.name}:{getattr(place, 'lineno', '?')}"
            if isinstance(place, ast.Call) and isinstance(place.func, ast.Name):
                assert place.func.id not in ("hash", "id"), f"{where}: {place.func.id}() differs between processes"
            iterated = [place.iter] if isinstance(place, ast.For | ast.comprehension) else []
            for each in iterated:
                assert not isinstance(each, ast.Set | ast.SetComp), f"{where}: iterates a set"
                is_set = isinstance(each, ast.Call) and isinstance(each.func, ast.Name) and each.func.id == "set"
                assert not is_set, f"{where}: iterates a set"


# --- determinism -----------------------------------------------------------------------------------------------------


def test_the_same_seed_has_the_same_hash_whatever_process_runs_it(name: str) -> None:
    """With the full nemesis, so that rare paths count too; in this process and in two others that hash otherwise."""
    family(name)
    script = (
        "import sys\n"
        "from bench.run import run_trial\n"
        "from bench.torture import torture\n"
        "for seed in (3, 8, 12):\n"
        "    print(run_trial(torture(sys.argv[1], seed, duration=800_000_000))[0].trace_hash)\n"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", script, name],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "4711")
    }
    here = [run_trial(torture(name, seed, duration=800 * MS))[0].trace_hash for seed in (3, 8, 12)]
    assert len(set(here)) == 3, "other seeds are other runs"
    assert printed == {"".join(f"{each}\n" for each in here)}


def test_the_codec_does_not_change_a_run(name: str) -> None:
    """Every message encoded and decoded on its way: the wire loses nothing."""
    for seed in (1, 2):
        plain, coded = (run_trial(torture(name, seed, duration=1500 * MS, codec=codec))[0] for codec in (False, True))
        assert plain.trace_hash == coded.trace_hash
        assert plain.operations == coded.operations


@pytest.mark.parametrize("switch", ["trace", "invariants"])
def test_being_watched_does_not_change_a_run(name: str, switch: str) -> None:
    value = switch == "trace"
    plain, watched = (simulate(name, seed=5, **fields) for fields in ({}, {switch: value}))
    assert plain.trace_hash == watched.trace_hash


# --- the wire --------------------------------------------------------------------------------------------------------


def roles(protocol: Family) -> dict[str, type[Node]]:
    return {"server": protocol.server, "client": protocol.client}


@pytest.mark.parametrize("role", ["server", "client"])
def test_every_message_survives_the_wire(name: str, role: str) -> None:
    """Any value its annotations allow: encoded, and decoded as one of the union its receiver declares."""
    receiver = roles(family(name))[role]
    declared = message_types(receiver)
    if not declared:
        pytest.skip(f"the {role} receives nothing")
    decoder = msgspec.msgpack.Decoder(receiver.messages if len(declared) > 1 else declared[0])

    @settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.one_of([values(message) for message in declared]))
    def survives(message: Any) -> None:
        decoded = decoder.decode(msgspec.msgpack.encode(message))
        assert type(decoded) is type(message)
        assert decoded == message
        assert hash(decoded) == hash(message)

    survives()


@pytest.mark.parametrize("role", ["server", "client"])
def test_everything_stored_survives_the_disk(name: str, role: str) -> None:
    kinds = list(roles(family(name))[role].stored.values())
    if not kinds:
        pytest.skip(f"the {role} stores nothing")

    @settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.one_of([st.tuples(st.just(kind), values(kind)) for kind in kinds]))
    def survives(stored: tuple[Any, Any]) -> None:
        kind, value = stored
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(value), type=kind) == value

    survives()


# --- crashes ---------------------------------------------------------------------------------------------------------


class Killer:
    """Kills one server at one boundary between two of its turns, and boots it again a little later.

    It poses as an invariant, for those are what the world asks after each turn of a server. ``before``: the turn is
    computed, and neither its unsynced writes nor its effects are safe; else just after they have left.
    """

    name = "killer"

    def __init__(self, victim: str, turn: int, *, before: bool, down: int = 20 * MS) -> None:
        self.victim = victim
        self.left = turn
        self.before = before
        self.down = down
        self.turns = 0
        self.struck = False
        self.world: World

    def restarted(self, node: str) -> None:
        """Nothing to forget."""

    def step(self, node: str, view: Any, views: Mapping[str, Any]) -> str | None:
        """Count the victim's turns, and strike when the count is reached."""
        if node != self.victim or self.struck:
            return None
        self.turns += 1
        self.left -= 1
        if self.left == 0:
            self.struck = True
            world, machine = self.world, self.world.machines[node]
            engine = machine.engine
            assert engine is not None
            if self.before:
                engine.sends.clear()
                engine.outs.clear()
                engine.mark_send = engine.mark_out = 0
            world.at(world.now, lambda: world.crash(machine))
            world.at(world.now + self.down, lambda: world.boot(machine))
        return None


def with_killer(name: str, killer: Killer) -> RunRecord:
    """The small trial of that protocol with somebody to kill a server."""
    real = family(name)

    def invariants() -> list[Invariant]:
        return [*real.invariants(), killer]

    protocol = dataclasses.replace(real, invariants=invariants)
    trial = Trial(protocol=name, **SMALL)
    simulation = Simulation(trial, protocol, *build_configs(protocol, {}, trial.nodes))
    killer.world = simulation.world
    return simulation.run()


@pytest.mark.parametrize("before", [True, False], ids=["before its effects leave", "after they have left"])
def test_a_crash_at_any_turn_boundary_breaks_nothing(name: str, before: bool) -> None:
    """Each server after its turns (see ``MANY_TURNS``), a run for each: invariants at every step, alive at the end."""
    runs = 0
    for place, victim in enumerate(("n1", "n2", "n3")):
        count = Killer(victim, 10**9, before=before)
        assert problems(with_killer(name, count)) == []
        assert count.turns >= 1
        stride = STRIDE if count.turns > MANY_TURNS and "QUORUMBENCH_EVERY_TURN" not in os.environ else 1
        for turn in range(1 + (place + before) % stride, count.turns + 1, stride):
            killer = Killer(victim, turn, before=before)
            record = with_killer(name, killer)
            assert killer.struck
            assert problems(record) == [], f"{victim} killed after its turn {turn}"
            runs += 1
    assert runs >= 6


# --- networks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", sorted(NETWORKS))
def test_hostile_networks_break_nothing(name: str, network: str) -> None:
    """The full nemesis on top; invariants at every step, and the family's checkers over the history."""
    family(name)
    acknowledged = 0
    for seed in range(SEEDS):
        conditions = Network(**({"latency": Constant(MS)} | NETWORKS[network]))  # type: ignore[arg-type]
        acknowledged += judged(torture(name, seed, network=conditions, duration=2000 * MS)).operations.ok
    assert acknowledged > 20 * SEEDS, "the runs did something"


@pytest.mark.parametrize("network", sorted(NETWORKS))
def test_it_serves_on_hostile_networks_without_other_faults(name: str, network: str) -> None:
    """Whoever waits twice as long after each loss may, of ten messages with one lost, wait four seconds by chance."""
    conditions = Network(**({"latency": Constant(MS)} | NETWORKS[network]))  # type: ignore[arg-type]
    assert problems(simulate(name, network=conditions, duration=1000 * MS, liveness=12_000 * MS)) == []


@pytest.mark.parametrize("nodes", [1, 2, 3, 4, 5, 7])
def test_any_size_of_cluster_serves(name: str, nodes: int) -> None:
    record = simulate(name, nodes=nodes)
    assert problems(record) == []
    assert (record.history.outcome == 0).sum() > 5


# --- mutants ---------------------------------------------------------------------------------------------------------


def test_mutants_are_small_edits_that_import(name: str) -> None:
    """At most five lines from the real protocol; with parameters that exist; named, explained, and with a hunter."""
    protocol = family(name)
    names = [mutant.name for mutant in protocol.mutants]
    assert len(set(names)) == len(names)
    checks = {each.name for each in protocol.invariants()} | {"linearizable", "liveness", "no_handler_crash"}
    checks |= {"convergence", *MODELS_OF_HISTORIES}
    checks |= {"opinions"} if protocol.opinions is not None else set()
    for mutant in protocol.mutants:
        assert 1 <= changed_lines(name, mutant.name) <= 5, mutant.name
        mutated = load_family(name, mutant.name)
        assert mutated.name == name
        assert {mutated.server, mutated.client}.isdisjoint({protocol.server, protocol.client})
        build_configs(mutated, dict(mutant.params), 3)
        assert mutant.why.strip().endswith(".")
        assert mutant.caught_by
        assert set(mutant.caught_by) <= checks, f"{mutant.name}: who is {set(mutant.caught_by) - checks}?"


# --- the other world -------------------------------------------------------------------------------------------------


@pytest.mark.live
def test_it_runs_live(name: str) -> None:
    """Two seconds on real processes: the same code, judged the same way."""
    family(name)
    try:
        importlib.import_module("bench.runtime.ray.session")
    except ImportError as error:
        pytest.skip(f"the live runtime does not import: {error}")
    trial = Trial(
        protocol=name,
        runtime="ray",
        nodes=3,
        duration=2000 * MS,
        liveness=10_000 * MS,
        workload=Workload(clients=4, keys=4, rate=100.0),
    )
    result, record = run_trial(trial)
    assert result.violations == ()
    assert result.error is None
    assert result.operations.ok > 100
    assert result.trace_hash is None
    assert {each.name for each in record.verdicts} >= {"liveness", "no_handler_crash"}
