"""The shrink of ``bench shrink`` and ``bench run --shrink``: progress, what is written, and what is shown."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from rich.text import Text

from ..errors import EXIT_UNKNOWN, EXIT_VALID
from ..scenario import load_script, of_schedule, of_trial, write_script
from ..shrink.shrink import SEEDS, Shrunk, replays, shrink
from ..shrink.untimed import Schedule, UntimedShrinker, play, settled
from ..trial import Trial
from . import Interrupted
from .execute import progress
from .scenario import show_steps
from .summary import console

SAY_EVERY_S = 1.0


def shrink_and_write(trial: Trial, check: str, path: Path, budget_s: float, quiet: bool, *, live: bool = False) -> int:
    """Shrink a simulated trial that is said to fail a check, and write what came of it; the exit code."""
    found = Shrunk(check=check, before="")
    interrupted = False
    fails = True
    with progress(quiet) as say:
        try:
            if live:
                trial = replays(trial, check, say=_seldom(say))
            fails = shrink(trial, check, found, budget_s=budget_s, say=_seldom(say))
        except KeyboardInterrupt:
            if not found.after:
                raise Interrupted("nothing smaller was found, and nothing was written") from None
            interrupted = True
    out = console()
    if not fails:
        return _not_again(trial, check, path, live)
    _write(found, path)
    if not quiet:
        _show(found)
    ended = "interrupted" if interrupted else found.ended
    if quiet:
        out.print(str(path))
    else:
        out.print(f"{found.before}\nbecame {found.after} ({found.runs} tried; {ended})", markup=False)
        out.print(Text.assemble(("see it with:    ", "dim"), (f"python {path}", "bold")))
    if interrupted:
        raise Interrupted(f"the smallest scenario found so far is in {path}")
    return EXIT_VALID


def shrink_script(script: Path, to: Path | None, budget_s: float, quiet: bool) -> int:
    """Shrink a scenario further."""
    scenario = load_script(str(script))
    path = to or script
    if not scenario.steps:
        return shrink_and_write(scenario.trial(), scenario.fails, path, budget_s, quiet)
    schedule = scenario.schedule()
    cluster, verdict = play(schedule.trial, schedule.steps, scenario.fails, seeded=schedule.seeded)
    if verdict is None:
        console().print(f"{script} does not fail {scenario.fails}: there is nothing to shrink")
        return EXIT_UNKNOWN
    best = replace(schedule, steps=tuple(cluster.done), verdict=verdict)
    found = Shrunk(check=scenario.fails, before=str(best), schedule=best)
    interrupted = False
    with progress(quiet) as say:
        shrinker = UntimedShrinker(best, budget_s=budget_s, say=_seldom(say))
        try:
            shrinker.run()
        except KeyboardInterrupt:
            interrupted = True
    found.schedule, found.runs, found.ended = shrinker.best, shrinker.runs, shrinker.ended
    _write(found, path)
    if not quiet:
        _show(found)
        console().print(f"{found.before}\nbecame {found.after} ({found.runs} tried; {found.ended or 'interrupted'})")
    if interrupted:
        raise Interrupted(f"the smallest scenario found so far is in {path}")
    return EXIT_VALID


def _not_again(trial: Trial, check: str, path: Path, live: bool) -> int:
    if not live:
        console().print(f"{check} does not fail when the trial is run again: the code has changed since")
        return EXIT_UNKNOWN
    about = f"A live run of {trial.protocol} that failed {check}, as a simulated trial"
    write_script(of_trial(trial, check), path, about)
    console().print(
        f"{check} failed live, and does not in the simulator with the same faults and operations under {SEEDS} seeds: "
        f"what made it fail is not in them (timing, or the runtime). The schedule is in {path}"
    )
    return EXIT_UNKNOWN


def _seldom(say: Callable[[str], None]) -> Callable[[str], None]:
    """Not for each of hundreds of trials."""
    last = [0.0]

    def seldom(text: str) -> None:
        now = time.monotonic()
        if now - last[0] >= SAY_EVERY_S:
            last[0] = now
            say(f"shrinking: {text}")

    return seldom


def _write(found: Shrunk, path: Path) -> None:
    if found.schedule is not None:
        found.schedule = settled(found.schedule)
        scenario, trial = of_schedule(found.schedule), found.schedule.trial
        reason = found.schedule.verdict.reason
    else:
        assert found.failure is not None
        scenario, trial = of_trial(found.failure.trial, found.check), found.failure.trial
        reason = found.failure.verdict.reason
    mutant = f" [{trial.mutant}]" if trial.mutant else ""
    about = f"{trial.protocol}{mutant} fails {found.check}: {reason}\n\n{found.before} shrunk to {found.after}."
    write_script(scenario, path, about.replace("\\", "\\\\").replace('"""', "'''"))


def _show(found: Shrunk) -> None:
    if found.schedule is not None:
        schedule: Schedule = found.schedule
        cluster, verdict = play(schedule.trial, schedule.steps, found.check, tracing=True, seeded=schedule.seeded)
        show_steps(console(), of_schedule(schedule), cluster, verdict)
