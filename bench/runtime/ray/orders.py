"""What the supervisor and the hosts tell each other. Only these Structs, encoded, travel through Ray.

Async actors do not keep the order of calls, so an order never says "change"; it says how things are to be from now on,
with a version, and an older version that arrives late is ignored.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ...network.latency import Latency
from ...trial import Trial
from ...workload.generator import Part
from .sensors import MachineReport


class Address(msgspec.Struct, frozen=True):
    """Where a host listens, in which life it is, and the number of the trial's nodes that live there.

    ``handle``: of its actor, see :func:`bench.runtime.ray.raylink.dump_handle`; empty where links do not need it.
    """

    host: str
    life: int
    ip: str
    port: int
    nodes: tuple[str, ...]
    handle: bytes = b""


class LinkTrouble(msgspec.Struct, frozen=True):
    """Faults of one directed link."""

    cut: bool = False
    loss: float = 0.0
    duplication: float = 0.0
    extra: tuple[Latency, ...] = ()


class NodeTrouble(msgspec.Struct, frozen=True):
    """Faults of one node that its host carries out.

    Attributes:
        paused: handles nothing (used where nodes share a process; a node of its own is stopped by SIGSTOP).
        slow: factor on its CPU time (likewise).
        slow_disk: ns that each sync takes longer.
        disk_full: writes fail.
        lie: of its protocol that it tells; empty for none.
        clock_offset: ns the wall clock is off. clock_rate: local seconds a true second.
    """

    paused: bool = False
    slow: float = 1.0
    slow_disk: int = 0
    disk_full: bool = False
    lie: str = ""
    clock_offset: int = 0
    clock_rate: float = 1.0


class Conditions(msgspec.Struct, frozen=True):
    """All faults in force that concern one host: its links by (source, target), its nodes by name."""

    version: int = 0
    links: dict[str, dict[str, LinkTrouble]] = {}
    nodes: dict[str, NodeTrouble] = {}


class Peers(msgspec.Struct, frozen=True):
    """Where everybody is."""

    version: int
    hosts: tuple[Address, ...]


class Plan(msgspec.Struct, frozen=True):
    """A host's part in a trial.

    Attributes:
        trial: what is run.
        token: the trial's secret; a stream without it is refused.
        host: the name this host goes by in this trial.
        life: of the host; above that of any host that had the name before.
        nodes: those that live here; all of one role.
        servers, clients: all of the trial, in order.
        folder: for durable state; the same for every life.
        signing: the secret Ed25519 key of each node that lives here, and of no other.
        verifying: everybody's public key.
        generate: whether this host drives the load, or a part of it (its nodes are clients).
        part: of the load that it drives; None: all of it.
        early: a broken runtime that sends before the write is durable; tests use it to prove that this is noticed.
        unchecked: with ``early``: switch off the assertion that would notice it at once.
    """

    trial: Trial
    token: bytes
    host: str
    life: int
    nodes: tuple[str, ...]
    servers: tuple[str, ...]
    clients: tuple[str, ...]
    folder: str
    peers: Peers
    conditions: Conditions = Conditions()
    signing: dict[str, bytes] = {}
    verifying: dict[str, bytes] = {}
    generate: bool = False
    part: Part | None = None
    early: bool = False
    unchecked: bool = False


class Started(msgspec.Struct, frozen=True):
    """A host is up since ``at`` (its CLOCK_MONOTONIC, ns). ``missing``: hosts without a stream from it yet."""

    pid: int
    at: int
    missing: tuple[str, ...] = ()
    recovered: dict[str, int] = {}


class NodeStatus(msgspec.Struct, frozen=True):
    """What a look at a node shows; ``term`` orders the claims of those that believe they lead."""

    name: str
    up: bool
    leads: bool
    term: int


class Event(msgspec.Struct, frozen=True):
    """A host tells the supervisor: ``fence`` (of ``node``, asked for by ``by``), ``crash`` or ``broken``."""

    kind: str
    node: str
    by: str = ""
    reason: str = ""


class MarkNote(msgspec.Struct, frozen=True, array_like=True):
    """A mark as it stands in the node's file."""

    at: int
    name: str
    fields: dict[str, Any]


class LoadCost(msgspec.Struct, frozen=True):
    """What one node did during the load, over all its lives: CPU time in ns, messages and bytes sent, syncs."""

    cpu: int
    messages: int
    bytes: int
    fsyncs: int


class NodeReport(msgspec.Struct, frozen=True):
    """What one node did, over all its lives.

    Attributes:
        marks: CLOCK_MONOTONIC times, ns.
        crashes: handlers that raised, in words.
        turns, to_servers, to_clients, frames, bytes_sent, fsyncs: counts; dropped: messages that the runtime or an
            injected fault lost on the way to it or from it; overflowed: those of them that did not fit into a buffer.
        cpu: ns of CPU time (a share of the process where several nodes live in it).
        sync_times: ns each sync took, of the last life, a sample.
        load: its part during the load; None if it never heard of one.
    """

    name: str
    marks: tuple[MarkNote, ...]
    crashes: tuple[str, ...]
    turns: int
    to_servers: int
    to_clients: int
    frames: int
    bytes_sent: int
    fsyncs: int
    dropped: int
    cpu: int
    recovered: int
    torn: int
    corrupt: int
    sync_times: tuple[int, ...]
    overflowed: int = 0
    load: LoadCost | None = None


class HostReport(msgspec.Struct, frozen=True):
    """What one host observed: of its nodes, and of what may have falsified the run (ns).

    Attributes:
        timer_lateness: a sample; ``timer_latest`` the worst.
        gc_pause, gc_total: the longest garbage collection since the load began, and all of them.
        generates: it has the clients and their load.
        machine: what it saw of its machine during the load.
    """

    host: str
    nodes: tuple[NodeReport, ...]
    timer_lateness: tuple[int, ...]
    gc_pause: int
    refused: int
    stale: int
    timer_latest: int = 0
    gc_total: int = 0
    generates: bool = False
    machine: MachineReport | None = None


class LoadReport(msgspec.Struct, frozen=True):
    """What the generator did.

    Attributes:
        columns: the history, a column each, as the bytes of an array.
        lateness: ns from intended to sent, a sample (open loop).
        cpu: share of one core that the generator's process used during the load.
        late: names of the clients that were not served in the liveness phase.
    """

    columns: dict[str, bytes]
    offered: int
    shed: int
    lateness: tuple[int, ...]
    cpu: float
    abandoned: int


class Greeting(msgspec.Struct, frozen=True):
    """A fresh host process: where it listens and what it is.

    ``machine`` tells whether two processes share a clock; ``now`` is its CLOCK_MONOTONIC, ``born`` what that was when
    the process was ready to be spoken to. ``bench`` is the file from which it imported this package, ``code`` the
    version of all of it (:func:`bench.provenance.code_version`) or empty.
    """

    pid: int
    ip: str
    port: int
    machine: str
    ray_node: str
    bench: str
    now: int
    code: str = ""
    born: int = 0
