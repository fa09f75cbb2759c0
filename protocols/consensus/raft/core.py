"""What all parts of a Raft server share: its state, its terms, and the state machine above the log."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from ...family import Glance
from ...node import Context, Durable, Node
from ...statemachine import Command
from .config import RaftConfig
from .log import Log
from .messages import (
    ClientRequest,
    Deposed,
    Done,
    Entry,
    Expired,
    HardState,
    InstallSnapshot,
    Members,
    Opened,
    Position,
    ReadIndex,
    Refused,
    Snapshot,
)
from .sessions import SessionExpired, state_machine

FOLLOWER, PRE_CANDIDATE, CANDIDATE, LEADER, AMNESIAC = "follower", "pre-candidate", "candidate", "leader", "amnesiac"
UNHEARD = -(1 << 62)
"""When a server heard a leader that it never heard; ns."""


class View(msgspec.Struct):
    """What invariants, faults and reports see of a server. ``log`` is the live list: read it, do not keep it.

    ``base`` and ``base_term`` are of the last entry that was compacted away, before ``log[0]``.
    ``leased_reads`` counts the reads that this life has answered by its lease alone.
    """

    role: str
    term: int
    voted_for: str
    leader: str
    log: list[Entry]
    base: int
    base_term: int
    commit: int
    applied: int
    data: dict[str, bytes]
    members: Members
    snapshot: Snapshot | None
    sessions: dict[str, tuple[int, bytes | None]]
    max_sessions: int
    leased_reads: int


def leads(view: View) -> bool:
    """Whether the server believes that it is the leader."""
    return view.role == LEADER


DRAWN = 14


def glance(view: View) -> Glance:
    """What is drawn of a server: the end of its log, by terms, and who it thinks decides."""
    shown = view.log[-DRAWN:]
    first = view.base + len(view.log) - len(shown) + 1
    facts = [
        ("vote", view.voted_for or "-"),
        ("leader", view.leader or "-"),
        ("members", " ".join(view.members.voters)),
    ]
    if view.members.outgoing:
        facts.append(("outgoing", " ".join(view.members.outgoing)))
    if view.snapshot is not None:
        facts.append(("snapshot", f"up to {view.snapshot.index}"))
    log = tuple((first + place, entry.term) for place, entry in enumerate(shown))
    return Glance(view.role, str(view.term), log, view.commit, tuple(facts))


class Progress:
    """What a leader knows of one other server: ``match`` is known replicated, ``next`` is what to send next.

    While ``probing`` (section 10.2.2 calls the opposite pipelining) at most one message is under way, because ``next``
    is a guess; after the first success entries are sent without waiting for answers.
    """

    __slots__ = (
        "active",
        "caught_up",
        "goal",
        "match",
        "moved",
        "next",
        "offset",
        "probing",
        "sending",
        "since",
        "waiting",
    )

    def __init__(self, next_index: int) -> None:
        self.next = next_index
        self.match = 0
        self.probing = True
        self.waiting = False
        self.moved = False  # answered since the last heartbeat
        self.active = False  # answered since the last quorum check
        self.sending: Snapshot | None = None  # it lacks what is gone from the log
        self.offset = 0  # bytes of it that are known to have arrived
        self.goal = 0  # a learner's round ends when it has this entry (4.2.1)
        self.since = 0  # when the round began, ns
        self.caught_up = False


Asked = ClientRequest | ReadIndex


class Core(Node):
    """State, terms and state machine. The parts of :class:`Server` build on it, and call each other by the names at
    its end."""

    config: RaftConfig

    # --- boot --------------------------------------------------------------------------------------------------------

    def start(self, ctx: Context, durable: Durable) -> None:
        """Boot as a follower with the persisted term, vote, snapshot and log; the rest is volatile (figure 2)."""
        hard: HardState = durable.get("vote", HardState(0, ""))
        self.term, self.voted_for = hard.term, hard.voted_for
        self.snapshot: Snapshot | None = durable.get("snapshot")
        self.commit = self.applied = 0
        self.machine = state_machine(self.config.max_sessions)
        members = Members(ctx.bootstrap[: self.config.initial_servers or len(ctx.bootstrap)])
        if self.snapshot is not None:
            members = self.snapshot.members
            self.commit = self.applied = self.snapshot.index
            self.machine.restore(self.snapshot.state)
        base: Position = durable.get("base", Position(0, 0))
        self.log = Log(base.index, base.term, durable.log("log").entries, self.applied, members)
        self.leader = ""
        self.low, self.high = self.config.election_timeout
        # Before it crashed it may have heard a leader, whose lease counts on it: it is bound as if that were just now.
        self.heard_at = ctx.monotonic() if self.config.bound else UNHEARD
        self.random = ctx.rng.random
        self.votes: set[str] = set()
        self.stood = 0  # the turn in which we last stood for election
        self.progress: dict[str, Progress] = {}
        self.matches: dict[str, int] = {}  # server -> index that it has on disk; ours among them
        self.waiting: dict[int, tuple[str, int]] = {}  # index -> (client, operation)
        self.reads: list[tuple[int, int, str, Asked]] = []  # (round, read index, who asks, what)
        self.round = 0
        self.rounds: dict[str, int] = {}  # server -> latest round that it has answered; ours among them
        self.term_committed = False
        self.incoming: InstallSnapshot | None = None  # the last piece that arrived
        self.pieces: list[bytes] = []
        self.target: tuple[str, ...] = ()  # the membership that the operator wants; empty: the one there is
        self.transferee = ""
        self.lease_end = 0
        self.leasable = True
        self.leased_reads = 0  # answered by the lease alone, in this life
        self.rounds_sent: list[tuple[int, int]] = []  # (round, when it was sent), of those that are not confirmed
        # Numbers of a former life must not be mistaken for ours: an answer to it may still be under way.
        self.batch = ctx.rng.getrandbits(60) if self.config.reads == "follower" else 0
        self.asking: dict[int, list[tuple[str, ClientRequest]]] = {}  # reads that wait for the leader's ReadAt
        self.parked: list[tuple[int, str, ClientRequest]] = []  # reads that wait until an index is applied
        self.role = FOLLOWER
        if durable.lost or durable.corrupt or durable.get("amnesiac", False):
            # It has forgotten votes and entries that others count on. Were it to vote or acknowledge, two majorities
            # could disagree; so it stays silent, like a crashed server, until it is replaced: also in later lives, for
            # what was corrupt is cut off by now, and the next one finds a disk that is in order.
            self.role = AMNESIAC
            ctx.persist("amnesiac", True)
            return
        self._await_leader(ctx)

    def inspect(self) -> View:
        """The state that the invariants of figure 3 speak of."""
        log = self.log
        return View(
            self.role,
            self.term,
            self.voted_for,
            self.leader,
            log.entries,
            log.base,
            log.base_term,
            self.commit,
            self.applied,
            self.machine.data,
            log.changes[-1][1],
            self.snapshot,
            self.machine.sessions,
            self.config.max_sessions,
            self.leased_reads,
        )

    # --- terms -------------------------------------------------------------------------------------------------------

    def _observe(self, ctx: Context, term: int) -> None:
        """A higher term makes anyone a follower in it (section 3.3).

        The election timer runs on: that somebody stands for election is no sign of a leader (figure 2).
        """
        if term > self.term:
            self.term, self.voted_for = term, ""
            self._save(ctx)
            self._follow(ctx, "")

    def _save(self, ctx: Context) -> None:
        ctx.persist("vote", HardState(self.term, self.voted_for))

    def _follow(self, ctx: Context, leader: str) -> None:
        if self.role == LEADER:
            self._retire(ctx)
        self.role = FOLLOWER
        self.leader = leader

    def _heard(self, ctx: Context, source: str, term: int) -> None:
        """A message from the leader of our term, or a higher one: it is alive, and we are its follower."""
        self._observe(ctx, term)
        if self.role == FOLLOWER:
            self.leader = source
        else:
            self._follow(ctx, source)  # a rival won this term's election
        self._await_leader(ctx)
        self.heard_at = ctx.monotonic()

    def _retire(self, ctx: Context) -> None:
        """Tell waiting clients. Their entries are in the log and may yet be committed by another leader."""
        ctx.mark("retired", term=self.term)
        self._stop_leading(ctx)
        for client, operation in self.waiting.values():
            ctx.send(client, Deposed(operation, ""))
        for _, _, client, asked in self.reads:
            if type(asked) is ClientRequest:
                ctx.send(client, Refused(asked.operation, ""))
        self.waiting.clear()
        self.reads.clear()
        self._await_leader(ctx)

    # --- log and state machine ---------------------------------------------------------------------------------------

    def _append(self, ctx: Context, command: Command, members: Members | None = None) -> None:
        entry = (Entry(self.term, command, members),)
        self.log.extend(entry, ctx.turn)
        ctx.append("log", entry)

    def _learn_commit(self, ctx: Context, index: int) -> None:
        """Apply what is committed, in order, and answer those who wait for it."""
        if index <= self.commit:
            return
        self.commit = index
        log, apply = self.log, self.machine.apply
        while self.applied < index:
            command = log.entries[self.applied - log.base].command
            try:
                result, expired = apply(command), False
            except SessionExpired:
                result, expired = None, True
            self.applied += 1
            client = self.waiting.pop(self.applied, None)
            if client is not None:
                if command.request is None:
                    ctx.send(client[0], Opened(client[1], command.session))
                else:
                    ctx.send(client[0], Expired(client[1]) if expired else Done(client[1], result))
        if self.parked:
            self._serve_parked(ctx)
        if self.applied - log.changes[0][0] >= self.config.snapshot_entries:
            self._snapshot_soon(ctx)

    # --- what the parts ask of each other ----------------------------------------------------------------------------

    _elect_alone: Callable[[Context, int], None]
    """Our own vote may be on disk by now, and may be enough."""
    _await_leader: Callable[[Context], None]
    """Start the election timer anew."""
    _lead: Callable[[Context], None]
    """We won."""
    _stop_leading: Callable[[Context], None]
    """Whatever only a leader does."""
    _alive: Callable[[Context, str, int], Progress | None]
    """A member answered us."""
    _replicate: Callable[..., None]
    """Send a member what it lacks."""
    _send_snapshot: Callable[[Context, str, Progress], None]
    """To one who lacks entries that are gone."""
    _snapshot_soon: Callable[[Context], None]
    """Enough has been applied since the last one."""
    _read: Callable[[Context, str, ClientRequest], None]
    """A client wants to read."""
    _ask_leader: Callable[[Context], None]
    """Reads came that the leader has to confirm."""
    _serve_reads: Callable[[Context], None]
    """Some may be confirmed by now."""
    _serve_parked: Callable[[Context], None]
    """More is applied."""
    _pursue: Callable[[Context], None]
    """The next step towards the membership that the operator wants may be possible by now."""
    _hand_over: Callable[[Context], None]
    """The transferee may have all it needs by now."""


__all__ = [
    "AMNESIAC",
    "CANDIDATE",
    "FOLLOWER",
    "LEADER",
    "PRE_CANDIDATE",
    "UNHEARD",
    "Core",
    "Progress",
    "View",
    "glance",
    "leads",
]
