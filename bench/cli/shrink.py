"""``bench shrink``: a failing run, made small."""

from __future__ import annotations

from pathlib import Path

import click

from .options import NUMBER, option, verb

HELP = """Make a run that ended in a violation small, and write it as a script that anyone can run.

RUN is the folder of a run, its result.json, part of its name in runs/, or a scenario's script. Faults, operations,
clients, servers, time: whatever can be left out while the same check fails is left out. Ctrl-C keeps the smallest
scenario found so far.

A live run is first run again in the simulator, with the faults and operations that it had. Where that does not fail,
the exported scenario is written as it is, and the exit code is 3.

\b
Examples:
  bench shrink 1a2b3c4d
  bench shrink 1a2b3c4d --out small.py --budget 300
  bench run raft --mutant vote-not-persisted --shrink
  python runs/20250101T120000-raft-1a2b3c4d/scenario.py

\b
Exit codes: 0 a scenario was written that fails as the run did, 2 wrong input, 3 it does not fail
when it is run again.
"""
SCRIPT = "scenario.py"


@verb("shrink", HELP)
@click.argument("run")
@option("Options", "--out", type=click.Path(path_type=Path), help="The script.  [default: scenario.py with RUN]")
@option("Options", "--check", metavar="NAME", help="Which of the checks that failed.  [default: the first]")
@option("Options", "--budget", type=NUMBER, default=60.0, help="Seconds of looking.  [default: 60]")
@option("Options", "--quiet", is_flag=True, help="Print the name of the script only.")
def command(run: str, out: Path | None, check: str | None, budget: float, quiet: bool) -> int:
    """Load, shrink, write, show."""
    from ..errors import UsageError
    from ..history.storage import read_history
    from ..scenario import is_script
    from ..shrink.shrink import exported, failed_check
    from . import store
    from .shrinking import shrink_and_write, shrink_script

    if budget <= 0:
        raise UsageError(f"--budget {budget:g} is out of range: seconds, above 0")
    if out is not None:
        store.check_writable(out)
    if is_script(run) and Path(run).is_file():
        return shrink_script(Path(run), out, budget, quiet)
    recorded = store.load(run)
    if recorded.result is None:
        raise UsageError(f"{recorded.path} says what was run, but not how it ended: run it again")
    failed = failed_check(recorded.result, check)
    trial, live = recorded.trial, recorded.trial.runtime == "ray"
    if live:
        path = recorded.path.parent / recorded.result.history
        kept = recorded.result.history and path.is_file()
        trial = exported(trial, recorded.result, read_history(path) if kept else None)
    return shrink_and_write(trial, failed, out or recorded.path.parent / SCRIPT, budget, quiet, live=live)
