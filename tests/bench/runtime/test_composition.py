"""Child nodes: scoped messages, timers and storage; events upwards in the same turn; rebuilt at boot."""

from __future__ import annotations

from typing import Any

import pytest

from bench.runtime.child import Scoped
from protocols.node import Context, Durable, Node, ProtocolError
from tests.toys.office import REMIND, Close, Desk, Filed, Heard, Office, Open, Paper, Receipt, Reminder, Stuffed
from tests.toys.rig import Rig


@pytest.fixture
def rig() -> Rig:
    office = Rig(lambda: Office(None), syncs=True)
    office.receive("c1", Open("a"))
    office.receive("c1", Open("b"))
    office.sent.clear()
    return office


def paper(rig: Rig, desk: str, number: int, source: str = "n2") -> list[tuple[str, Any]]:
    return rig.receive(source, Scoped(f"desk-{desk}", Paper(number)))


def test_a_childs_messages_carry_its_path_and_reach_only_the_same_path(rig: Rig) -> None:
    assert paper(rig, "a", 1) == [("n2", Scoped("desk-a", Receipt(1)))]
    rig.receive("n3", Scoped("desk-b", Receipt(5)))
    assert rig.node.desks["a"].received == []
    assert rig.node.desks["b"].received == [("n3", Receipt(5))]


def test_a_message_for_a_child_that_does_not_exist_is_dropped(rig: Rig) -> None:
    """It was closed, or is not open yet: as if the node were down."""
    assert rig.receive("n2", Scoped("desk-zzz", Paper(1))) == []


def test_a_message_a_child_does_not_declare_is_an_error_that_names_it(rig: Rig) -> None:
    with pytest.raises(ProtocolError, match=r"Desk \(child desk-a\) got a Open, which it does not declare"):
        rig.receive("n2", Scoped("desk-a", Open("x")))


def test_storage_of_each_scope_is_its_own_though_the_names_are_equal(rig: Rig) -> None:
    paper(rig, "a", 1)
    paper(rig, "b", 2)
    paper(rig, "a", 3)
    keys, logs = rig.disk.synced.keys, {name: log.entries for name, log in rig.disk.synced.logs.items()}
    assert logs["desk-a/papers"] == [1, 3]
    assert logs["desk-a/drawer/papers"] == [1, 3]
    assert logs["desk-b/papers"] == [2]
    assert logs["archive/papers"] == [3]
    assert logs["papers"] == [3], "the root's own"
    assert (keys["last"], keys["archive/last"], keys["desk-a/last"]) == (1003, 103, 3)
    assert (keys["desk-b/last"], keys["desk-a/drawer/last"]) == (2, -3)


def test_a_grandchilds_event_climbs_to_the_root_in_the_same_turn(rig: Rig) -> None:
    """Drawer -> desk -> office -> archive -> office: one turn, one record on the disk."""
    paper(rig, "a", 1)
    records = len(rig.disk.unsynced)
    rig.syncs = False
    before = rig.engine.turn
    paper(rig, "a", 3)
    assert len(rig.disk.unsynced) == records + 1, "one turn is one record"
    assert rig.disk.unsynced[-1][0] == before + 1
    assert rig.node.filed == [3], "the archive's event came back before the turn was over"
    assert rig.emitted == [], "and leaves the node only when the record is durable"
    rig.sync()
    assert rig.emitted == [Heard("desk-a", 3)]


def test_an_event_nobody_handles_is_an_error_that_names_both_ends() -> None:
    class Deaf(Node):
        def start(self, ctx: Context, durable: Durable) -> None:
            self.desk_ctx = ctx.child("desk-a", Desk(None))

    rig = Rig(lambda: Deaf(None))
    with pytest.raises(ProtocolError, match=r"Deaf has no @on_event\('desk-a', Stuffed\)"):
        rig.node.desk_ctx.emit(Stuffed(1))


def test_timers_with_keys_belong_to_their_scope(rig: Rig) -> None:
    paper(rig, "a", 1)
    paper(rig, "b", 1)
    rig.now += 10
    paper(rig, "a", 2)
    out = rig.advance(REMIND - 10)
    assert sorted(out, key=repr) == [("n2", Scoped("desk-a", Reminder(1))), ("n2", Scoped("desk-b", Reminder(1)))]
    assert rig.advance(10) == [("n2", Scoped("desk-a", Reminder(2)))]


def test_dropping_a_child_cancels_its_timers_and_its_descendants(rig: Rig) -> None:
    paper(rig, "a", 1)
    paper(rig, "b", 1)
    rig.receive("c1", Close("a"))
    assert rig.advance(10 * REMIND) == [("n2", Scoped("desk-b", Reminder(1)))]
    assert paper(rig, "a", 2) == []
    assert sorted(rig.engine.views()) == ["archive", "desk-b", "desk-b/drawer"]


def test_a_new_child_does_not_inherit_its_namesakes_timers(rig: Rig) -> None:
    paper(rig, "a", 1)
    rig.receive("c1", Close("a"))
    rig.receive("c1", Open("a"))
    assert rig.advance(10 * REMIND) == []


def test_a_dropped_child_gets_no_batch_end(rig: Rig) -> None:
    """It asked for one, and was closed in the same batch: a stopped child is called no more."""
    desk = rig.node.desks["a"]
    rig.batch(("n2", Scoped("desk-a", Paper(1))), ("c1", Close("a")))
    assert desk.batches == 0


def test_what_a_dropped_child_stored_remains_and_a_new_one_finds_it(rig: Rig) -> None:
    """Also within one life: the new child sees what its predecessor wrote, not only what survived the last crash."""
    paper(rig, "a", 1)
    rig.receive("c1", Close("a"))
    rig.receive("c1", Open("a"))
    assert rig.node.desks["a"].found == (1,)
    assert rig.node.desks["a"].last == 1
    assert rig.node.desks["a"].drawer.found == (1,)


def test_children_are_rebuilt_at_boot_from_durable_state(rig: Rig) -> None:
    paper(rig, "a", 1)
    paper(rig, "a", 2)
    rig.receive("c1", Open("late"))
    rig.receive("c1", Close("b"))
    rig.crash()
    office = rig.node
    assert sorted(office.desks) == ["a", "late"], "opened ones are back, closed ones are not"
    assert office.keys == ("desk:a", "desk:late", "last"), "the root sees its own names, not those of its children"
    assert office.desks["a"].found == (1, 2)
    assert office.desks["a"].drawer.found == (1, 2)
    assert office.archive.found == (2,)
    assert office.desks["late"].found == ()
    assert rig.timers == {}, "timers are volatile"
    assert paper(rig, "a", 4) == [("n2", Scoped("desk-a", Receipt(4)))]


def test_opening_a_child_and_what_it_writes_are_atomic_with_the_parents_turn(rig: Rig) -> None:
    rig.syncs = False
    paper(rig, "a", 1)
    rig.crash()
    assert rig.node.desks["a"].found == ()
    assert rig.node.desks["a"].last == 0
    assert rig.node.desks["a"].drawer.found == ()


def test_every_child_hears_of_syncs_batch_ends_and_broken_streams(rig: Rig) -> None:
    a, b = rig.node.desks["a"], rig.node.desks["b"]
    turns = len(b.turns_synced)
    rig.batch(("n2", Scoped("desk-a", Paper(1))), ("n2", Scoped("desk-a", Paper(2))))
    assert a.batches == 1, "once a batch"
    assert b.batches == 0, "only who asked for it"
    assert len(b.turns_synced) == turns + 1
    rig.turn(lambda engine: engine.disconnected("n3"))
    assert a.gone == b.gone == ["n3"]


def test_marks_carry_the_path(rig: Rig) -> None:
    paper(rig, "a", 1)
    assert ("desk-a/paper", {"number": 1}) in rig.marks


@pytest.mark.parametrize("name", ["", "a/b", "runtime", "a:b"])
def test_names_that_would_confuse_scopes_are_refused(name: str) -> None:
    """A colon separates a family of keys from its member: the root would take a child's keys for its own."""

    class Parent(Node):
        def start(self, ctx: Context, durable: Durable) -> None:
            ctx.child(name, Desk(None))

    with pytest.raises(ProtocolError, match="child name"):
        Rig(lambda: Parent(None))


def test_two_children_of_one_name_are_refused() -> None:
    class Parent(Node):
        def start(self, ctx: Context, durable: Durable) -> None:
            ctx.child("x", Desk(None))
            ctx.child("x", Desk(None))

    with pytest.raises(ProtocolError, match="already has a child 'x'"):
        Rig(lambda: Parent(None))


def test_the_exact_name_goes_before_the_longest_prefix() -> None:
    handlers = Office.handlers
    assert handlers.event_handler("desk-7", Stuffed) == "stuffed"
    assert handlers.event_handler("archive", Filed) == "archived"
    assert handlers.event_handler("archive", Stuffed) is None
    assert handlers.event_handler("des", Stuffed) is None
