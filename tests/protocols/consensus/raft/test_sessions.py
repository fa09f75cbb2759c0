"""Sessions that expire (dissertation, section 6.3): the table, the servers, the client, and the invariant over them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from protocols.consensus.raft.client import Client
from protocols.consensus.raft.config import ClientConfig, RaftConfig
from protocols.consensus.raft.invariants import SessionAgreement
from protocols.consensus.raft.messages import ClientRequest, Done, Expired, Opened, OpenSession, Refused
from protocols.consensus.raft.sessions import BoundedKeyValue, SessionExpired
from protocols.node import Fail, Info, Ok
from protocols.requests import Cas, Read, Write
from protocols.statemachine import NOOP, Command
from tests.toys.rig import Rig, Sent

from .hand import PLAIN, Cluster, ack, follower, leader, names, of, write

TWO = msgspec.structs.replace(PLAIN, max_sessions=2)


def opening(session: str) -> Command:
    return Command(session, 0, None)


def machine(*opened: str, bound: int = 2) -> BoundedKeyValue:
    built = BoundedKeyValue(bound)
    for session in opened:
        built.apply(opening(session))
    return built


# --- the table -------------------------------------------------------------------------------------------------------


def test_the_session_that_was_not_used_for_longest_expires() -> None:
    table = machine("1", "2")
    table.apply(Command("1", 1, Write("k", b"a")))
    table.apply(opening("5"))
    assert list(table.sessions) == ["1", "5"], "2 was never used, 1 was just now"


def test_a_command_of_an_expired_session_is_refused_and_changes_nothing() -> None:
    table = machine("1")
    table.apply(Command("1", 1, Write("k", b"a")))
    table.apply(opening("2"))
    table.apply(opening("3"))
    for request in (Write("k", b"b"), Cas("k", b"a", b"b")):
        for sequence in (1, 2):
            with pytest.raises(SessionExpired):
                table.apply(Command("1", sequence, request))
    assert table.data == {"k": b"a"}
    assert list(table.sessions) == ["2", "3"]


def test_a_command_of_a_session_that_was_never_opened_is_refused() -> None:
    with pytest.raises(SessionExpired):
        machine().apply(Command("c1.made-up", 1, Write("k", b"a")))


def test_a_retry_counts_as_use_and_is_not_executed() -> None:
    table = machine("1", "2")
    table.apply(Command("1", 1, Cas("k", None, b"a")))
    table.apply(Command("2", 1, Write("k", b"b")))
    assert table.apply(Command("1", 1, Cas("k", None, b"a"))) is None, "what it found the first time"
    assert table.data == {"k": b"b"}
    assert list(table.sessions) == ["2", "1"]


def test_reads_and_empty_entries_need_no_session() -> None:
    table = machine("1")
    table.apply(Command("1", 1, Write("k", b"a")))
    assert table.apply(Command("", 0, Read("k"))) == b"a"
    table.apply(NOOP)
    assert list(table.sessions) == ["1"]


def test_a_snapshot_keeps_which_session_expires_next() -> None:
    table, other = machine("10", "9", bound=3), BoundedKeyValue(3)
    table.apply(opening("11"))
    table.apply(Command("10", 1, Write("k", b"a")))
    other.restore(table.snapshot())
    for each in (table, other):
        each.apply(opening("20"))
    assert list(other.sessions.items()) == list(table.sessions.items())
    assert list(table.sessions) == ["11", "10", "20"]


def test_the_table_is_the_same_however_often_it_is_saved_on_the_way() -> None:
    """All that decides is the log: 300 commands of 7 clients, with and without a restart after each."""
    plain, restored = BoundedKeyValue(3), BoundedKeyValue(3)
    expired = 0
    for number in range(300):
        session = str(number - number % 7 if number % 5 else number - number % 11)
        command = opening(session) if number % 7 == 0 else Command(session, number, Write("k", b"%d" % number))
        for each in (plain, restored):
            try:
                each.apply(command)
            except SessionExpired:
                expired += 1
        saved, restored = restored.snapshot(), BoundedKeyValue(3)
        restored.restore(saved)
        assert restored.data == plain.data
        assert list(restored.sessions.items()) == list(plain.sessions.items())
    assert expired > 50 and expired % 2 == 0


# --- servers ---------------------------------------------------------------------------------------------------------


def opened(rig: Rig, operation: int = 1, client: str = "c1") -> str:
    """The leader opens a session and says which."""
    rig.receive(client, OpenSession(operation))
    ((to, answer),) = of(Opened, ack(rig, "n2"))
    assert (to, answer.operation) == (client, operation)
    return str(answer.session)


def test_a_session_is_named_after_the_entry_that_opens_it() -> None:
    rig = leader(config=TWO)
    assert (opened(rig, 1), opened(rig, 1)) == ("2", "3"), "who asks twice gets two: no name is ever used again"


def test_a_follower_opens_no_session() -> None:
    rig = follower(1, config=TWO)
    assert rig.receive("c1", OpenSession(1)) == [("c1", Refused(1, "n2"))]


def test_a_command_in_an_open_session_is_done_and_in_an_expired_one_refused() -> None:
    rig = leader(config=TWO)
    first = opened(rig)
    rig.receive("c1", write(1, b"a", first, 1))
    assert of(Done, ack(rig, "n2")) == [("c1", Done(1, None))]
    opened(rig, 2)
    opened(rig, 3)
    for sequence in (1, 2):
        rig.receive("c1", write(4, b"b", first, sequence))
        sent = ack(rig, "n2")
        assert of(Expired, sent) == [("c1", Expired(4))] and not of(Done, sent)
    assert rig.node.inspect().data == {"k": b"a"}


def test_without_a_bound_a_session_need_not_be_opened() -> None:
    rig = leader(config=PLAIN)
    for number in range(50):
        rig.receive("c1", write(number, session=f"s{number}"))
        assert of(Done, ack(rig, "n2"))
    assert len(rig.node.machine.sessions) == 50


def test_replicas_forget_the_same_sessions_also_after_a_restart_and_from_a_snapshot() -> None:
    config = msgspec.structs.replace(TWO, snapshot_entries=4, snapshot_trailing=0)
    cluster = Cluster(3, config)
    cluster.elect("n1", names(3))

    def settle(*among: str) -> None:
        cluster["n1"].fire("heartbeat")
        cluster.exchange(*among)

    settle("n1", "n2")
    for number in range(1, 9):
        cluster["n1"].receive("c1", OpenSession(number))
        settle("n1", "n2")
        session = cluster.answers[-1][1].session
        cluster["n1"].receive("c1", write(number, b"%d" % number, session, 1))
        settle("n1", "n2")
        assert cluster.answers[-1][1] == Done(number, None)
        for each in ("n1", "n2"):
            if "snapshot" in cluster[each].timers:
                cluster[each].fire("snapshot")
        if number % 3 == 0:
            cluster["n2"].crash()
            settle("n1", "n2")
    settle(*names(3))
    settle(*names(3))
    assert cluster.view("n3").snapshot is not None, "it lacked what the others have compacted"
    tables = [list(cluster.view(each).sessions.items()) for each in names(3)]
    assert tables[0] == tables[1] == tables[2] and len(tables[0]) == 2


# --- the client ------------------------------------------------------------------------------------------------------

WRITE = Write("k", b"v")


def client() -> Rig:
    return Rig(lambda: Client(ClientConfig(operation_timeout_s=1.0, retry_s=0.1, max_sessions=2)), "c1", names(3))


def begun(rig: Rig, operation: int, session: str) -> tuple[str, ClientRequest]:
    """A write for which a session has been opened: where its command went."""
    ((to, message),) = rig.request(operation, WRITE)
    assert message == OpenSession(operation)
    ((again, command),) = rig.receive(to, Opened(operation, session))
    assert again == to
    assert type(command) is ClientRequest
    return to, command


def test_a_client_opens_a_session_before_its_first_command_and_uses_it_again() -> None:
    rig = client()
    to, command = begun(rig, 1, "7")
    assert command == ClientRequest(1, "7", 1, WRITE)
    rig.receive(to, Done(1, None))
    assert rig.replies == [(1, Ok(None))]
    assert rig.request(2, WRITE) == [(to, ClientRequest(2, "7", 2, WRITE))]


def test_reads_open_none() -> None:
    ((_, message),) = client().request(1, Read("k"))
    assert message == ClientRequest(1, "", 0, Read("k"))


def test_a_session_that_is_announced_twice_is_used_once() -> None:
    """The network may deliver an answer twice, and a retry may have opened a second session."""
    rig = client()
    to, _ = begun(rig, 1, "7")
    assert rig.receive(to, Opened(1, "7")) == rig.receive(to, Opened(1, "9")) == []
    rig.receive(to, Done(1, None))
    assert rig.receive(to, Opened(1, "7")) == []
    rig.request(2, WRITE)
    ((_, message),) = rig.request(3, WRITE)
    assert message == OpenSession(3), "two operations at a time have two sessions"


def test_an_expired_session_leaves_the_operation_undecided() -> None:
    """An earlier copy of the command may have been executed before the session expired."""
    rig = client()
    to, _ = begun(rig, 1, "7")
    assert rig.receive(to, Expired(1)) == [], "it is not tried under another session"
    ((operation, outcome),) = rig.replies
    assert operation == 1 and type(outcome) is Info
    ((_, message),) = rig.request(2, WRITE)
    assert message == OpenSession(2), "and the session is given up"


def test_an_operation_whose_command_never_left_definitely_did_not_happen() -> None:
    rig = client()
    rig.request(1, WRITE)
    sent: Sent = []
    for _ in range(20):
        sent += rig.advance(100_000_000)
    assert sent and all(type(message) is OpenSession for _, message in sent)
    ((operation, outcome),) = rig.replies
    assert operation == 1 and type(outcome) is Fail


# --- configuration and invariant -------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", [RaftConfig, ClientConfig])
def test_a_bound_below_zero_is_refused(config: Any) -> None:
    with pytest.raises(ValueError, match="max_sessions -1"):
        config(max_sessions=-1).validate(3)


def view(applied: int, *sessions: str, bound: int = 2) -> Any:
    return SimpleNamespace(applied=applied, sessions=dict.fromkeys(sessions, (1, None)), max_sessions=bound)


def test_the_invariant_sees_more_sessions_than_allowed() -> None:
    assert SessionAgreement().step("n1", view(3, "1", "2"), {}) is None
    found = SessionAgreement().step("n1", view(3, "1", "2", "3"), {})
    assert found == "n1 remembers 3 sessions, at most 2 are allowed"


@pytest.mark.parametrize("other", [("1",), ("2", "1"), ("1", "3")])
def test_the_invariant_sees_servers_that_forgot_different_sessions(other: tuple[str, ...]) -> None:
    check = SessionAgreement()
    assert check.step("n1", view(3, "1", "2"), {}) is None
    assert check.step("n2", view(3, "1", "2"), {}) is None
    assert check.step("n2", view(4, *other), {}) is None, "they differ in what they have applied"
    assert "after 3 entries n3 remembers" in str(check.step("n3", view(3, *other), {}))


def test_without_a_bound_there_is_nothing_to_compare() -> None:
    check = SessionAgreement()
    assert check.step("n1", view(3, "1", bound=0), {}) is None
    assert check.step("n2", view(3, "1", "2", "3", bound=0), {}) is None
    assert check.figures() == {"most_sessions": 3.0}
