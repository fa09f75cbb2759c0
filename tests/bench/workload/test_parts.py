"""The load of several generators is the load of one, shared out."""

from __future__ import annotations

from typing import Any

import pytest

from bench.errors import UsageError
from bench.history.history import READ
from bench.trial import Trial
from bench.workload.generator import Load, Part, split
from bench.workload.spec import Workload
from protocols.node import Info, Ok

SECOND = 1_000_000_000


def arrivals(workload: Workload, part: Part | None = None) -> list[tuple[int, int]]:
    load = Load(workload, 7, SECOND, part=part)
    found = list(iter(load.next_arrival, None))
    assert load.offered == len(found)
    return found


@pytest.mark.parametrize("arrival", ["poisson", "constant"])
@pytest.mark.parametrize("generators", [2, 3, 5])
def test_all_together_have_exactly_the_arrivals_of_one(arrival: Any, generators: int) -> None:
    workload = Workload(clients=5, rate=777.0, arrival=arrival)
    parts = split(5, generators)
    shared = [arrivals(workload, part) for part in parts]
    assert sorted(each for found in shared for each in found) == sorted(arrivals(workload))
    for part, found in zip(parts, shared, strict=True):
        assert {client for _, client in found} <= set(range(part.first, part.first + part.clients))
        assert found, "each has some of it"


def test_clients_are_shared_out_in_order_and_evenly() -> None:
    assert split(5, 2) == [Part(0, 2, 0, 2), Part(1, 2, 2, 3)]
    assert [part.clients for part in split(64, 3)] == [21, 21, 22]
    assert split(8, 1) == [Part(0, 1, 0, 8)]
    for clients in range(1, 20):
        for generators in range(1, clients + 1):
            parts = split(clients, generators)
            assert min(part.clients for part in parts) >= 1
            assert [client for part in parts for client in range(part.first, part.first + part.clients)] == list(
                range(clients)
            )


def recorded(part: Part, operations: int) -> Any:
    load = Load(Workload(clients=4, keys=3), 7, SECOND, part=part)
    client = part.first
    for now in range(operations):
        begun = load.start(client, now, now)
        assert begun is not None
        outcome = Info("lost") if now % 5 == 0 else Ok(None)
        assert load.finish(begun[0], outcome, now) == client
    return load.history()


def test_no_two_generators_write_the_same_value_or_use_the_same_process() -> None:
    one, other = (recorded(part, 200) for part in split(4, 2))
    values = [set(history.argument[history.function != READ].tolist()) for history in (one, other)]
    assert all(len(found) > 50 for found in values) and values[0].isdisjoint(values[1])
    assert min(values[0] | values[1]) > 0
    processes = [set(history.process.tolist()) for history in (one, other)]
    assert all(len(found) > 10 for found in processes) and processes[0].isdisjoint(processes[1])
    assert set(one.client.tolist()) == {0} and set(other.client.tolist()) == {2}, "clients keep their own numbers"
    assert one.key.tolist() != other.key.tolist(), "each draws for itself"


def test_one_generator_does_what_it_did_before_there_could_be_several() -> None:
    alone, part = Load(Workload(clients=3), 5, SECOND), Load(Workload(clients=3), 5, SECOND, part=Part(0, 1, 0, 3))
    assert [alone.start(1, now, now) for now in range(50)] == [part.start(1, now, now) for now in range(50)]


def test_more_generators_than_clients_are_refused() -> None:
    Trial(protocol="raft", generators=8).validate()
    for generators in (-1, 9):
        with pytest.raises(UsageError, match=f"generators {generators} is out of range: 1 to the number of clients, 8"):
            Trial(protocol="raft", generators=generators).validate()
