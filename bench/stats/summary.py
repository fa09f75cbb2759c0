"""Figures of one trial, from its history and marks. Times in are ns from the start of the load, figures are seconds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..faults.spec import FaultRecord
from ..history import FAIL, INFO, NEVER, OK, History
from ..trial import Latency, Operations, Recovery
from ..units import seconds

if TYPE_CHECKING:
    from ..runtime.record import Mark

IntArray = NDArray[np.int64]

QUANTILES: tuple[tuple[str, float], ...] = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999))
EULER_GAMMA = 0.5772156649015329
RESOLUTION_LEVEL = 0.95
MINIMUM_FOR_RATE = 20
"""Fewer acknowledged operations before the first fault than this do not give a rate."""

SILENCING = ("crash", "pause", "partition", "power-loss", "zone-loss", "lose-disk", "stall")
"""Kinds of faults that keep a leader from leading, as opposed to making it slow."""


# --- the measured window --------------------------------------------------------------------------------------------


def measured_ok(history: History, warmup: int, load_end: int) -> NDArray[np.bool_]:
    """Rows of operations acknowledged within [warmup, load_end]: all figures are taken over these."""
    inside = (history.completed >= warmup) & (history.completed <= load_end)
    rows: NDArray[np.bool_] = inside & (history.outcome == OK)
    return rows


def operations(history: History, warmup: int, load_end: int) -> Operations:
    """Counts by outcome over the window. An operation never answered counts in the window it was invoked in."""
    ended = np.where(history.completed >= NEVER, history.invoked, history.completed)
    inside = (ended >= warmup) & (ended <= load_end)

    def count(outcome: int) -> int:
        return int(np.count_nonzero(inside & (history.outcome == outcome)))

    return Operations(ok=count(OK), fail=count(FAIL), info=count(INFO))


def throughput(history: History, warmup: int, load_end: int) -> float:
    """Acknowledged operations a second over the window."""
    span = load_end - warmup
    return float(np.count_nonzero(measured_ok(history, warmup, load_end))) / seconds(span) if span > 0 else 0.0


# --- latency --------------------------------------------------------------------------------------------------------


def quantiles(durations: IntArray) -> Latency:
    """Quantiles of durations in ns, as seconds.

    Each is an observed value: the smallest that at least that share of the operations did not exceed.
    """
    if len(durations) == 0:
        return Latency()
    found = np.quantile(durations, [q for _, q in QUANTILES], method="inverted_cdf")
    named = {name: seconds(float(value)) for (name, _), value in zip(QUANTILES, found, strict=True)}
    return Latency(**named, max=seconds(float(durations.max())))


@dataclass(frozen=True)
class Latencies:
    """The three times an operation takes, over the ok operations of the window.

    Attributes:
        response: completed - intended: what a user waits, coordinated omission included.
        service: completed - invoked.
        queue: invoked - intended.
    """

    response: Latency
    service: Latency
    queue: Latency


def latencies(history: History, warmup: int, load_end: int) -> Latencies:
    """Response, service and queueing time of the operations acknowledged within the window."""
    rows = measured_ok(history, warmup, load_end)
    completed, invoked, intended = history.completed[rows], history.invoked[rows], history.intended[rows]
    return Latencies(
        response=quantiles((completed - intended).astype(np.int64)),
        service=quantiles((completed - invoked).astype(np.int64)),
        queue=quantiles((invoked - intended).astype(np.int64)),
    )


def time_series(history: History, load_end: int) -> tuple[tuple[float, int, float | None], ...]:
    """(second, ok operations completed in it, p99 of their response in s) for each second of the load, warm-up too."""
    rows = measured_ok(history, 0, load_end)
    completed = history.completed[rows]
    response = (completed - history.intended[rows]).astype(np.int64)
    second = completed // 1_000_000_000
    series: list[tuple[float, int, float | None]] = []
    for i in range(math.ceil(seconds(load_end))):
        inside = response[second == i]
        series.append((float(i), len(inside), quantiles(inside).p99))
    return tuple(series)


# --- unavailability -------------------------------------------------------------------------------------------------


def expected_maximal_gap(n: int, rate: float) -> float:
    """Expected longest of ``n`` independent exponential gaps at ``rate`` a second, in seconds.

    The maximum of n exponentials is the sum of exponentials with rates n*rate, (n-1)*rate ... rate, so its mean is
    H_n / rate with the harmonic number H_n = 1 + 1/2 + ... + 1/n (Renyi 1953).
    """
    if n <= 0:
        return 0.0
    harmonic = sum(1 / k for k in range(1, n + 1)) if n < 50 else math.log(n) + EULER_GAMMA + 1 / (2 * n)
    return harmonic / rate


def maximal_gap_quantile(n: int, rate: float, level: float = RESOLUTION_LEVEL) -> float:
    """Length in seconds that the longest of ``n`` exponential gaps exceeds with probability 1 - ``level``.

    P(max <= x) = (1 - exp(-rate x))^n, solved for x.
    """
    return -math.log(-math.expm1(math.log(level) / n)) / rate if n > 0 else 0.0


@dataclass(frozen=True)
class Unavailability:
    """The longest silence of a trial, in seconds.

    Attributes:
        longest: between two successive acknowledged operations, or an edge of the window and the nearest one.
        starts: ns at which it began.
        expected: what the longest gap would be on average with operations completing at ``rate`` at random.
        unavailable: ``longest - expected``, at least 0; the whole window if nothing was acknowledged.
        resolution: an ``unavailable`` below this is what one undisturbed trial in twenty shows by chance.
        rate: acknowledged operations a second before the first fault (see :func:`unavailability`), 0 if none were.
    """

    longest: float
    starts: int
    expected: float
    unavailable: float
    resolution: float | None
    rate: float


def _gaps(times: IntArray, start: int, end: int) -> tuple[IntArray, IntArray]:
    """Lengths and beginnings of the gaps between ``times`` and the edges of [start, end]."""
    bounds = np.concatenate(([start], np.sort(times), [end])).astype(np.int64)
    return np.diff(bounds), bounds[:-1]


def completion_rate(times: IntArray, start: int, end: int, first_fault: int | None) -> float:
    """Acknowledged operations a second while nothing was wrong.

    From the first acknowledgement (the time until a system first serves is an outage, not its rate) to the first
    fault, warm-up included; where that holds fewer than 20 operations, over [start, end] without its longest gap.

    Args:
        times: ns of every acknowledgement of the load phase, from 0.
        start, end: the measured window.
        first_fault: ns; None without one.
    """
    times = np.sort(times)
    if first_fault is not None:
        before = times[times < first_fault]
        if len(before) > MINIMUM_FOR_RATE and first_fault > before[0]:
            return (len(before) - 1) / seconds(first_fault - int(before[0]))
    inside = times[(times >= start) & (times <= end)]
    gaps, _ = _gaps(inside, start, end)
    rest = (end - start) - int(gaps.max())
    return len(inside) / seconds(rest) if rest > 0 else 0.0


def unavailability(
    history: History, warmup: int, load_end: int, faults: Iterable[FaultRecord] = ()
) -> Unavailability | None:
    """The longest gap between successive acknowledged operations beyond the gap expected at that rate.

    With n gaps in the window [warmup, load_end], its two edges included, and the rate before the first fault,

        unavailable = max(0, longest gap - H_n / rate),

    where H_n / rate is the mean of the longest of n exponential gaps (:func:`expected_maximal_gap`). The resolution
    is the 95% quantile of that maximum (:func:`maximal_gap_quantile`) minus its mean. An outage that had not ended by
    ``load_end`` counts up to there: a lower bound.

    Returns:
        None for an empty window.
    """
    if load_end <= warmup:
        return None
    times = history.completed[measured_ok(history, warmup, load_end)].astype(np.int64)
    window = seconds(load_end - warmup)
    if len(times) == 0:
        return Unavailability(
            longest=window, starts=warmup, expected=0.0, unavailable=window, resolution=None, rate=0.0
        )
    first_fault = min((fault.start for fault in faults), default=None)
    gaps, starts = _gaps(times, warmup, load_end)
    longest = int(np.argmax(gaps))
    acknowledged = history.completed[measured_ok(history, 0, load_end)].astype(np.int64)
    rate = completion_rate(acknowledged, warmup, load_end, first_fault)
    if rate <= 0:
        return Unavailability(
            longest=seconds(int(gaps[longest])),
            starts=int(starts[longest]),
            expected=0.0,
            unavailable=seconds(int(gaps[longest])),
            resolution=None,
            rate=0.0,
        )
    expected = expected_maximal_gap(len(gaps), rate)
    return Unavailability(
        longest=seconds(int(gaps[longest])),
        starts=int(starts[longest]),
        expected=expected,
        unavailable=max(0.0, seconds(int(gaps[longest])) - expected),
        resolution=maximal_gap_quantile(len(gaps), rate) - expected,
        rate=rate,
    )


def silent_periods(history: History, warmup: int, load_end: int, rate: float) -> list[tuple[int, int]]:
    """(start, end) of every gap longer than chance makes the longest one in 19 of 20 undisturbed trials."""
    times = history.completed[measured_ok(history, warmup, load_end)].astype(np.int64)
    gaps, starts = _gaps(times, warmup, load_end)
    limit = maximal_gap_quantile(len(gaps), rate) * 1e9 if rate > 0 else 0.0
    return [(int(start), int(start + gap)) for start, gap in zip(starts, gaps, strict=True) if gap > limit]


# --- recovery -------------------------------------------------------------------------------------------------------


def leader_at(leaders: Sequence[tuple[int, str]], at: int) -> str | None:
    """The server that last began to lead at or before ``at``."""
    led = [(since, node) for since, node in leaders if since <= at]
    return max(led, key=lambda pair: pair[0])[1] if led else None


def first_leader_fault(faults: Iterable[FaultRecord], leaders: Sequence[tuple[int, str]]) -> FaultRecord | None:
    """The earliest fault that silenced whoever led when it fired."""
    hits = [f for f in faults if f.kind in SILENCING and leader_at(leaders, f.start) in f.targets]
    return min(hits, key=lambda fault: fault.start, default=None)


def _term(mark: Mark | None) -> int | None:
    term = mark.fields.get("term") if mark is not None else None
    return term if isinstance(term, int) else None


def recovery(
    marks: Sequence[Mark],
    faults: Iterable[FaultRecord],
    leaders: Sequence[tuple[int, str]],
    names: tuple[str, str, str],
) -> Recovery:
    """Parts of the outage after the first fault that hit a leader, from the marks ``names`` = (detect, elect, commit).

    ``detect`` ends with the first suspicion at or after the fault. ``commit`` ends with the first commit after it in a
    term later than the fallen leader's (where marks carry a ``term``), and ``elect`` with the election of that term, so
    that elections which led to nothing count as time spent electing. A part that was not observed is None.
    """
    fault = first_leader_fault(faults, leaders)
    if fault is None:
        return Recovery()
    ordered = sorted(marks, key=lambda mark: mark.at)
    old = _term(next((m for m in reversed(ordered) if m.name == names[1] and m.at <= fault.start), None))
    suspected = next((m for m in ordered if m.name == names[0] and m.at >= fault.start), None)
    if suspected is None:
        return Recovery()

    def newer(mark: Mark) -> bool:
        term = _term(mark)
        return term is None or old is None or term > old

    after = [m for m in ordered if m.at >= suspected.at and newer(m)]
    elections = [m for m in after if m.name == names[1]]
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
        detect=seconds(suspected.at - fault.start),
        elect=seconds(elected.at - suspected.at) if elected is not None else None,
        commit=seconds(committed.at - elected.at) if committed is not None and elected is not None else None,
    )
