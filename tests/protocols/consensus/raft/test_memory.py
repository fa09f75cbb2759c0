"""What servers and clients keep does not grow with time: an hour of simulated load, faults and all.

Counted is the state of the nodes and their disks, object by object, not the process: its history of operations, faults
and marks grows, as it has to.
"""

from __future__ import annotations

import sys
from collections import deque
from random import Random
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import pytest

from bench.faults.spec import Nemesis
from bench.mutation import load_family
from bench.params import build_configs
from bench.runtime.sim.run import Simulation
from bench.trial import Trial
from bench.workload.spec import Workload

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
NOT_STATE = (type, FunctionType, MethodType, ModuleType, BuiltinFunctionType, Random)
BOUND, EVERY, TRAILING = 64, 1000, 100


def size(root: Any) -> int:
    """Bytes of an object and of all that it holds, each counted once."""
    seen: set[int] = set()
    todo, total = [root], 0
    while todo:
        each = todo.pop()
        if id(each) in seen or isinstance(each, NOT_STATE):
            continue
        seen.add(id(each))
        total += sys.getsizeof(each)
        if isinstance(each, dict):
            todo += [*each.keys(), *each.values()]
        elif isinstance(each, list | tuple | set | frozenset | deque):
            todo += each
        else:
            names = [name for kind in type(each).__mro__ for name in getattr(kind, "__slots__", ())]
            names += [*getattr(each, "__struct_fields__", ()), *getattr(each, "__dict__", ())]
            todo += [getattr(each, name) for name in names if hasattr(each, name)]
    return total


def simulated(minutes: int, every: int, **params: Any) -> list[dict[str, int]]:
    """Run so long under crashes, partitions and pauses; what was kept at each look: the most of any node."""
    params |= {"snapshot_entries": EVERY, "snapshot_trailing": TRAILING, "operation_timeout_s": 1.0}
    trial = Trial(
        protocol="raft",
        nodes=3,
        duration=minutes * MINUTE,
        seed=1,
        params=params,
        workload=Workload(clients=8, keys=10, rate=20.0),
        nemesis=Nemesis(kinds=("crash", "partition", "pause"), interval=5 * SECOND, length=SECOND),
        invariants=False,
    )
    family = load_family("raft")
    simulation = Simulation(trial, family, *build_configs(family, params, 3))
    world, looks = simulation.world, []

    def look() -> None:
        servers = [each for each in world.servers if each.engine is not None]
        nodes = [each.engine.node for each in servers if each.engine is not None]
        clients = [each.engine.node for each in world.clients if each.engine is not None]
        looks.append(
            {
                "entries": max(len(node.log.entries) for node in nodes),
                "sessions": max(len(node.machine.sessions) for node in nodes),
                "snapshot": max(len(node.snapshot.state) if node.snapshot else 0 for node in nodes),
                "server": max(size(vars(node)) for node in nodes),
                "disk": max(size(each.disk) for each in servers),
                "client": max(size(vars(node)) for node in clients),
            }
        )

    for minute in range(every, minutes + 1, every):
        world.at(minute * MINUTE - SECOND, look)
    record = simulation.run()
    assert len(looks) == minutes // every
    assert sum(record.history.outcome == 0) > minutes * 60 * 20 // 2, "it served while it was watched"
    return looks


@pytest.mark.slow
def test_an_hour_of_load_leaves_no_more_than_its_first_ten_minutes() -> None:
    looks = simulated(60, 2, max_sessions=BOUND)
    for each in looks:
        assert each["entries"] <= EVERY + TRAILING + 100, "the entries of a few moments more than asked"
        assert each["sessions"] <= BOUND
        assert each["client"] <= 64_000, "operations under way, at most 20 a second for a second, and idle sessions"
    for name in ("snapshot", "server", "disk"):
        early = max(look[name] for look in looks[:5])
        late = max(look[name] for look in looks[-5:])
        assert late <= 1.5 * early, f"{name}: {early} bytes in the first ten minutes, {late} in the last"
    print({name: (max(look[name] for look in looks[:5]), max(look[name] for look in looks[-5:])) for name in looks[0]})


@pytest.mark.slow
def test_without_a_bound_the_table_of_sessions_grows() -> None:
    """Clients that give an operation up leave its session behind: what the test above would see."""
    looks = simulated(20, 10)
    assert looks[0]["sessions"] > BOUND
    assert looks[1]["sessions"] > 1.5 * looks[0]["sessions"]
    assert looks[1]["snapshot"] > 1.5 * looks[0]["snapshot"]
