"""From a simulated trial that is over to its record: times from the start of the load, verdicts, messages, costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...checkers.verdict import Verdict
from ...faults.spec import FaultRecord
from ...trial import NodeCost
from ..record import Mark, RunRecord, TraceEvent

if TYPE_CHECKING:
    from .run import Simulation


def record_of(run: Simulation, load_end: int, dead: str, equal: Verdict | None, took: float) -> RunRecord:
    """The record of a trial that is over.

    Args:
        run: the trial.
        load_end: when its load ended, ns from the start of the load.
        dead: why the system does not live; empty: it does.
        equal: whether its servers became equal; None if that is not promised.
        took: seconds of the host's time.
    """
    world, start, figures = run.world, run.started, run.figures
    violated = {violation.name for violation in world.violations}
    for invariant in world.invariants:
        measured: dict[str, float] = getattr(invariant, "figures", dict)()
        figures |= {f"{invariant.name}.{name}": value for name, value in measured.items()}
    verdicts = [_shifted_verdict(violation, start) for violation in world.violations]
    names = [invariant.name for invariant in world.invariants]
    verdicts += [Verdict(name=name, verdict="valid") for name in names if name not in violated]
    crashed = "; ".join(world.handler_crashes[:3])
    if equal is not None:
        verdicts.append(equal)
    verdicts.append(Verdict(name="no_handler_crash", verdict="invalid" if crashed else "valid", reason=crashed))
    if violated:
        verdicts.append(Verdict(name="liveness", verdict="unknown", reason="stopped at a violation"))
    else:
        verdicts.append(Verdict(name="liveness", verdict="invalid" if dead else "valid", reason=dead))
    marks = [Mark(mark.at - start, mark.node, mark.name, mark.fields) for mark in world.marks]
    links = [
        link for machine in world.machines.values() for link in machine.links.values() if link.target is not machine
    ]
    links += world.common.values()
    return RunRecord(
        history=run.load.history(),
        marks=marks,
        faults=[_shifted_record(record, start) for record in run.injector.results()],
        verdicts=verdicts,
        offered=run.load.offered,
        shed=run.load.shed,
        load_end=load_end,
        run_end=world.now - start,
        lives=[(at - start, node, up) for at, node, up in world.lives],
        quiet=[(at - start, granted) for at, granted in run.quiet],
        leaders=[(mark.at, mark.node) for mark in marks if mark.name == run.family.recovery[1]],
        messages_server=sum(link.sent for link in links if link.between_servers),
        messages_client=sum(link.sent for link in links if not link.between_servers),
        events=world.events,
        trace_hash=world.trace_hash(),
        trace=None
        if world.trace is None
        else [
            TraceEvent(each.at - start, each.kind, each.node, each.peer, each.what, each.id, each.detail)
            for each in sorted(world.trace, key=lambda each: each.at)
        ],
        costs={
            machine.name: NodeCost(
                messages_sent=machine.sent + sum(link.sent for link in machine.links.values()),
                fsyncs=machine.disk.fsyncs,
            )
            for machine in world.servers
        },
        figures=figures,
        took_s=took,
    )


def _shifted_verdict(verdict: Verdict, start: int) -> Verdict:
    return Verdict(name=verdict.name, verdict=verdict.verdict, reason=verdict.reason, at=verdict.at - start)


def _shifted_record(record: FaultRecord, start: int) -> FaultRecord:
    return FaultRecord(
        kind=record.kind,
        targets=record.targets,
        start=record.start - start,
        end=None if record.end is None else record.end - start,
        detail=record.detail,
        links=record.links,
        damage=record.damage,
    )
