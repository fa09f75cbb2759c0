"""Joins of partitioned tables: each way finds what pandas finds, whatever the network does."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import pandas as pd
import pytest

from bench.network import Constant, Exponential, Network
from bench.runtime.sim.world import World
from bench.trial import ServiceTimes
from protocols.node import Info, Ok, Outcome
from protocols.partitioning.joins import Amend, Client, ClientConfig, Join, Joined, Row, Worker, WorkerConfig
from protocols.partitioning.joins.worker import home

MS = 1_000_000
WAYS = ("repartition", "broadcast", "colocated", "denormalised")


def tables(seed: int, left: int = 40, right: int = 200) -> tuple[list[Row], list[Row]]:
    """Keys of the left table are unique; the right one has some that nobody has, and leaves others out."""
    rng = Random(seed)
    return (
        [(key, f"left {key}".encode()) for key in range(left)],
        [(rng.randrange(left + 10), f"right {number}".encode()) for number in range(right)],
    )


def merged(left: Sequence[Row], right: Sequence[Row]) -> list[Joined]:
    """What pandas makes of it."""
    frames = (pd.DataFrame(rows, columns=["key", name]) for name, rows in (("left", left), ("right", right)))
    found = next(frames).merge(next(frames), on="key")
    return sorted(found.itertuples(index=False, name=None))


class Cluster:
    """Workers with both tables, dealt out in turns, or by their attribute where they are to be colocated."""

    def __init__(self, workers: int, left: Sequence[Row], right: Sequence[Row], way: str, network: Network) -> None:
        names = tuple(f"n{number + 1}" for number in range(workers))
        copies = merged(left, right)
        if way == "colocated":
            parts = {
                name: (
                    tuple(row for row in left if home(row[0], names) == name),
                    tuple(row for row in right if home(row[0], names) == name),
                )
                for name in names
            }
        else:
            parts = {name: (tuple(left[at::workers]), tuple(right[at::workers])) for at, name in enumerate(names)}
        self.outcomes: dict[int, Outcome] = {}
        self.world = World(3, network, ServiceTimes(), on_reply=self._replied, codec=True)
        for at, name in enumerate(names):
            config = WorkerConfig(left=parts[name][0], right=parts[name][1], copies=tuple(copies[at::workers]), chunk=7)
            self.world.add(name, lambda config=config: Worker(config), server=True)  # type: ignore[misc]
        self.world.add("c1", lambda: Client(ClientConfig(attempt_s=0.5, attempts=40)), server=False)
        for machine in self.world.machines.values():
            self.world.boot(machine)

    def _replied(self, node: str, operation: int, outcome: Outcome, at: int) -> None:
        self.outcomes[operation] = outcome

    def ask(self, request: Join | Amend, *, crash: str = "") -> Any:
        number = len(self.outcomes) + 1
        self.world.request(self.world.machines["c1"], number, request)
        if crash:
            self.world.run(self.world.now + 2 * MS)
            self.world.crash(self.world.machines[crash])
            self.world.run(self.world.now + 600 * MS)
            self.world.boot(self.world.machines[crash])
        until = self.world.now + 30_000 * MS
        while number not in self.outcomes and self.world.now < until:
            self.world.run(self.world.now + MS)
        assert self.world.handler_crashes == []
        outcome = self.outcomes[number]
        return outcome.value if isinstance(outcome, Ok) else outcome


NETWORKS = {
    "calm": Network(latency=Constant(MS)),
    "reordered and doubled": Network(latency=Exponential(3 * MS), duplication=0.2),
    "lossy": Network(latency=Constant(MS), loss=0.002, duplication=0.05),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("network", sorted(NETWORKS))
@pytest.mark.parametrize("workers", [1, 2, 5])
def test_it_finds_what_pandas_finds(way: Any, network: str, workers: int) -> None:
    for seed in range(3):
        left, right = tables(seed)
        cluster = Cluster(workers, left, right, way, NETWORKS[network])
        found = cluster.ask(Join(way))
        assert sorted(found) == merged(left, right)
        assert len(found) > 100


@pytest.mark.parametrize("way", WAYS)
def test_a_worker_that_dies_in_the_middle_costs_an_attempt(way: Any) -> None:
    left, right = tables(1)
    cluster = Cluster(3, left, right, way, Network(latency=Constant(MS)))
    assert sorted(cluster.ask(Join(way), crash="n2")) == merged(left, right)


@pytest.mark.parametrize("empty", ["left", "right", "both"])
@pytest.mark.parametrize("way", ["repartition", "broadcast"])
def test_nothing_joined_is_nothing(way: Any, empty: str) -> None:
    left, right = tables(1)
    cluster = Cluster(
        3, [] if empty != "right" else left, [] if empty != "left" else right, "plain", Network(latency=Constant(MS))
    )
    assert cluster.ask(Join(way)) == ()


def test_a_change_is_one_row_or_all_its_copies_and_outlives_a_crash() -> None:
    left, right = tables(2)
    cluster = Cluster(3, left, right, "repartition", Network(latency=Constant(MS)))
    wanted = [(key, b"new" if key == 5 else rest) for key, rest in left]
    assert cluster.ask(Amend(5, b"new", copies=False)) == 1
    copies = sum(key == 5 for key, _ in right)
    assert cluster.ask(Amend(5, b"new", copies=True)) == copies > 1
    for name in ("n1", "n2", "n3"):
        cluster.world.crash(cluster.world.machines[name])
        cluster.world.boot(cluster.world.machines[name])
    for way in ("repartition", "broadcast", "denormalised"):
        assert sorted(cluster.ask(Join(way))) == merged(wanted, right)  # type: ignore[arg-type]


def test_it_is_given_up_when_a_worker_stays_away() -> None:
    cluster = Cluster(3, *tables(1), "repartition", Network(latency=Constant(MS)))
    cluster.world.crash(cluster.world.machines["n3"])
    given_up = cluster.ask(Join("repartition"))
    assert isinstance(given_up, Info) and "no answer in time" in given_up.reason, "each attempt may be answered yet"
