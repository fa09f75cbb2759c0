"""Log replication and commitment (paper, sections 5.3 and 5.4, figures 7 and 8; dissertation, chapter 10)."""

from __future__ import annotations

import msgspec
import pytest

from protocols.consensus.raft.config import RaftConfig
from protocols.consensus.raft.messages import Appended, AppendEntries, Deposed, Done, Refused, Vote
from protocols.consensus.raft.quorum import default_heartbeat, majority, quorum_index, up_to_date
from protocols.requests import Read
from protocols.statemachine import NOOP

from .hand import PLAIN, Cluster, ack, candidate, entries, entry, follower, leader, names, of, server, write


def terms(rig: object) -> list[int]:
    return [each.term for each in rig.node.log.entries]  # type: ignore[attr-defined]


# --- section 5.3: the leader -----------------------------------------------------------------------------------------


def test_a_new_leader_appends_an_empty_entry_of_its_term() -> None:
    """Dissertation 6.4: only an entry of its own term lets it learn what is committed."""
    rig = candidate(1, 1)
    out = rig.receive("n2", Vote(2, True, False))
    assert rig.node.log.entries[-1].command is NOOP
    assert terms(rig) == [1, 1, 2]
    for _, message in of(AppendEntries, out):
        assert (message.term, message.prev_index, message.prev_term) == (2, 2, 1)
        assert message.entries == (rig.node.log.entries[2],)


def test_requests_that_arrive_together_share_one_message_a_follower() -> None:
    rig = leader()
    for peer in ("n2", "n3"):
        ack(rig, peer)
    rig.sent.clear()
    rig.batch(*(("c1", write(number, session=f"s{number}")) for number in range(10)))
    sent = of(AppendEntries, rig.sent)
    assert sorted(to for to, _ in sent) == ["n2", "n3"]
    assert all(len(message.entries) == 10 for _, message in sent)


def test_a_follower_that_is_known_to_agree_is_sent_entries_without_waiting() -> None:
    """10.2.2, pipelining: the next message does not wait for the answer to the last."""
    rig = leader()
    ack(rig, "n2")
    rig.sent.clear()
    for number in range(3):
        rig.receive("c1", write(number, session=f"s{number}"))
    to_n2 = [message for to, message in of(AppendEntries, rig.sent) if to == "n2"]
    assert [(message.prev_index, len(message.entries)) for message in to_n2] == [(1, 1), (2, 1), (3, 1)]
    to_n3 = [message for to, message in of(AppendEntries, rig.sent) if to == "n3"]
    assert to_n3 == [], "n3 has not answered the first: what it has is a guess, and one probe at a time is enough"


def test_the_window_and_the_message_are_bounded() -> None:
    rig = leader(config=RaftConfig(pre_vote=False, check_quorum=False, max_entries=2, max_in_flight=4))
    ack(rig, "n2")
    rig.sent.clear()
    for number in range(12):
        rig.receive("c1", write(number, session=f"s{number}"))
    to_n2 = [message for to, message in of(AppendEntries, rig.sent) if to == "n2"]
    assert all(len(message.entries) <= 2 for message in to_n2)
    assert sum(len(message.entries) for message in to_n2) <= 4 + 2
    sent = sum(len(message.entries) for message in to_n2)
    rig.sent.clear()
    ack(rig, "n2", 1 + sent)
    assert [len(message.entries) for to, message in of(AppendEntries, rig.sent) if to == "n2"] == [2], "and goes on"


def test_what_is_not_acknowledged_is_sent_again_with_the_heartbeat() -> None:
    """5.3: the leader retries indefinitely."""
    rig = leader()
    ack(rig, "n2")
    rig.receive("c1", write(1))
    rig.fire("heartbeat")  # n2 has answered since the last one
    for _ in range(3):
        rig.sent.clear()
        rig.fire("heartbeat")
        (again,) = [message for to, message in of(AppendEntries, rig.sent) if to == "n2"]
        assert (again.prev_index, len(again.entries)) == (1, 1)


def test_where_a_follower_departs_is_searched_from_the_end_of_the_log() -> None:
    """Figure 2: nextIndex begins at the leader's last log index + 1, and falls only when a follower disagrees.

    A leader that hears nothing for a heartbeat's time must not send its whole log from the beginning.
    """
    rig = leader(*[1] * 50)
    for _ in range(3):
        rig.sent.clear()
        rig.fire("heartbeat")
        for _, message in of(AppendEntries, rig.sent):
            assert message.prev_index == 50
            assert len(message.entries) == 1


def test_an_idle_leader_sends_empty_heartbeats() -> None:
    rig = leader()
    for peer in ("n2", "n3"):
        ack(rig, peer)
    rig.sent.clear()
    rig.fire("heartbeat")
    assert [(to, message.entries, message.commit) for to, message in of(AppendEntries, rig.sent)] == [
        ("n2", (), 1),
        ("n3", (), 1),
    ]
    assert rig.timers["heartbeat"] - rig.now == PLAIN.heartbeat


# --- section 5.3: the follower ---------------------------------------------------------------------------------------


def test_entries_are_appended_where_the_logs_agree_and_acknowledged_when_durable() -> None:
    rig = follower(1, 1, syncs=False)
    assert rig.receive("n2", AppendEntries(2, 2, 1, (entry(2),), 0, 8)) == []
    assert rig.sync() == [("n2", Appended(2, True, 2, 3, 0, 8))]
    rig.crash()
    assert terms(rig) == [1, 1, 2]


@pytest.mark.parametrize(
    ("prev_index", "prev_term", "answer"),
    [
        (5, 3, (4, 0)),  # our log is shorter: one past its end
        (4, 3, (4, 0)),
        (3, 3, (2, 2)),  # it holds 2, 2 there: the first index of that term
        (2, 3, (2, 2)),
        (1, 3, (1, 1)),
    ],
)
def test_a_follower_says_where_its_log_departs(prev_index: int, prev_term: int, answer: tuple[int, int]) -> None:
    """5.3, end: the term of the conflicting entry and the first index it stores for that term."""
    rig = follower(1, 2, 2, term=4)
    ((to, message),) = rig.receive("n2", AppendEntries(4, prev_index, prev_term, (entry(4),), 9, 1))
    assert to == "n2"
    assert (message.success, message.match, message.conflict_term) == (False, *answer)
    assert terms(rig) == [1, 2, 2], "and changes nothing"
    assert rig.node.commit == 0


def test_a_term_that_departs_from_the_very_first_entry() -> None:
    rig = follower(1, 1, 1, term=4)
    ((_, message),) = rig.receive("n2", AppendEntries(4, 3, 2, (), 0, 1))
    assert (message.success, message.match, message.conflict_term) == (False, 1, 1)


def test_conflicting_entries_are_cut_and_replaced() -> None:
    rig = follower(1, 2, 2, 2)
    rig.receive("n3", AppendEntries(3, 1, 1, entries(1, 3, 3)[1:], 0, 1))
    assert terms(rig) == [1, 3, 3]
    rig.crash()
    assert terms(rig) == [1, 3, 3]


def test_an_old_message_never_cuts_what_agrees_with_it() -> None:
    """Figure 2, AppendEntries step 3: delete only in a conflict. What follows may have been acknowledged since."""
    rig = follower(1, 1, 1)
    for entry_count in range(4):
        (answer,) = rig.receive("n2", AppendEntries(1, 0, 0, entries(1, 1, 1)[:entry_count], 0, 1))
        assert answer[1].match == entry_count, "it speaks only for what the message covered"
        assert terms(rig) == [1, 1, 1]
        assert rig.disk.unsynced == []


def test_a_follower_commits_no_further_than_what_the_message_vouches_for() -> None:
    """Figure 2: min(leaderCommit, index of last new entry). Beyond, its log may differ from the leader's."""
    rig = follower(1, 1, 1)
    rig.receive("n2", AppendEntries(1, 1, 1, (), 3, 1))
    assert rig.node.commit == 1
    rig.receive("n2", AppendEntries(1, 3, 1, (), 2, 1))
    assert rig.node.commit == 2
    rig.receive("n2", AppendEntries(1, 3, 1, (), 1, 1))
    assert rig.node.commit == 2, "it never falls"


FIGURE_7 = {
    "a": (1, 1, 1, 4, 4, 5, 5, 6, 6),
    "b": (1, 1, 1, 4),
    "c": (1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6),
    "d": (1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7),
    "e": (1, 1, 1, 4, 4, 4, 4),
    "f": (1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3),
}


@pytest.mark.parametrize("case", FIGURE_7)
def test_figure_7_every_follower_is_brought_into_line(case: str) -> None:
    """The leader of term 8 against each of the six logs; the hint skips a term, not an entry, a round trip."""
    cluster = Cluster(3)
    for name, log in (("n1", (1, 1, 1, 4, 4, 5, 5, 6, 6, 6)), ("n2", FIGURE_7[case])):
        cluster[name].receive("n3", AppendEntries(7, 0, 0, _numbered(log), 0, 1))
    cluster.lose_mail()
    cluster.elect("n1", ("n1", "n3"))
    rejected = 0
    cluster["n1"].now += 10**9
    cluster["n1"].fire("heartbeat")
    for _ in range(20):
        for to, message in cluster._empty("n1"):
            if to == "n2":
                cluster["n2"].receive("n1", message)
        for _, message in cluster._empty("n2"):
            rejected += not message.success
            cluster["n1"].receive("n2", message)
    assert cluster.view("n1").role == "leader"
    assert cluster.view("n2").log == cluster.view("n1").log
    strange_terms = len(set(FIGURE_7[case]) - {1, 4, 5, 6}) + 1
    assert rejected <= strange_terms + 1


def _numbered(log: tuple[int, ...]) -> tuple:  # type: ignore[type-arg]
    """The same (index, term) is the same entry in every log, as in the figure."""
    return tuple(entry(term, place) for place, term in enumerate(log, 1))


def test_a_late_rejection_does_not_move_a_follower_back() -> None:
    """An answer that was overtaken by a success is old news."""
    rig = leader(1, 1, 1)
    ack(rig, "n2")
    rig.receive("c1", write(1))
    progress = rig.node.progress["n2"]
    assert (progress.match, progress.next, progress.probing) == (4, 6, False)
    rig.sent.clear()
    rig.receive("n2", Appended(2, False, 3, 1, 0, 0))
    assert (progress.match, progress.next, progress.probing) == (4, 6, False)
    assert rig.sent == []


# --- commitment ------------------------------------------------------------------------------------------------------


def test_an_entry_on_a_majority_is_committed_applied_and_answered() -> None:
    rig = leader(size=5)
    rig.receive("c1", write(7, b"x"))
    ack(rig, "n2")
    assert rig.node.commit == 0
    out = ack(rig, "n3")
    assert (rig.node.commit, rig.node.applied) == (2, 2)
    assert of(Done, out) == [("c1", Done(7, None))]
    assert rig.node.machine.data == {"k": b"x"}


def test_a_leader_counts_itself_only_when_its_own_disk_has_synced() -> None:
    """10.2.1: it may replicate while its own disk writes."""
    rig = leader(syncs=False)
    assert rig.engine.unsynced
    ack(rig, "n2")
    assert rig.node.commit == 0, "one follower and a page cache are no majority"
    rig.sync()
    assert rig.node.commit == 1
    ack(rig, "n3")
    rig.receive("c1", write(1))
    assert [to for to, _ in of(AppendEntries, rig.sent)][-2:] == ["n2", "n3"], "early: before the sync"
    ack(rig, "n2")
    ack(rig, "n3")
    assert rig.node.commit == 2, "two followers are one, whatever its own disk does"


def test_entries_of_an_older_term_are_not_committed_by_counting() -> None:
    """5.4.2: only together with one of the leader's own term."""
    rig = leader(1, 1, size=5)
    for peer in ("n2", "n3", "n4", "n5"):
        ack(rig, peer, match=2)
    assert rig.node.commit == 0
    ack(rig, "n2", match=3)
    assert rig.node.commit == 0
    ack(rig, "n3", match=3)
    assert rig.node.commit == 3


def figure_8() -> Cluster:
    """Up to (c): S1 leads again and has brought its entry of term 2 to a majority."""
    cluster = Cluster(5)
    everyone = names(5)
    cluster.elect("n1", everyone)  # term 1: index 1 everywhere
    cluster["n1"].fire("heartbeat")
    cluster.exchange(*everyone)
    # (a) S1 is leader in term 2 and partially replicates the entry at index 2
    cluster["n1"].crash()
    cluster.elect("n1", ("n1", "n2", "n3"))
    cluster["n1"].fire("heartbeat")
    cluster.exchange("n1", "n2")
    assert [cluster.terms(name) for name in everyone] == [[1, 2], [1, 2], [1], [1], [1]]
    # (b) S1 crashes; S5 is elected for a later term with votes from S3, S4 and itself, and accepts a different entry
    cluster.elect("n5", ("n3", "n4", "n5"))
    assert cluster.view("n5").role == "leader"
    assert cluster.terms("n5") == [1, 3]
    # (c) S5 crashes; S1 restarts, is elected (term 4 of the figure), and continues replication
    cluster["n1"].crash()
    cluster["n5"].crash()
    cluster.elect("n1", ("n1", "n2", "n3"))
    return cluster


def test_figure_8_an_old_entry_on_a_majority_is_not_committed() -> None:
    cluster = figure_8()
    s1 = cluster["n1"]
    term = s1.node.term
    assert cluster.terms("n1") == [1, 2, term]
    # S3 gets the entry of term 2, and not yet the one of term 4
    cluster["n3"].receive("n1", AppendEntries(term, 1, 1, (s1.node.log.entries[1],), 0, 1))
    cluster.lose_mail()
    ack(s1, "n2", match=2)
    ack(s1, "n3", match=2)
    assert [cluster.terms(name)[:2] for name in ("n1", "n2", "n3")] == [[1, 2]] * 3, "on a majority"
    assert s1.node.commit < 2, "and not committed, for (d):"
    # (d) S1 crashes; S5 is elected with votes from S2, S3 and S4, and overwrites it
    s1.crash()
    cluster.elect("n5", ("n2", "n3", "n4", "n5"))
    cluster["n5"].fire("heartbeat")
    cluster.exchange("n2", "n3", "n4", "n5")
    cluster["n5"].fire("heartbeat")
    cluster.exchange("n2", "n3", "n4", "n5")
    assert all(cluster.terms(name)[:2] == [1, 3] for name in ("n2", "n3", "n4", "n5"))
    assert cluster.view("n2").commit >= 2


def test_figure_8_with_an_entry_of_its_own_term_on_a_majority_it_is() -> None:
    """(e): then S5 cannot win an election any more."""
    cluster = figure_8()
    cluster["n1"].fire("heartbeat")
    cluster.exchange("n1", "n2", "n3")
    assert cluster.view("n1").commit == 3
    cluster["n1"].crash()
    for _ in range(5):
        cluster.stand("n5", ("n2", "n3", "n4", "n5"))
        assert cluster.view("n5").role != "leader"


# --- losing the leadership -------------------------------------------------------------------------------------------


def test_a_deposed_leader_tells_who_waits_that_it_does_not_know() -> None:
    """What is in its log may yet be committed by another; a read it never answered did not happen."""
    rig = leader(1)
    rig.receive("c1", write(7))
    rig.receive("c2", _read(8))
    out = rig.receive("n3", AppendEntries(9, 0, 0, (), 0, 1))
    assert of(Deposed, out) == [("c1", Deposed(7, ""))]
    assert of(Refused, out) == [("c2", Refused(8, ""))]
    assert (rig.node.waiting, rig.node.reads) == ({}, [])
    assert "heartbeat" not in rig.timers


def _read(operation: int) -> object:
    from protocols.consensus.raft.messages import ClientRequest

    return ClientRequest(operation, "", 0, Read("k"))


@pytest.mark.parametrize(("known", "hint"), [(True, "n2"), (False, "")])
def test_others_send_clients_to_the_leader_if_they_know_one(known: bool, hint: str) -> None:
    rig = follower(1) if known else server()
    assert rig.receive("c1", write(7)) == [("c1", Refused(7, hint))]
    assert rig.node.log.last == int(known), "and take nothing up"


def test_late_answers_to_a_former_leader_change_nothing() -> None:
    rig = leader(1)
    rig.receive("n3", AppendEntries(9, 0, 0, (), 0, 1))
    rig.sent.clear()
    assert rig.receive("n2", Appended(2, True, 0, 2, 0, 1)) == []
    assert rig.node.commit == 0


# --- arithmetic ------------------------------------------------------------------------------------------------------


def test_any_two_majorities_share_a_server() -> None:
    for n in range(1, 12):
        assert 2 * majority(n) > n
        assert 2 * (majority(n) - 1) <= n, "and none is larger than it must be"


def test_the_quorum_index_is_the_largest_that_a_majority_has_reached() -> None:
    from itertools import product

    for n in range(1, 6):
        for values in product(range(3), repeat=n):
            index = quorum_index(values, n)
            assert sum(value >= index for value in values) >= majority(n)
            assert sum(value >= index + 1 for value in values) < majority(n)


def test_up_to_date_compares_terms_first() -> None:
    """5.4.1."""
    assert up_to_date(2, 1, 1, 9)
    assert not up_to_date(1, 9, 2, 1)
    assert up_to_date(1, 1, 1, 1)
    assert not up_to_date(1, 1, 1, 2)


def test_the_heartbeat_fits_twice_into_the_shortest_timeout() -> None:
    assert default_heartbeat(0.15) == 0.075
    assert RaftConfig(election_timeout_s=(0.1, 0.2)).heartbeat == 50_000_000
    assert RaftConfig(heartbeat_s=0.01).heartbeat == 10_000_000


def test_of_many_rejections_of_what_was_under_way_only_the_first_calls_for_a_message() -> None:
    """On a network that reorders, each would else be answered with a message that is rejected in its turn, for ever."""
    config = msgspec.structs.replace(PLAIN, max_entries=1, max_in_flight=8)
    rig = leader(config=config)
    ack(rig, "n2", match=1)
    rig.batch(*(("c1", write(number, sequence=number)) for number in range(1, 9)))
    for number in range(2, 7):
        ack(rig, "n2", match=number)
    rig.sent.clear()
    term = rig.node.term
    for late in (8, 9):
        rig.receive("n2", Appended(term, False, late - 1, 7, 0, 1))
    assert [to for to, _ in of(AppendEntries, rig.sent)].count("n2") == 1
