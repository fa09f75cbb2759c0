"""Log compaction (chapter 5), by hand: taking snapshots, sending them, installing them, restarting from them."""

from __future__ import annotations

import msgspec
import pytest

from protocols.consensus.raft.messages import (
    Appended,
    AppendEntries,
    Done,
    InstallSnapshot,
    Members,
    SnapshotStored,
)
from protocols.node import RemoveServer
from protocols.requests import Read, Write
from protocols.statemachine import Command, KeyValue
from tests.toys.rig import Rig

from .hand import PLAIN, ack, entries, follower, leader, names, of, write

SMALL = msgspec.structs.replace(PLAIN, snapshot_entries=4, snapshot_trailing=1, snapshot_chunk=16)


def state(*values: bytes) -> bytes:
    """A machine after these writes to k, each of a session of its own."""
    machine = KeyValue()
    for number, value in enumerate(values):
        machine.apply(Command(f"s{number}", 1, Write("k", value)))
    return machine.snapshot()


def busy(rounds: int = 6) -> Rig:
    """A leader that has committed so many writes, n3 not taking part, and has had time for a snapshot."""
    rig = leader(config=SMALL)
    for number in range(1, rounds + 1):
        rig.receive("c1", write(number, f"v{number}".encode(), sequence=number))
        ack(rig, "n2")
        if "snapshot" in rig.timers:
            rig.fire("snapshot")
    rig.sent.clear()
    return rig


def pieces(data: bytes, size: int, index: int = 5, term: int = 1) -> list[InstallSnapshot]:
    members = Members(names(3))
    cuts = range(0, len(data), size)
    return [
        InstallSnapshot(term, index, term, members, at, data[at : at + size], at + size >= len(data), 7) for at in cuts
    ]


# --- taking ----------------------------------------------------------------------------------------------------------


def test_a_snapshot_is_taken_of_what_is_applied_and_the_log_keeps_the_last_few() -> None:
    rig = busy()
    node = rig.node
    assert node.snapshot.index == 4, "after four entries; seven are applied"
    assert (node.log.base, node.log.base_term, node.log.last) == (3, 1, 7)
    found = KeyValue()
    found.restore(node.snapshot.state)
    assert found.data == {"k": b"v3"}
    assert found.sessions == {"c1.s": (3, None)}


def test_a_server_restarts_from_snapshot_and_log() -> None:
    rig = busy()
    rig.crash()
    node = rig.node
    assert (node.applied, node.commit, node.log.base, node.log.last) == (4, 4, 3, 7)
    assert node.machine.data == {"k": b"v3"}
    assert node.log.term(7) == 1


def test_nothing_is_taken_before_enough_is_applied() -> None:
    rig = busy(2)
    assert rig.node.snapshot is None and rig.node.log.base == 0


# --- sending ---------------------------------------------------------------------------------------------------------


def test_who_lacks_what_is_gone_is_sent_the_snapshot_piece_by_piece() -> None:
    rig = busy()
    rig.fire("heartbeat")
    (first,) = [message for to, message in of(InstallSnapshot, rig.sent) if to == "n3"]
    assert (first.index, first.offset, first.done) == (4, 0, False)
    data = first.data
    for _ in range(100):
        sent = of(InstallSnapshot, rig.receive("n3", SnapshotStored(1, 4, len(data), 0)))
        ((_, piece),) = sent
        assert piece.offset == len(data)
        data += piece.data
        if piece.done:
            break
    assert data == rig.node.snapshot.state
    sent = rig.receive("n3", Appended(1, True, 4, 4, 0, 0))
    ((_, message),) = of(AppendEntries, sent)
    assert message.prev_index == 4 and len(message.entries) == 3, "and then the entries after it"


def test_a_heartbeat_asks_after_the_pieces_instead_of_repeating_them() -> None:
    rig = busy()
    rig.fire("heartbeat")
    rig.sent.clear()
    rig.fire("heartbeat")
    ((_, probe),) = of(InstallSnapshot, [each for each in rig.sent if each[0] == "n3"])
    assert probe.data == b"" and not probe.done


def test_a_leader_that_compacts_further_finishes_the_snapshot_that_it_is_sending() -> None:
    rig = busy()
    rig.fire("heartbeat")
    for number in range(7, 12):
        rig.receive("c1", write(number, b"later", sequence=number))
        ack(rig, "n2")
    rig.fire("snapshot")
    assert rig.node.snapshot.index > 4
    ((_, piece),) = of(InstallSnapshot, rig.receive("n3", SnapshotStored(1, 4, 16, 0)))
    assert piece.index == 4 and piece.offset == 16


# --- installing ------------------------------------------------------------------------------------------------------


def test_the_last_piece_replaces_state_and_log() -> None:
    rig = follower(1, 1)
    data = state(b"a", b"b")
    parts = pieces(data, 10, term=2)
    for part in parts[:-1]:
        ((_, answer),) = of(SnapshotStored, rig.receive("n2", part))
        assert answer.offset == part.offset + 10
    assert of(Appended, rig.receive("n2", parts[-1])) == [("n2", Appended(2, True, 5, 5, 0, 7))]
    node = rig.node
    assert (node.commit, node.applied, node.log.base, node.log.last, node.log.entries) == (5, 5, 5, 5, [])
    assert node.machine.data == {"k": b"b"}
    rig.crash()
    assert (rig.node.applied, rig.node.log.last, rig.node.log.base_term) == (5, 5, 2)
    assert rig.node.machine.data == {"k": b"b"}


def test_entries_that_follow_the_snapshot_stay_where_they_agree_with_it() -> None:
    """They may be acknowledged, and the leader may count on them (figure 5.3, step 6)."""
    rig = follower(1, 1, 1, 1, 1, 1, 1)
    ((part),) = pieces(state(b"a"), 1000)
    rig.receive("n2", part)
    assert (rig.node.log.base, rig.node.log.last, rig.node.applied) == (5, 7, 5)
    rig.crash()
    assert (rig.node.log.base, rig.node.log.last, rig.node.applied) == (5, 7, 5)


def test_entries_that_disagree_go() -> None:
    rig = follower(1, 1, 1, 1, 1, 1, 1)
    ((part),) = pieces(state(b"a"), 1000, term=2)
    rig.receive("n2", part)
    assert (rig.node.log.base, rig.node.log.last) == (5, 5)


def test_a_snapshot_of_what_is_applied_already_changes_nothing() -> None:
    rig = follower(1, 1, 1, 1, 1, 1)
    rig.receive("n2", AppendEntries(1, 6, 1, (), 6, 1))
    before = rig.node.machine.data
    ((part),) = pieces(state(b"old"), 1000)
    assert of(Appended, rig.receive("n2", part)) == [("n2", Appended(1, True, 5, 5, 0, 7))]
    assert rig.node.machine.data is before and rig.node.applied == 6


def test_pieces_count_in_order_only_and_of_one_snapshot_only() -> None:
    rig = follower(1)
    first, second, *_ = pieces(state(b"a", b"b", b"c"), 8)
    rig.receive("n2", first)
    for again in (first, first):
        ((_, answer),) = of(SnapshotStored, rig.receive("n2", again))
        assert answer.offset == 8
    rig.receive("n2", second)
    other, later, *_ = pieces(state(b"a", b"b", b"c"), 8, index=9)
    ((_, answer),) = of(SnapshotStored, rig.receive("n2", later))
    assert answer == SnapshotStored(1, 9, 0, 7), "of that one it has nothing"
    ((_, answer),) = of(SnapshotStored, rig.receive("n2", other))
    assert answer.offset == 8


def test_an_old_leaders_snapshot_is_refused() -> None:
    rig = follower(1, term=5)
    ((part),) = pieces(state(b"a"), 1000, term=2)
    assert of(Appended, rig.receive("n2", part)) == [("n2", Appended(5, False, 5, 0, 0, 7))]


def test_entries_from_before_the_base_are_skipped() -> None:
    """A late message of the time before the snapshot; what it holds was committed."""
    rig = follower()
    ((part),) = pieces(state(b"a"), 1000)
    rig.receive("n2", part)
    sent = rig.receive("n2", AppendEntries(1, 2, 1, entries(1, 1, 1, 1, 1, 1, 1)[2:], 5, 9))
    assert of(Appended, sent) == [("n2", Appended(1, True, 2, 7, 0, 9))]
    assert (rig.node.log.base, rig.node.log.last) == (5, 7)


def test_the_membership_comes_with_it() -> None:
    rig = follower()
    data = state(b"a")
    rig.receive("n2", InstallSnapshot(1, 5, 1, Members(("n1", "n2")), 0, data, True, 1))
    assert rig.node.log.members == Members(("n1", "n2"))
    rig.crash()
    assert rig.node.log.members == Members(("n1", "n2"))


def test_a_change_of_membership_below_the_snapshot_is_not_forgotten() -> None:
    rig = leader(config=SMALL, size=4)
    for peer in names(4)[1:]:
        ack(rig, peer)
    rig.turn(lambda engine: engine.admin(RemoveServer("n4")))
    for number in range(1, 7):
        rig.receive("c1", write(number, sequence=number))
        for peer in names(3)[1:]:
            ack(rig, peer)
    rig.fire("snapshot")
    assert rig.node.log.base > 3, "the entries of the change are gone"
    rig.crash()
    assert rig.node.log.members == Members(names(3))


# --- the state machine -----------------------------------------------------------------------------------------------


def test_a_snapshot_restores_data_and_sessions() -> None:
    machine, other = KeyValue(), KeyValue()
    machine.apply(Command("s", 3, Write("k", b"1")))
    other.restore(machine.snapshot())
    assert (other.data, other.sessions) == (machine.data, machine.sessions)
    other.apply(Command("s", 3, Write("k", b"again")))
    assert other.data == {"k": b"1"}, "the session remembers"
    assert other.apply(Command("", 0, Read("k"))) == b"1"


def test_what_is_no_snapshot_is_said() -> None:
    with pytest.raises(msgspec.DecodeError):
        KeyValue().restore(b"\x01")


def test_a_retry_after_the_snapshot_is_recognised() -> None:
    rig = busy()
    rig.crash()
    assert rig.node.machine.executed("c1.s", 3)
    assert of(Done, rig.sent) == []
