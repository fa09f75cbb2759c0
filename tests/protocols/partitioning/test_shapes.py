"""Splits and merges of the partitioned store: when they happen, where, and that nothing is lost by them."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest

from bench.faults.spec import Crash
from bench.network import Constant, Network
from bench.run import run_trial
from bench.runtime.sim.machine import MESSAGE
from bench.trial import Result, ServiceTimes, Trial
from bench.workload.spec import Workload
from protocols.node import AddServer, RemoveServer
from protocols.partitioning.store import ClientConfig, StoreConfig
from protocols.partitioning.store.messages import ENDED, SERVES, Entry, Merge, Shape, Split
from protocols.partitioning.store.placing import Placement, entries_at_first, position
from protocols.partitioning.store.shapes import middle_of_keys, middle_of_load
from protocols.partitioning.store.table import Table, overlap, within
from protocols.requests import Read, Write

from .test_store_by_hand import Store

MS = 1_000_000


def trial(**fields: Any) -> Trial:
    given: dict[str, Any] = {
        "protocol": "partitioned",
        "duration": 1500 * MS,
        "network": Network(latency=Constant(MS)),
        "workload": Workload(clients=4, keys=60, rate=400.0, mix=(("read", 0.3), ("write", 0.7))),
        "service": ServiceTimes(fsync=MS),
    }
    return Trial(**given | fields)


def judged(wanted: Trial) -> Result:
    result, _ = run_trial(wanted)
    assert result.verdict == "valid", [each.reason for each in result.violations] or result.reason
    return result


# --- tables ----------------------------------------------------------------------------------------------------------


def test_a_table_believes_the_newest_entry_for_each_position() -> None:
    """Against a model that keeps the highest rank of every single position, over random entries in random order."""
    for seed in range(200):
        rng = Random(seed)
        places = [f"{number:02d}" for number in range(20)]
        table = Table([Entry("", "", 0, 1, "n0")])
        model = dict.fromkeys(places, (0, 1))
        for _ in range(rng.randint(1, 30)):
            low = rng.choice(["", *places])
            high = rng.choice(["", *(place for place in places if place > low)])
            rank = rng.randint(0, 6), rng.randint(1, 3)
            entry = Entry(low, high, *rank, f"n{rank[0]}.{rank[1]}")
            older = [place for place in places if within(place, low, high) and model[place] < rank]
            if high or older or low:
                news = table.learn(entry)
                assert news or not older
            for place in older:
                model[place] = rank
            assert {place: table.find(place).rank for place in places} == model
            assert table.entries[0].low == "" and table.entries[-1].high == ""
            for one, other in zip(table.entries, table.entries[1:], strict=False):
                assert one.high == other.low, "positions without an entry, or with two"


@pytest.mark.parametrize("placement", ["modulo", "hash", "range"])
def test_every_key_is_in_one_partition_at_first(placement: Placement) -> None:
    entries = entries_at_first(("n1", "n2", "n3"), 0, 16, placement)
    counts: Counter[int] = Counter()
    for number in range(2000):
        where = position(f"k{number}", placement, 16)
        at = [entry for entry in entries if within(where, entry.low, entry.high)]
        assert at == [Table(entries).find(where)]
        counts[at[0].partition] += 1
    assert placement == "range" or (len(counts) == 16 and min(counts.values()) > 60)


def test_ranges_overlap_only_if_they_share_a_position() -> None:
    def entry(low: str, high: str) -> Entry:
        return Entry(low, high, 0, 0, "")

    assert not overlap(entry("", "m"), entry("m", ""))
    assert overlap(entry("", "m"), entry("l", ""))
    assert overlap(entry("", ""), entry("m", "n"))


# --- where to split --------------------------------------------------------------------------------------------------


def test_the_middle_of_keys_leaves_half_on_either_side() -> None:
    assert middle_of_keys(["a", "b", "c", "d"], "") == "c"
    assert middle_of_keys(["a"], "") == ""
    assert middle_of_keys([], "") == ""


def test_the_middle_of_load_cuts_between_hot_keys_and_never_within_one() -> None:
    assert middle_of_load(["a"] * 30 + ["b"] * 34, "") == "b"
    assert middle_of_load(["a"] * 10 + ["b"] * 44 + ["c"] * 10, "") in ("b", "c")
    assert middle_of_load(["a"] * 64, "") == ""
    assert middle_of_load(["a"] * 62 + ["b"] * 2, "") == "", "a boundary beside a hot key does not make it less hot"
    assert middle_of_load([], "") == ""


# --- when ------------------------------------------------------------------------------------------------------------


def test_partitions_are_split_when_they_are_large_and_servers_get_as_many_keys() -> None:
    store = Store(3, placement="range", report_s=0.1, split_keys=40, even="keys")
    store.fill(600)
    store.wait(3)
    sizes = {at: len(store.server(entry.server).data[at]) for at, entry in store.coordinator.entries.items()}
    assert sum(sizes.values()) == 600 and max(sizes.values()) <= 40
    held = Counter[str]()
    for at, size in sizes.items():
        held[store.coordinator.entries[at].server] += size
    assert len(held) == 3 and min(held.values()) >= 150, held
    assert {store.ask(Read(f"k{number}")) for number in range(600)} == {b"before"}


def test_a_busy_partition_is_split_and_a_hot_key_is_not() -> None:
    params = {"placement": "range", "report_s": 0.1, "split_rate": 100.0, "even": "rate"}
    busy = judged(trial(params=params, workload=Workload(clients=8, keys=64, rate=1000.0)))
    assert busy.coverage["split"] >= 4 and busy.coverage["moved"] >= 2
    shares = [cost.messages_sent for cost in busy.costs.values()]
    assert max(shares) < 0.6 * sum(shares), "one server still does most"
    hot = judged(trial(params=params, workload=Workload(clients=8, keys=1, rate=1000.0)))
    assert "split" not in hot.coverage


def test_small_neighbours_become_one_also_from_different_servers() -> None:
    store = Store(3, placement="hash", partitions=12, report_s=0.05, merge_keys=1000)
    store.fill(40)
    store.wait(8)
    assert len(store.coordinator.entries) == 1
    server = next(iter(store.owned()))
    for name in (server, server):
        store.restart(name)
        assert {store.ask(Read(f"k{number}")) for number in range(40)} == {b"before"}


def test_merging_stops_where_the_merged_one_would_be_large() -> None:
    store = Store(2, placement="hash", partitions=16, report_s=0.05, split_keys=60, merge_keys=30)
    store.fill(160)
    store.wait(8)
    sizes = [len(store.server(entry.server).data[at]) for at, entry in store.coordinator.entries.items()]
    assert sum(sizes) == 160 and max(sizes) <= 60
    assert 4 <= len(sizes) < 16


def test_a_newcomer_gets_halves_of_others_partitions() -> None:
    store = Store(3, placement="range", initial=2, report_s=0.05, per_node=4)
    store.fill(200)
    store.wait(4)
    assert store.owned() == {"n1": 4, "n2": 4}
    before = {key for at in store.server("n1").data.values() for key in at}
    store.tell(AddServer("n3"))
    store.wait(4)
    assert store.owned() == {"n1": 4, "n2": 4, "n3": 4}
    moved = {key for at in store.server("n3").data.values() for key in at}
    assert 20 <= len(moved) <= 120
    assert before - moved == {key for at in store.server("n1").data.values() for key in at}, "only to the newcomer"


def test_what_is_split_while_its_server_leaves_goes_with_it() -> None:
    store = Store(2, placement="range", report_s=0.05, reshape_every_s=0.2, pause_s=0.01, chunk=1, catch_up=0)
    store.fill(60)
    store.wait(0.15)
    assert store.coordinator.shapings or len(store.coordinator.entries) > 1
    store.tell(RemoveServer("n1"))
    for _ in range(100):
        store.wait(0.2)
        if store.owned().keys() == {"n2"} and not store.coordinator.moves:
            break
    assert store.owned().keys() == {"n2"}
    assert {store.ask(Read(f"k{number}")) for number in range(60)} == {b"before"}


def test_a_half_that_is_split_for_a_server_that_leaves_meanwhile_stays() -> None:
    store = Store(3, placement="range", initial=2, report_s=0.05, per_node=2)
    store.fill(40)
    store.wait(2)
    store.tell(AddServer("n3"))
    for _ in range(2000):
        store.wait(0.0005)
        if any(isinstance(each, Split) and each.then == "n3" for each in store.coordinator.shapings.values()):
            break
    else:
        raise AssertionError("nothing is split for n3")
    store.tell(RemoveServer("n3"))
    store.wait(5)
    assert not store.coordinator.shapings and "n3" not in store.owned()
    assert {store.ask(Read(f"k{number}")) for number in range(40)} == {b"before"}


# --- what must not happen --------------------------------------------------------------------------------------------


def test_a_late_order_to_split_finds_that_it_is_done() -> None:
    store = Store(2, placement="range")
    store.fill(10)
    order = Split(0, "n1", position("k5", "range", 1), 1, 2)
    store.world._arrive(store.world.machines["n1"], MESSAGE, "n1", Shape(order))
    store.wait(0.1)
    store.ask(Write("k5", b"after"))
    store.world._arrive(store.world.machines["n1"], MESSAGE, "n1", Shape(order))
    store.wait(0.1)
    server = store.server("n1")
    assert [server.holdings[at].state for at in (0, 1, 2)] == [ENDED, SERVES, SERVES]
    assert store.ask(Read("k5")) == b"after" and store.ask(Read("k4")) == b"before"
    assert "k5" in server.data[2] and "k4" in server.data[1]


def test_a_merge_of_what_is_not_here_any_more_is_not_carried_out() -> None:
    store = Store(2, placement="hash", partitions=4)
    store.fill(10)
    mine = [at for at, held in store.server("n1").holdings.items() if held.state == SERVES]
    store.world._arrive(store.world.machines["n1"], MESSAGE, "n1", Shape(Merge(0, 1, "n1", 9)))
    store.wait(0.1)
    assert mine == [0, 2] and 9 not in store.server("n1").holdings
    assert {store.ask(Read(f"k{number}")) for number in range(10)} == {b"before"}


def test_a_client_with_an_old_table_is_served_and_learns() -> None:
    store = Store(1, placement="range", report_s=0.05, split_keys=10)
    store.fill(40)
    store.wait(1)
    assert len(store.coordinator.entries) >= 3
    for number in range(40):
        store.ask(Read(f"k{number}"))
    engine = store.world.machines["c1"].engine
    assert engine is not None
    table: Table = engine.node.table  # type: ignore[attr-defined]
    assert {entry.rank for entry in table.entries} == {entry.rank for entry in store.coordinator.entries.values()}


SPLITTING = {"placement": "range", "report_s": 0.03, "reshape_every_s": 0.03, "move_every_s": 0.1, "catch_up": 0}


@pytest.mark.parametrize("victim", ["n1", "n2", "n3"])
@pytest.mark.parametrize("step", range(12))
def test_a_crash_at_any_time_of_a_split_or_a_merge_loses_and_duplicates_nothing(victim: str, step: int) -> None:
    faults = (Crash(at=300 * MS + step * MS * 7 // 4, target=victim, down=60 * MS),)
    load = Workload(clients=4, keys=40, rate=200.0)
    result = judged(trial(params=SPLITTING, faults=faults, workload=load, duration=800 * MS))
    assert result.coverage["split"] >= 3 and result.coverage["merged"] >= 1 and result.coverage["moved"] >= 2


@pytest.mark.parametrize("routing", ["client", "any", "proxy"])
def test_it_serves_while_everything_splits_and_moves(routing: str) -> None:
    result = judged(trial(params={**SPLITTING, "routing": routing}))
    assert result.coverage["split"] >= 10
    assert result.operations.fail == result.operations.info == 0
    assert result.latency_s.max is not None and result.latency_s.max < 0.2


@pytest.mark.live
def test_partitions_split_live(ray_session: Any) -> None:
    crash = Crash(at=700 * MS, target="n1", down=300 * MS)
    params = {"placement": "range", "report_s": 0.1, "split_keys": 12, "even": "keys"}
    load = Workload(clients=4, keys=80, distribution="sequential", mix=(("write", 0.5), ("read", 0.5)))
    wanted = trial(
        runtime="ray",
        duration=2500 * MS,
        network=Network(),
        faults=(crash,),
        params=params,
        workload=load,
        liveness=10_000 * MS,
    )
    result, _ = run_trial(wanted, session=ray_session)
    assert result.verdict == "valid", result.violations
    assert result.coverage["split"] >= 4 and result.coverage["moved"] >= 1


# --- parameters ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"split_keys": 10, "report_s": 1.0}, "split_keys 10 needs placement hash or range"),
        ({"placement": "hash", "split_keys": 10}, "split_keys needs report_s above 0"),
        ({"placement": "hash", "split_keys": 10, "merge_keys": 6, "report_s": 1.0}, "merge_keys 6 is out of range"),
        ({"even": "bytes", "report_s": 1.0}, "even 'bytes' is unknown: keys, rate, or empty"),
        ({"even": "keys"}, "even needs report_s above 0"),
        ({"placement": "list"}, "placement 'list' is unknown: modulo, hash or range"),
        ({"placement": "hash", "partitions": 2}, "partitions 2 is out of range"),
        ({"per_node": -1}, "per_node -1 is out of range: at least 0"),
        ({"reshape_every_s": -1.0}, "reshape_every_s -1 is out of range: 0 to 3600 seconds"),
        ({"report_s": 1e-12}, "report_s 1e-12 is out of range: at least 0.001 seconds"),
        ({"placement": "hash", "merge_rate": 5.0, "report_s": 1.0}, "merge_rate 5 needs merge_keys and split_rate"),
    ],
)
def test_parameters_that_cannot_be_are_told_in_a_sentence(params: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence.replace("'", "'")):
        StoreConfig(**params).validate(3)


def test_a_client_refuses_an_unknown_placement() -> None:
    with pytest.raises(ValueError, match="placement 'list' is unknown"):
        ClientConfig(placement="list").validate(3)  # type: ignore[arg-type]
