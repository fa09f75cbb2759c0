"""What machines and runtime did to a trial: the floor, what nodes cost, what could have falsified it, the clocks."""

from __future__ import annotations

from typing import Literal

import msgspec


class DelayError(msgspec.Struct, frozen=True, kw_only=True):
    """How much longer than ``asked_s`` an injected one-way delay lasted, from the stamp at sending to the handler."""

    asked_s: float
    p50_s: float
    p99_s: float


class Floor(msgspec.Struct, frozen=True, kw_only=True):
    """What the machine does without a protocol: the bound no live result can pass. Zero or empty: not measured.

    Attributes:
        clients: of the null protocol's and the bare log's closed loops: the trial's.
        link_rtt_s: of one message alone on the bare link, median.
        link_messages_s: of the bare link, both ways together, at the best of ``link_windows``.
        link_windows: (messages under way, messages/s).
        pinned: core of each process of bare link and log: echo or leader, sender or follower, follower, clients.
        two_cores: work that two busy cores do together, in that of one alone: near 2 where they are whole cores, near 1
            where they are two threads of one. Then processes that work at the same time slow each other down, CPU times
            an operation are of a slowed core, and separate machines would do better than is projected from them.
        null_messages_s: requests and answers of the null protocol, whose server does nothing, with ``clients``.
        null_peak_messages_s: the same with as many clients as saturate it.
        null_exchange_messages_s: of the null protocol where an operation is many messages: what the runtime's messages
            cost without the load's operations.
        log_ops_s: of a bare replicated log (leader, two followers, group commit, fdatasync) with ``clients``.
        log_clients: (clients, operations/s) of the same.
        fsync_p50_s, fsync_p99_s: of the bare log's leader.
        delays: of the runtime's own injected delays.
        timer_idle_p50_s, timer_idle_p99_s: lateness of timers of 5 ms of an idle process of the runtime.
        timer_busy_p50_s, timer_busy_p99_s: the same beside as many busy processes as the machine has cores.
        ray_link_rtt_s, ray_link_messages_s: of a bare link by Ray's actor calls; its processes are not pinned.
        ray_null_messages_s: ``null_messages_s`` over links by Ray's actor calls, all others being over TCP.
    """

    link_rtt_s: float
    link_messages_s: float
    null_messages_s: float
    log_ops_s: float
    clients: int = 0
    link_windows: tuple[tuple[int, float], ...] = ()
    pinned: tuple[int, ...] = ()
    two_cores: float = 0.0
    null_peak_messages_s: float = 0.0
    null_exchange_messages_s: float = 0.0
    log_clients: tuple[tuple[int, float], ...] = ()
    fsync_p50_s: float = 0.0
    fsync_p99_s: float = 0.0
    delays: tuple[DelayError, ...] = ()
    timer_idle_p50_s: float = 0.0
    timer_idle_p99_s: float = 0.0
    timer_busy_p50_s: float = 0.0
    timer_busy_p99_s: float = 0.0
    ray_link_rtt_s: float = 0.0
    ray_link_messages_s: float = 0.0
    ray_null_messages_s: float = 0.0

    def null_over(self, link: Literal["tcp", "ray"]) -> float:
        """Messages/s of the null protocol over links of that kind; 0: not measured."""
        return self.ray_null_messages_s if link == "ray" else self.null_messages_s


class NodeCost(msgspec.Struct, frozen=True, kw_only=True):
    """What one node spent over the run, and (ray) what an acknowledged operation cost it during the load.

    ``load_cpu`` is the share of one core it used during the load. None: not measured, or no operation succeeded.
    """

    cpu_s: float = 0.0
    messages_sent: int = 0
    bytes_sent: int = 0
    fsyncs: int = 0
    fsync_p50_s: float = 0.0
    fsync_p99_s: float = 0.0
    load_cpu: float | None = None
    cpu_per_operation_s: float | None = None
    messages_per_operation: float | None = None
    bytes_per_operation: float | None = None
    fsyncs_per_operation: float | None = None


class MachineBias(msgspec.Struct, frozen=True, kw_only=True):
    """What one machine of a live run did to it during the load.

    Attributes:
        name: its address.
        nodes: that ran there, the generator's process as ``g1``.
        cores: that the processes may use.
        steal: share of its time that the hypervisor gave to others.
        throttled_periods, throttled_s: how often, and how long, the control group's CPU quota stopped the processes;
            None where the kernel does not say.
        file_system, device: under the write-ahead logs.
        durable: whether a sync means anything there; False on tmpfs; None on overlays and the like, where it is up
            to what lies below.
    """

    name: str
    nodes: tuple[str, ...] = ()
    cores: int = 0
    steal: float | None = None
    throttled_periods: int | None = None
    throttled_s: float | None = None
    file_system: str = ""
    device: str = ""
    durable: bool | None = None


class Bias(msgspec.Struct, frozen=True, kw_only=True):
    """What could have falsified a live run. Times in seconds; :mod:`bench.bias` says when to look twice.

    Attributes:
        generator_lateness_p50_s, generator_lateness_p99_s: sent later than intended (open loop).
        generator_cpu: share of one core that its process used during the load.
        shed: operations not started, because too many were under way.
        gc_pause_max_s, gc_pause_total_s: garbage collection, of the process with the longest, and with the most.
        timer_lateness_p50_s, timer_lateness_p99_s, timer_lateness_max_s: of all processes' timers.
        steal: of the machine that lost most; see :class:`MachineBias`.
        machines: each of those that took part.
        refused: connections to nodes' processes that were none of this trial's.
        stale: frames of an earlier life, or not meant for who got them.
    """

    generator_lateness_p50_s: float = 0.0
    generator_lateness_p99_s: float = 0.0
    generator_cpu: float = 0.0
    shed: int = 0
    gc_pause_max_s: float = 0.0
    gc_pause_total_s: float = 0.0
    timer_lateness_p50_s: float = 0.0
    timer_lateness_p99_s: float = 0.0
    timer_lateness_max_s: float = 0.0
    steal: float = 0.0
    machines: tuple[MachineBias, ...] = ()
    refused: int = 0
    stale: int = 0


class Projection(msgspec.Struct, frozen=True, kw_only=True):
    """Where separate machines, one core a node, would saturate: extrapolated from what an operation cost, unmeasured.

    On one shared machine the sum of all nodes' CPU time is the limit; on separate ones the busiest node is. It holds
    for the batches of the load that was measured: more load means larger batches and so cheaper operations. Generator,
    network and other work of the machines are left out.

    Attributes:
        node: the busiest.
        cpu_ops_s: operations/s at which its core is busy all the time.
        sync_node: whose disk is busiest.
        sync_ops_s: operations/s at which its disk does nothing but sync, as many operations a sync as now; None where
            nothing was synced.
    """

    node: str
    cpu_ops_s: float
    sync_node: str = ""
    sync_ops_s: float | None = None


class HostClock(msgspec.Struct, frozen=True, kw_only=True):
    """The clock of a machine, compared with the driver's. Times in seconds.

    Attributes:
        machine: address of the machine.
        nodes: what ran there; generators by their name (g1).
        offset_s: how far it was ahead when the load ended.
        bound_s: by how much the offset was uncertain at most, at any time of the trial.
        drift_ppm: by how much it was assumed to run faster or slower, at most.
        exchanges: with it; ``fastest_s``: the fastest, there and back.
    """

    machine: str
    nodes: tuple[str, ...] = ()
    offset_s: float = 0.0
    bound_s: float = 0.0
    drift_ppm: float = 0.0
    exchanges: int = 0
    fastest_s: float = 0.0


class ClockReport(msgspec.Struct, frozen=True, kw_only=True):
    """How the clocks of a trial's machines differed, and what is not known because of that.

    Attributes:
        hosts: every clock that is not the driver's.
        max_bound_s: the largest of their bounds.
        generator_clocks: clocks by which operations were recorded.
        detection_power_lost: of the pairs of operations on one key of which one was recorded to end before the other
            began, the share whose order is uncertain, as different clocks recorded them: a violation that rests on
            such an order alone is not seen. 0 with one clock.
        neighbours_lost: of the operations, the share for which the one that had ended last before it on its key is
            among these.
    """

    hosts: tuple[HostClock, ...] = ()
    max_bound_s: float = 0.0
    generator_clocks: int = 1
    detection_power_lost: float = 0.0
    neighbours_lost: float = 0.0
