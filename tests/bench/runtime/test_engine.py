"""The turn engine's smaller promises, one at a time, on the workbench."""

from __future__ import annotations

import pytest

from bench.runtime.engine import DiskFull
from protocols.node import AddServer, Drain, Fail, Info, Ok, ProtocolError, RemoveServer
from tests.toys.rig import Rig
from tests.toys.small import (
    Alarms,
    Attempts,
    Cut,
    Early,
    Echo,
    Guard,
    Hopeful,
    Namer,
    Ping,
    Pong,
    Put,
    Roster,
    Signer,
    Store,
    Try,
    Undeclared,
)

# --- outcomes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attempts", "outcome"),
    [
        ("", Fail),  # nobody was ever asked
        ("d", Fail),
        ("ddd", Fail),
        ("l", Info),  # may have happened
        ("ld", Info),  # one lost attempt, then "not the leader": the lost one may yet succeed
        ("dl", Info),
        ("ddld", Info),
        ("o", Ok),
        ("lo", Ok),
        ("do", Ok),
    ],
)
def test_fail_only_if_every_attempt_definitely_failed(attempts: str, outcome: type) -> None:
    rig = Rig(lambda: Attempts(None), "c1")
    rig.request(7, Try(attempts))
    assert [(operation, type(answer)) for operation, answer in rig.replies] == [(7, outcome)]


def test_the_reason_says_why_a_failure_became_indefinite() -> None:
    rig = Rig(lambda: Attempts(None), "c1")
    rig.request(1, Try("l"))
    assert rig.replies[0][1].reason == "not the leader; an earlier attempt is unaccounted for"


def test_the_first_answer_counts() -> None:
    rig = Rig(lambda: Attempts(None), "c1")
    rig.request(1, Try("oo"))
    assert rig.replies == [(1, Ok(b"done"))]


def test_more_failures_than_attempts_do_not_pay_for_a_later_attempt() -> None:
    rig = Rig(lambda: Attempts(None), "c1")
    rig.turn(lambda engine: engine.attempt_failed(1))
    rig.request(1, Try("l"))
    rig.turn(lambda engine: engine.attempt_failed(1))
    assert isinstance(rig.replies[0][1], Info)


def test_a_request_the_client_does_not_know_fails_definitely() -> None:
    rig = Rig(lambda: Attempts(None), "c1")
    rig.request(1, Ping())
    assert rig.replies == [(1, Fail("Ping is not supported"))]


# --- storage ---------------------------------------------------------------------------------------------------------


def test_families_of_keys_and_delete() -> None:
    rig = Rig(lambda: Store(None))
    rig.receive("n2", Put("a", 1))
    rig.receive("n2", Put("b:c/d", 2))
    rig.receive("n2", Put("a", 3))
    rig.receive("n2", Put("b:c/d", -1))
    rig.receive("n2", Put("never", -1))
    rig.crash()
    assert rig.node.found.keys == {"item:a": 3}


def test_a_members_name_may_contain_what_separates_scopes() -> None:
    rig = Rig(lambda: Store(None))
    rig.receive("n2", Put("b:c/d", 2))
    rig.crash()
    assert rig.node.found.keys == {"item:b:c/d": 2}


@pytest.mark.parametrize(
    ("cuts", "first", "entries"),
    [
        ([("append", 5)], 1, [1, 2, 3, 4, 5]),
        ([("append", 5), ("suffix", 4)], 1, [1, 2, 3]),
        ([("append", 5), ("suffix", 1)], 1, []),
        ([("append", 5), ("suffix", 9)], 1, [1, 2, 3, 4, 5]),
        ([("append", 5), ("prefix", 2)], 3, [3, 4, 5]),
        ([("append", 5), ("prefix", 2), ("suffix", 4)], 3, [3]),
        ([("append", 5), ("prefix", 4), ("suffix", 2)], 5, []),  # cannot cut below the beginning
        ([("append", 5), ("prefix", 2), ("prefix", 1)], 3, [3, 4, 5]),  # compacted already
        ([("append", 5), ("prefix", 9)], 6, []),
        ([("append", 2), ("snapshot", 7)], 8, []),
        ([("append", 2), ("snapshot", 7), ("append", 2)], 8, [1, 2]),
        ([("append", 2), ("snapshot", 7), ("append", 2), ("suffix", 9)], 8, [1]),
        ([("suffix", 1), ("prefix", 3)], 1, []),  # of a log that was never written
    ],
)
def test_logs_are_cut_by_index_and_survive_as_they_were(
    cuts: list[tuple[str, int]], first: int, entries: list[int]
) -> None:
    """Before and after a crash alike: what a node reads is what it would find."""
    rig = Rig(lambda: Store(None))
    for how, index in cuts:
        rig.receive("n2", Cut(how, index))
    live = rig.engine.read_log("log")
    assert (live.first, live.entries) == (first, entries)
    rig.crash()
    found = rig.node.found.log("log")
    assert (found.first, found.entries) == (first, entries)
    assert rig.node.found.get("snapshot") == (7 if any(how == "snapshot" for how, _ in cuts) else None)


def test_a_snapshot_and_the_log_it_replaces_change_together() -> None:
    rig = Rig(lambda: Store(None), syncs=False)
    rig.receive("n2", Cut("append", 3))
    rig.sync()
    rig.receive("n2", Cut("snapshot", 3))
    rig.crash()
    assert (rig.node.found.get("snapshot"), rig.node.found.log("log").entries) == (None, [1, 2, 3])
    rig.receive("n2", Cut("snapshot", 3))
    rig.sync()
    rig.crash()
    assert (rig.node.found.get("snapshot"), rig.node.found.log("log").entries) == (7, [])


@pytest.mark.parametrize("key", ["undeclared", "other:1", "ite", "item"])
def test_an_undeclared_key_is_an_error_that_names_it(key: str) -> None:
    rig = Rig(lambda: Store(None))
    with pytest.raises(ProtocolError, match=rf"Store: '{key}' is not declared in `stored` \(declared: item:, log"):
        rig.receive("n2", Undeclared(key))


def test_a_node_may_change_what_it_was_handed_at_boot() -> None:
    """Raft keeps the list as its log. Were it the disk's own, the node could change what is durable."""
    rig = Rig(lambda: Store(None))
    rig.receive("n2", Cut("append", 3))
    rig.crash()
    rig.node.found.log("log").entries.append(99)
    rig.node.found.keys["item:x"] = 1
    assert rig.engine.read_log("log").entries == [1, 2, 3]
    rig.crash()
    assert rig.node.found.log("log").entries == [1, 2, 3]
    assert rig.node.found.keys == {}


# --- a full disk -----------------------------------------------------------------------------------------------------


def full() -> Rig:
    rig = Rig(lambda: Store(None))
    rig.receive("n2", Put("a", 1))
    rig.sent.clear()
    rig.emitted.clear()
    rig.engine.disk_full = True
    return rig


def test_a_turn_on_a_full_disk_leaves_no_write_and_no_effect() -> None:
    rig = full()
    assert [sent for sent in rig.receive("n2", Put("a", 2)) if sent[0] != "n3"] == [("n2", Pong(-1))], "the handler's"
    assert rig.emitted == []
    assert rig.node.full == 1
    assert rig.disk.unsynced == []
    rig.crash()
    assert rig.node.found.keys == {"item:a": 1}


def test_not_even_an_early_effect_leaves_a_turn_on_a_full_disk() -> None:
    """What it replicates early is an entry that this node will never have."""
    rig = full()
    assert ("n3", Ping(2)) not in rig.receive("n2", Put("a", 2))


def test_what_a_full_disk_refused_is_not_read_back() -> None:
    rig = full()
    rig.receive("n2", Put("a", 2))
    assert rig.engine.read("item:a") == 1
    assert rig.engine.read("item:sorry") is None, "what the handler itself wrote did not fit either"
    rig.receive("n2", Cut("append", 3))
    assert rig.engine.read_log("log").entries == []
    rig.engine.disk_full = False
    rig.receive("n2", Cut("append", 2))
    assert rig.engine.read_log("log").entries == [1, 2]
    rig.engine.disk_full = True
    for how, index in (("append", 3), ("suffix", 1), ("prefix", 1), ("snapshot", 9)):
        rig.receive("n2", Cut(how, index))
    assert (rig.engine.read_log("log").first, rig.engine.read_log("log").entries) == (1, [1, 2])


def test_with_space_again_everything_goes_on() -> None:
    rig = full()
    rig.receive("n2", Put("a", 2))
    rig.engine.disk_full = False
    assert ("n2", Pong(3)) in rig.receive("n2", Put("a", 3))
    rig.crash()
    assert rig.node.found.keys == {"item:a": 3}


def test_a_turn_that_writes_nothing_works_on_a_full_disk() -> None:
    rig = Rig(lambda: Echo(None))
    rig.engine.disk_full = True
    assert rig.receive("n2", Ping(1)) == [("n2", Pong(1))]


def test_a_node_without_a_plan_for_a_full_disk_stops() -> None:
    rig = Rig(lambda: Hopeful(None))
    rig.engine.disk_full = True
    with pytest.raises(DiskFull, match="the disk of n1 is full"):
        rig.receive("n2", Put("a", 1))


# --- early effects, syncs, batches -----------------------------------------------------------------------------------


def test_only_early_effects_leave_before_the_sync_and_the_rest_follow_in_order() -> None:
    rig = Rig(lambda: Early(None), syncs=False)
    out = rig.batch(("c1", Put("a", 1)), ("c1", Put("a", 2)))
    assert out == [("n2", Ping(1)), ("n2", Ping(2))]
    assert rig.node.synced == []
    assert rig.node.batches == 1, "one batch end for two requests"
    assert rig.sync() == [("c1", Pong(1)), ("c1", Pong(2)), ("n3", Ping(1))]
    assert rig.node.synced == [3], "boot, two requests, the batch end: turn 3 was the last that wrote"


def test_an_early_effect_does_not_overtake_those_that_are_already_free() -> None:
    rig = Rig(lambda: Early(None), syncs=False)
    rig.engine.receive("c1", Put("a", 1))
    rig.engine.receive("c1", Put("a", 2))
    assert rig.engine.sends == [("n2", Ping(1)), ("n2", Ping(2))]


def test_a_sync_frees_what_was_written_before_it_began_and_nothing_later() -> None:
    rig = Rig(lambda: Early(None), syncs=False)
    rig.receive("c1", Put("a", 1))
    began = rig.engine.unsynced_turn
    rig.receive("c1", Put("a", 2))
    assert ("c1", Pong(2)) not in rig.sync(began)
    assert rig.node.synced == [began]
    assert rig.engine.unsynced
    assert ("c1", Pong(2)) in rig.sync()
    assert not rig.engine.unsynced


def test_a_sync_that_covers_nothing_new_says_nothing() -> None:
    rig = Rig(lambda: Early(None), syncs=False)
    rig.receive("c1", Put("a", 1))
    rig.sync()
    told = list(rig.node.synced)
    rig.turn(lambda engine: engine.synced(1))
    assert rig.node.synced == told


def test_at_batch_end_without_a_handler_is_an_error() -> None:
    rig = Rig(lambda: Echo(None))
    with pytest.raises(ProtocolError, match="Echo calls at_batch_end but has no @on_batch_end"):
        rig.engine.at_batch_end()


def test_a_broken_stream_is_a_hint_that_nobody_need_take() -> None:
    rig = Rig(lambda: Echo(None))
    rig.turn(lambda engine: engine.disconnected("n2"))
    assert rig.node.gone == ["n2"]
    other = Rig(lambda: Store(None))
    assert other.turn(lambda engine: engine.disconnected("n2")) == []


# --- timers, admin, fence, trust -------------------------------------------------------------------------------------


def test_timers_are_replaced_keyed_and_cancelled() -> None:
    rig = Rig(lambda: Alarms(None))
    rig.receive("n2", Ping())
    rig.advance(1_000)
    assert rig.node.rang == [("b", 1, 100), ("a", None, 250), ("b", 3, 300)]


def test_an_undeclared_timer_with_a_computed_name_is_an_error_at_run_time() -> None:
    rig = Rig(lambda: Namer(None))
    rig.receive("n2", Ping(0))
    with pytest.raises(ProtocolError, match="Namer: timer 'tick7' has no @on_timer handler"):
        rig.receive("n2", Ping(7))


def test_membership_is_the_protocols_own_durable_state() -> None:
    rig = Rig(lambda: Roster(None))
    rig.turn(lambda engine: engine.admin(AddServer("n4")))
    rig.turn(lambda engine: engine.admin(RemoveServer("n1")))
    rig.crash()
    assert rig.node.members == {"n2", "n3", "n4"}
    assert rig.engine.bootstrap == ("n1", "n2", "n3"), "which names the first members for ever"


def test_a_node_is_asked_to_drain() -> None:
    rig = Rig(lambda: Roster(None))
    rig.turn(lambda engine: engine.admin(Drain()))
    assert rig.node.draining
    assert rig.emitted == [Drain()]


def test_an_admin_request_nobody_handles_is_no_turn() -> None:
    rig = Rig(lambda: Echo(None))
    before = rig.engine.turn
    rig.turn(lambda engine: engine.admin(AddServer("n4")))
    assert rig.engine.turn == before


def test_fencing_waits_for_the_disk_as_any_effect_does() -> None:
    rig = Rig(lambda: Guard(None), syncs=False)
    rig.receive("n2", Ping())
    assert rig.fences == []
    rig.sync()
    assert rig.fences == ["n2"]
    rig.turn(lambda engine: engine.fenced("n2"))
    assert rig.node.fenced == ["n2"]


def test_signatures_go_through_the_context() -> None:
    rig = Rig(lambda: Signer(None))
    ctx = rig.node.ctx
    signature = ctx.sign(b"text")
    assert ctx.verify("n1", b"text", signature)
    assert not ctx.verify("n1", b"other", signature)
    assert not ctx.verify("n2", b"text", signature)


def test_a_message_the_root_does_not_declare_is_an_error_that_names_it() -> None:
    rig = Rig(lambda: Early(None))
    with pytest.raises(ProtocolError, match="Early got a Pong, which it does not declare"):
        rig.receive("n2", Pong())


def test_each_life_has_randomness_of_its_own() -> None:
    first, second = Rig(lambda: Echo(None)), Rig(lambda: Echo(None))
    one = [first.engine.rng.random() for _ in range(3)]
    assert one == [second.engine.rng.random() for _ in range(3)]
    second.crash()
    assert one != [second.engine.rng.random() for _ in range(3)]
