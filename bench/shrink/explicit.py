"""A run made explicit: the faults that fired and the operations that were asked for, as plain schedules.

What a nemesis draws, whom ``leader`` means, which links a partition cuts: all of that depends on everything that
happened before. Were one fault left out, another would hit somebody else. So before anything is left out, each fault
becomes one that names its victims, and the load becomes a script.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from ..faults import spec
from ..faults.notation import parse_fault
from ..faults.spec import Fault, FaultRecord
from ..history import NIL, History
from ..history.history import READ
from ..runtime.record import RunRecord
from ..trial import Trial
from ..workload.spec import FUNCTIONS, Call


def explicit_faults(records: Iterable[FaultRecord], end: int, *, live: bool = False) -> tuple[Fault, ...]:
    """The faults that fired before ``end`` (ns), as a schedule that does the same without drawing anything.

    A fault that hit several nodes becomes one a node where that is the same. Drawn delays and losses of links remain
    drawn.

    Args:
        records: what fired.
        end: of the load.
        live: take the times at which things really began and ended instead of those that were scheduled.

    Raises:
        UsageError: a delay that has no notation.
    """
    faults: list[Fault] = []
    for record in sorted(records, key=lambda record: record.start):
        if record.start < end:
            faults += _exactly(record, live)
    return tuple(sorted(faults, key=lambda fault: fault.at))


def _exactly(record: FaultRecord, live: bool) -> list[Fault]:
    fault = msgspec.structs.replace(parse_fault(record.detail), at=record.start)
    if live and record.end is not None:
        field = "down" if hasattr(fault, "down") else "length" if hasattr(fault, "length") else ""
        if field and not isinstance(fault, spec.RollingRestart | spec.DrainRestart):
            fault = msgspec.structs.replace(fault, **{field: max(1, record.end - record.start)})
    match fault:
        case spec.CrashAtWrite():
            # just after the promise has left, as the crash it was
            return [spec.Crash(at=record.start + 1, target=name, down=fault.down) for name in record.targets]
        case spec.ZoneLoss():
            return [spec.Crash(at=fault.at, target=name, down=fault.down) for name in record.targets]
        case spec.Partition():
            if not record.links:
                return [fault]
            return [spec.Cut(at=fault.at, links=record.links, length=fault.length)]
        case spec.PowerLoss() | spec.RollingRestart() | spec.RetryStorm() | spec.Cut():
            return [fault]
        case spec.LoseDisk():
            fault = msgspec.structs.replace(fault, damage=record.damage)
    return [msgspec.structs.replace(fault, target=name) for name in record.targets]


def calls_of(history: History, end: int) -> tuple[Call, ...]:
    """The operations asked for before ``end`` (ns), at the times at which they were meant to start."""
    calls = []
    for row in range(len(history)):
        at = int(history.intended[row])
        if at >= end:
            continue
        code = int(history.function[row])
        expected = int(history.expected[row])
        calls.append(
            Call(
                at=at,
                client=int(history.client[row]),
                function=FUNCTIONS[code],
                key=int(history.key[row]),
                value=None if code == READ else int(history.argument[row]),
                expected=expected if FUNCTIONS[code] == "cas" and expected != NIL else None,
            )
        )
    return tuple(sorted(calls, key=lambda call: call.at))


def with_faults(trial: Trial, faults: Iterable[Fault]) -> Trial:
    """The trial with exactly these faults; what its nemesis asked of the liveness phase is still asked."""
    split = trial.nemesis is not None if trial.split is None else trial.split
    return msgspec.structs.replace(trial, faults=tuple(faults), nemesis=None, split=split or None)


def with_calls(trial: Trial, calls: Iterable[Call]) -> Trial:
    """The trial with exactly these operations as its load."""
    workload = msgspec.structs.replace(trial.workload, rate=None, script=tuple(calls))
    return msgspec.structs.replace(trial, workload=workload)


def explicit(trial: Trial, record: RunRecord) -> tuple[Trial, Trial]:
    """The trial with the faults of its run, and that with its operations too."""
    end = min(trial.duration, record.load_end or trial.duration)
    faults = with_faults(trial, explicit_faults(record.faults, end, live=trial.runtime == "ray"))
    return faults, with_calls(faults, calls_of(record.history, end))
