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
    """

    message: int = 15_000
    byte: float = 2.0
    fsync: int = 250_000
    fsync_sigma: float = 0.0
    wakeup: int = 30_000


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
        network, workload, faults, nemesis: see there. The nemesis' faults come on top of the schedule.
        service: (sim) what work costs.
        clock_offset, clock_drift_ppm: (sim) wall clocks start within +-offset ns; clocks run within +-ppm.
        invariants: (sim) check global state after each turn.
        trace: (sim) record every step, for diagrams.
        codec: (sim) encode and decode every message, to prove that it survives the wire.
        actor_nodes: (ray) nodes an actor; 0 chooses: one up to ten nodes.
        check_budget_s: time allowed to each checker before it says ``unknown``.
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
    check_budget_s: float = 20.0

    def validate(self) -> None:
        """Raise :class:`UsageError` for the first field that cannot be; the protocol checks its own parameters."""
        if not 1 <= self.nodes <= 100_000:
            raise UsageError(f"nodes {self.nodes} is out of range: 1 to 100000")
        if self.duration <= 0:
            raise UsageError(f"duration {self.duration / 1e9:g} s is out of range: above 0")
        if not 0 <= self.warmup < self.duration:
            raise UsageError(f"warmup {self.warmup / 1e9:g} s is out of range: from 0 to below the duration")
        self.network.validate()
        self.workload.validate()

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
    """Quantiles in seconds, or None where nothing completed."""

    p50: float | None = None
    p90: float | None = None
    p99: float | None = None
    p999: float | None = None
    max: float | None = None


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """Parts of the outage after the first fault that hit a leader, in seconds; None where it was not observed.

    ``detect``: fault to first suspicion; ``elect``: from there to a new leader; ``commit``: from there to the first
    commit of the new leader's term.
    """

    detect: float | None = None
    elect: float | None = None
    commit: float | None = None


class Messages(msgspec.Struct, frozen=True, kw_only=True):
    """Messages sent between servers, and between clients and servers (either way), over the whole run."""

    server: int = 0
    client: int = 0


class Floor(msgspec.Struct, frozen=True, kw_only=True):
    """What the machine does without a protocol: the bound no live result can pass.

    ``log_ops_s`` is a bare replicated log's rate, closed loop, at this trial's client count.
    """

    link_rtt_s: float
    link_messages_s: float
    null_messages_s: float
    log_ops_s: float


class NodeCost(msgspec.Struct, frozen=True, kw_only=True):
    """What one node spent over the run."""

    cpu_s: float = 0.0
    messages_sent: int = 0
    bytes_sent: int = 0
    fsyncs: int = 0
    fsync_p50_s: float = 0.0
    fsync_p99_s: float = 0.0


class Bias(msgspec.Struct, frozen=True, kw_only=True):
    """What could have falsified a live run. Times in seconds."""

    generator_lateness_p50_s: float = 0.0
    generator_lateness_p99_s: float = 0.0
    generator_cpu: float = 0.0
    shed: int = 0
    gc_pause_max_s: float = 0.0
    timer_lateness_p99_s: float = 0.0
    steal: float = 0.0


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What came out. The JSON of ``--json`` is this, ``schema_version`` first.

    Attributes:
        throughput_ops_s: ok operations a second over the measured window.
        latency_s: response time: from the intended start to the answer; ok operations.
        service_s: from the client taking the operation up to the answer.
        queue_s: from the intended start to the client taking it up.
        unavailable_s: longest gap between acknowledged operations beyond the gap expected at that rate.
        unavailable_resolution_s: what a gap shorter than cannot be told from chance.
        messages_per_operation: between servers, a completed (ok) operation.
        trial: ``complete``, or ``void``: its figures mean nothing, for ``void_reason``.
        verdict: merged over ``checks``.
        events: (sim) turns executed.
        leader_changes: elections won after the first.
        coverage: how often each mark was made.
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
    recovery_s: Recovery
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
    coverage: dict[str, int] = {}
    faults: tuple[FaultRecord, ...] = ()
    costs: dict[str, NodeCost] = {}
    bias: Bias | None = None
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
