"""What one run is, and what comes out of it. Both are plain data: they travel, are stored, and identify a run."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import xxhash

from .checkers.verdict import Verdict
from .errors import EXIT_HARNESS, EXIT_UNKNOWN, EXIT_VALID, EXIT_VIOLATION, UsageError
from .faults.spec import Fault, FaultRecord, Nemesis
from .network.spec import Network
from .workload.spec import Workload

SCHEMA_VERSION = 1


class ServiceTimes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What work costs in the simulator, in ns; calibrated from the floor measured live.

    Attributes:
        message: CPU a message handled.
        byte: CPU a byte sent or received.
        fsync: median time of one sync.
        fsync_sigma: sigma of the logarithm of that time (lognormal); 0: every sync takes the same.
        wakeup: delay between an arrival at an idle node and its turn.
        fence: from when a node orders another one killed (:meth:`protocols.node.Context.fence`) until that is dead.
    """

    message: int = 15_000
    byte: float = 2.0
    fsync: int = 250_000
    fsync_sigma: float = 0.0
    wakeup: int = 30_000
    fence: int = 100_000_000


class Trial(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One run, completely: the same trial, code and versions give (in ``sim``) the same trace hash anywhere.

    Attributes:
        protocol: name in the registry.
        runtime: ``sim`` (virtual time, one process) or ``ray`` (real processes).
        nodes: number of servers, named ``n1`` ...; clients are ``c1`` ....
        seed: of everything random.
        params: the protocol's parameters that differ from their defaults.
        mutant: name of a classic mistake to run instead of the real protocol.
        duration: ns of load during which faults may be active.
        warmup: ns at the start whose operations are checked but not measured.
        liveness: ns granted after the heal for the system to serve again.
        split: (sim) ask for service also while one partial partition leaves a majority connected, before all is healed;
            None: after a nemesis.
        network, workload, faults, nemesis: see there. The nemesis' faults come on top of the schedule.
        service: (sim) what work costs.
        clock_offset, clock_drift_ppm: (sim) wall clocks start within +-offset ns; clocks run within +-ppm.
        invariants: (sim) check global state after each turn.
        trace: (sim) record every step, for diagrams.
        codec: (sim) encode and decode every message, to prove that it survives the wire.
        actor_nodes: (ray) nodes an actor; 0 chooses: one up to ten nodes, ten above. Nodes that share an actor crash
            one by one (*logically*) unless a fault takes all of them; see :mod:`bench.faults.spec`.
        restart: (ray) who starts a process that a fault has killed: the supervisor, when the schedule says so; or Ray,
            which does it at once, so that the fault's down time does not apply.
        link: (ray) what carries messages between actors: TCP streams, or Ray's actor calls.
        generators: (ray) processes that drive the load, each with its share of the clients, on different machines where
            there are several; 0 chooses: one.
        check_budget_s: time allowed to each checker before it says ``unknown``.
        measure: models (``bench check --help``) that the history is compared with although the protocol does not
            promise them: reported as ``Result.measured``, and no part of the verdict.
    """

    protocol: str
    runtime: Literal["sim", "ray"] = "sim"
    nodes: int = 3
    seed: int = 1
    params: dict[str, Any] = {}
    mutant: str | None = None
    duration: int = 5_000_000_000
    warmup: int = 0
    liveness: int = 10_000_000_000
    split: bool | None = None
    network: Network = Network()
    workload: Workload = Workload()
    faults: tuple[Fault, ...] = ()
    nemesis: Nemesis | None = None
    service: ServiceTimes = ServiceTimes()
    clock_offset: int = 0
    clock_drift_ppm: float = 0.0
    invariants: bool = True
    trace: bool = False
    codec: bool = False
    actor_nodes: int = 0
    restart: Literal["supervisor", "ray"] = "supervisor"
    link: Literal["tcp", "ray"] = "tcp"
    generators: int = 0
    check_budget_s: float = 20.0
    measure: tuple[str, ...] = ()

    def validate(self) -> None:
        """Raise :class:`UsageError` for the first field that cannot be; the protocol checks its own parameters."""
        if not 1 <= self.nodes <= 100_000:
            raise UsageError(f"nodes {self.nodes} is out of range: 1 to 100000")
        if self.duration <= 0:
            raise UsageError(f"duration {self.duration / 1e9:g} s is out of range: above 0")
        if not 0 <= self.warmup < self.duration:
            raise UsageError(f"warmup {self.warmup / 1e9:g} s is out of range: from 0 to below the duration")
        if self.link not in ("tcp", "ray"):
            raise UsageError(f"link {self.link!r} is unknown: tcp or ray")
        if self.restart not in ("supervisor", "ray"):
            raise UsageError(f"restart {self.restart!r} is unknown: supervisor or ray")
        if self.runtime == "ray" and self.network.by_message:
            raise UsageError("delays by type of message exist in the simulator only: use --runtime sim")
        self.network.validate()
        self.workload.validate()
        if not 0 <= self.generators <= self.workload.clients:
            most = self.workload.clients
            raise UsageError(
                f"generators {self.generators} is out of range: 1 to the number of clients, {most}, or 0 to choose"
            )

    def key(self, code_version: str) -> str:
        """Identity of the cell and seed: a hash of everything above and of the code."""
        blob = msgspec.json.encode(self, order="deterministic")
        return xxhash.xxh3_128_hexdigest(blob + code_version.encode())


class Operations(msgspec.Struct, frozen=True, kw_only=True):
    """Counts by outcome, over the measured window."""

    ok: int = 0
    fail: int = 0
    info: int = 0


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Quantiles in seconds over all operations intended in the measured window.

    None where nothing completed, and where a quantile falls among those that were not acknowledged: it is beyond what
    was observed. ``max`` is so as soon as there is one.

    Attributes:
        censored: share of the operations that were not acknowledged (failed, perhaps happened, never answered, shed):
            of them it is only known that they were not served by the end.
    """

    p50: float | None = None
    p90: float | None = None
    p99: float | None = None
    p999: float | None = None
    max: float | None = None
    censored: float = 0.0


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """Parts of the first outage in which a fault unseated a leader, in seconds; None where it was not observed.

    ``detect``: fault to first suspicion; ``elect``: from there to a new leader; ``commit``: from there to the first
    commit of the new leader's term.
    """

    detect: float | None = None
    elect: float | None = None
    commit: float | None = None


class FaultRecovery(msgspec.Struct, frozen=True, kw_only=True):
    """What one fault did, in seconds; None where it was not observed.

    Attributes:
        kind: of the fault; ``at``: when it began; ``targets``: whom it hit.
        detect, elect, commit: as in :class:`Recovery`; None where it unseated no leader.
        p99_back: from its beginning until the 99th percentile of the response was back within 10% of what it was
            before the first fault; None if that did not happen before the next fault or the end of the load, or the
            baseline is not known.
    """

    kind: str
    at: float
    targets: tuple[str, ...] = ()
    detect: float | None = None
    elect: float | None = None
    commit: float | None = None
    p99_back: float | None = None


class Messages(msgspec.Struct, frozen=True, kw_only=True):
    """Messages sent between servers, and between clients and servers (either way), over the whole run.

    ``dropped`` (ray): those that the runtime or an injected fault lost; ``overflowed``: those of them for which there
    was no room in a buffer, because the receiver was too slow.
    """

    server: int = 0
    client: int = 0
    dropped: int = 0
    overflowed: int = 0


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


class Detection(msgspec.Struct, frozen=True, kw_only=True):
    """How well servers found out who is up, after Chen et al.; times in seconds, None where nothing was to measure.

    Attributes:
        detection_first: from a crash until the first server deemed the victim down, a crash each.
        detection: from a crash until a server that was up throughout deemed so for good, median over pairs.
        detection_max: of the same, the longest.
        undetected: pairs of a crash and an observer that never deemed so before the victim was back or the log ended.
        mistakes: times that a server that was up was deemed down.
        mistaken: the same by whom it was deemed of; without those never mistaken.
        observed: seconds over all pairs in which both were up.
        mistake_rate: mistakes a second and pair.
        mistake_length: mean.
        accuracy: share of ``observed`` in which the opinion was right: the answer to a query at a random time.
        spread: from a crash until everybody who was up deemed so, a crash each.
    """

    detection_first: tuple[float, ...] = ()
    detection: float | None = None
    detection_max: float | None = None
    undetected: int = 0
    mistakes: int = 0
    mistaken: dict[str, int] = {}
    observed: float = 0.0
    mistake_rate: float = 0.0
    mistake_length: float | None = None
    accuracy: float = 1.0
    spread: tuple[float, ...] = ()


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What came out. The JSON of ``--json`` is this, ``schema_version`` first.

    Attributes:
        throughput_ops_s: ok operations a second over the measured window.
        latency_s: response time: from the intended start to the answer; an operation without one counts as longer
            than any that was observed.
        service_s: from the client taking the operation up to the answer.
        queue_s: from the intended start to the client taking it up.
        unavailable_s: longest gap between acknowledged operations, less one mean gap; 0 if it is no longer than
            ``unavailable_resolution_s``.
        unavailable_resolution_s: what the longest gap exceeds by chance in one trial of twenty at that rate: an outage
            in which it was shorter is not seen. None where there was no rate.
        unavailable_censored: the system did not serve again before the window ended, or never did: ``unavailable_s``
            is what was seen of the outage (all of the window, if nothing was acknowledged in it), a lower bound.
        leader_hit: whether the first fault aimed at the leader hit it; None if none was aimed at it.
        recoveries: from each fault, in their order.
        steady_s: from the start of the load, before the first fault, until response times were steady (MSER-5); None
            if they were not, or there are too few to say. A warm-up that ends before it is too short.
        messages_per_operation: between servers, a completed (ok) operation.
        trial: ``complete``, or ``void``: its figures mean nothing, for ``void_reason``.
        verdict: merged over ``checks``.
        events: (sim) turns executed.
        leader_changes: elections won after the first.
        harness_bound: the floor, not the protocol, limited its messages; see :func:`bench.assess.harness_bound`.
        projection: (ray) where separate machines would saturate.
        detection: of protocols whose servers deem each other up or down, over the load after the warm-up.
        coverage: how often each mark was made.
        measured: model -> verdict, of those that ``Trial.measure`` names.
        figures: what checks and runtime measured beside verdicts: staleness, time and messages to converge; by the name
            of the check and of the figure, ``bounded-staleness.stale_share``.
        clock: (ray) None if all processes shared the driver's clock.
        time_series: (second, ok operations, p99 s) from the start of the load.
        history: path of the Parquet file, relative to the run's folder; empty if not stored.
    """

    schema_version: int = SCHEMA_VERSION
    protocol: str
    runtime: str
    nodes: int
    seed: int
    duration_s: float
    params: dict[str, Any]
    mutant: str | None = None
    operations: Operations
    throughput_ops_s: float
    latency_s: Latency
    service_s: Latency = Latency()
    queue_s: Latency = Latency()
    unavailable_s: float | None
    unavailable_resolution_s: float | None = None
    unavailable_censored: bool = False
    recovery_s: Recovery
    recoveries: tuple[FaultRecovery, ...] = ()
    steady_s: float | None = None
    messages: Messages
    messages_per_operation: float | None
    trial: Literal["complete", "void"]
    void_reason: str | None = None
    verdict: Literal["valid", "invalid", "unknown"]
    checks: dict[str, str]
    violations: tuple[Verdict, ...] = ()
    floor: Floor | None = None
    harness_bound: bool = False
    trace_hash: str | None = None
    events: int = 0
    leader_changes: int = 0
    leader_hit: bool | None = None
    detection: Detection | None = None
    coverage: dict[str, int] = {}
    measured: dict[str, str] = {}
    figures: dict[str, float] = {}
    faults: tuple[FaultRecord, ...] = ()
    costs: dict[str, NodeCost] = {}
    clock: ClockReport | None = None
    bias: Bias | None = None
    projection: Projection | None = None
    time_series: tuple[tuple[float, int, float | None], ...] = ()
    took_s: float = 0.0
    history: str = ""
    error: str | None = None
    spec: Trial
    provenance: dict[str, Any] = {}

    def exit_code(self) -> int:
        """0 valid, 1 a violation, 3 unknown or void, 70 the harness failed."""
        if self.error is not None:
            return EXIT_HARNESS
        if self.verdict == "invalid":
            return EXIT_VIOLATION
        return EXIT_VALID if self.verdict == "valid" and self.trial == "complete" else EXIT_UNKNOWN
