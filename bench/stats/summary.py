"""Figures of one trial, from its history and marks. Times in are ns from the start of the load, figures are seconds."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..faults.spec import FaultRecord
from ..history import FAIL, INFO, NEVER, OK, History
from ..trial import Latency, Operations
from ..units import seconds

IntArray = NDArray[np.int64]

QUANTILES: tuple[tuple[str, int], ...] = (("p50", 500), ("p90", 900), ("p99", 990), ("p999", 999))
"""Names and shares in thousandths, so that no rounding decides which operation is meant."""
EULER_GAMMA = 0.5772156649015329
RESOLUTION_LEVEL = 0.95
MINIMUM_FOR_RATE = 20
"""Fewer acknowledged operations before the first fault than this do not give a rate."""


# --- the measured window --------------------------------------------------------------------------------------------


def measured_ok(history: History, warmup: int, load_end: int) -> NDArray[np.bool_]:
    """Rows of operations acknowledged within [warmup, load_end]: throughput and silences are taken over these."""
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


def asked(history: History, warmup: int, load_end: int) -> int:
    """Operations under way within the window, however they ended: what the load asked of the system there."""
    return int(np.count_nonzero((history.intended < load_end) & (history.completed >= warmup)))


def throughput(history: History, warmup: int, load_end: int) -> float:
    """Acknowledged operations a second over the window."""
    span = load_end - warmup
    return float(np.count_nonzero(measured_ok(history, warmup, load_end))) / seconds(span) if span > 0 else 0.0


# --- latency --------------------------------------------------------------------------------------------------------


def quantiles(durations: IntArray, censored: int = 0) -> Latency:
    """Quantiles of durations in ns, as seconds.

    Each is an observed value: the smallest that at least that share of the operations did not exceed.

    Args:
        durations: those observed.
        censored: operations beside them whose duration is only known to be longer than what was watched. A quantile
            that falls among them is None, and so is the maximum if there is any.
    """
    total = len(durations) + censored
    if total == 0:
        return Latency()
    ordered = np.sort(durations)
    named: dict[str, float | None] = {}
    for name, thousandths in (*QUANTILES, ("max", 1000)):
        rank = -(-thousandths * total // 1000)
        named[name] = seconds(float(ordered[rank - 1])) if rank <= len(ordered) else None
    return Latency(**named, censored=censored / total)


@dataclass(frozen=True)
class Latencies:
    """The three times an operation takes, over all operations intended in the window.

    Attributes:
        response: completed - intended: what a user waits, coordinated omission included.
        service: completed - invoked.
        queue: invoked - intended; known of every operation but those that were shed.
    """

    response: Latency
    service: Latency
    queue: Latency


def intended_rows(history: History, warmup: int, load_end: int) -> NDArray[np.bool_]:
    """Rows of operations that the load meant to send within [warmup, load_end); probes after the load are not."""
    rows: NDArray[np.bool_] = (history.intended >= warmup) & (history.intended < load_end)
    return rows


def latencies(history: History, warmup: int, load_end: int, shed: int = 0) -> Latencies:
    """Response, service and queueing time of all operations intended within the window.

    One that was acknowledged counts with its time, also if that was after the window. One that ended any other way
    (failed, perhaps happened, never answered, or shed) has not been served when it was last seen: it counts as longer
    than anything observed. Left out, the slowest would be missing from the very tail they make.

    Args:
        history: of the trial.
        warmup, load_end: ns, the window.
        shed: operations that were not started. When is not known, so all of them count.
    """
    inside = intended_rows(history, warmup, load_end)
    rows = inside & (history.outcome == OK)
    censored = int(np.count_nonzero(inside)) - int(np.count_nonzero(rows)) + shed
    completed, invoked, intended = history.completed[rows], history.invoked[rows], history.intended[rows]
    return Latencies(
        response=quantiles((completed - intended).astype(np.int64), censored),
        service=quantiles((completed - invoked).astype(np.int64), censored),
        queue=quantiles((history.invoked[inside] - history.intended[inside]).astype(np.int64), shed),
    )


def time_series(history: History, load_end: int) -> tuple[tuple[float, int, float | None], ...]:
    """(second, ok operations completed in it, p99 of their response in s) for each second of the load, warm-up too.

    Only of operations that were answered: where others were not, the count falls, not the p99.
    """
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
        threshold: what the longest gap exceeds in one trial of twenty with operations completing at ``rate`` at random,
            or a usual response if that is longer; a gap up to here is no outage. None where there is no rate.
        unavailable: ``longest`` less one mean gap (the wait for the next operation, had nothing been wrong) if it is
            above the threshold, else 0. The whole window if nothing was acknowledged.
        rate: acknowledged operations a second before the first fault (see :func:`unavailability`), 0 if none were.
        censored: nothing was acknowledged from some time on until the window ended (or never), for longer than the
            threshold: the outage went on, and ``unavailable`` is only how much of it was seen.
    """

    longest: float
    starts: int
    threshold: float | None
    unavailable: float
    rate: float
    censored: bool


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
    """The longest gap between successive acknowledged operations, if chance does not explain it.

    With n gaps in the window [warmup, load_end], its two edges included, and the rate before the first fault,

        unavailable = longest gap - 1 / rate, if longest gap > threshold, else 0,

    where the threshold is what the longest of n exponential gaps exceeds once in twenty trials
    (:func:`maximal_gap_quantile`), and no less than a usual response (the 99th percentile before the first fault):
    answers of a closed loop come in groups, and between two of them nothing is wrong. It only decides whether there was
    an outage; how long it was does not depend on how many gaps lie around it.

    Returns:
        None for an empty window.
    """
    if load_end <= warmup:
        return None
    times = history.completed[measured_ok(history, warmup, load_end)].astype(np.int64)
    window = seconds(load_end - warmup)
    if len(times) == 0:
        return Unavailability(
            longest=window, starts=warmup, threshold=None, unavailable=window, rate=0.0, censored=True
        )
    first_fault = min((fault.start for fault in faults), default=None)
    gaps, starts = _gaps(times, warmup, load_end)
    at = int(np.argmax(gaps))
    longest = seconds(int(gaps[at]))
    acknowledged = history.completed[measured_ok(history, 0, load_end)].astype(np.int64)
    rate = completion_rate(acknowledged, warmup, load_end, first_fault)
    if rate <= 0:
        last = at == len(gaps) - 1
        return Unavailability(
            longest=longest, starts=int(starts[at]), threshold=None, unavailable=longest, rate=0.0, censored=last
        )
    threshold = max(maximal_gap_quantile(len(gaps), rate), _usual_response(history, load_end, first_fault))
    return Unavailability(
        longest=longest,
        starts=int(starts[at]),
        threshold=threshold,
        unavailable=longest - 1 / rate if longest > threshold else 0.0,
        rate=rate,
        censored=seconds(int(gaps[-1])) > threshold,
    )


def _usual_response(history: History, load_end: int, first_fault: int | None) -> float:
    """The 99th percentile in seconds of what was answered before the first fault, from invocation; 0 for nothing."""
    ended = history.completed < (load_end if first_fault is None else first_fault)
    rows = (history.outcome == OK) & ended
    took = (history.completed[rows] - history.invoked[rows]).astype(np.int64)
    return seconds(float(np.quantile(took, 0.99))) if len(took) else 0.0


def silent_periods(history: History, warmup: int, load_end: int, rate: float) -> list[tuple[int, int]]:
    """(start, end) of every gap longer than chance makes the longest one in 19 of 20 undisturbed trials."""
    times = history.completed[measured_ok(history, warmup, load_end)].astype(np.int64)
    gaps, starts = _gaps(times, warmup, load_end)
    limit = maximal_gap_quantile(len(gaps), rate) * 1e9 if rate > 0 else 0.0
    return [(int(start), int(start + gap)) for start, gap in zip(starts, gaps, strict=True) if gap > limit]
