"""The shrink of a recorded trial, from the failing run to the smallest scenario found.

First the run becomes a schedule of steps, which shrinks best (:mod:`.untimed`). What does not fail as mere steps, as it
is a matter of time (a system that does not serve again, a bound on clocks), shrinks as a trial (:mod:`.reduce`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from ..errors import UsageError, unknown_name
from ..history import History
from ..run import prepare
from ..runtime.record import RunRecord
from ..trial import Result, Trial
from .explicit import explicit
from .oracle import Failure, run_against, verdict_of
from .recording import record_steps
from .reduce import Shrinker, size_of
from .untimed import Schedule, UntimedShrinker, bare, play


@dataclass
class Shrunk:
    """What a shrink found so far; it grows while the shrink is under way.

    Attributes:
        check: that fails.
        before: what it began with, in words.
        schedule: the smallest schedule of steps, if the failure is one of steps.
        failure: else the smallest trial.
        runs: trials and schedules tried.
        ended: why it ended; empty while it is under way.
    """

    check: str
    before: str
    schedule: Schedule | None = None
    failure: Failure | None = None
    runs: int = 0
    ended: str = ""

    @property
    def after(self) -> str:
        """What it has come to, in words."""
        return str(self.schedule) if self.schedule is not None else str(size_of(self.failure)) if self.failure else ""


def failed_check(result: Result, wanted: str | None = None) -> str:
    """The check to shrink for: the one wanted, else the first that failed.

    Raises:
        UsageError: it did not fail, or none did.
    """
    failed = list(dict.fromkeys(verdict.name for verdict in result.violations))
    if not failed:
        raise UsageError("this run has no violation: there is nothing to shrink")
    if wanted is None:
        return failed[0]
    if wanted not in failed:
        raise unknown_name("failed check", wanted, failed)
    return wanted


def exported(trial: Trial, result: Result, history: History | None) -> Trial:
    """A live trial as a simulated one: the faults and operations that it had, at the times at which it had them.

    The network is the injected one; what the machine itself cost is what the simulator assumes.

    Raises:
        UsageError: its history was not kept.
    """
    if history is None:
        raise UsageError("the operations of a live run are in its history, which was not kept")
    record = RunRecord(history=history, faults=list(result.faults), load_end=round(result.duration_s * 1e9))
    _, both = explicit(trial, record)
    return msgspec.structs.replace(both, runtime="sim", link="tcp", restart="supervisor", actor_nodes=0, generators=0)


SEEDS = 20
"""Of the simulator, with which the schedule of a live run is replayed before it is said not to fail there."""


def replays(trial: Trial, check: str, seeds: int = SEEDS, say: Callable[[str], None] = lambda text: None) -> Trial:
    """An exported trial with the first seed under which it fails as the live one did; as it is where none does.

    A schedule fixes which faults and operations there are and when, not how long each message and each sync takes: that
    was the machine's in the live run, and is the seed's here.
    """
    for seed in range(trial.seed, trial.seed + seeds):
        say(f"replaying the live schedule with seed {seed}")
        again = msgspec.structs.replace(trial, seed=seed)
        if run_against(again, check) is not None:
            return again
    return trial


def shrink(
    trial: Trial,
    check: str,
    found: Shrunk,
    *,
    budget_s: float = 60.0,
    say: Callable[[str], None] = lambda text: None,
) -> bool:
    """Shrink a simulated trial that fails a check; whether it does fail.

    Args:
        trial: simulated.
        check: that it fails.
        found: is kept up to date, so that whoever is interrupted has the smallest so far.
        budget_s: seconds.
        say: progress.

    Raises:
        UsageError: the trial cannot be.
    """
    say("running the trial again")
    family, server_config, client_config = prepare(trial)
    steps, record = record_steps(trial, family, server_config, client_config)
    verdict = verdict_of(check, record, family.models(server_config, client_config, trial.nodes))
    if verdict is None:
        return False
    failure = run_against(trial, check)
    assert failure is not None, "the same trial has the same outcome"
    found.before, found.failure = str(size_of(failure)), failure
    if check != "liveness":
        cluster, seen = play(trial, steps, check)
        if seen is not None:
            schedule = Schedule(bare(trial), tuple(cluster.done), seen)
            _follow(found, UntimedShrinker(schedule, budget_s=budget_s, say=say))
            return True
    _follow(found, Shrinker(failure, budget_s=budget_s, say=say))
    return True


def _follow(found: Shrunk, shrinker: Shrinker | UntimedShrinker) -> None:
    """Run it; whatever happens, ``found`` has the best."""
    try:
        shrinker.run()
    finally:
        if isinstance(shrinker, UntimedShrinker):
            found.schedule = shrinker.best
        else:
            found.failure = shrinker.best
        found.runs, found.ended = shrinker.runs, shrinker.ended
