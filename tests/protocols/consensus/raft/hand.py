"""Raft by hand: single servers on the workbench, and small clusters whose every message is delivered by the test."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from protocols.consensus.raft.config import RaftConfig
from protocols.consensus.raft.messages import Appended, AppendEntries, ClientRequest, Entry, RequestVote, Vote
from protocols.consensus.raft.server import Server, View
from protocols.requests import Write
from protocols.statemachine import Command
from tests.toys.rig import Rig, Sent

MS = 1_000_000
PLAIN = RaftConfig(pre_vote=False, check_quorum=False)
"""The protocol of the paper: no PreVote, no CheckQuorum."""


def entry(term: int, number: int = 0) -> Entry:
    """An entry of that term; ``number`` tells those of one term apart."""
    return Entry(term, Command(f"s{term}.{number}", 1, Write("k", f"{term}.{number}".encode())))


def entries(*terms: int) -> tuple[Entry, ...]:
    """A log with entries of these terms, each different from the others."""
    return tuple(entry(term, place) for place, term in enumerate(terms, 1))


def names(size: int) -> tuple[str, ...]:
    return tuple(f"n{number}" for number in range(1, size + 1))


def server(config: RaftConfig = PLAIN, size: int = 3, name: str = "n1", *, syncs: bool = True) -> Rig:
    """A server that has just booted for the first time."""
    return Rig(lambda: Server(config), name, names(size), syncs=syncs)


def follower(
    *terms: int, term: int = 0, config: RaftConfig = PLAIN, size: int = 3, name: str = "n1", syncs: bool = True
) -> Rig:
    """A server in ``term`` (at least its log's last) with that log, which n2 gave it."""
    rig = server(config, size, name)
    now = max([term, *terms])
    rig.receive("n2", AppendEntries(now, 0, 0, entries(*terms), 0, 1))
    rig.syncs = syncs
    rig.sent.clear()
    return rig


def candidate(*terms: int, term: int = 0, config: RaftConfig = PLAIN, size: int = 3) -> Rig:
    """One that has just stood for election, in the term after."""
    rig = follower(*terms, term=term, config=config, size=size)
    rig.now = rig.timers["election"]
    rig.fire("election")
    if config.pre_vote:
        for peer in names(size)[1 : size // 2 + 1]:
            rig.receive(peer, Vote(rig.node.term + 1, True, True))
    assert rig.node.role == "candidate"
    return rig


def leader(*terms: int, term: int = 0, config: RaftConfig = PLAIN, size: int = 3, syncs: bool = True) -> Rig:
    """One that has just been elected, in the term after; what it sent is forgotten."""
    rig = candidate(*terms, term=term, config=config, size=size)
    rig.syncs = syncs
    for peer in names(size)[1 : size // 2 + 1]:
        rig.receive(peer, Vote(rig.node.term, True, False))
    assert rig.node.role == "leader"
    rig.sent.clear()
    return rig


def ack(rig: Rig, peer: str, match: int | None = None, round: int | None = None) -> Sent:
    """``peer`` acknowledges up to ``match`` (default: all), for the round (default: the latest)."""
    node = rig.node
    match = node.log.last if match is None else match
    return rig.receive(peer, Appended(node.term, True, 0, match, 0, node.round if round is None else round))


def of(kind: type, sent: Sent) -> list[tuple[str, Any]]:
    """The messages of one type."""
    return [(to, message) for to, message in sent if type(message) is kind]


def ask_vote(term: int, last_index: int = 0, last_term: int = 0, *, pre: bool = False) -> RequestVote:
    return RequestVote(term, last_index, last_term, pre)


def write(operation: int, value: bytes = b"v", session: str = "c1.s", sequence: int = 1) -> ClientRequest:
    return ClientRequest(operation, session, sequence, Write("k", value))


class Cluster:
    """Servers whose messages go nowhere until the test delivers them."""

    def __init__(self, size: int, config: RaftConfig = PLAIN) -> None:
        self.rigs = {name: server(config, size, name) for name in names(size)}
        self.answers: Sent = []

    def __getitem__(self, name: str) -> Rig:
        return self.rigs[name]

    def view(self, name: str) -> View:
        seen: View = self.rigs[name].node.inspect()
        return seen

    def exchange(self, *among: str) -> None:
        """Deliver everything between these servers until nobody has more to say; the rest of the mail is lost."""
        for _ in range(1000):
            mail = [(name, to, message) for name in self.rigs for to, message in self._empty(name)]
            if not mail:
                return
            for source, to, message in mail:
                if to not in self.rigs:
                    self.answers.append((to, message))
                elif source in among and to in among:
                    self.rigs[to].receive(source, message)
        raise AssertionError("they never stop talking")

    def _empty(self, name: str) -> Sent:
        sent, self.rigs[name].sent = self.rigs[name].sent, []
        return sent

    def lose_mail(self) -> None:
        for name in self.rigs:
            self._empty(name)

    def elect(self, name: str, among: Iterable[str]) -> None:
        """It stands, in term after term, until these servers have made it leader; the mail after that is lost."""
        for _ in range(10):
            self.stand(name, among)
            if self.view(name).role == "leader":
                return
        raise AssertionError(f"{name} cannot win: {[self.view(each).term for each in self.rigs]}")

    def stand(self, name: str, among: Iterable[str]) -> None:
        """Its election timeout runs out once, and these servers hear of it; the mail after its victory is lost."""
        rig = self.rigs[name]
        others = [each for each in among if each != name]
        self.lose_mail()
        for each in (name, *others):
            rig = self.rigs[each]
            rig.now += 1_000 * MS
        rig = self.rigs[name]
        rig.fire("election")
        for _ in range(4):
            if rig.node.role == "leader":
                break
            for to, message in self._empty(name):
                if to in others:
                    self.rigs[to].receive(name, message)
            for other in others:
                for to, message in self._empty(other):
                    if to == name and rig.node.role != "leader":
                        rig.receive(other, message)
        self.lose_mail()

    def terms(self, name: str) -> list[int]:
        return [each.term for each in self.rigs[name].node.log.entries]
