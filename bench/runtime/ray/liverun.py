"""One live trial under way, from booting its nodes to the record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from random import Random
from typing import Any

import msgspec

from protocols.family import Family

from ...checkers.verdict import Verdict
from ...errors import HarnessError
from ...faults import spec
from ...faults.nemesis import generate
from ...faults.spec import Partition
from ...faults.targets import HOST, largest_minority, zones_of
from ...history import History
from ...trial import Trial
from ..record import Mark, RunRecord
from .faults import Injector
from .generator import PROBES
from .hostclock import monotonic_ns
from .measured import acknowledged, bias_of, node_costs, quantile
from .orders import HostReport, LoadReport
from .pool import CREATE_S
from .recorders import report as clock_report
from .saving import saved_history
from .seat import answered, answers
from .supervisor import ANSWER_S, Supervisor
from .watch import Watch

SETTLE_S = 5.0
"""Seconds that a cluster may take to elect its first leader before the load starts without one."""
LEAD_NS = 15_000_000
"""From the order to start the load to its start."""
MOST_SPARES = 6
"""Processes that stand ready for restarts when a trial begins, at most; each takes some 60 MB."""
PROBE_MARGIN_S = 5.0
LOOK = 5_000_000
"""ns between two looks whether all have answered."""
RESCUE_S = 5.0
"""Seconds that the generator on another machine may take to hand over the history of a trial that failed."""
GENERATOR_BUSY = 0.9
"""Share of one core from which the generator counts as the bottleneck."""
GENERATOR_LATE = 0.02
"""Seconds that half of an open loop's operations may be sent late."""

Progress = Callable[[str], None]

_decode = msgspec.msgpack.decode


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
        duty = self.injector._duty
        self.watch = Watch(supervisor, lambda slot: any(node in duty for node in slot.nodes))
        self._quiet: list[tuple[int, bool]] = []

    @contextmanager
    def watched(self) -> Iterator[None]:
        """What the watch ends, ends with its sentence.

        Raises:
            HarnessError: the trial hung.
        """
        try:
            yield
            self.watch.close()
        except KeyboardInterrupt:
            self.watch.close()
            if not self.watch.problem:
                raise
            raise HarnessError(self.watch.problem) from None
        finally:
            self.watch.close()

    def start(self) -> None:
        """Boot the nodes."""
        hosts = len(self.supervisor.slots) - len(self.supervisor.generators)
        spares = 0 if self.supervisor.by_ray else sum(kills(fault, self.trial.nodes, hosts) for fault in self.faults)
        self.progress("starting nodes")
        self.watch.enter("starting nodes", CREATE_S + 3 * ANSWER_S)
        self.supervisor.start(min(spares, MOST_SPARES))
        if where := self.supervisor.whereabouts():
            self.progress(where)

    def settle(self) -> None:
        """Let the cluster find its first leader: an outage before the load is not measured."""
        if self.family.leader is not None:
            self.progress("waiting for a leader")
            self.watch.enter("waiting for a leader", SETTLE_S)
            self.supervisor.wait_for_mark(self.family.recovery[2], SETTLE_S)

    def load(self) -> RunRecord:
        """The load with its faults, the heal, the liveness phase; then the record."""
        trial, supervisor, injector = self.trial, self.supervisor, self.injector
        answers(supervisor.ask("load_begins", trial.duration), ANSWER_S, "to measure the load", strict=False)
        start = monotonic_ns() + LEAD_NS
        starts = supervisor.recorders.begin(start)
        answers(supervisor.ask_generators("start_load", starts), ANSWER_S, "to start the load")
        for fault in self.faults:
            injector.schedule(fault, start)
        told = -1
        self.watch.enter("the load", trial.duration / 1e9 + CREATE_S)  # a restart may have to wait for a new process

        def tell(now: int) -> None:
            nonlocal told
            second = max(0, (now - start) // 1_000_000_000)
            if second > told:
                told = second
                self.progress(f"load, {second} of {trial.duration / 1e9:g} s")

        injector.run(start + trial.duration, tell)
        load_end = trial.duration  # where the generator stops by itself, however long the last fault kept us
        self.progress("liveness")
        self.watch.enter("the liveness phase", 2 * (trial.liveness / 1e9 + PROBE_MARGIN_S) + CREATE_S)
        dead = self._liveness()
        self.progress("collecting")
        self.watch.enter("collecting the results", 2 * ANSWER_S)
        return self._collect(start, load_end, dead)

    def end(self) -> None:
        """Let go of everything, however far it came."""
        self.injector.over = True
        for duty in self.injector._duty.values():
            duty.stop()
        for seat in self.watch.silent:
            if seat.alive:
                self.supervisor.pool.kill(seat)
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
        if not problem and self.family.opinions is not None:
            self._settle_opinions()
        return f"{problem} although every node was up and connected" if problem else ""

    def _settle_opinions(self) -> None:
        """Let every server find out who is up, after faults, in the time that the family promises to need."""
        opinions = self.family.opinions
        assert opinions is not None
        needed = round(opinions.settles(self.server_config, self.trial.nodes) * 1e9)
        if self.injector.records:
            self.injector.run(monotonic_ns() + min(needed, self.trial.liveness))
        self._quiet.append((monotonic_ns(), not self.injector.records or needed <= self.trial.liveness))

    def _probe(self) -> str:
        limit = self.trial.liveness
        asked = self.supervisor.ask_generators("probe", limit)
        end = monotonic_ns() + limit
        while monotonic_ns() < end and not answered(asked):
            self.injector.run(min(end, monotonic_ns() + LOOK))  # nodes go on fencing each other, and come back
        found = answers(asked, PROBE_MARGIN_S, f"to complete {PROBES} operations a client")
        late = [client for names in found.values() for client in names]
        self.supervisor.wait(0)
        if late:
            return f"{len(late)} of {len(self.supervisor.clients)} clients were not served within {limit / 1e9:g} s"
        return ""

    # --- the record --------------------------------------------------------------------------------------------------

    def _collect(self, start: int, load_end: int, dead: str) -> RunRecord:
        supervisor = self.supervisor
        run_end = monotonic_ns() - start
        load_refs = supervisor.ask_generators("load_report")
        refs = supervisor.ask("report")
        loads = {
            name: _decode(answer, type=LoadReport)
            for name, answer in answers(load_refs, ANSWER_S, "for the history").items()
        }
        load = whole_load(loads.values())
        supervisor.clocks.finish()
        reports = {
            name: _decode(answer, type=HostReport) for name, answer in answers(refs, ANSWER_S, "for its report").items()
        }
        nodes = {node.name: node for report in reports.values() for node in report.nodes}
        marks = sorted(
            (
                Mark(at, name, mark.name, mark.fields)
                for name, node in nodes.items()
                for at, mark in zip(self._moved(name, [mark.at for mark in node.marks]), node.marks, strict=True)
            ),
            key=lambda mark: mark.at,
        )
        servers = [nodes[name] for name in supervisor.servers if name in nodes]
        crashes = [text for node in nodes.values() for text in node.crashes]
        crashed = "; ".join(crashes[:3])
        history = supervisor.recorders.merge(loads)
        return RunRecord(
            history=history,
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
            quiet=[(at - start, granted) for at, granted in self._quiet],
            leaders=[(mark.at, mark.node) for mark in marks if mark.name == self.family.recovery[1]],
            messages_server=sum(node.to_servers for node in servers),
            messages_client=sum(node.to_clients for node in servers)
            + sum(nodes[name].to_servers for name in supervisor.clients if name in nodes),
            messages_dropped=sum(node.dropped for node in nodes.values()),
            messages_overflowed=sum(node.overflowed for node in nodes.values()),
            events=sum(node.turns for node in nodes.values()),
            costs=node_costs(servers, acknowledged(history, load_end), load_end),
            bias=bias_of(load, reports),
            clock=clock_report(list(supervisor.slots.values()), supervisor.clocks, supervisor.recorders, load_end),
            bound_by_generator=next(filter(None, map(bound_by_generator, loads.values())), ""),
            workers=self.supervisor.workers(),
        )

    def _moved(self, node: str, times: list[int]) -> list[int]:
        """Times of a node's clock, as ns from the start of the load by ours."""
        seat = self.supervisor.where[node].seat
        found = None if seat is None else self.supervisor.clocks.of(seat)
        return self.supervisor.recorders.moved(times, found)


def rescue(supervisor: Supervisor) -> History:
    """The history of a trial that failed, as far as it can be had: from its generators, or from the files they keep.

    Without what one of them knows, the others' reads would see values that nobody wrote: so all of them, or the files.
    """
    if any(slot.seat is not None and slot.seat.place.node for slot in supervisor.generators):
        with suppress(HarnessError):
            found = answers(supervisor.ask_generators("load_report"), RESCUE_S, "for the history")
            reports = {name: _decode(answer, type=LoadReport) for name, answer in found.items()}
            if len(reports) == len(supervisor.generators) and supervisor.recorders.start:
                return supervisor.recorders.merge(reports)
    return saved_history(supervisor)


# --- formulas ------------------------------------------------------------------------------------------------------


def kills(fault: Any, servers: int, hosts: int) -> int:
    """How many of the processes of ``hosts`` that ``servers`` share a fault kills, at most: not, if it crashes some
    nodes of a process that goes on."""
    if isinstance(fault, spec.PowerLoss | spec.ZoneLoss):
        return hosts
    if isinstance(fault, spec.RollingRestart):
        return servers if hosts == servers else 0
    if isinstance(fault, spec.Crash | spec.DrainRestart):
        if fault.target.startswith(HOST):
            return 1
        if hosts < servers:
            return hosts if fault.target == "servers" or fault.target.startswith("zone:") else 0
        sizes = {
            "majority": servers // 2 + 1,
            "minority": largest_minority(servers),
            "servers": servers,
            "clients": 0,
            "client": 0,
        }
        return servers if fault.target.startswith("zone:") else sizes.get(fault.target, 1)
    return 0


def whole_load(loads: Iterable[LoadReport]) -> LoadReport:
    """What all generators did together, without the history; ``cpu`` is that of the busiest."""
    every = list(loads)
    return LoadReport(
        columns={},
        offered=sum(load.offered for load in every),
        shed=sum(load.shed for load in every),
        lateness=tuple(late for load in every for late in load.lateness),
        cpu=max((load.cpu for load in every), default=0.0),
        abandoned=sum(load.abandoned for load in every),
    )


def bound_by_generator(load: LoadReport) -> str:
    """Why the generator, not the system, limited a run; empty if it did not."""
    if load.cpu >= GENERATOR_BUSY:
        return f"it used {load.cpu:.0%} of one core"
    late = quantile(load.lateness, 0.5)
    if late > GENERATOR_LATE:
        return f"it sent half of the operations more than {late * 1e3:.0f} ms late"
    return ""
