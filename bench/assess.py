"""From what a runtime hands back to a result: figures, checks, and whether the trial means anything at all."""

from __future__ import annotations

import importlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import msgspec
import numpy as np

from protocols.family import Family

from . import opinions
from .bias import project
from .checkers.verdict import Verdict, Word, merge
from .faults.notation import format_fault
from .history import FAIL, OK, History
from .history.clocks import power_lost
from .history.history import CAS, READ, WRITE
from .mutation import find_mutant, load_family
from .params import build_configs
from .runtime.record import RunRecord
from .stats import recovery, summary
from .stats.steady import steady_from
from .trial import ClockReport, Floor, Latency, Messages, Operations, Recovery, Result, Trial
from .units import seconds

Check = Callable[[History, float], Verdict]

MINIMUM_OPERATIONS = 20
"""Fewer acknowledged operations in the measured window than this say nothing."""
MINIMUM_SHARE = 0.9
"""Of the load asked for, what has to be answered while nothing is wrong."""
MINIMUM_ASKED = 50
"""The rule of the shortfall is silent where fewer operations than this were asked for while nothing was wrong."""
SHORT = "the load fell short"
"""How the reason of a trial begins that is void because the system did not answer what it was asked."""
HARNESS_BOUND = 0.9
"""Of the null protocol's message rate: above it, a result measures the harness."""


def assess(
    trial: Trial,
    record: RunRecord,
    family: Family,
    provenance: dict[str, Any],
    *,
    checks: Sequence[Check] | None = None,
) -> Result:
    """Judge one run.

    Args:
        trial: what was run.
        record: what the runtime handed back.
        family: the protocol.
        provenance: see :func:`bench.provenance.provenance`.
        checks: functions of (history, budget in s); by default those registered for what the family promises.

    Raises:
        Exception: whatever a check raises; a broken check is the harness' failure, never a verdict.
    """
    history = record.history
    warmup, end = trial.warmup, record.load_end or trial.duration
    faults = tuple(sorted(record.faults, key=lambda fault: fault.start))
    counted = summary.operations(history, warmup, end)
    times = summary.latencies(history, warmup, end, record.shed)
    gap = summary.unavailability(history, warmup, end, faults)
    rate = summary.throughput(history, warmup, end)
    acknowledged = int(np.count_nonzero(history.outcome == OK))
    per_operation = record.messages_server / acknowledged if acknowledged else None
    verdicts = [*_run_checks(trial, history, family, checks), *record.verdicts, *opinions.judge(trial, record, family)]
    measured = {model: _run_model(trial, history, model) for model in trial.measure}
    reason = void_reason(trial, record, family, counted, gap)
    return Result(
        protocol=trial.protocol,
        runtime=trial.runtime,
        nodes=trial.nodes,
        seed=trial.seed,
        duration_s=seconds(end),
        params=trial.params,
        mutant=trial.mutant,
        operations=counted,
        throughput_ops_s=rate,
        latency_s=times.response,
        service_s=times.service,
        queue_s=times.queue,
        unavailable_s=gap.unavailable if gap is not None else None,
        unavailable_resolution_s=gap.threshold if gap is not None else None,
        unavailable_censored=gap is not None and gap.censored,
        recovery_s=recovery.recovery(record.marks, faults, record.leaders, family.recovery, history),
        recoveries=recovery.recoveries(record.marks, faults, record.leaders, family.recovery, history, warmup, end),
        steady_s=_steady(history, min([end, *(fault.start for fault in faults)])),
        messages=Messages(
            server=record.messages_server,
            client=record.messages_client,
            dropped=record.messages_dropped,
            overflowed=record.messages_overflowed,
        ),
        messages_per_operation=per_operation,
        trial="void" if reason else "complete",
        void_reason=reason,
        verdict=_verdict(verdicts, unproven=reason is not None or vacuous(history, family) is not None),
        checks=_by_name(verdicts),
        violations=tuple(verdict for verdict in verdicts if verdict.verdict == "invalid"),
        floor=record.floor,
        harness_bound=harness_bound(rate, _all_messages(record, acknowledged), record.floor, trial.link),
        trace_hash=record.trace_hash,
        events=record.events,
        leader_changes=max(0, len(record.leaders) - 1),
        leader_hit=recovery.leader_hit(faults, record.leaders),
        detection=opinions.quality(record, trial.nodes, warmup, end) if family.opinions is not None else None,
        coverage=dict(sorted(Counter(mark.name for mark in record.marks).items())),
        measured={model: merge(each.verdict for each in found) for model, found in measured.items()},
        figures=_figures([*verdicts, *(each for found in measured.values() for each in found)], record),
        faults=faults,
        costs=record.costs,
        projection=project(record.costs),
        bias=record.bias,
        clock=_clock(record),
        time_series=summary.time_series(history, end),
        took_s=record.took_s,
        spec=trial,
        provenance=provenance,
    )


def _steady(history: History, until: int) -> float | None:
    """When response times had become steady, before anything was wrong."""
    found = steady_from(history, until)
    return None if found is None else seconds(found)


def failed(trial: Trial, error: str, provenance: dict[str, Any], took_s: float = 0.0) -> Result:
    """The row of a trial that the harness could not finish: no figures, verdict ``unknown``, and the error."""
    return Result(
        protocol=trial.protocol,
        runtime=trial.runtime,
        nodes=trial.nodes,
        seed=trial.seed,
        duration_s=seconds(trial.duration),
        params=trial.params,
        mutant=trial.mutant,
        operations=Operations(),
        throughput_ops_s=0.0,
        latency_s=Latency(),
        unavailable_s=None,
        recovery_s=Recovery(),
        messages=Messages(),
        messages_per_operation=None,
        trial="void",
        void_reason="the harness failed",
        verdict="unknown",
        checks={},
        took_s=took_s,
        error=error,
        spec=trial,
        provenance=provenance,
    )


def _clock(record: RunRecord) -> ClockReport | None:
    """How clocks differed, with what that costs."""
    if record.clock is None:
        return None
    lost = power_lost(record.history)
    return msgspec.structs.replace(record.clock, detection_power_lost=lost.pairs, neighbours_lost=lost.neighbours)


# --- verdicts -------------------------------------------------------------------------------------------------------


def promised(trial: Trial, family: Family) -> tuple[str, ...]:
    """The models that every history of the trial has to satisfy; names of :mod:`bench.checkers.registry`.

    Raises:
        UsageError: the trial's parameters cannot be.
    """
    if not callable(family.model):
        return family.models(None, None, trial.nodes)
    params = dict(trial.params)
    if trial.mutant is not None:
        params = {**find_mutant(load_family(trial.protocol), trial.mutant).params, **params}
    return family.models(*build_configs(family, params, trial.nodes), trial.nodes)


def _run_checks(trial: Trial, history: History, family: Family, checks: Sequence[Check] | None) -> list[Verdict]:
    if checks is not None:
        return _judge(trial, history, checks)
    return [verdict for model in promised(trial, family) for verdict in _run_model(trial, history, model)]


def _run_model(trial: Trial, history: History, model: str) -> list[Verdict]:
    # Checkers bring graph libraries with them: paid for when a history is judged, not when the command starts.
    return _judge(trial, history, importlib.import_module("bench.checkers.registry").checks_for(model))


def _judge(trial: Trial, history: History, checks: Sequence[Check]) -> list[Verdict]:
    judged = []
    for check in checks:
        began = time.perf_counter()
        verdict = check(history, trial.check_budget_s)
        took_s = verdict.took_s or time.perf_counter() - began
        judged.append(msgspec.structs.replace(verdict, took_s=took_s))
    return judged


def _figures(verdicts: Iterable[Verdict], record: RunRecord) -> dict[str, float]:
    named = {f"{each.name}.{name}": value for each in verdicts for name, value in each.figures.items()}
    return dict(sorted({**named, **record.figures}.items()))


def _by_name(verdicts: Iterable[Verdict]) -> dict[str, str]:
    """Check -> verdict; where two speak under one name (an invariant broken twice), they merge."""
    words: dict[str, str] = {}
    for verdict in verdicts:
        words[verdict.name] = merge([words.get(verdict.name, "valid"), verdict.verdict])
    return words


def _verdict(verdicts: Iterable[Verdict], *, unproven: bool) -> Word:
    """Merged; a trial that is void, or in which nothing could fail, is never ``valid``, but a violation remains one."""
    merged = merge(verdict.verdict for verdict in verdicts)
    return "unknown" if unproven and merged == "valid" else merged


# --- complete or void -----------------------------------------------------------------------------------------------


def void_reason(
    trial: Trial,
    record: RunRecord,
    family: Family,
    counted: Operations,
    gap: summary.Unavailability | None,
) -> str | None:
    """Why the figures of this run mean nothing, in one sentence; None if they do mean something.

    Void is what the harness did not do. In this order: the load generator was the bottleneck; a fault that was
    scheduled by hand did not fire; fewer than 20 operations were asked for in the measured window, or acknowledged by
    a system that served up to its end; nothing was acknowledged that could have come out wrong (:func:`vacuous`); no
    opinion was formed (:func:`bench.opinions.vacuous`); the load fell short of what was asked (:func:`shortfall`).

    A system that did not serve again, or never did, is no reason: were its trials left out, only those would remain in
    which it survived. They are complete, and their outage lasts as long as the window.
    """
    if record.bound_by_generator:
        return f"the load generator was the bottleneck: {record.bound_by_generator}"
    if missed := unfired(trial, record):
        return f"a scheduled fault did not fire: {missed}"
    silent = gap is not None and gap.censored
    asked = summary.asked(record.history, trial.warmup, record.load_end or trial.duration) + record.shed
    if asked == 0 or (trial.workload.rate is not None and asked < MINIMUM_OPERATIONS):
        return f"only {asked} operations were asked for in the measured window; {MINIMUM_OPERATIONS} are needed"
    if not silent:
        if counted.ok < MINIMUM_OPERATIONS:
            return (
                f"only {counted.ok} operations were acknowledged in the measured window; "
                f"{MINIMUM_OPERATIONS} are needed"
            )
        if nothing := vacuous(record.history, family):
            return nothing
    if nothing := opinions.vacuous(record, family):
        return nothing
    return shortfall(trial, record, gap)


def unfired(trial: Trial, record: RunRecord) -> str | None:
    """The first fault of the schedule that did not fire although its time came, as it is written; None if all did.

    One that hit nobody, as everybody it was aimed at was down, did not fire. A run that ended early, at a violation,
    owes no fault that was due after its end.
    """
    end = record.load_end or trial.duration
    fired = Counter(fault.detail for fault in record.faults if fault.targets or fault.kind in ("partition", "cut"))
    for fault in sorted(trial.faults, key=lambda fault: fault.at):
        written = format_fault(fault)
        if fired[written]:
            fired[written] -= 1
        elif fault.at < end or end >= trial.duration:
            return written
    return None


def vacuous(history: History, family: Family) -> str | None:
    """Why nothing in this history could have come out wrong, in one sentence; None if something could.

    There was no acknowledged write, or none that reads; a compare-and-set does both.
    """
    if family.model == "none":
        return None
    done = {function: _acknowledged(history, function) for function in (READ, WRITE, CAS)}
    if done[WRITE] + done[CAS] == 0:
        return "no write or compare-and-set was acknowledged, so nothing could have been lost"
    if done[READ] + done[CAS] == 0:
        return "nothing was read, so nothing wrong could have been seen"
    return None


def _acknowledged(history: History, function: int) -> int:
    return int(np.count_nonzero((history.function == function) & (history.outcome == OK)))


def shortfall(trial: Trial, record: RunRecord, gap: summary.Unavailability | None) -> str | None:
    """Whether an open loop got clearly less than 90% of its operations answered while nothing was wrong.

    "Nothing was wrong" is the measured window up to the first fault (a system that is slow after one suffers from it,
    which is a result), without every silence longer than chance explains, such as the wait for the first leader.
    Answered are operations that ended ok or fail in that time. As arrivals are random, three standard deviations (of a
    Poisson count) are granted on top. Silent for a closed loop, whose rate is the system's own, and where fewer than 50
    operations were asked for in that time, as under a continuous nemesis.
    """
    end = record.load_end or trial.duration
    if trial.workload.rate is None or record.offered <= 0 or gap is None or end <= trial.warmup:
        return None
    disturbed = [(fault.start, end) for fault in record.faults]
    disturbed += summary.silent_periods(record.history, trial.warmup, end, gap.rate)
    calm = _complement(disturbed, trial.warmup, end)
    asked = record.offered / end * sum(stop - start for start, stop in calm)
    if asked < MINIMUM_ASKED:
        return None
    history = record.history
    ended = history.completed[(history.outcome == OK) | (history.outcome == FAIL)]
    answered = sum(int(np.count_nonzero((ended >= start) & (ended <= stop))) for start, stop in calm)
    if answered >= MINIMUM_SHARE * asked - 3 * asked**0.5:
        return None
    return (
        f"{SHORT}: while nothing was wrong, {answered} operations were answered "
        f"where {asked:.0f} were asked for ({answered / asked:.0%})"
    )


def _complement(periods: Iterable[tuple[int, int]], start: int, end: int) -> list[tuple[int, int]]:
    """The parts of [start, end] outside all periods."""
    free: list[tuple[int, int]] = []
    for begin, stop in sorted(periods):
        if begin > start:
            free.append((start, min(begin, end)))
        start = max(start, stop)
        if start >= end:
            return free
    return [*free, (start, end)]


def _all_messages(record: RunRecord, acknowledged: int) -> float | None:
    """Messages of any kind an acknowledged operation."""
    return (record.messages_server + record.messages_client) / acknowledged if acknowledged else None


def harness_bound(
    throughput: float, per_operation: float | None, floor: Floor | None, link: Literal["tcp", "ray"] = "tcp"
) -> bool:
    """Whether a trial exchanged messages at 90% or more of the null protocol's rate on this machine.

    Like with like: both count every message, between servers as well as with clients, over the same kind of links, and
    both were driven by the same number of clients, except where a floor says nothing of its clients.

    Args:
        throughput: acknowledged operations/s.
        per_operation: all messages an acknowledged operation; None without any.
        floor: of the trial's client count.
        link: that carried the trial's messages.
    """
    null = 0.0 if floor is None else floor.null_over(link)
    if per_operation is None or null <= 0:
        return False
    return throughput * per_operation >= HARNESS_BOUND * null


def with_floor(result: Result, floor: Floor) -> Result:
    """A result with a floor that was measured beside it."""
    acknowledged = result.operations.ok
    counted = result.messages.server + result.messages.client
    per_operation = counted / acknowledged if acknowledged else None
    bound = harness_bound(result.throughput_ops_s, per_operation, floor, result.spec.link)
    return msgspec.structs.replace(result, floor=floor, harness_bound=bound)
