"""Live trials, one after the other on one set of host processes."""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random
from time import monotonic_ns
from types import TracebackType
from typing import Any

import msgspec
import numpy as np

from protocols.family import Family

from ...checkers.verdict import Verdict
from ...errors import HarnessError
from ...faults import spec
from ...faults.nemesis import generate
from ...faults.spec import Partition
from ...faults.targets import largest_minority, zones_of
from ...history import History, HistoryBuilder
from ...mutation import find_mutant, load_family
from ...params import build_configs
from ...trial import Bias, Floor, NodeCost, Trial
from ..record import Mark, RunRecord
from .cluster import Cluster
from .faults import Injector
from .generator import PROBES, read_saved
from .orders import HostReport, LoadReport
from .pool import Pool, answers
from .stage import HISTORY
from .storage import read_notes
from .supervisor import ANSWER_S, Supervisor

SETTLE_S = 5.0
"""Seconds that a cluster may take to elect its first leader before the load starts without one."""
LEAD_NS = 15_000_000
"""From the order to start the load to its start."""
MOST_SPARES = 6
"""Processes that stand ready for restarts when a trial begins, at most; each takes some 60 MB."""
PROBE_MARGIN_S = 5.0
GENERATOR_BUSY = 0.9
"""Share of one core from which the generator counts as the bottleneck."""
GENERATOR_LATE = 0.02
"""Seconds that half of an open loop's operations may be sent late."""

Progress = Callable[[str], None]

_decode = msgspec.msgpack.decode


class RaySession:
    """A connection to Ray with the processes that run live trials; use it as a context manager.

    Attributes:
        pids: of the last trial, node -> the processes that ran it, one a life.
        recovered: of the last trial, node -> records found on disk at its last boot.
        partial_history: of the last trial, if it failed: what its generator had recorded up to some 50 ms before.
        turnaround_s: what lay between the last two trials: leaving the one, and booting the nodes of the other.
    """

    def __init__(self, address: str | None = None, *, quiet: bool = True) -> None:
        """Connect to the cluster at ``address``, or start an embedded local Ray.

        Args:
            address: ``HOST:PORT``, ``auto``, or None.
            quiet: keep Ray's own messages from the terminal.

        Raises:
            UsageError: no cluster answers at the address.
            HarnessError: Ray does not start.
        """
        self.cluster = Cluster(address, quiet=quiet)
        self.pool = Pool(self.cluster)
        self.pids: dict[str, list[int]] = {}
        self.recovered: dict[str, int] = {}
        self.turnaround_s: float | None = None
        self.partial_history: History | None = None
        self._leaving_s: float | None = None
        self._floors: dict[int, Floor] = {}

    def __enter__(self) -> RaySession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all processes and remove all folders. Again: no effect."""
        try:
            self.pool.close()
        finally:
            self.cluster.close()

    def prepare(self, nodes: int) -> None:
        """Begin to create the processes for trials of ``nodes`` servers and a crash, without waiting for them."""
        self.pool.begin(nodes + 2 - self.pool.count)

    def run(
        self, trial: Trial, progress: Progress | None = None, *, early: bool = False, unchecked: bool = False
    ) -> RunRecord:
        """Run one trial.

        Args:
            trial: what to run; validated.
            progress: called with a few words whenever the run enters another phase, and once a second of load.
            early: use the broken runtime that sends before writes are durable; for tests.
            unchecked: with ``early``, without the assertion that would catch it at once.

        Raises:
            UsageError: the protocol, mutant or a parameter cannot be.
            HarnessError: the runtime, not the protocol, failed.
        """
        began = time.monotonic()
        family = load_family(trial.protocol, trial.mutant)
        params = dict(trial.params)
        if trial.mutant is not None:
            params = {**find_mutant(load_family(trial.protocol), trial.mutant).params, **params}
        server_config, _ = build_configs(family, params, trial.nodes)
        self.partial_history = None
        supervisor = Supervisor(trial, family, self.pool, early=early, unchecked=unchecked)
        run = LiveRun(trial, family, server_config, supervisor, progress or (lambda text: None))
        try:
            run.start()
            self.turnaround_s = None if self._leaving_s is None else self._leaving_s + time.monotonic() - began
            run.settle()
            record = run.load()
            record.took_s = time.monotonic() - began
        except HarnessError:
            self.partial_history = read_saved(read_notes(supervisor.folder / HISTORY)).build()
            raise
        except KeyboardInterrupt:
            supervisor.abandon()
            raise
        finally:
            leaving = time.monotonic()
            self.pids = {node: list(slot.pids) for node, slot in supervisor.where.items()}
            self.recovered = dict(supervisor.recovered)
            run.end()
            self._leaving_s = time.monotonic() - leaving
        return record

    def floor(self, clients: int) -> Floor:
        """What this cluster does without a protocol; measured once a client count, in about 4 s."""
        found = self._floors.get(clients)
        if found is None:
            from .floor import measure

            found = self._floors[clients] = measure(self, clients)
        return found


class LiveRun:
    """One trial under way: settle, load with faults, heal, liveness, collect."""

    def __init__(
        self, trial: Trial, family: Family, server_config: Any, supervisor: Supervisor, progress: Progress
    ) -> None:
        self.trial = trial
        self.family = family
        self.server_config = server_config
        self.supervisor = supervisor
        self.progress = progress
        zones = zones_of(trial.network, supervisor.servers, supervisor.clients)
        self.injector = Injector(supervisor, trial.seed, zones)
        self.faults = trial.faults
        if trial.nemesis is not None:
            self.faults += generate(trial.nemesis, trial.seed, trial.duration, supervisor.servers, "ray")
        self._steal = steal_ticks()

    def start(self) -> None:
        """Boot the nodes."""
        spares = sum(kills(fault, self.trial.nodes) for fault in self.faults)
        self.progress("starting nodes")
        self.supervisor.start(min(spares, MOST_SPARES))

    def settle(self) -> None:
        """Let the cluster find its first leader: an outage before the load is not measured."""
        if self.family.leader is not None:
            self.progress("waiting for a leader")
            self.supervisor.wait_for_mark(self.family.recovery[2], SETTLE_S)

    def load(self) -> RunRecord:
        """The load with its faults, the heal, the liveness phase; then the record."""
        trial, supervisor, injector = self.trial, self.supervisor, self.injector
        generator = supervisor.generator.seat
        assert generator is not None
        self._steal = steal_ticks()
        start = monotonic_ns() + LEAD_NS
        answers({"g1": generator.actor.start_load.remote(start + generator.offset)}, ANSWER_S, "to start the load")
        for fault in self.faults:
            injector.schedule(fault, start)
        told = -1

        def tell(now: int) -> None:
            nonlocal told
            second = max(0, (now - start) // 1_000_000_000)
            if second > told:
                told = second
                self.progress(f"load, {second} of {trial.duration / 1e9:g} s")

        injector.run(start + trial.duration, tell)
        load_end = trial.duration  # where the generator stops by itself, however long the last fault kept us
        self.progress("liveness")
        dead = self._liveness()
        self.progress("collecting")
        return self._collect(start, load_end, dead)

    def end(self) -> None:
        """Let go of everything, however far it came."""
        self.injector.over = True
        for duty in self.injector._duty.values():
            duty.stop()
        self.supervisor.end()

    # --- liveness ----------------------------------------------------------------------------------------------------

    def _liveness(self) -> str:
        """Why the system does not live, or an empty string; see :mod:`bench.runtime.sim.run`, which asks the same."""
        injector, trial = self.injector, self.trial
        injector.heal()
        promised = self.family.lives_partitioned(self.server_config) and trial.nodes >= 3
        if trial.nemesis is not None and promised:
            rng = Random(f"{trial.seed}/liveness")
            shape = rng.choice(("one-way", "isolate", "bridge"))
            target = rng.choice(("leader", "random"))
            fault = Partition(at=0, shape=shape, target=target, length=trial.liveness + 1)  # type: ignore[arg-type]
            injector.run(monotonic_ns() + 1_000_000_000)
            injector.split_servers(fault)
            partial = self._probe()
            injector.heal()
            if partial:
                detail = injector.records[-1]["detail"]
                return f"{partial} although a majority was up and connected ({detail})"
        problem = self._probe()
        return f"{problem} although every node was up and connected" if problem else ""

    def _probe(self) -> str:
        generator = self.supervisor.generator.seat
        assert generator is not None
        limit = self.trial.liveness
        asked = {"g1": generator.actor.probe.remote(limit)}
        late = answers(asked, limit / 1e9 + PROBE_MARGIN_S, f"to complete {PROBES} operations a client")["g1"]
        self.supervisor.wait(0)
        if late:
            return f"{len(late)} of {len(self.supervisor.clients)} clients were not served within {limit / 1e9:g} s"
        return ""

    # --- the record --------------------------------------------------------------------------------------------------

    def _collect(self, start: int, load_end: int, dead: str) -> RunRecord:
        supervisor = self.supervisor
        run_end = monotonic_ns() - start
        generator = supervisor.generator.seat
        assert generator is not None
        load_ref = {"g1": generator.actor.load_report.remote()}
        refs = supervisor.ask("report")
        load = _decode(answers(load_ref, ANSWER_S, "for the history")["g1"], type=LoadReport)
        reports = {
            name: _decode(answer, type=HostReport) for name, answer in answers(refs, ANSWER_S, "for its report").items()
        }
        nodes = {node.name: node for report in reports.values() for node in report.nodes}
        marks = sorted(
            (
                Mark(mark.at - start - self._offset(name), name, mark.name, mark.fields)
                for name, node in nodes.items()
                for mark in node.marks
            ),
            key=lambda mark: mark.at,
        )
        servers = [nodes[name] for name in supervisor.servers if name in nodes]
        crashes = [text for node in nodes.values() for text in node.crashes]
        crashed = "; ".join(crashes[:3])
        return RunRecord(
            history=read_columns(load.columns),
            marks=marks,
            faults=self.injector.results(start),
            verdicts=[
                Verdict(name="no_handler_crash", verdict="invalid" if crashed else "valid", reason=crashed),
                Verdict(name="liveness", verdict="invalid" if dead else "valid", reason=dead),
            ],
            offered=load.offered,
            shed=load.shed,
            load_end=load_end,
            run_end=run_end,
            leaders=[(mark.at, mark.node) for mark in marks if mark.name == self.family.recovery[1]],
            messages_server=sum(node.to_servers for node in servers),
            messages_client=sum(node.to_clients for node in servers)
            + sum(nodes[name].to_servers for name in supervisor.clients if name in nodes),
            events=sum(node.turns for node in nodes.values()),
            costs={
                node.name: NodeCost(
                    cpu_s=node.cpu / 1e9,
                    messages_sent=node.to_servers + node.to_clients,
                    bytes_sent=node.bytes_sent,
                    fsyncs=node.fsyncs,
                    fsync_p50_s=quantile(node.sync_times, 0.5),
                    fsync_p99_s=quantile(node.sync_times, 0.99),
                )
                for node in servers
            },
            bias=self._bias(load, reports),
            bound_by_generator=bound_by_generator(load),
        )

    def _offset(self, node: str) -> int:
        seat = self.supervisor.where[node].seat
        return 0 if seat is None else seat.offset

    def _bias(self, load: LoadReport, reports: dict[str, HostReport]) -> Bias:
        steal, total = (after - before for after, before in zip(steal_ticks(), self._steal, strict=True))
        return Bias(
            generator_lateness_p50_s=quantile(load.lateness, 0.5),
            generator_lateness_p99_s=quantile(load.lateness, 0.99),
            generator_cpu=load.cpu,
            shed=load.shed,
            gc_pause_max_s=max((report.gc_pause for report in reports.values()), default=0) / 1e9,
            timer_lateness_p99_s=quantile([ns for report in reports.values() for ns in report.timer_lateness], 0.99),
            steal=steal / total if total else 0.0,
        )


# --- formulas ------------------------------------------------------------------------------------------------------


def kills(fault: Any, servers: int) -> int:
    """How many server processes a fault kills, at most."""
    if isinstance(fault, spec.PowerLoss | spec.RollingRestart | spec.ZoneLoss):
        return servers
    if isinstance(fault, spec.Crash | spec.DrainRestart):
        sizes = {
            "majority": servers // 2 + 1,
            "minority": largest_minority(servers),
            "servers": servers,
            "clients": 0,
            "client": 0,
        }
        return servers if fault.target.startswith("zone:") else sizes.get(fault.target, 1)
    return 0


def bound_by_generator(load: LoadReport) -> str:
    """Why the generator, not the system, limited a run; empty if it did not."""
    if load.cpu >= GENERATOR_BUSY:
        return f"it used {load.cpu:.0%} of one core"
    late = quantile(load.lateness, 0.5)
    if late > GENERATOR_LATE:
        return f"it sent half of the operations more than {late * 1e3:.0f} ms late"
    return ""


def quantile(times: tuple[int, ...] | list[int], share: float) -> float:
    """A quantile of times in ns, in seconds; 0 without any."""
    return float(np.quantile(np.asarray(times), share)) / 1e9 if times else 0.0


def read_columns(columns: dict[str, bytes]) -> History:
    """The history that the generator sent."""
    builder = HistoryBuilder()
    for name, column in columns.items():
        builder.columns[name].frombytes(column)
    return builder.build()


def steal_ticks() -> tuple[int, int]:
    """(ticks that the hypervisor took, all ticks) of this machine since it started."""
    with open("/proc/stat") as file:
        ticks = [int(word) for word in file.readline().split()[1:]]
    return (ticks[7] if len(ticks) > 7 else 0), sum(ticks[:8])


__all__ = ["HarnessError", "RaySession"]
