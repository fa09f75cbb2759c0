"""Faults as data: what goes wrong, to whom, when and for how long. Times are ns from the start of the load.

A *target* is a node's name, ``leader`` / ``follower`` (read from ``inspect`` when the fault fires), ``random``,
``minority``, ``majority``, ``servers``, ``clients``, ``client`` (one at random), ``zone:NAME``, or ``host:SERVER``:
all nodes of the process that this server (by name, or ``leader``, ``follower``, ``random``) shares.

A live node may share its process with others. A fault that hits all nodes of a process hits the process: SIGKILL,
SIGSTOP. One that hits some of them is *logical*: the process goes on, and for these nodes it behaves as if theirs had
been killed or stopped. :class:`FaultRecord` says which it was.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from ..network.latency import Latency


class _Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    at: int


class Crash(_Fault, frozen=True, tag="crash"):
    """SIGKILL of the process; restarted after ``down`` ns with what its disk kept (never, if ``down`` is None).

    A crash of some of the nodes of a shared process is logical: what they had in memory is gone, their timers, turns
    and unsynced writes with it; their peers see their streams break.
    """

    target: str
    down: int | None


class CrashAtWrite(_Fault, frozen=True, tag="crash-at-write"):
    """The next server that has synced a key dies just after the effects that waited for it left; back after ``down``.

    What a server says once it has persisted a key (a vote, a ballot, a lease) is a promise, rarer and weightier than
    an entry appended to a log; this is the moment at which to make it forget (sim).
    """

    down: int


class PowerLoss(_Fault, frozen=True, tag="power-loss"):
    """Every server dies at the same instant; all are back after ``down``."""

    down: int


class RollingRestart(_Fault, frozen=True, tag="rolling-restart"):
    """The servers one after the other: asked to drain, killed, back after ``down``, then ``gap`` until the next."""

    down: int
    gap: int


class DrainRestart(_Fault, frozen=True, tag="drain"):
    """One node is asked to drain (``@on_admin(Drain)``), killed after ``grace``, and back after ``down``."""

    target: str
    grace: int
    down: int


class LoseDisk(_Fault, frozen=True, tag="lose-disk"):
    """The process dies and comes back with an empty disk, or one that is corrupt from the start (sim).

    ``damage`` says which; empty draws one of the two.
    """

    target: str
    down: int
    damage: Literal["", "lost", "corrupt"] = ""


class Pause(_Fault, frozen=True, tag="pause"):
    """SIGSTOP, then SIGCONT after ``length``. Timers that ran out meanwhile all fire at once.

    For some of the nodes of a shared process it is logical: they handle nothing, and what arrives waits.
    """

    target: str
    length: int


class Stall(_Fault, frozen=True, tag="stall"):
    """The next turn is computed, then the node stands still for ``length`` before its effects leave (sim)."""

    target: str
    length: int


class Partition(_Fault, frozen=True, tag="partition"):
    """Links are cut for ``length``.

    Shapes: ``halves`` (a random majority from the rest), ``isolate`` (the target from everybody), ``majority-ring``
    (every node sees a majority, no two the same), ``bridge`` (two halves that share one node), ``one-way`` (messages
    to the target are lost, its own arrive). Clients fall on random sides.
    """

    shape: Literal["halves", "isolate", "majority-ring", "bridge", "one-way"]
    target: str
    length: int


class Cut(_Fault, frozen=True, tag="cut"):
    """These directed links (source, destination), and no others, are cut for ``length``."""

    links: tuple[tuple[str, str], ...]
    length: int


class SlowNode(_Fault, frozen=True, tag="slow-node"):
    """The node's CPU takes ``factor`` times as long (live: stopped and continued in small slices)."""

    target: str
    factor: float
    length: int


class SlowLink(_Fault, frozen=True, tag="slow-link"):
    """Every message to or from the target takes ``extra`` longer."""

    target: str
    extra: Latency
    length: int


class LossyLink(_Fault, frozen=True, tag="lossy-link"):
    """Every message to or from the target is lost with probability ``loss`` and doubled with ``duplication``."""

    target: str
    loss: float
    length: int
    duplication: float = 0.0


class SendOmission(_Fault, frozen=True, tag="send-omission"):
    """Each message that the target sends is lost with probability ``loss``; what is sent to it arrives.

    Hadzilacos (1984), Perry and Toueg (1986): the process is up, and some of its sends do not happen.
    """

    target: str
    loss: float
    length: int


class ReceiveOmission(_Fault, frozen=True, tag="receive-omission"):
    """Each message to the target is lost with probability ``loss``; its own arrive (Perry and Toueg 1986)."""

    target: str
    loss: float
    length: int


class Byzantine(_Fault, frozen=True, tag="byzantine"):
    """The target says what its protocol would not (Lamport, Shostak and Pease 1982), for ``length``.

    An adversary stands between the correct node and the network and rewrites what leaves, per destination;
    ``behaviour`` names one of the protocol's :class:`protocols.family.Lie`. The node within stays correct, and is
    itself again afterwards; whoever believed it may not be.
    """

    target: str
    behaviour: str
    length: int


class SlowDisk(_Fault, frozen=True, tag="slow-disk"):
    """Every sync takes ``extra`` ns longer."""

    target: str
    extra: int
    length: int


class FullDisk(_Fault, frozen=True, tag="full-disk"):
    """Writes fail for want of space."""

    target: str
    length: int


class ClockJump(_Fault, frozen=True, tag="clock-jump"):
    """The wall clock jumps by ``offset`` ns (either sign)."""

    target: str
    offset: int


class ClockDrift(_Fault, frozen=True, tag="clock-drift"):
    """Both clocks run at (1 + ppm / 10^6) of true speed for ``length``."""

    target: str
    ppm: float
    length: int


class ZoneLoss(_Fault, frozen=True, tag="zone-loss"):
    """Every server in the zone is killed; back after ``down``."""

    zone: str
    down: int


class RetryStorm(_Fault, frozen=True, tag="retry-storm"):
    """Clients are cut off from the servers for ``length``; their retries then arrive together."""

    length: int


class Membership(_Fault, frozen=True, tag="membership"):
    """The operator asks ``target`` (usually the leader) to add or remove ``node``."""

    target: str
    action: Literal["add", "remove"]
    node: str


Fault = (
    Crash
    | CrashAtWrite
    | PowerLoss
    | RollingRestart
    | DrainRestart
    | LoseDisk
    | Pause
    | Stall
    | Partition
    | Cut
    | SlowNode
    | SlowLink
    | LossyLink
    | SendOmission
    | ReceiveOmission
    | Byzantine
    | SlowDisk
    | FullDisk
    | ClockJump
    | ClockDrift
    | ZoneLoss
    | RetryStorm
    | Membership
)

SIM_ONLY = (CrashAtWrite, LoseDisk, Stall)
MOST_LINKS = 1000
"""Of a partition, above which its record does not list them."""


class Nemesis(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A seeded generator of faults.

    Attributes:
        kinds: tags of the faults to draw from, with equal chance; empty means the general set of the runtime.
        interval: mean ns between two faults (exponential).
        length: mean ns a fault lasts (exponential, cut at four times the mean).
        quiet: ns of load before the first fault.
    """

    kinds: tuple[str, ...] = ()
    interval: int = 500_000_000
    length: int = 400_000_000
    quiet: int = 300_000_000


class FaultRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A fault that fired: what the report draws as a band, and the proof that a run was not vacuous.

    Attributes:
        kind: its tag.
        targets: the nodes it was resolved to.
        start, end: ns from the start of the load; ``end`` is when its effect was undone (restart, heal), None if never.
        detail: in words, for people; the notation in which it was scheduled.
        how: (ray, crashes and pauses) ``process``: by a signal to the processes of all its targets; ``logical``: to
            nodes within processes that they share with others and that went on; ``mixed``: some so, some so.
        note: what was not as scheduled; empty if all was.
        respawned: (ray) ns from the start of the load when Ray had restarted the last process that this fault had
            killed; None if Ray had nothing to restart.
        links: (partitions) the directed links that were cut, so that the same can be cut again; empty above
            ``MOST_LINKS``.
        damage: (sim, lost disks) what was drawn.
    """

    kind: str
    targets: tuple[str, ...]
    start: int
    end: int | None
    detail: str = ""
    how: Literal["", "process", "logical", "mixed"] = ""
    note: str = ""
    respawned: int | None = None
    links: tuple[tuple[str, str], ...] = ()
    damage: Literal["", "lost", "corrupt"] = ""
