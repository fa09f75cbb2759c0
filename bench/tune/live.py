"""The finalists and the defaults once more, live: what simulation says of them, and what real processes say.

A study is simulated, as only then hundreds of trials a candidate can be paid for. Its answer rests on the simulator's
network, disks and processors being like real ones; a few live trials show whether they are, for this study's figures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from ..errors import UsageError
from ..provenance import code_version, provenance
from ..trial import Result
from .advice import text_of
from .log import Log, Measurement, Number, read, same_point, sample, written
from .measuring import measurement, script_hash
from .outcome import Finalist, StudyResult
from .progress import Progress
from .search import broken_flags
from .study import FRESH, Study

FILE = "live.json"
FOLDER = "live"
LEVEL = 0.05
"""Of a difference between live and simulated trials, divided by the number of comparisons (Bonferroni)."""
MIDDLE = (0.05, 0.95)


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """An objective of a finalist in both worlds.

    Attributes:
        finalist, objective: names.
        simulated, live: medians.
        inside: live trials inside the middle 90% of the simulated ones, of ``trials``.
        p: Mann-Whitney, two-sided, not corrected; 1 where there is nothing to compare.
        differs: whether live and simulated are told apart, corrected for the number of comparisons.
    """

    finalist: str
    objective: str
    simulated: Number
    live: Number
    inside: int
    trials: int
    p: float
    differs: bool


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A difference between the recommended candidate and a default that simulation shows, and whether live medians
    have it the same way round; ``simulated`` and ``live`` are medians of the default's over the recommended one's.
    """

    default: str
    objective: str
    simulated: Number
    live: Number
    same: bool


class LiveResult(msgspec.Struct, frozen=True, kw_only=True):
    """``live.json``.

    Attributes:
        answer: in words, a sentence a line.
        rows, orders: what it rests on.
        broken: finalist -> constraint -> live trials that broke it.
        trials, violations, void: live trials, those that violated a safety property, those that mean nothing.
    """

    answer: tuple[str, ...]
    rows: tuple[Beside, ...]
    orders: tuple[Order, ...]
    broken: dict[str, dict[str, int]]
    trials: int
    violations: int
    void: int
    provenance: dict[str, object]

    @classmethod
    def load(cls, folder: Path) -> LiveResult | None:
        """Of a study's folder; None where nothing was measured live."""
        file = folder / FILE
        return msgspec.json.decode(file.read_bytes(), type=cls) if file.is_file() else None


def again_live(
    study: Study,
    result: StudyResult,
    folder: Path,
    trials: int,
    progress: Progress,
    *,
    address: str | None = None,
) -> LiveResult:
    """Run the front and the defaults of a finished study live, so many trials each, and say what agrees.

    Args:
        study: resolved.
        result: finished.
        folder: of the study; live trials that are kept there are not run again.
        trials: a finalist, on the first fresh seeds, the same for all.
        progress: told of each trial.
        address: of a running Ray cluster.

    Raises:
        UsageError: the study has no trials.
        HarnessError: the live runtime failed; what had finished is kept.
    """
    if study.trial is None:
        raise UsageError(f"the study {study.name} has a function, no trial: there is nothing to run live")
    chosen = [each for each in result.finalists if each.front or each.default]
    (folder / FOLDER).mkdir(exist_ok=True)
    log = Log(folder / FOLDER)
    found = _measure(study, chosen, folder, log, trials, progress, address)
    live = compared(study, result, chosen, Log(folder), found)
    beside = folder / (FILE + ".tmp")
    beside.write_bytes(msgspec.json.format(msgspec.json.encode(live), indent=2) + b"\n")
    beside.replace(folder / FILE)
    return live


def _measure(
    study: Study,
    chosen: Sequence[Finalist],
    folder: Path,
    log: Log,
    trials: int,
    progress: Progress,
    address: str | None,
) -> dict[str, list[Measurement]]:
    """Finalist -> its live measurements. A round takes each once: what drifts on a machine hits all of them alike."""
    from ..sweep.live import live_session

    identity = f"{code_version()} {script_hash(study)}"
    order = []
    for seed in range(FRESH + 1, FRESH + trials + 1):
        for each in chosen:
            trial = msgspec.structs.replace(study.build(each.point, seed), runtime="ray")
            trial.validate()
            order.append((each, trial, trial.key(identity)))
    todo = [one for one in order if one[2] not in log.kept]
    progress.phase(f"measuring {len(chosen)} finalists and defaults live, {trials} trials each", len(todo))
    if todo:
        with live_session(address) as run_live:
            for each, trial, key in todo:
                ended = run_live(trial)
                if ended.verdict == "invalid":
                    _keep(folder, ended)
                log.add([measurement(key, each.point, trial.seed, ended, study)])
                progress.finished(log.kept[key])
    found: dict[str, list[Measurement]] = {each.name: [] for each in chosen}
    for each, _, key in order:
        found[each.name].append(log.kept[key])
    return found


def _keep(folder: Path, result: Result) -> None:
    kept = folder / "violations"
    kept.mkdir(exist_ok=True)
    blob = msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n"
    (kept / f"live-{result.spec.key('')[:8]}-seed-{result.seed}.json").write_bytes(blob)


# --- what agrees ----------------------------------------------------------------------------------------------------


def compared(
    study: Study, result: StudyResult, chosen: Sequence[Finalist], simulated: Log, live: dict[str, list[Measurement]]
) -> LiveResult:
    """Both worlds side by side, in figures and in words."""
    comparisons = len(chosen) * len(study.objectives)
    rows = []
    for each in chosen:
        fresh = {m.seed: m for m in simulated.kept.values() if m.seed > FRESH and same_point(m.point, each.point)}
        for objective in study.objectives:
            before = sample(list(fresh.values()), objective.name)
            rows.append(
                _beside(each.name, objective.name, before, sample(live[each.name], objective.name), comparisons)
            )
    every = [one for each in chosen for one in live[each.name]]
    orders = _orders(study, result, rows)
    broken = {
        each.name: {c.name: count for c in study.constraints if (count := sum(broken_flags(live[each.name], c)))}
        for each in chosen
    }
    violations = sum(one.verdict == "invalid" for one in every)
    void = sum(one.trial != "complete" for one in every)
    answer = _answer(study, result, rows, orders, broken, len(every), violations, void)
    return LiveResult(
        answer=tuple(answer),
        rows=tuple(rows),
        orders=tuple(orders),
        broken={name: found for name, found in broken.items() if found},
        trials=len(every),
        violations=violations,
        void=void,
        provenance=provenance(),
    )


def _beside(name: str, objective: str, before: Sequence[float], live: Sequence[float], comparisons: int) -> Beside:
    from scipy.stats import mannwhitneyu

    p, inside = 1.0, 0
    if before and live:
        low, high = (float(np.quantile(before, q, method="nearest")) for q in MIDDLE)
        inside = sum(low <= value <= high for value in live)
        if len({*before, *live}) > 1:
            p = float(mannwhitneyu(before, live).pvalue)
    return Beside(
        finalist=name,
        objective=objective,
        simulated=written(_median(before)),
        live=written(_median(live)),
        inside=inside,
        trials=len(live),
        p=p,
        differs=p < LEVEL / comparisons,
    )


def _median(values: Sequence[float]) -> float:
    """The higher of the two in the middle: infinite ones have no mean."""
    return sorted(values)[len(values) // 2] if values else math.nan


def _orders(study: Study, result: StudyResult, rows: Sequence[Beside]) -> list[Order]:
    at = {(row.finalist, row.objective): row for row in rows}
    found = []
    for comparison in result.comparisons:
        for objective in study.objectives:
            theirs = at.get((comparison.default, objective.name))
            mine = at.get((result.recommended or "", objective.name))
            if theirs is None or mine is None or not comparison.told_apart[objective.name]:
                continue
            ratios = [_ratio(theirs.simulated, mine.simulated), _ratio(theirs.live, mine.live)]
            found.append(
                Order(
                    default=comparison.default,
                    objective=objective.name,
                    simulated=written(ratios[0]),
                    live=written(ratios[1]),
                    same=(ratios[0] > 1) == (ratios[1] > 1) and not math.isnan(ratios[1]),
                )
            )
    return found


def _too_few(inside: int, trials: int) -> bool:
    """Whether all live trials together lie less often in the middle than simulated ones would (binomial test)."""
    from scipy.stats import binomtest

    return trials > 0 and bool(binomtest(inside, trials, MIDDLE[1] - MIDDLE[0], "less").pvalue < LEVEL)


def _ratio(a: Number, b: Number) -> float:
    first, second = read(a), read(b)
    return first / second if second > 0 and math.isfinite(second) else math.nan


def _answer(
    study: Study,
    result: StudyResult,
    rows: Sequence[Beside],
    orders: Sequence[Order],
    broken: dict[str, dict[str, int]],
    trials: int,
    violations: int,
    void: int,
) -> list[str]:
    each = trials // max(1, len(broken))
    lines = [f"Live, {len(broken)} finalists and defaults, {each} trials each:"]
    for objective in study.objectives:
        mine = [row for row in rows if row.objective == objective.name]
        differ = [row for row in mine if row.differs]
        ratios = [r for row in mine if math.isfinite(r := _ratio(row.live, row.simulated))]
        inside, of = sum(row.inside for row in mine), sum(row.trials for row in mine)
        text = f"{objective.name}: {inside} of {of} live trials lie in the middle 90% of the simulated ones"
        if _too_few(inside, of):
            text += ", fewer than chance would leave there, so real trials are not quite like the simulated ones"
        if ratios:
            text += f"; live medians are {min(ratios):.2f} to {max(ratios):.2f} times the simulated"
        if len(differ) == len(mine) > 2:
            lines.append(f"{text}. Live and simulation differ for every one.")
        elif differ:
            shown = [
                f"{row.finalist} ({text_of(read(row.live), objective.unit)}, simulated "
                f"{text_of(read(row.simulated), objective.unit)})"
                for row in differ
            ]
            lines.append(f"{text}. Live and simulation differ for {', '.join(shown)}.")
        else:
            lines.append(f"{text}. No candidate's trials by themselves can be told apart.")
    if orders:
        other = [f"{o.default} in {o.objective}" for o in orders if not o.same]
        kept = len(orders) - len(other)
        text = f"Of {len(orders)} differences between the recommended setting and a default, {kept} point the same way"
        lines.append(f"{text} live{'; not ' + ', '.join(other) if other else ''}.")
    listed = [f"{name} in {count} of {each} ({who})" for who, found in broken.items() for name, count in found.items()]
    lines.append(f"Constraints broken live: {', '.join(listed)}." if listed else "No constraint was broken live.")
    lines.append(f"Violations of a safety property live: {violations}; void trials: {void}.")
    before = result.sittings[-1].get("code_version") if result.sittings else None
    if before is not None and before != code_version():
        lines.append("The code has changed since the study was simulated.")
    return lines
