"""What keeps elections from disturbing a leader that others hear: PreVote, CheckQuorum, and streams that break."""

from __future__ import annotations

from typing import Any

import pytest

from protocols.consensus.raft.config import RaftConfig
from protocols.consensus.raft.messages import AppendEntries, RequestVote, Vote
from tests.toys.rig import Rig

from .hand import MS, Cluster, ack, ask_vote, follower, leader, names, of, write

PRE = RaftConfig(pre_vote=True, check_quorum=True)


# --- PreVote (dissertation, section 9.6) -----------------------------------------------------------------------------


def hopeful() -> Rig:
    """A follower whose timeout has just run out."""
    rig = follower(1, term=3, config=PRE)
    rig.now = rig.timers["election"]
    rig.fire("election")
    return rig


def test_asking_whether_an_election_has_a_chance_raises_no_term() -> None:
    rig = hopeful()
    assert (rig.node.role, rig.node.term) == ("pre-candidate", 3)
    assert of(RequestVote, rig.sent) == [(peer, RequestVote(4, 1, 1, True)) for peer in ("n2", "n3")]
    for _ in range(10):
        rig.now = rig.timers["election"]
        rig.fire("election")
    assert rig.node.term == 3, "cut off for as long as it likes, it comes back with the term it had"
    assert rig.disk.synced.keys["vote"].term == 3


def test_a_majority_that_would_vote_lets_it_stand() -> None:
    rig = hopeful()
    out = rig.receive("n2", Vote(4, True, True))
    assert (rig.node.role, rig.node.term) == ("candidate", 4)
    assert of(RequestVote, out) == [(peer, RequestVote(4, 1, 1, False)) for peer in ("n2", "n3")]


@pytest.mark.parametrize(
    "vote",
    [
        Vote(3, False, True),
        Vote(3, True, True),  # for an earlier attempt
        Vote(5, True, True),
        Vote(4, True, False),  # no pre-vote
    ],
)
def test_what_is_no_pre_vote_does_not_let_it_stand(vote: Vote) -> None:
    rig = hopeful()
    rig.receive("n2", vote)
    assert rig.node.role in ("pre-candidate", "follower")
    assert rig.node.role != "candidate"


def test_pre_votes_are_not_given_while_a_leader_is_alive() -> None:
    """9.6 and 6.2: within the minimum election timeout of hearing from it."""
    rig = follower(1, term=3, config=PRE)
    rig.now += 149 * MS
    assert rig.receive("n3", ask_vote(9, 5, 3, pre=True)) == [("n3", Vote(3, False, True))]
    rig.now += 1 * MS
    assert rig.receive("n3", ask_vote(9, 5, 3, pre=True)) == [("n3", Vote(9, True, True))]
    assert (rig.node.term, rig.node.voted_for) == (3, ""), "a pre-vote promises nothing"
    rig.receive("n2", AppendEntries(3, 0, 0, (), 0, 2))
    assert rig.receive("n3", ask_vote(9, 5, 3, pre=True)) == [("n3", Vote(3, False, True))]


def test_a_leader_gives_no_pre_vote() -> None:
    rig = leader(1, config=PRE)
    rig.now += 10_000 * MS
    assert rig.receive("n3", ask_vote(9, 9, 9, pre=True)) == [("n3", Vote(2, False, True))]
    assert rig.node.role == "leader"


def test_pre_votes_ask_for_an_up_to_date_log_and_a_later_term() -> None:
    rig = follower(1, 2, term=3, config=PRE)
    rig.now += 500 * MS
    assert rig.receive("n3", ask_vote(4, 9, 1, pre=True)) == [("n3", Vote(3, False, True))]
    assert rig.receive("n3", ask_vote(3, 9, 2, pre=True)) == [("n3", Vote(3, False, True))]
    assert rig.receive("n3", ask_vote(4, 2, 2, pre=True)) == [("n3", Vote(4, True, True))]


def test_many_may_get_the_same_pre_vote() -> None:
    rig = follower(config=PRE)
    rig.now += 500 * MS
    for peer in ("n2", "n3"):
        assert rig.receive(peer, ask_vote(1, 0, 0, pre=True)) == [(peer, Vote(1, True, True))]


def test_a_rejoining_server_does_not_depose_the_leader() -> None:
    """The scenario of 9.6: cut off, timing out again and again, then back."""
    cluster = Cluster(3, PRE)
    cluster.elect("n1", names(3))
    cluster["n1"].fire("heartbeat")
    cluster.exchange(*names(3))
    term = cluster.view("n1").term
    for _ in range(5):
        cluster["n3"].now += 1_000 * MS
        cluster["n3"].fire("election")
    cluster.exchange("n1", "n2", "n3")
    assert (cluster.view("n1").role, cluster.view("n1").term) == ("leader", term)
    assert cluster.view("n3").term == term


def test_without_pre_vote_it_does() -> None:
    """What PreVote is for: shown by leaving it out."""
    cluster = Cluster(3)
    cluster.elect("n1", names(3))
    cluster["n1"].fire("heartbeat")
    cluster.exchange(*names(3))
    cluster["n3"].now += 1_000 * MS
    cluster["n3"].fire("election")
    cluster.exchange("n1", "n3")
    assert cluster.view("n1").role == "follower"


# --- broken streams (ours) -------------------------------------------------------------------------------------------

HEEDING = RaftConfig(heed_disconnects=True)


def test_a_stream_that_breaks_is_no_news_unless_asked_for() -> None:
    rig = follower(1, term=3, config=PRE)
    before = rig.timers["election"]
    assert rig.disconnect("n2") == [] and rig.timers["election"] == before and rig.node.leader == "n2"


def test_who_lost_the_stream_to_its_leader_soon_asks_whether_it_could_be_elected() -> None:
    rig = follower(1, term=3, config=HEEDING)
    before = rig.timers["election"]
    assert rig.disconnect("n3") == [] and rig.timers["election"] == before, "not its leader"
    rig.disconnect("n2")
    assert rig.now <= rig.timers["election"] <= rig.now + 15 * MS
    assert rig.receive("n3", ask_vote(9, 5, 3, pre=True)) == [("n3", Vote(9, True, True))], "nor does it vouch for it"
    rig.now = rig.timers["election"]
    assert of(RequestVote, rig.fire("election")) == [(peer, RequestVote(4, 1, 1, True)) for peer in ("n2", "n3")]
    assert rig.node.term == 3


def test_a_leader_that_is_heard_again_is_followed_again() -> None:
    rig = follower(1, term=3, config=HEEDING)
    rig.disconnect("n2")
    rig.receive("n2", AppendEntries(3, 0, 0, (), 0, 2))
    assert rig.node.leader == "n2" and rig.timers["election"] >= rig.now + 150 * MS
    assert rig.receive("n3", ask_vote(9, 5, 3, pre=True)) == [("n3", Vote(3, False, True))]


def test_one_broken_stream_does_not_depose_a_leader_that_others_hear() -> None:
    cluster = Cluster(3, HEEDING)
    cluster.elect("n1", names(3))
    cluster["n1"].fire("heartbeat")
    cluster.exchange(*names(3))
    term = cluster.view("n1").term
    for _ in range(5):
        cluster["n3"].disconnect("n1")
        cluster["n3"].fire("election")
        cluster.exchange("n2", "n3")
    assert (cluster.view("n1").role, cluster.view("n3").term) == ("leader", term)
    cluster["n2"].disconnect("n1")
    cluster["n3"].fire("election")
    cluster.exchange("n2", "n3")
    assert (cluster.view("n3").role, cluster.view("n3").term) == ("leader", term + 1), "both have lost it"


@pytest.mark.parametrize("more", [{"pre_vote": False}, {"sticky": True}, {"reads": "lease"}])
def test_what_does_not_go_with_heeding_broken_streams_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="heed_disconnects needs pre_vote"):
        RaftConfig(heed_disconnects=True, **more).validate(3)


def test_a_killed_leader_is_replaced_long_before_an_election_timeout() -> None:
    """And one that hangs no sooner than without."""
    from bench.faults.spec import Crash, Pause
    from bench.run import run_trial
    from bench.trial import Trial
    from bench.workload.spec import Workload

    def away(fault: Any, heeding: bool) -> float:
        result, _ = run_trial(
            Trial(
                protocol="raft",
                duration=6_000 * MS,
                params={"election_timeout_s": (1.0, 2.0), "heartbeat_s": 0.1, "heed_disconnects": heeding},
                workload=Workload(clients=4, rate=200.0),
                faults=(fault,),
            )
        )
        assert result.verdict == "valid" and result.unavailable_s is not None
        return result.unavailable_s

    crash = Crash(at=2_000 * MS, target="leader", down=2_500 * MS)
    assert away(crash, heeding=True) < 0.3 < 1.0 < away(crash, heeding=False)
    assert away(Pause(at=2_000 * MS, target="leader", length=2_500 * MS), heeding=True) > 1.0


@pytest.mark.parametrize("seed", range(1, 21))
def test_broken_streams_that_are_heeded_break_nothing_else(seed: int) -> None:
    from bench.run import run_trial
    from bench.torture import torture

    more = ({}, {"max_entries": 2}, {"snapshot_entries": 20, "snapshot_trailing": 5}, {"membership_change": "single"})
    params = {"heed_disconnects": True, **more[seed % len(more)]}
    result, _ = run_trial(torture("raft", seed, params=params))
    assert result.verdict == "valid", [violation.reason for violation in result.violations]


# --- CheckQuorum (dissertation, section 6.2) -------------------------------------------------------------------------


def test_a_leader_that_no_majority_answers_steps_down() -> None:
    rig = leader(1, config=PRE, size=5)
    rig.receive("c1", write(7))
    ack(rig, "n2", match=0)
    out = rig.fire("quorum")
    assert rig.node.role == "follower"
    assert ("quorum_lost", {"term": 2}) in rig.marks
    assert [to for to, _ in out] == ["c1"], "who waits is told"
    assert "election" in rig.timers
    assert "heartbeat" not in rig.timers
    assert "quorum" not in rig.timers


def test_a_leader_that_a_majority_answers_goes_on_and_must_be_answered_again() -> None:
    rig = leader(1, config=PRE, size=5)
    for peer in ("n2", "n3"):
        ack(rig, peer, match=0)
    rig.fire("quorum")
    assert rig.node.role == "leader"
    rig.fire("quorum")
    assert rig.node.role == "follower", "answers to the last round of questions count once"


def test_without_the_switch_it_goes_on() -> None:
    rig = leader(1, size=5)
    rig.fire("quorum")
    assert rig.node.role == "leader"
