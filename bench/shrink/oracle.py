"""Whether a trial still fails in the same way: the question a shrink asks a hundred times."""

from __future__ import annotations

from dataclasses import dataclass

from ..checkers.registry import checks_for
from ..checkers.verdict import Verdict
from ..history.history import NEVER
from ..run import prepare
from ..runtime.record import RunRecord
from ..runtime.sim.run import simulate
from ..trial import Trial

BUDGET_S = 5.0
"""Seconds for a checker on a candidate; one that takes longer counts as not failing."""


@dataclass(frozen=True)
class Failure:
    """A trial that fails a check.

    Attributes:
        trial: as it was run.
        verdict: of the check.
        moment: ns from the start of the load when the violation was complete; None if it is of no one moment.
        record: of the run.
    """

    trial: Trial
    verdict: Verdict
    moment: int | None
    record: RunRecord


def run_against(trial: Trial, check: str) -> Failure | None:
    """Run a simulated trial; how it fails the check of that name, or None.

    Raises:
        UsageError: the trial cannot be.
    """
    family, server_config, client_config = prepare(trial)
    record = simulate(trial, family, server_config, client_config)
    verdict = verdict_of(check, record, family.models(server_config, client_config, trial.nodes))
    if verdict is None:
        return None
    return Failure(trial, verdict, _moment(verdict, record), record)


def verdict_of(check: str, record: RunRecord, models: tuple[str, ...]) -> Verdict | None:
    """How a run fails that check, or None."""
    own = [verdict for verdict in record.verdicts if verdict.name == check]
    if own:
        return next((verdict for verdict in own if verdict.verdict == "invalid"), None)
    for judge in (judge for model in models for judge in checks_for(model)):
        verdict = judge(record.history, BUDGET_S)
        if verdict.name == check and verdict.verdict == "invalid":
            return verdict
    return None


def _moment(verdict: Verdict, record: RunRecord) -> int | None:
    if verdict.at >= 0:
        return verdict.at
    history = record.history
    ends = [int(history.completed[row]) for row in verdict.rows if history.completed[row] != NEVER]
    return max(ends, default=None)
