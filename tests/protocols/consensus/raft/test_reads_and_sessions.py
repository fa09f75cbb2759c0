"""Linearizable reads (dissertation, section 6.4) and client sessions (section 6.3)."""

from __future__ import annotations

from protocols.consensus.raft.messages import AppendEntries, ClientRequest, Done, Refused, Vote
from protocols.requests import Cas, Read, Write
from tests.toys.rig import Rig, Sent

from .hand import Cluster, ack, follower, leader, names, of, server, write


def read(operation: int = 1, key: str = "k") -> ClientRequest:
    return ClientRequest(operation, "", 0, Read(key))


def answers(sent: Sent) -> list[tuple[str, Done]]:
    return of(Done, sent)


def settled(size: int = 3) -> Rig:
    """A leader whose term has committed an entry and a write of b"x"."""
    rig = leader(size=size)
    rig.receive("c9", write(99, b"x", session="c9.s"))
    for peer in names(size)[1:]:
        ack(rig, peer)
    assert rig.node.commit == 2
    rig.sent.clear()
    return rig


# --- section 6.4: ReadIndex ------------------------------------------------------------------------------------------


def test_a_read_waits_for_a_majority_to_confirm_the_leadership_after_it_arrived() -> None:
    """Step 3: a round of heartbeats that was sent after the read."""
    rig = settled(size=5)
    before = rig.node.round
    sent = rig.receive("c1", read())
    assert answers(sent) == []
    assert len(of(AppendEntries, sent)) == 4, "which it asks for at once"
    assert all(message.round > before for _, message in of(AppendEntries, sent))
    assert answers(ack(rig, "n2", round=before)) == [], "an answer to an earlier message confirms nothing"
    assert answers(ack(rig, "n3", round=before)) == []
    assert answers(ack(rig, "n2")) == [], "two of five are no majority"
    assert answers(ack(rig, "n4")) == [("c1", Done(1, b"x"))]


def test_reads_that_arrive_together_share_one_round() -> None:
    rig = settled()
    rig.batch(*(("c1", read(number)) for number in range(10)))
    assert len(of(AppendEntries, rig.sent)) == 2
    assert len(answers(ack(rig, "n2"))) == 10


def test_no_read_before_an_entry_of_the_own_term_is_committed() -> None:
    """Step 1: until then a new leader does not know what its predecessors committed."""
    rig = leader(1, 1, size=3)
    rig.receive("c1", read())
    assert answers(ack(rig, "n2", match=2)) == [], "the leadership is confirmed, the commit index is not known"
    assert answers(ack(rig, "n3", match=2)) == []
    assert answers(ack(rig, "n2", match=3)) == [("c1", Done(1, b"1.2"))]


def test_a_read_sees_every_write_that_was_acknowledged_before_it() -> None:
    rig = settled()
    rig.receive("c1", write(1, b"y"))
    assert answers(ack(rig, "n2")) == [("c1", Done(1, None))]
    rig.receive("c2", read(2))
    assert answers(ack(rig, "n2")) == [("c2", Done(2, b"y"))]


def test_a_read_of_nothing_is_none() -> None:
    rig = settled()
    rig.receive("c1", read(1, "never"))
    assert answers(ack(rig, "n3")) == [("c1", Done(1, None))]


def test_a_deposed_leader_answers_no_read() -> None:
    """The reason for the round: another may have committed something newer."""
    rig = settled()
    rig.receive("c1", read())
    out = rig.receive("n3", Vote(9, False, False))
    assert of(Refused, out) == [("c1", Refused(1, ""))]
    assert answers(ack(rig, "n2")) == []


def test_a_leader_that_nobody_confirms_answers_no_read_ever() -> None:
    rig = settled()
    rig.receive("c1", read())
    for _ in range(10):
        rig.fire("heartbeat")
    assert answers(rig.sent) == []


def test_a_cluster_of_one_confirms_itself() -> None:
    rig = server(size=1)
    rig.now = rig.timers["election"]
    rig.fire("election")
    rig.receive("c1", write(1, b"z"))
    rig.sent.clear()
    assert answers(rig.receive("c1", read(2))) == [("c1", Done(2, b"z"))]


def test_a_follower_answers_no_read() -> None:
    rig = follower(1)
    assert rig.receive("c1", read()) == [("c1", Refused(1, "n2"))]


# --- section 6.3: sessions -------------------------------------------------------------------------------------------


def request(operation: int, sequence: int, command: Write | Cas) -> ClientRequest:
    return ClientRequest(operation, "c1.s", sequence, command)


def test_a_retry_is_answered_with_the_first_result_and_not_executed_again() -> None:
    rig = settled()
    cas = Cas("k", b"x", b"y")
    rig.receive("c1", request(1, 1, cas))
    assert answers(ack(rig, "n2")) == [("c1", Done(1, b"x"))], "it took effect"
    rig.receive("c2", write(5, b"x", session="c2.s"))
    ack(rig, "n2")
    rig.receive("c1", request(1, 1, cas))
    assert answers(ack(rig, "n2")) == [("c1", Done(1, b"x"))], "the same answer"
    assert rig.node.machine.data == {"k": b"x"}, "though it would have succeeded a second time"


def test_a_retry_across_a_failover_executes_once() -> None:
    """The table is part of the replicated state: the next leader knows what its predecessor executed."""
    cluster = Cluster(3)
    cluster.elect("n1", names(3))
    cas = request(1, 1, Cas("k", None, b"mine"))
    cluster["n1"].fire("heartbeat")
    cluster.exchange(*names(3))
    cluster["n1"].receive("c1", cas)
    cluster.exchange(*names(3))
    assert cluster.answers == [("c1", Done(1, None))], "which the network loses"
    cluster["n1"].fire("heartbeat")
    cluster.exchange(*names(3))
    cluster.answers.clear()
    cluster["n1"].crash()
    cluster.elect("n2", ("n2", "n3"))
    cluster["n2"].receive("c1", cas)
    cluster["n2"].fire("heartbeat")
    cluster.exchange("n2", "n3")
    assert cluster.answers == [("c1", Done(1, None))], "not b'mine', which a second execution would have found"
    commands = [each.command for each in cluster.view("n2").log if each.command.session == "c1.s"]
    assert len(commands) == 2, "it is in the log twice"
    assert cluster.view("n2").data == {"k": b"mine"}
    cluster["n2"].fire("heartbeat")
    cluster.exchange(*names(3))
    assert cluster["n1"].node.machine.sessions == cluster["n2"].node.machine.sessions == {"c1.s": (1, None)}


def test_a_restarted_server_rebuilds_sessions_from_its_log() -> None:
    rig = follower()
    rig.receive("n2", AppendEntries(1, 0, 0, _log(), 3, 1))
    before = dict(rig.node.machine.sessions)
    assert len(before) == 3
    rig.crash()
    assert rig.node.machine.sessions == {}
    rig.receive("n2", AppendEntries(1, 3, 1, (), 3, 1))
    assert rig.node.machine.sessions == before


def _log() -> tuple:  # type: ignore[type-arg]
    from .hand import entries

    return entries(1, 1, 1)
