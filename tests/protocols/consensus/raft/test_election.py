"""Leader election (paper, section 5.2 and figure 2; dissertation, sections 3.4, 3.6.1, 6.2 and 9.6)."""

from __future__ import annotations

import pytest

from protocols.consensus.raft.config import RaftConfig
from protocols.consensus.raft.messages import Appended, AppendEntries, RequestVote, Vote
from protocols.consensus.raft.server import AMNESIAC
from tests.toys.rig import Rig

from .hand import MS, ask_vote, candidate, entries, follower, leader, names, of, server, write

PRE = RaftConfig(pre_vote=True, check_quorum=True)


# --- section 5.2: timeouts and standing ------------------------------------------------------------------------------


def test_servers_start_as_followers_that_wait_a_random_time() -> None:
    """5.2: randomized timeouts from a fixed interval."""
    waits = set()
    for name in names(5):
        for _ in range(3):
            rig = server(size=5, name=name)
            assert rig.node.role == "follower"
            assert rig.sent == []
            waits.add(rig.timers["election"])
            rig.crash()
            waits.add(rig.timers["election"])
    assert all(150 * MS <= wait <= 300 * MS for wait in waits)
    assert len(waits) == 10, "by server and by life"


def test_a_timeout_starts_an_election_in_a_new_term() -> None:
    """5.2: increments its term, votes for itself, asks all others in parallel."""
    rig = candidate(1, 2)
    assert (rig.node.term, rig.node.voted_for) == (3, "n1")
    assert of(RequestVote, rig.sent) == [(peer, RequestVote(3, 2, 2, False)) for peer in ("n2", "n3")]
    assert 150 * MS <= rig.timers["election"] - rig.now <= 300 * MS, "and tries again if nobody wins"


def test_nobody_hears_of_the_candidacy_before_the_vote_for_itself_is_durable() -> None:
    rig = follower(1, syncs=False)
    rig.now = rig.timers["election"]
    assert rig.fire("election") == []
    assert len(of(RequestVote, rig.sync())) == 2


def test_an_election_without_a_winner_is_followed_by_another() -> None:
    rig = candidate()
    rig.now = rig.timers["election"]
    rig.fire("election")
    assert (rig.node.term, rig.node.role) == (2, "candidate")


@pytest.mark.parametrize(("size", "votes"), [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2), (7, 3)])
def test_a_majority_elects(size: int, votes: int) -> None:
    """5.2: its own vote and those of enough others."""
    rig = follower(size=size) if size > 1 else server(size=1)
    rig.now = rig.timers["election"]
    rig.fire("election")
    for number, peer in enumerate(names(size)[1 : votes + 1], 1):
        assert rig.node.role == "candidate", f"{number} of {size} are no majority"
        rig.receive(peer, Vote(rig.node.term, True, False))
    assert rig.node.role == "leader"


def test_what_is_no_vote_does_not_elect() -> None:
    """A refusal, the same vote twice, a vote of an earlier term, a pre-vote."""
    rig = candidate(term=3, size=5)
    rig.receive("n2", Vote(4, True, False))
    rig.receive("n2", Vote(4, True, False))
    rig.receive("n3", Vote(4, False, False))
    rig.receive("n4", Vote(3, True, False))
    rig.receive("n5", Vote(4, True, True))
    assert rig.node.role == "candidate"
    rig.receive("n3", Vote(4, True, False))
    assert rig.node.role == "leader"


def test_a_new_leader_says_so_at_once() -> None:
    """5.2: it sends heartbeats to all to prevent new elections."""
    rig = candidate(1)
    out = rig.receive("n2", Vote(2, True, False))
    assert sorted(to for to, message in of(AppendEntries, out) if message.term == 2) == ["n2", "n3"]
    assert "election" not in rig.timers


@pytest.mark.parametrize("term", [2, 3])
def test_a_candidate_that_hears_from_a_leader_of_its_term_or_a_later_one_follows(term: int) -> None:
    rig = candidate(1)
    rig.receive("n3", AppendEntries(term, 0, 0, (), 0, 1))
    assert (rig.node.role, rig.node.term, rig.node.leader) == ("follower", term, "n3")


def test_a_candidate_ignores_a_leader_of_an_earlier_term() -> None:
    rig = candidate(term=3)
    out = rig.receive("n3", AppendEntries(3, 0, 0, (), 0, 9))
    assert out == [("n3", Appended(4, False, 0, 0, 0, 9))]
    assert rig.node.role == "candidate"


# --- figure 2: votes -------------------------------------------------------------------------------------------------


def test_one_vote_a_term_first_come_first_served() -> None:
    rig = server()
    assert rig.receive("n2", ask_vote(1)) == [("n2", Vote(1, True, False))]
    assert rig.receive("n3", ask_vote(1)) == [("n3", Vote(1, False, False))]
    assert rig.receive("n2", ask_vote(1)) == [("n2", Vote(1, True, False))], "the answer was lost: the same again"
    assert rig.receive("n3", ask_vote(2)) == [("n3", Vote(2, True, False))], "another term, another vote"


def test_a_vote_outlives_a_crash() -> None:
    """Figure 2, persistent state: currentTerm and votedFor."""
    rig = server()
    rig.receive("n2", ask_vote(5))
    rig.crash()
    assert (rig.node.term, rig.node.voted_for) == (5, "n2")
    assert rig.receive("n3", ask_vote(5)) == [("n3", Vote(5, False, False))]


def test_a_vote_is_not_given_before_it_is_durable() -> None:
    rig = server(syncs=False)
    assert rig.receive("n2", ask_vote(1)) == []
    rig.crash()
    assert rig.receive("n3", ask_vote(1)) == []
    assert rig.sync() == [("n3", Vote(1, True, False))], "the first was never said"


def test_a_candidate_votes_for_itself_only() -> None:
    rig = candidate()
    assert rig.receive("n2", ask_vote(1)) == [("n2", Vote(1, False, False))]


def test_an_earlier_term_is_refused_with_ours() -> None:
    rig = follower(term=7)
    assert rig.receive("n3", ask_vote(6, 99, 6)) == [("n3", Vote(7, False, False))]


@pytest.mark.parametrize(
    ("mine", "last_index", "last_term", "granted"),
    [
        ((), 0, 0, True),
        ((1,), 1, 1, True),
        ((1,), 2, 1, True),  # the same last term: the longer log
        ((1, 1), 1, 1, False),
        ((1, 1, 1), 1, 2, True),  # the later last term, however short
        ((1, 2), 5, 1, False),  # ... and however long ours or theirs
        ((2,), 0, 0, False),
    ],
)
def test_only_an_up_to_date_log_gets_a_vote(
    mine: tuple[int, ...], last_index: int, last_term: int, granted: bool
) -> None:
    """5.4.1."""
    rig = follower(*mine, term=5)
    assert rig.receive("n3", ask_vote(6, last_index, last_term)) == [("n3", Vote(6, granted, False))]
    assert rig.node.term == 6, "the term is taken over even so"


def test_granting_a_vote_puts_our_own_candidacy_off_and_refusing_does_not() -> None:
    """Figure 2, rules for followers: a timeout elapses without granting a vote to a candidate."""
    rig = follower(2)
    rig.now += 100 * MS
    due = rig.timers["election"]
    rig.receive("n3", ask_vote(9, 0, 0))
    assert rig.timers["election"] == due
    rig.receive("n3", ask_vote(10, 5, 5))
    assert rig.timers["election"] >= rig.now + 150 * MS


# --- section 5.1: terms ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        RequestVote(9, 0, 0, False),
        Vote(9, False, False),
        AppendEntries(9, 0, 0, (), 0, 1),
        Appended(9, False, 0, 0, 0, 1),
    ],
)
@pytest.mark.parametrize("make", [follower, candidate, leader])
def test_a_higher_term_in_any_message_makes_anyone_a_follower(message: object, make: object) -> None:
    rig: Rig = make(1)  # type: ignore[operator]
    rig.receive("n3", message)
    assert (rig.node.role, rig.node.term) == ("follower", 9)
    assert "election" in rig.timers
    rig.crash()
    assert rig.node.term == 9


# --- a lost disk -----------------------------------------------------------------------------------------------------


def test_a_server_that_lost_its_disk_takes_no_part() -> None:
    """It has forgotten votes and entries that others count on: two majorities could disagree."""
    rig = follower(1, 1, term=4)
    rig.receive("n3", ask_vote(5, 9, 9))
    rig.disk.lose()
    rig.boot()
    assert rig.node.role == AMNESIAC
    assert rig.timers == {}, "nor does it ever stand"
    assert rig.receive("n2", ask_vote(5, 9, 9)) == []
    assert rig.receive("n2", ask_vote(6, 9, 9, pre=True)) == []
    assert rig.receive("n2", AppendEntries(6, 0, 0, entries(1), 0, 1)) == []
    assert rig.receive("n2", Vote(1, True, False)) == []
    assert rig.receive("n2", Appended(1, True, 0, 0, 0, 0)) == []
    assert len(rig.receive("c1", write(1))) == 1, "clients are sent elsewhere"
    rig.crash()
    assert rig.node.role == AMNESIAC, "for good"


def test_an_empty_disk_of_a_new_server_is_no_lost_one() -> None:
    rig = server()
    rig.crash()
    assert rig.node.role == "follower"


def test_who_needs_no_vote_but_its_own_leads_once_that_is_on_disk() -> None:
    """Else it might crash, forget that it has voted, and help another lead in the same term (as a campaign found)."""
    rig = server(size=1, syncs=False)
    rig.now = rig.timers["election"]
    rig.fire("election")
    assert (rig.node.role, rig.node.term) == ("candidate", 1)
    rig.crash()
    assert rig.node.term == 0, "the vote was lost, and nobody had followed it"
    rig.syncs = True
    rig.now = rig.timers["election"]
    rig.fire("election")
    assert (rig.node.role, rig.node.term) == ("leader", 1)
