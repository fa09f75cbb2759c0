"""Membership change (chapter 4) and leadership transfer (section 3.10), by hand."""

from __future__ import annotations

import msgspec
import pytest

from protocols.consensus.raft.config import RaftConfig
from protocols.consensus.raft.log import Log
from protocols.consensus.raft.messages import (
    AppendEntries,
    Entry,
    Members,
    Refused,
    RequestVote,
    TimeoutNow,
    Vote,
)
from protocols.consensus.raft.quorum import agreed, decides
from protocols.node import AddServer, Drain, RemoveServer
from protocols.statemachine import NOOP
from tests.toys.rig import Rig

from .hand import PLAIN, Cluster, ack, ask_vote, entry, follower, leader, names, of, server, write

SINGLE = msgspec.structs.replace(PLAIN, membership_change="single")
JOINT = msgspec.structs.replace(PLAIN, membership_change="joint")


def settled(config: RaftConfig = SINGLE, size: int = 3) -> Rig:
    """A leader whose first entry is committed."""
    rig = leader(config=config, size=size)
    for peer in rig.node.progress:
        ack(rig, peer)
    rig.sent.clear()
    return rig


def tell(rig: Rig, request: AddServer | RemoveServer | Drain) -> None:
    rig.turn(lambda engine: engine.admin(request))


def changes(rig: Rig) -> list[Members]:
    return [each.members for each in rig.node.log.entries if each.members is not None]


# --- quorums ---------------------------------------------------------------------------------------------------------


def test_while_voters_go_both_majorities_have_to_agree() -> None:
    joint = Members(("a", "b", "c"), outgoing=("c", "d", "e"))
    assert not decides({"a", "b", "c"}, joint)
    assert not decides({"c", "d", "e"}, joint)
    assert decides({"a", "c", "d"}, joint)
    assert agreed({"a": 9, "b": 9, "c": 5, "d": 5, "e": 1}, joint) == 5
    assert agreed({"a": 9, "b": 9, "c": 9, "d": 2, "e": 1}, joint) == 2


def test_who_does_not_vote_does_not_count() -> None:
    assert agreed({"a": 1, "b": 1, "c": 0, "x": 9, "y": 9}, Members(("a", "b", "c"))) == 1
    assert not decides({"a", "x", "y"}, Members(("a", "b", "c")))


# --- one at a time (section 4.1) -------------------------------------------------------------------------------------


def test_a_server_is_removed_by_one_entry_which_counts_at_once() -> None:
    rig = settled(size=4)
    tell(rig, RemoveServer("n4"))
    assert changes(rig) == [Members(("n1", "n2", "n3"))]
    ack(rig, "n2")
    assert rig.node.commit == 2, "two of the three that are left"
    assert set(rig.node.progress) == {"n2", "n3"}


def test_no_change_before_an_entry_of_the_own_term_is_committed() -> None:
    """Ongaro's correction of 2015: the last leader's change may be uncommitted, and its majority need not meet ours."""
    rig = leader(1, 1, size=4, config=SINGLE)
    tell(rig, RemoveServer("n4"))
    assert changes(rig) == []
    ack(rig, "n2")
    ack(rig, "n3")
    assert changes(rig) == [Members(("n1", "n2", "n3"))], "now it is time"


def test_the_next_change_waits_until_the_last_is_committed() -> None:
    rig = settled(size=5)
    tell(rig, RemoveServer("n5"))
    tell(rig, RemoveServer("n4"))
    assert changes(rig) == [Members(names(4))]
    ack(rig, "n2")
    ack(rig, "n3")
    assert changes(rig) == [Members(names(4)), Members(names(3))]


def test_a_leader_that_removes_itself_does_not_count_itself_and_goes_when_that_is_committed() -> None:
    rig = settled(size=3)
    tell(rig, RemoveServer("n1"))
    assert rig.node.role == "leader", "until then it leads on (section 4.2.2)"
    ack(rig, "n2")
    assert rig.node.commit == 1, "it and n2 are no majority of n2, n3"
    sent = ack(rig, "n3")
    assert rig.node.commit == 2 and rig.node.role == "follower"
    assert {to for to, message in of(AppendEntries, sent) if message.commit == 2} == {"n2", "n3"}, "who are told"


def test_the_last_server_cannot_be_removed() -> None:
    rig = server(SINGLE, size=1)
    rig.fire("election")
    tell(rig, RemoveServer("n1"))
    assert changes(rig) == [] and rig.node.role == "leader"


def test_who_is_no_member_does_not_stand() -> None:
    rig = follower(size=3)
    rig.receive("n2", AppendEntries(1, 0, 0, (Entry(1, NOOP, Members(("n2", "n3"))),), 1, 1))
    rig.sent.clear()
    rig.now = rig.timers["election"]
    rig.fire("election")
    assert rig.node.role == "follower" and not of(RequestVote, rig.sent)
    assert "election" in rig.timers, "it may be told otherwise"


def test_who_is_being_removed_stands_until_that_is_committed() -> None:
    """Of two servers one is removed and alone knows it: the other cannot win without it, nor it without standing."""
    rig = follower(size=2)
    rig.receive("n2", AppendEntries(1, 0, 0, (Entry(1, NOOP, Members(("n2",))),), 0, 1))
    rig.sent.clear()
    rig.now = rig.timers["election"]
    rig.fire("election")
    assert of(RequestVote, rig.sent) == [("n2", RequestVote(2, 1, 1, False))]
    rig.receive("n2", Vote(2, True, False))
    assert rig.node.role == "leader"
    ack(rig, "n2")
    assert rig.node.role == "follower" and rig.node.commit == 2, "it has brought the change home, and goes"


def test_but_it_votes() -> None:
    """That the candidate is no member by our log, or we are none, may only mean that our log is old (section 4.2.2)."""
    rig = follower(size=3)
    rig.receive("n2", AppendEntries(1, 0, 0, (Entry(1, NOOP, Members(("n2", "n3"))),), 0, 1))
    assert of(Vote, rig.receive("n3", ask_vote(2, 1, 1))) == [("n3", Vote(2, True, False))]


def test_a_change_that_is_cut_off_is_undone() -> None:
    rig = follower(size=3)
    rig.receive("n2", AppendEntries(1, 0, 0, (entry(1), Entry(1, NOOP, Members(("n1", "n2")))), 0, 1))
    assert rig.node.log.members == Members(("n1", "n2"))
    rig.receive("n3", AppendEntries(2, 1, 1, (entry(2),), 0, 1))
    assert rig.node.log.members == Members(names(3))


def test_the_membership_is_found_again_after_a_restart() -> None:
    rig = follower(size=3)
    rig.receive("n2", AppendEntries(1, 0, 0, (Entry(1, NOOP, Members(("n1", "n2"))),), 1, 1))
    rig.crash()
    assert rig.node.log.members == Members(("n1", "n2"))


# --- learners (section 4.2.1) ----------------------------------------------------------------------------------------


def test_a_newcomer_catches_up_before_it_votes() -> None:
    rig = settled(msgspec.structs.replace(SINGLE, initial_servers=3), size=4)
    rig.receive("c1", write(1))
    rig.sent.clear()
    tell(rig, AddServer("n4"))
    assert changes(rig) == [] and "n4" in {to for to, _ in of(AppendEntries, rig.sent)}
    ack(rig, "n4")
    assert rig.node.commit == 1, "a learner's word does not commit"
    assert changes(rig) == [Members(names(4))], "it caught up within an election timeout"


def test_a_slow_round_calls_for_another() -> None:
    rig = settled(msgspec.structs.replace(SINGLE, initial_servers=3), size=4)
    rig.receive("c1", write(1))
    tell(rig, AddServer("n4"))
    rig.now += 10 * rig.node.low
    rig.receive("c1", write(2, sequence=2))
    ack(rig, "n4", match=2)
    assert changes(rig) == []
    ack(rig, "n4", match=3)
    assert changes(rig) == [Members(names(4))]


def test_a_newcomer_that_is_dead_is_given_up() -> None:
    rig = settled(msgspec.structs.replace(SINGLE, initial_servers=3), size=4)
    tell(rig, AddServer("n4"))
    rig.fire("learners")
    assert "n4" not in rig.node.progress and rig.node.target == ()
    tell(rig, RemoveServer("n3"))
    assert changes(rig) == [Members(("n1", "n2"))], "and is in nobody's way"


# --- joint consensus (section 4.3) -----------------------------------------------------------------------------------


def test_joint_consensus_goes_through_both_and_then_leaves_the_old() -> None:
    rig = settled(JOINT, size=5)
    tell(rig, RemoveServer("n5"))
    assert changes(rig) == [Members(names(4), outgoing=names(5))]
    ack(rig, "n2")
    assert len(changes(rig)) == 1
    ack(rig, "n3")
    assert changes(rig)[1:] == [Members(names(4))]


def test_a_new_leader_completes_what_the_last_one_began() -> None:
    rig = follower(size=3, config=JOINT)
    joint = Entry(1, NOOP, Members(("n1", "n2"), outgoing=names(3)))
    rig.receive("n2", AppendEntries(1, 0, 0, (entry(1), joint), 2, 1))
    rig.now = rig.timers["election"]
    rig.fire("election")
    rig.receive("n2", Vote(2, True, False))
    assert rig.node.role == "leader"
    ack(rig, "n2")
    assert changes(rig)[-1] == Members(("n1", "n2"))


def test_a_cluster_grows_and_shrinks_while_it_serves() -> None:
    cluster = Cluster(4, msgspec.structs.replace(JOINT, initial_servers=2))
    cluster.elect("n1", ["n2"])
    cluster["n1"].fire("heartbeat")
    cluster.exchange("n1", "n2")
    for server_name in ("n3", "n4"):
        tell(cluster["n1"], AddServer(server_name))
        cluster.exchange(*names(4))
        cluster["n1"].fire("heartbeat")
        cluster.exchange(*names(4))
    assert all(cluster.view(name).members == Members(names(4)) for name in names(4))
    tell(cluster["n1"], RemoveServer("n2"))
    cluster.exchange(*names(4))
    cluster["n1"].fire("heartbeat")
    cluster.exchange(*names(4))
    assert cluster.view("n4").members == Members(("n1", "n3", "n4"))
    assert cluster.view("n2").members == Members(("n1", "n3", "n4")), "who goes is told"


# --- disruption (section 4.2.3) --------------------------------------------------------------------------------------


def test_a_sticky_voter_ignores_candidates_while_its_leader_lives() -> None:
    config = RaftConfig(pre_vote=False, sticky=True)
    rig = follower(1, config=config)
    term = rig.node.term
    assert rig.receive("n3", ask_vote(term + 5, 1, 1)) == [] and rig.node.term == term
    rig.now += rig.node.low
    assert of(Vote, rig.receive("n3", ask_vote(term + 5, 1, 1))) == [("n3", Vote(term + 5, True, False))]


def test_a_sticky_leader_does_not_give_way_either() -> None:
    rig = leader(config=RaftConfig(sticky=True))
    term = rig.node.term
    rig.receive("n3", ask_vote(term + 5, 9, 9))
    assert (rig.node.role, rig.node.term) == ("leader", term)


# --- leadership transfer (section 3.10) ------------------------------------------------------------------------------


def test_the_heir_is_told_once_it_has_everything() -> None:
    rig = settled()
    rig.receive("c1", write(1))
    rig.sent.clear()
    ack(rig, "n3", match=1)
    tell(rig, Drain())
    assert rig.node.transferee in ("n2", "n3") and not of(TimeoutNow, rig.sent)
    transferee = rig.node.transferee
    assert of(Refused, rig.receive("c1", write(2, sequence=2))) == [("c1", Refused(2, transferee))], (
        "nothing new is taken"
    )
    assert of(TimeoutNow, ack(rig, transferee)) == [(transferee, TimeoutNow(rig.node.term))]


def test_the_heir_stands_at_once_and_sticky_voters_let_it() -> None:
    config = RaftConfig(sticky=True)
    rig = follower(1, config=config)
    sent = rig.receive("n2", TimeoutNow(rig.node.term))
    requests = of(RequestVote, sent)
    assert rig.node.role == "candidate" and requests and all(message.transfer for _, message in requests)
    voter = follower(1, config=config)
    assert of(Vote, voter.receive("n3", requests[0][1])) == [("n3", Vote(requests[0][1].term, True, False))]


def test_an_old_order_to_stand_is_ignored() -> None:
    rig = follower(1, term=5)
    assert rig.receive("n2", TimeoutNow(4)) == [] and rig.node.role == "follower"


def test_a_leader_whose_heir_does_not_stand_goes_on() -> None:
    rig = settled()
    tell(rig, Drain())
    rig.fire("transfer")
    assert rig.node.transferee == ""
    rig.receive("c1", write(1))
    assert rig.node.log.last == 2


# --- configuration ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (RaftConfig(initial_servers=4), "initial_servers 4 is out of range"),
        (RaftConfig(reads="lease", check_quorum=False), "need check_quorum"),
        (RaftConfig(sticky=True, check_quorum=False), "need check_quorum"),
        (RaftConfig(snapshot_entries=0), "snapshot_entries 0 is out of range"),
        (RaftConfig(snapshot_trailing=-1), "snapshot_trailing -1 is out of range"),
        (RaftConfig(snapshot_chunk=0), "snapshot_chunk 0 is out of range"),
        (RaftConfig(drift_bound_ppm=-1), "drift_bound_ppm -1 is out of range"),
    ],
)
def test_what_cannot_be_is_said(config: RaftConfig, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        config.validate(3)


def test_a_log_knows_terms_and_members_above_its_base() -> None:
    three, two = Members(names(3)), Members(names(2))
    log = Log(0, 0, [], 0, three)
    log.extend((entry(1, 1), Entry(1, NOOP, two), entry(2, 3), entry(2, 4)), turn=1)
    assert (log.last, log.last_term, log.members, log.changed_at) == (4, 2, two, 2)
    assert log.members_at(1) == three
    log.compact(1, 3)
    assert (log.base, log.base_term, log.last, log.term(1), log.term(3)) == (1, 1, 4, 1, 2)
    assert log.changes == [(3, two)]
    assert [each.term for each in log.after(2, 9)] == [2, 2]
    assert log.synced(1) == 4
    log.restart(10, 5, three, turn=7)
    assert (log.base, log.last, log.last_term, log.entries, log.members) == (10, 10, 5, [], three)
    assert log.synced(7) == 10
