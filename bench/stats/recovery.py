"""Where an outage went: which fault silenced the leader, when that was noticed, and when another one served."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..faults.notation import parse_fault
from ..faults.spec import DrainRestart, FaultRecord, Partition, RollingRestart
from ..history import NEVER, OK, History
from ..trial import FaultRecovery, Recovery
from ..units import seconds

if TYPE_CHECKING:
    from ..faults.spec import Fault
    from ..runtime.record import Mark

SILENCING = (
    "crash",
    "crash-at-write",
    "drain",
    "full-disk",
    "lose-disk",
    "partition",
    "pause",
    "power-loss",
    "rolling-restart",
    "stall",
    "zone-loss",
)
"""Kinds of faults that keep a leader from leading, as opposed to making it slow."""
CUTTING = ("halves", "isolate", "one-way")
"""Shapes of a partition that cut its target off from a majority; a bridge and a ring leave it one."""
TAKES_EFFECT = 50_000_000
"""ns that a live fault may take from its order to its effect: until then the old leader may still serve."""

WINDOW = 100
"""Operations over which a 99th percentile is taken, at least."""
BACK_WITHIN = 1.1
"""In multiples of the p99 before the first fault: from here on it is back."""


@dataclass(frozen=True)
class Silencing:
    """The moment from which a fault keeps ``targets`` from leading; ``fault`` may have begun before."""

    at: int
    targets: tuple[str, ...]
    fault: FaultRecord


def leader_at(leaders: Sequence[tuple[int, str]], at: int) -> str | None:
    """The server that last began to lead at or before ``at``."""
    led = [(since, node) for since, node in leaders if since <= at]
    return max(led, key=lambda pair: pair[0])[1] if led else None


def _written(record: FaultRecord) -> Fault | None:
    """The fault as it was scheduled; None where the record does not say."""
    try:
        return parse_fault(record.detail)
    except UsageError:
        return None


def silencings(record: FaultRecord) -> list[Silencing]:
    """When a fault silences whom: a drained server once its grace is over, a rolling restart one after the other.

    Empty for faults that only slow servers down, or that leave their targets connected to a majority.
    """
    if record.kind not in SILENCING:
        return []
    match _written(record):
        case Partition(shape=shape) if shape not in CUTTING:
            return []
        case DrainRestart(grace=grace):
            return [Silencing(record.start + grace, record.targets, record)]
        case RollingRestart(down=down, gap=gap):
            starts = [record.start + place * (down + gap) for place in range(len(record.targets))]
            over = record.end if record.end is not None else max(starts, default=0)
            return [
                Silencing(at, (name,), record) for at, name in zip(starts, record.targets, strict=True) if at <= over
            ]
    return [Silencing(record.start, record.targets, record)]


def leader_hit(faults: Iterable[FaultRecord], leaders: Sequence[tuple[int, str]]) -> bool | None:
    """Whether the first fault that was aimed at the leader hit it; None if none was.

    Where nobody leads, or whoever led has stepped down, such a fault hits a server at random.
    """
    aimed = [fault for fault in faults if getattr(_written(fault), "target", None) in ("leader", "host:leader")]
    first = min(aimed, key=lambda fault: fault.start, default=None)
    return None if first is None else leader_at(leaders, first.start) in first.targets


def _term(mark: Mark | None) -> int | None:
    term = mark.fields.get("term") if mark is not None else None
    return term if isinstance(term, int) else None


def recovery(
    marks: Sequence[Mark],
    faults: Iterable[FaultRecord],
    leaders: Sequence[tuple[int, str]],
    names: tuple[str, str, str],
    history: History | None = None,
) -> Recovery:
    """Parts of the first outage in which a leader was unseated, from the marks ``names`` = (detect, elect, commit).

    The outage is put down to the last fault that silenced the leader before the first election of a later term: an
    earlier one, such as a pause that was over too soon to be noticed, did not unseat it. Nor did that last one if the
    old term still serves after it: a commit of that term, or an operation of the ``history`` that was invoked and
    acknowledged between it and the election. Then every part is None.

    ``detect`` ends with the first suspicion from the fault to that election. ``commit`` ends with the first commit
    after it in a term later than the fallen leader's (where marks carry a ``term``), and ``elect`` with the election of
    that term, so that elections which led to nothing count as time spent electing. A part that was not observed is
    None.
    """
    found = outages(marks, faults, leaders, names, history)
    return found[0][1] if found else Recovery()


def outages(
    marks: Sequence[Mark],
    faults: Iterable[FaultRecord],
    leaders: Sequence[tuple[int, str]],
    names: tuple[str, str, str],
    history: History | None = None,
) -> list[tuple[Silencing, Recovery]]:
    """Every outage in which a leader was unseated: what it is put down to, and its parts, as in :func:`recovery`."""
    every = sorted((each for fault in faults for each in silencings(fault)), key=lambda each: each.at)
    hits = [each for each in every if leader_at(leaders, each.at) in each.targets]
    ordered = sorted(marks, key=lambda mark: mark.at)
    found = []
    while hits:
        deposed, fault, parts = _outage(hits, ordered, names, history)
        found.append((fault, parts))
        hits = [] if deposed is None else [hit for hit in hits if hit.at > deposed]
    return found


def _outage(
    hits: Sequence[Silencing], ordered: Sequence[Mark], names: tuple[str, str, str], history: History | None
) -> tuple[int | None, Silencing, Recovery]:
    """The first outage of these: when a later term began, what it is put down to, and its parts."""
    _, elect, commit = names
    old = _term(next((m for m in reversed(ordered) if m.name == elect and m.at <= hits[0].at), None))

    def newer(mark: Mark) -> bool:
        term = _term(mark)
        return term is None or old is None or term > old

    deposed = next((m.at for m in ordered if m.name == elect and m.at > hits[0].at and newer(m)), None)
    fault = [hit for hit in hits if deposed is None or hit.at <= deposed][-1]
    until = NEVER - 1 if deposed is None else deposed
    effective = fault.at + TAKES_EFFECT
    if any(m.name == commit and not newer(m) and m.at > effective for m in ordered):
        return deposed, fault, Recovery()
    if history is not None and _served(history, effective, until):
        return deposed, fault, Recovery()
    suspected = next((m for m in ordered if m.name == names[0] and fault.at <= m.at <= until), None)
    return deposed, fault, _parts([m for m in ordered if m.at >= fault.at and newer(m)], fault.at, suspected, names)


def recoveries(
    marks: Sequence[Mark],
    faults: Iterable[FaultRecord],
    leaders: Sequence[tuple[int, str]],
    names: tuple[str, str, str],
    history: History,
    warmup: int,
    end: int,
) -> tuple[FaultRecovery, ...]:
    """What became of each fault, in their order: :func:`outages` and :func:`p99_back`.

    Args:
        marks, leaders, names: as in :func:`recovery`.
        faults: all of them.
        history: of the trial.
        warmup, end: ns, the measured window.
    """
    ordered = sorted(faults, key=lambda fault: fault.start)
    parts = {id(hit.fault): found for hit, found in outages(marks, ordered, leaders, names, history)}
    found = []
    responses = _Responses.of(history, warmup, end, ordered[0].start) if ordered else None
    for place, fault in enumerate(ordered):
        limit = min([end, *(other.start for other in ordered[place + 1 :] if other.start > fault.start)])
        begins = max((each.at for each in silencings(fault)), default=fault.start)
        part = parts.get(id(fault), Recovery())
        found.append(
            FaultRecovery(
                kind=fault.kind,
                at=seconds(fault.start),
                targets=fault.targets,
                detect=part.detect,
                elect=part.elect,
                commit=part.commit,
                p99_back=responses.back(fault.start, begins, limit) if responses is not None else None,
            )
        )
    return tuple(found)


@dataclass(frozen=True)
class _Responses:
    """Response times in ns of all operations by their intended start; infinite of those not served."""

    intended: NDArray[np.int64]
    completed: NDArray[np.int64]
    took: NDArray[np.float64]
    bound: float

    @classmethod
    def of(cls, history: History, warmup: int, end: int, first_fault: int) -> _Responses | None:
        """None where too few operations before the first fault say what is usual."""
        rows = np.flatnonzero((history.intended >= warmup) & (history.intended < end))
        order = rows[np.argsort(history.intended[rows], kind="stable")]
        intended = history.intended[order].astype(np.int64)
        took = (history.completed[order] - history.intended[order]).astype(np.float64)
        took[history.outcome[order] != OK] = np.inf
        before = np.sort(took[intended < first_fault])
        if len(before) < WINDOW:
            return None
        usual = float(before[-(-99 * len(before) // 100) - 1])
        completed = history.completed[order].astype(np.int64)
        return cls(intended, completed, took, BACK_WITHIN * usual) if np.isfinite(usual) else None

    def back(self, fault: int, begins: int, limit: int) -> float | None:
        """Seconds from the fault until the first of ``WINDOW`` operations in a row whose p99 is as usual.

        By then every slow operation that was under way has been answered (or given up): a closed loop has hardly any
        operation in an outage, each client waits for one that began before it.
        """
        inside = ((self.intended >= begins) | (self.completed > begins)) & (self.intended < limit)
        at = self.intended[inside]
        slow = self.took[inside] > self.bound
        counted = np.concatenate(([0], np.cumsum(slow)))
        if len(counted) <= WINDOW:
            return None
        ended = np.where(slow & (self.completed[inside] < NEVER), self.completed[inside], 0)
        waited = np.maximum.accumulate(np.concatenate(([0], ended[:-1])))
        calm = counted[WINDOW:] - counted[:-WINDOW] <= WINDOW // 100
        starts = len(calm)
        back = np.flatnonzero(calm & (at[:starts] >= waited[:starts]) & (at[:starts] >= begins))
        return seconds(float(at[back[0]] - fault)) if len(back) else None


def _served(history: History, start: int, end: int) -> bool:
    """Whether an operation was invoked after ``start`` and acknowledged by ``end``."""
    rows = (history.outcome == OK) & (history.invoked > start) & (history.completed <= end)
    return bool(np.any(rows))


def _parts(after: Sequence[Mark], fault: int, suspected: Mark | None, names: tuple[str, str, str]) -> Recovery:
    """The parts from the marks of later terms after a fault."""
    elections = [m for m in after if m.name == names[1] and (suspected is None or m.at >= suspected.at)]
    committed: Mark | None = None
    elected: Mark | None = elections[0] if elections else None
    for mark in after:
        if mark.name != names[2]:
            continue
        led_to_it = [e for e in elections if e.at <= mark.at and _term(e) in (None, _term(mark))]
        if _term(mark) is None:
            led_to_it = [e for e in elections if e.at <= mark.at]
        if led_to_it:
            committed, elected = mark, led_to_it[-1]
            break
    return Recovery(
        detect=seconds(suspected.at - fault) if suspected is not None else None,
        elect=seconds(elected.at - suspected.at) if elected is not None and suspected is not None else None,
        commit=seconds(committed.at - elected.at) if committed is not None and elected is not None else None,
    )
