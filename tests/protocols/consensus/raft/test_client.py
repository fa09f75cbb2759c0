"""The client: finds the leader, retries, gives up, and keeps its sessions apart (dissertation, section 6.3)."""

from __future__ import annotations

from typing import Any

import pytest

from protocols.consensus.raft.client import Client
from protocols.consensus.raft.config import ClientConfig
from protocols.consensus.raft.messages import ClientRequest, Deposed, Done, Refused
from protocols.node import Info, Ok
from protocols.requests import Read, Write
from tests.toys.rig import Rig

from .hand import MS

CONFIG = ClientConfig(operation_timeout_s=1.0, retry_s=0.1, backoff_s=0.01)
SERVERS = ("n1", "n2", "n3")
WRITE = Write("k", b"v")


def client() -> Rig:
    return Rig(lambda: Client(CONFIG), "c1", SERVERS)


def ask(rig: Rig, operation: int, request: Any = WRITE) -> tuple[str, ClientRequest]:
    """The workload asks; where it goes."""
    ((to, message),) = rig.request(operation, request)
    return to, message


def others(server: str) -> list[str]:
    return [each for each in SERVERS if each != server]


def test_it_remembers_who_answered() -> None:
    rig = client()
    to, _ = ask(rig, 1)
    rig.receive(to, Done(1, None))
    assert rig.replies == [(1, Ok(None))]
    for operation in range(2, 6):
        assert ask(rig, operation)[0] == to
    assert ask(rig, 6, Read("k"))[0] == to


def test_it_follows_a_hint_once_and_then_waits_a_moment() -> None:
    """An election may be under way: asking in circles would not help it."""
    rig = client()
    to, message = ask(rig, 1)
    hint, third = others(to)
    assert rig.receive(to, Refused(1, hint)) == [(hint, message)], "the very same request"
    assert rig.receive(hint, Refused(1, third)) == []
    wait = rig.timers["retry"] - rig.now
    assert 10 * MS <= wait <= 20 * MS
    assert len(rig.advance(20 * MS)) == 1


def test_a_refusal_without_a_hint_backs_off() -> None:
    rig = client()
    to, _ = ask(rig, 1)
    assert rig.receive(to, Refused(1, "")) == []
    ((other, _),) = rig.advance(20 * MS)
    assert other != to


def test_a_refusal_from_somebody_it_no_longer_asks_is_ignored() -> None:
    rig = client()
    to, message = ask(rig, 1)
    hint, third = others(to)
    rig.receive(to, Refused(1, hint))
    assert rig.receive(to, Refused(1, third)) == [], "a duplicate"
    assert rig.timers["retry"] == rig.now + 100 * MS
    del message


def test_without_an_answer_it_asks_the_others_less_and_less_often() -> None:
    rig = client()
    asked = [(0, ask(rig, 1)[0])]
    while rig.now < 950 * MS:
        asked += [(rig.now // MS, to) for to, _ in rig.advance(MS)]
    assert [at for at, _ in asked] == [0, 100, 300, 700]
    assert len({to for _, to in asked[:3]}) == 3, "each server in turn"


def test_retries_are_the_same_command_of_the_same_session() -> None:
    rig = client()
    first = ask(rig, 1)[1]
    again = [message for _, message in rig.advance(900 * MS)]
    assert len(again) == 3
    assert set(again) == {first}


def test_giving_up_is_info_for_an_attempt_may_still_succeed() -> None:
    rig = client()
    ask(rig, 1)
    rig.advance(1000 * MS)
    ((operation, outcome),) = rig.replies
    assert operation == 1
    assert isinstance(outcome, Info)
    assert rig.timers == {}


@pytest.mark.parametrize("refusal", [Refused(1, ""), Deposed(1, "")])
def test_refusals_do_not_make_it_definite(refusal: Any) -> None:
    """The network may deliver the request a second time, when that server leads."""
    rig = client()
    to, _ = ask(rig, 1)
    rig.receive(to, refusal)
    for _ in range(1020):  # it may be in the middle of a backoff when its patience ends
        for server, _message in rig.advance(MS):
            rig.receive(server, refusal)
    assert isinstance(rig.replies[0][1], Info)


def test_a_late_answer_is_ignored() -> None:
    rig = client()
    to, _ = ask(rig, 1)
    rig.advance(1000 * MS)
    rig.receive(to, Done(1, b"x"))
    rig.receive(to, Refused(1, "n2"))
    rig.receive(to, Deposed(1, "n2"))
    assert len(rig.replies) == 1


def test_a_session_numbers_its_commands_one_by_one() -> None:
    rig = client()
    sent = []
    for operation in range(1, 5):
        to, message = ask(rig, operation)
        sent.append(message)
        rig.receive(to, Done(operation, None))
    assert len({message.session for message in sent}) == 1
    assert [message.sequence for message in sent] == [1, 2, 3, 4]


def test_operations_under_way_have_sessions_of_their_own() -> None:
    """A session may have one command under way: its last sequence number is all that servers remember."""
    rig = client()
    sent = [ask(rig, operation)[1] for operation in range(1, 4)]
    assert len({message.session for message in sent}) == 3
    rig.receive("n1", Done(2, None))
    reused = ask(rig, 4)[1]
    assert (reused.session, reused.sequence) == (sent[1].session, 2)


def test_a_session_whose_command_may_still_be_applied_is_abandoned() -> None:
    rig = client()
    lost = ask(rig, 1)[1]
    rig.advance(1000 * MS)
    assert ask(rig, 2)[1].session != lost.session


def test_reads_need_no_session() -> None:
    rig = client()
    message = ask(rig, 1, Read("k"))[1]
    assert (message.session, message.sequence) == ("", 0)
    assert ask(rig, 2)[1].sequence == 1


def test_a_new_life_has_new_sessions() -> None:
    rig = client()
    before = ask(rig, 1)[1].session
    rig.crash()
    assert ask(rig, 2)[1].session != before


def test_a_broken_stream_means_ask_elsewhere_soon() -> None:
    rig = client()
    to, _ = ask(rig, 1)
    rig.receive(to, Done(1, None))
    ask(rig, 2)
    rig.turn(lambda engine: engine.disconnected(to))
    assert rig.timers["retry"] - rig.now <= 10 * MS
    assert [server for server, _ in rig.advance(10 * MS)] != []
    rig.turn(lambda engine: engine.disconnected("n9"))


def test_what_one_operation_finds_out_helps_the_others() -> None:
    rig = client()
    first, _ = ask(rig, 1)
    second, _ = ask(rig, 2)
    rig.receive(second, Done(2, None))
    ((to, _),) = rig.advance(100 * MS)
    assert (first, to) == (first, second)


def test_it_starts_anywhere() -> None:
    """Not everybody at n1."""
    starts = {ask(Rig(lambda: Client(CONFIG), f"c{number}", SERVERS), 1)[0] for number in range(20)}
    assert starts == set(SERVERS)


def test_one_timer_serves_all_operations_each_at_its_own_time() -> None:
    rig = client()
    asked: dict[int, list[int]] = {}
    for operation in range(1, 6):
        ask(rig, operation)
        asked[operation] = [rig.now]
        rig.advance(10 * MS)
    assert list(rig.timers) == ["retry"]
    began = rig.now
    while rig.now < began + 100 * MS:
        for _, message in rig.advance(MS):
            asked[message.operation].append(rig.now)
    assert all(again - first == 100 * MS for first, again in asked.values())


def test_answered_operations_wake_nobody_for_long() -> None:
    rig = client()
    for operation in range(1, 50):
        to, _ = ask(rig, operation)
        rig.receive(to, Done(operation, None))
        rig.advance(MS)
    rig.advance(100 * MS)
    assert rig.timers == {}
    assert rig.node.queue == []
