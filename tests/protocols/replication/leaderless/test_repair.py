"""Hints, read repair, anti-entropy, tombstones, lost disks: one at a time, by hand."""

from __future__ import annotations

import pytest

from protocols.replication.leaderless.items import alive

from .hand import Store

NODES = ("n1", "n2", "n3")


def marks(store: Store, name: str) -> int:
    return sum(mark.name == name for mark in store.world.marks)


def holders(store: Store, key: str) -> list[str]:
    return [node for node in NODES if alive(store.item(node, key))]


def test_a_hint_brings_a_write_to_whoever_missed_it() -> None:
    store = Store(read_repair="none", anti_entropy_s=0.0, hint_interval_s=0.2)
    store.cut("n3", on=True)
    assert store.write("k", b"00000001")
    store.wait(1.0)
    assert holders(store, "k") == ["n1", "n2"]
    store.cut("n3", on=False)
    store.wait(1.0)
    assert holders(store, "k") == ["n1", "n2", "n3"]
    assert all(store.world.machines[node].engine.node.inspect().hints == 0 for node in NODES)  # type: ignore[union-attr]


def test_hints_are_bounded() -> None:
    store = Store(read_repair="none", anti_entropy_s=0.0, max_hints=5, routing="near")
    store.cut("n3", on=True)
    for number in range(20):
        assert store.write(f"k{number}", b"00000001")
    store.wait(1.0)
    assert max(store.world.machines[node].engine.node.inspect().hints for node in NODES) == 5  # type: ignore[union-attr]
    assert marks(store, "hint_dropped") > 0


@pytest.mark.parametrize("digests", [False, True])
@pytest.mark.parametrize("how", ["none", "background", "blocking"])
def test_a_read_repairs_who_is_behind_if_it_is_asked_to(how: str, digests: bool) -> None:
    if how == "none" and digests:
        pytest.skip("refused: it would do nothing")
    store = Store(read_repair=how, digests=digests, anti_entropy_s=0.0, hints=False)
    store.cut("n3", on=True)
    assert store.write("k", b"00000001")
    store.cut("n3", on=False)
    for _ in range(6):
        assert store.read("k") == b"00000001"
        store.wait(0.1)
    assert holders(store, "k") == (["n1", "n2"] if how == "none" else ["n1", "n2", "n3"])


def test_a_blocking_repair_is_done_when_the_read_returns() -> None:
    store = Store(read_repair="blocking", anti_entropy_s=0.0, hints=False, read_level="ALL")
    store.cut("n3", on=True)
    assert store.write("k", b"00000001")
    store.cut("n3", on=False)
    assert store.read("k") == b"00000001"
    assert holders(store, "k") == ["n1", "n2", "n3"]


def test_anti_entropy_needs_neither_reads_nor_hints() -> None:
    store = Store(read_repair="none", hints=False, anti_entropy_s=0.3)
    store.cut("n3", on=True)
    for number in range(30):
        assert store.write(f"k{number}", b"00000001")
    store.cut("n3", on=False)
    store.wait(3.0)
    assert all(len(holders(store, f"k{number}")) == 3 for number in range(30))


@pytest.mark.parametrize(("grace_s", "returns"), [(1.0, True), (60.0, False)])
def test_a_grace_period_shorter_than_an_outage_brings_deleted_keys_back(grace_s: float, returns: bool) -> None:
    """A replica is away; the key is deleted, and tombstones are removed after their grace. Then it is back."""
    store = Store(hints=False, anti_entropy_s=0.3, grace_s=grace_s)
    assert store.write("k", b"00000001")
    store.wait(0.5)
    store.cut("n3", on=True)
    assert store.delete("k")
    assert store.read("k") is None
    store.wait(4.0)
    assert (marks(store, "tombstone_removed") > 0) == returns
    store.cut("n3", on=False)
    store.wait(4.0)
    assert (store.read("k") == b"00000001") == returns


def test_a_hint_does_not_outlive_the_grace_period() -> None:
    """The write that n3 missed is kept for it; by the time it is back, the key was deleted and forgotten."""
    store = Store(anti_entropy_s=0.0, read_repair="none", grace_s=1.0, hint_window_s=1000.0, hint_interval_s=0.2)
    store.cut("n3", on=True)
    assert store.write("k", b"00000001")
    store.wait(0.5)
    assert store.delete("k")
    store.wait(5.0)
    assert marks(store, "hint_expired") > 0
    store.cut("n3", on=False)
    store.wait(5.0)
    assert holders(store, "k") == []


def test_a_server_that_lost_its_disk_gets_back_what_it_acknowledged_before_it_answers() -> None:
    store = Store(anti_entropy_s=0.0, hints=False, read_repair="none")
    for number in range(300):
        assert store.write(f"k{number}", b"00000001")
    machine = store.world.machines["n1"]
    store.world.crash(machine)
    machine.disk.lose(corrupt=False)
    store.cut("n2", on=True)
    store.world.boot(machine)
    store.wait(1.0)
    assert machine.engine.node.inspect().joining  # type: ignore[union-attr]
    store.cut("n2", on=False)
    store.wait(2.0)
    view = machine.engine.node.inspect()  # type: ignore[union-attr]
    assert not view.joining
    assert len(view.store) == 300
    assert machine.engine.node.identity.server != "n1"  # type: ignore[union-attr]


def test_a_slow_replica_is_worked_around_by_asking_another() -> None:
    store = Store(read_from="quorum", speculate_s=0.05, anti_entropy_s=0.0)
    assert store.write("k", b"00000001")
    store.wait(0.5)
    began = store.world.now
    store.cut("n2", on=True)
    for _ in range(4):
        assert store.read("k") == b"00000001"
    assert marks(store, "speculated") > 0
    assert store.world.now - began < 2_000_000_000


def test_a_sloppy_quorum_answers_where_a_strict_one_does_not() -> None:
    for sloppy in (False, True):
        store = Store(
            5, sloppy=sloppy, request_timeout_s=0.05, retry_s=0.2, operation_timeout_s=1.0, routing="outside",
            anti_entropy_s=0.0,
        )  # fmt: skip
        replicas = store.world.machines["c1"].engine.node.ring.replicas("k", 3)  # type: ignore[union-attr]
        for replica in replicas[:2]:
            store.world.crash(store.world.machines[replica])
        assert store.write("k", b"00000001") == sloppy
        if sloppy:
            assert store.read("k") == b"00000001"
            for replica in replicas[:2]:
                store.world.boot(store.world.machines[replica])
            store.wait(2.0)
            assert all(store.item(replica, "k") is not None for replica in replicas), "handed over"
