"""The comparison itself. The unit is the trial: Mann-Whitney's test between the trials of both sides, for every cell
and metric; Cliff's delta as the size of the effect; and Holm's correction over all of them, so that a comparison of
equal runs raises a false alarm in at most a share ``alpha`` of the times, however many cells and metrics it has.
Violations and failed trials stand outside of that: one that is on one side only is told, however rare it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec
import numpy as np

from ..errors import EXIT_THRESHOLD, EXIT_UNKNOWN, EXIT_VIOLATION, UsageError, unknown_name, worst_exit
from ..stats.intervals import difference
from ..tune.study import figure_of
from .sides import Side

ALPHA = 0.01
"""One false alarm in a hundred comparisons of equal runs: a guard that cries wolf is switched off."""
METRICS = ("throughput_ops_s", "p50_s", "p99_s", "unavailable_s", "messages_per_operation")
MORE_IS_BETTER = frozenset({"throughput_ops_s", "ok"})
NUMERIC = (
    *METRICS, "p90_s", "p999_s", "max_s", "detect_s", "elect_s", "commit_s", "ok", "fail", "info", "leader_changes",
)  # fmt: skip

Word = Literal["worse", "better", "none", "untestable"]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A metric of a cell on both sides.

    Attributes:
        cell, metric: which.
        before, after: medians over trials; None if nothing was observed or it is beyond what was.
        change: of the median, as a share of ``before``; None where it cannot be formed.
        low, high: its interval (of the difference of medians, at level 1 - alpha), as shares too.
        delta: Cliff's: 1 if every trial after is higher than every one before, 0 if there is nothing to choose; None
            where there was nothing to test: all values are equal, or one side observed none.
        p, holm: of Mann-Whitney's test (two-sided), and corrected.
        trials: (before, after) in which it was observed.
        word: ``worse`` or ``better`` where ``holm`` is at most alpha; ``untestable``: with so few trials and so many
            comparisons, not even a complete separation would be significant.
        regression: worse, and by more than is tolerated.
    """

    cell: str
    metric: str
    before: float | None
    after: float | None
    change: float | None
    low: float | None
    high: float | None
    delta: float | None
    p: float
    holm: float
    trials: tuple[int, int]
    word: Word
    regression: bool = False


class Verdicts(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a cell's trials, before and after: violated, unknown, void, failed; of how many.

    Attributes:
        word: ``worse`` if there are violations or failures where there were none, or more trials void than luck
            explains (Fisher's exact test, within the same correction); ``better`` for the reverse; else ``none``.
    """

    cell: str
    before: dict[str, int]
    after: dict[str, int]
    word: Literal["worse", "better", "none"]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was compared.

    Attributes:
        before, after: names of the sides; ``codes``: what ran them.
        alpha: share of false alarms.
        tolerated: metric -> share by which it may get worse.
        verdicts: by cell; ``changes``: by cell and metric.
        missing: cells on one side only.
        notes: what a reader should know.
    """

    before: str
    after: str
    codes: tuple[str, str]
    alpha: float
    tolerated: dict[str, float]
    verdicts: tuple[Verdicts, ...]
    changes: tuple[Change, ...]
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def regressions(self) -> tuple[Change, ...]:
        """Changes for the worse beyond what is tolerated."""
        return tuple(each for each in self.changes if each.regression)

    @property
    def different(self) -> bool:
        """Whether anything changed, for better or worse."""
        words = [each.word for each in self.changes] + [each.word for each in self.verdicts]
        return any(word in ("better", "worse") for word in words)

    def exit_code(self) -> int:
        """1: new violations. 4: a regression, or more void trials. 3: nothing could be tested, or a cell is missing."""
        worse = [each for each in self.verdicts if each.word == "worse"]
        new = [each.after["violated"] > 0 and each.before["violated"] == 0 for each in worse]
        codes = [EXIT_VIOLATION if violated else EXIT_THRESHOLD for violated in new]
        codes += [EXIT_THRESHOLD] * bool(self.regressions)
        unequal = [each for each in self.changes if each.delta is not None or 0 in each.trials]
        judged = [each.word != "untestable" or each.metric in self.tolerated for each in unequal]
        codes += [EXIT_UNKNOWN] * bool(self.missing or (unequal and not any(judged)))
        return worst_exit(codes)


# --- statistics -----------------------------------------------------------------------------------------------------


def mann_whitney(before: Sequence[float], after: Sequence[float]) -> tuple[float, float] | None:
    """(Cliff's delta, two-sided p). Infinite values rank above all others and tie with each other.

    None where all values of both sides are one: there is nothing to test, and nothing to correct for either.

    Exact without ties up to 8 trials on a side, else the normal approximation with corrections for ties and continuity.
    """
    from scipy import stats

    a, b = np.asarray(before, dtype=float), np.asarray(after, dtype=float)
    if len(set(a.tolist()) | set(b.tolist())) == 1:
        return None
    found = stats.mannwhitneyu(b, a, alternative="two-sided")
    # With many ties the approximation promises more than so few trials can show.
    p = min(1.0, max(float(found.pvalue), least_p(len(a), len(b))))
    return float(2 * found.statistic / (len(a) * len(b)) - 1), p


def least_p(before: int, after: int) -> float:
    """The smallest p that so many trials can have: that of a complete separation."""
    return min(1.0, 2 / math.comb(before + after, before)) if before and after else 1.0


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's step-down correction (1979): p-values such that all of them together err in a share alpha of the times."""
    order = sorted(range(len(ps)), key=lambda i: ps[i])
    adjusted = [1.0] * len(ps)
    highest = 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(ps) - rank) * ps[i]))
        adjusted[i] = highest
    return adjusted


def size(delta: float) -> str:
    """Cliff's delta in a word, by the usual thresholds (Romano et al. 2006)."""
    value = abs(delta)
    return "negligible" if value < 0.147 else "small" if value < 0.33 else "medium" if value < 0.474 else "large"


# --- comparing ------------------------------------------------------------------------------------------------------


def compare(
    before: Side,
    after: Side,
    *,
    metrics: Sequence[str] = METRICS,
    tolerated: Mapping[str, float] | None = None,
    alpha: float = ALPHA,
    force: bool = False,
) -> Comparison:
    """Compare two sides, cell by cell and metric by metric.

    Args:
        before, after: the baseline, and what is judged by it.
        metrics: columns of :func:`bench.sweep.store.flat`.
        tolerated: metric -> share by which its median may get worse. Where there are too few trials to test, a metric
            named here is judged by the medians alone.
        alpha: share of comparisons of equal runs in which a difference may be reported.
        force: compare across machines too.

    Raises:
        UsageError: they ran on different machines, have no cell in common, or a metric does not exist.
    """
    for metric in (*metrics, *(tolerated or {})):
        if metric not in NUMERIC:
            raise unknown_name("metric", metric, NUMERIC)
    if not 0 < alpha < 1:
        raise UsageError(f"alpha {alpha:g} is out of range: a share in (0, 1)")
    notes = check_machines(before, after, force)
    common = [cell for cell in before.cells if cell in after.cells]
    if not common:
        raise UsageError(
            f"{before.name} and {after.name} have no cell in common: {_some(before.cells)} against {_some(after.cells)}"
        )
    if before.code == after.code:
        notes.append(f"Both sides ran the same code ({before.code}).")
    notes += _identical(before, after, common)
    raw = [found for cell in common for metric in metrics if (found := _raw(before, after, cell, metric)) is not None]
    ps = {(each.cell, each.metric): each.p for each in raw if each.delta is not None}
    ps |= {(cell, ""): p for cell in common if (p := _void_p(before, after, cell)) is not None}
    corrected = dict(zip(ps, holm(list(ps.values())), strict=True))
    changes = [
        _judged(each, corrected.get((each.cell, each.metric), 1.0), len(ps), alpha, tolerated or {}) for each in raw
    ]
    verdicts = [_verdicts(before, after, cell, corrected.get((cell, ""), 1.0) <= alpha) for cell in common]
    missing = [f"{cell}: only in {before.name}" for cell in before.cells if cell not in after.cells]
    missing += [f"{cell}: only in {after.name}" for cell in after.cells if cell not in before.cells]
    return Comparison(
        before=before.name,
        after=after.name,
        codes=(before.code, after.code),
        alpha=alpha,
        tolerated=dict(tolerated or {}),
        verdicts=tuple(verdicts),
        changes=tuple(changes),
        missing=tuple(missing),
        notes=tuple(notes),
    )


def _some(cells: Iterable[str]) -> str:
    listed = list(cells)
    return "; ".join(listed[:2]) + (f" and {len(listed) - 2} more" if len(listed) > 2 else "") if listed else "nothing"


def check_machines(before: Side, after: Side, force: bool) -> list[str]:
    """Notes on the machines, if both ran on the same; else a refusal, or a note if ``force`` waives it.

    Raises:
        UsageError: they differ.
    """
    if before.machines.keys() == after.machines.keys():
        several = len(before.machines) > 1
        return ["Each side ran on several machines, the same for both."] if several else []
    texts = [" and ".join(side.machines.values()) or "an unknown machine" for side in (before, after)]
    said = f"{before.name} ran on {texts[0]}, {after.name} on {texts[1]}"
    if not force:
        live = any("(live)" in cell for side in (before, after) for cell in side.cells)
        hint = (
            "differences between machines would look like differences between runs; --force compares all the same"
            if live
            else "these trials are simulated, so --force is safe if both have the same versions and service times"
        )
        raise UsageError(f"the machines differ: {said}; {hint}")
    return [f"The machines differ: {said}."]


def _identical(before: Side, after: Side, cells: Sequence[str]) -> list[str]:
    """A note on simulated trials that are the same on both sides, event for event."""
    pairs = same = 0
    for cell in cells:
        hashes = {each.seed: each.trace_hash for each in before.cells[cell] if each.trace_hash}
        found = [each.trace_hash == hashes[each.seed] for each in after.cells[cell] if each.seed in hashes]
        pairs += len(found)
        same += sum(found)
    return [f"{same} of {pairs} simulated trials with the same seed are identical, event for event."] if same else []


def _raw(before: Side, after: Side, cell: str, metric: str) -> Change | None:
    """The comparison of a metric before any correction; None where neither side observed it."""
    a, b = (_values(side, cell, metric) for side in (before, after))
    if not a and not b:
        return None
    test = mann_whitney(a, b) if a and b else None
    middle = [float(np.quantile(values, 0.5, method="inverted_cdf")) if values else math.nan for values in (a, b)]
    change = middle[1] / middle[0] - 1 if all(map(math.isfinite, middle)) and middle[0] > 0 else math.nan
    return Change(
        cell=cell,
        metric=metric,
        before=_finite(middle[0]),
        after=_finite(middle[1]),
        change=_finite(change),
        low=None,
        high=None,
        delta=None if test is None else test[0],
        p=1.0 if test is None else test[1],
        holm=1.0,
        trials=(len(a), len(b)),
        word="none",
    )


def _values(side: Side, cell: str, metric: str) -> list[float]:
    """As :func:`bench.sweep.result.observed`, without what was not observed."""
    values = [figure_of(each, metric) for each in side.cells[cell] if each.trial == "complete"]
    return [value for value in values if not math.isnan(value)]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _judged(each: Change, adjusted: float, tested: int, alpha: float, tolerated: Mapping[str, float]) -> Change:
    word: Word = "none"
    more = each.metric in MORE_IS_BETTER
    if 0 in each.trials:
        word = "untestable"
    elif each.delta is not None and adjusted <= alpha:
        word = "better" if (each.delta > 0) == more else "worse"
    elif each.delta is not None and least_p(*each.trials) * tested > alpha:
        word = "untestable"
    # By how much it got worse: a change to what is beyond observation is worse than any tolerance.
    worse_by = math.inf if each.change is None else -each.change if more else each.change
    allowed = tolerated.get(each.metric, 0.0)
    regression = word == "worse" and worse_by > allowed
    if word == "untestable" and each.metric in tolerated and each.change is not None:
        regression = worse_by > allowed
    return msgspec.structs.replace(each, holm=adjusted, word=word, regression=regression)


def with_intervals(found: Comparison, before: Side, after: Side) -> Comparison:
    """The same with an interval for each change: a bootstrap each, so only where they are shown."""
    return msgspec.structs.replace(
        found, changes=tuple(_interval(each, before, after, found.alpha) for each in found.changes)
    )


def _interval(each: Change, before: Side, after: Side, alpha: float) -> Change:
    if each.before is None or each.before <= 0:
        return each
    a, b = (_values(side, each.cell, each.metric) for side in (before, after))
    spread = difference(b, a, level=1 - alpha)
    low, high = (_finite(bound / each.before) for bound in (spread.low, spread.high))
    return msgspec.structs.replace(each, low=low, high=high)


# --- verdicts -------------------------------------------------------------------------------------------------------


def _counts(side: Side, cell: str) -> dict[str, int]:
    results = side.cells[cell]
    return {
        "violated": sum(each.verdict == "invalid" for each in results),
        "unknown": sum(each.verdict == "unknown" and each.trial == "complete" for each in results),
        "void": sum(each.trial != "complete" and each.error is None for each in results),
        "failed": sum(each.error is not None for each in results),
        "trials": len(results),
    }


def _void_p(before: Side, after: Side, cell: str) -> float | None:
    """Fisher's exact test of the shares of trials of which no figure counts; None where all count."""
    from scipy import stats

    table = []
    for side in (before, after):
        counts = _counts(side, cell)
        bad = counts["void"] + counts["failed"] + counts["unknown"]
        table.append([bad, counts["trials"] - bad])
    if table[0][0] == table[1][0] == 0:
        return None
    return float(stats.fisher_exact(np.asarray(table)).pvalue)


def _verdicts(before: Side, after: Side, cell: str, more_void: bool) -> Verdicts:
    a, b = _counts(before, cell), _counts(after, cell)

    def worse(x: dict[str, int], y: dict[str, int]) -> bool:
        """From x to y."""
        appeared = any(y[name] and not x[name] for name in ("violated", "failed"))
        bad = [(each["void"] + each["failed"] + each["unknown"]) / max(1, each["trials"]) for each in (x, y)]
        return appeared or (more_void and bad[1] > bad[0])

    word: Literal["worse", "better", "none"] = "worse" if worse(a, b) else "better" if worse(b, a) else "none"
    return Verdicts(cell=cell, before=a, after=b, word=word)
