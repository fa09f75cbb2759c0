"""Reads by lease, at followers, and through the log (section 6.4), by hand."""

from __future__ import annotations

from protocols.consensus.raft.client import Client
from protocols.consensus.raft.config import ClientConfig, RaftConfig
from protocols.consensus.raft.messages import (
    AppendEntries,
    ClientRequest,
    Done,
    ReadAt,
    ReadIndex,
    Refused,
    TimeoutNow,
    Vote,
)
from protocols.consensus.raft.quorum import lease
from protocols.node import Drain, Ok
from protocols.requests import Read, Write
from tests.toys.rig import Rig

from .hand import ack, ask_vote, follower, leader, names, of, write

LEASE = RaftConfig(reads="lease", pre_vote=False)
FOLLOWER = RaftConfig(reads="follower", pre_vote=False)


def read(operation: int = 1, key: str = "k") -> ClientRequest:
    return ClientRequest(operation, "", 0, Read(key))


def settled(config: RaftConfig) -> Rig:
    """A leader that has committed a write of b"x"."""
    rig = leader(config=config)
    rig.receive("c9", write(99, b"x", session="c9.s"))
    for peer in names(3)[1:]:
        ack(rig, peer)
    assert rig.node.commit == 2
    rig.sent.clear()
    return rig


# --- leases (section 6.4.1) ------------------------------------------------------------------------------------------


def test_with_a_lease_a_read_is_answered_at_once() -> None:
    rig = settled(LEASE)
    assert rig.receive("c1", read()) == [("c1", Done(1, b"x"))]


def test_a_lease_runs_from_when_the_round_was_sent() -> None:
    rig = settled(LEASE)
    began = rig.now
    rig.now = began + lease(rig.node.low, LEASE.drift_bound_ppm / 1e6) - 1
    assert of(Done, rig.receive("c1", read(1)))
    rig.now += 1
    sent = rig.receive("c1", read(2))
    assert not of(Done, sent) and of(AppendEntries, sent), "it asks a majority instead"
    assert of(Done, ack(rig, "n2")) == [("c1", Done(2, b"x"))], "and has a new lease, from then on"
    rig.now += rig.node.low // 2
    assert of(Done, rig.receive("c1", read(3)))


def test_answers_that_come_late_do_not_lengthen_it() -> None:
    rig = settled(LEASE)
    rig.fire("heartbeat")
    sent_at = rig.now
    rig.now += rig.node.low // 2
    ack(rig, "n2")
    assert rig.node.lease_end <= sent_at + rig.node.low


def test_no_lease_before_an_entry_of_the_own_term_is_committed() -> None:
    rig = leader(1, 1, config=LEASE)
    ack(rig, "n2", match=2)
    assert not of(Done, rig.receive("c1", read()))


def test_who_hands_over_reads_by_no_lease() -> None:
    rig = settled(LEASE)
    rig.turn(lambda engine: engine.admin(Drain()))
    assert of(TimeoutNow, rig.sent)
    assert not of(Done, rig.receive("c1", read()))
    rig.fire("transfer")
    ack(rig, "n2")
    assert not of(Done, rig.receive("c1", read(2))), "nor later in this term: the order to stand may still be under way"


def test_a_voter_that_restarts_is_bound_as_if_it_had_just_heard_the_leader() -> None:
    rig = follower(1, config=LEASE)
    rig.now += 10 * rig.node.low
    rig.crash()
    assert rig.receive("n3", ask_vote(9, 9, 9)) == []
    rig.now += rig.node.low
    assert of(Vote, rig.receive("n3", ask_vote(9, 9, 9)))


# --- at followers ----------------------------------------------------------------------------------------------------


def test_a_follower_asks_for_an_index_and_answers_once_it_has_applied_it() -> None:
    rig = follower(1, 1, config=FOLLOWER)
    sent = rig.batch(("c1", read(1)), ("c2", read(2)))
    ((to, question),) = of(ReadIndex, sent)
    assert to == "n2", "one question for both"
    assert rig.receive("n2", ReadAt(question.number, 2)) == [], "it has applied nothing yet"
    sent = rig.receive("n2", AppendEntries(1, 2, 1, (), 2, 5))
    assert of(Done, sent) == [("c1", Done(1, b"1.2")), ("c2", Done(2, b"1.2"))]


def test_a_read_that_comes_after_the_question_needs_another() -> None:
    rig = follower(1, 1, config=FOLLOWER)
    ((_, first),) = of(ReadIndex, rig.receive("c1", read(1)))
    ((_, second),) = of(ReadIndex, rig.receive("c2", read(2)))
    rig.receive("n2", AppendEntries(1, 2, 1, (), 2, 5))
    assert of(Done, rig.receive("n2", ReadAt(first.number, 2))) == [("c1", Done(1, b"1.2"))]
    assert of(Done, rig.receive("n2", ReadAt(second.number, 2))) == [("c2", Done(2, b"1.2"))]


def test_a_follower_without_a_leader_refuses() -> None:
    rig = follower(1, config=FOLLOWER)
    rig.fire("election")
    assert of(Refused, rig.receive("c1", read())) == [("c1", Refused(1, ""))]


def test_a_leader_answers_once_its_leadership_is_confirmed() -> None:
    rig = settled(FOLLOWER)
    assert not of(ReadAt, rig.receive("n3", ReadIndex(7)))
    assert of(ReadAt, ack(rig, "n2")) == [("n3", ReadAt(7, 2))]


def test_questions_of_a_former_life_are_not_taken_for_new_ones() -> None:
    rig = follower(1, 1, config=FOLLOWER)
    ((_, old),) = of(ReadIndex, rig.receive("c1", read(1)))
    rig.crash()
    rig.receive("n2", AppendEntries(1, 2, 1, (), 2, 5))
    ((_, new),) = of(ReadIndex, rig.receive("c2", read(2)))
    assert new.number != old.number
    assert of(Done, rig.receive("n2", ReadAt(old.number, 2))) == []


# --- through the log -------------------------------------------------------------------------------------------------


def test_a_read_through_the_log_is_an_entry() -> None:
    rig = settled(RaftConfig(reads="log", pre_vote=False))
    assert not of(Done, rig.receive("c1", read()))
    assert rig.node.log.last == 3
    assert of(Done, ack(rig, "n3")) == [("c1", Done(1, b"x"))]


# --- clients ---------------------------------------------------------------------------------------------------------


def test_a_client_reads_where_it_is_answered_fastest_and_writes_to_the_leader() -> None:
    rig = Rig(lambda: Client(ClientConfig(reads="follower")), "c1", names(3))
    delays = {"n1": 300, "n2": 100, "n3": 200}
    asked = []
    for operation in range(1, 6):
        ((to, _),) = rig.request(operation, Read("k"))
        rig.now += delays[to]
        rig.receive(to, Done(operation, b"v"))
        assert rig.replies[-1] == (operation, Ok(b"v"))
        asked.append(to)
    assert sorted(asked[:3]) == ["n1", "n2", "n3"] and asked[3:] == ["n2", "n2"]
    rig.request(6, Write("k", b"w"))
    assert rig.node.leader == "", "that one answers reads does not make it the leader"
    ((to, _),) = rig.request(7, Read("k"))
    rig.advance(rig.node.retry)
    ((again, _),) = rig.request(8, Read("k"))
    assert to == "n2" and again != "n2", "one that does not answer is not asked first again"
