"""What one run is, and what comes out of it. Both are plain data: they travel, are stored, and identify a run.

The parts of a result live in :mod:`.figures` and :mod:`.harness`, and are imported from here.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import xxhash

from .checkers.verdict import Verdict
from .errors import EXIT_HARNESS, EXIT_UNKNOWN, EXIT_VALID, EXIT_VIOLATION, UsageError
from .faults.spec import Fault, FaultRecord, Nemesis
from .figures import Detection, FaultRecovery, Latency, Messages, Operations, Recovery
from .harness import Bias, ClockReport, DelayError, Floor, HostClock, MachineBias, NodeCost, Projection
from .network.spec import Network
from .workload.spec import Workload

__all__ = [
    "SCHEMA_VERSION",
    "Bias",
    "ClockReport",
    "DelayError",
    "Detection",
    "FaultRecovery",
    "Floor",
    "HostClock",
    "Latency",
    "MachineBias",
    "Messages",
    "NodeCost",
    "Operations",
    "Projection",
    "Recovery",
    "Result",
    "ServiceTimes",
    "Trial",
]

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
