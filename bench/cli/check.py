"""``bench check``: a recorded history, judged again."""

from __future__ import annotations

import sys

import click

from .options import NUMBER, option, verb

HELP = """Judge the recorded history in HISTORY: a Parquet file, the folder of a run, or part of its name in runs/.

\b
Examples:
  bench check runs/20250101T120000-raft-1a2b3c4d/history.parquet
  bench check 1a2b3c4d --model register --budget 60
"""


@verb("check", HELP)
@click.argument("history")
@option("Options", "--model", default="register", show_default=True, metavar="NAME", help="What it must look like.")
@option("Options", "--budget", type=NUMBER, default=20.0, show_default=True, help="Seconds for each checker.")
@option("Options", "--json", "as_json", is_flag=True, help="Print the verdicts as JSON.")
def command(history: str, model: str, budget: float, as_json: bool) -> int:
    """Run the checks of the model."""
    import msgspec

    from ..checkers.registry import checks_for
    from ..checkers.verdict import merge
    from ..errors import EXIT_UNKNOWN, EXIT_VALID, EXIT_VIOLATION, UsageError
    from ..history.storage import read_history
    from . import store

    if budget <= 0:
        raise UsageError(f"--budget {budget:g} is out of range: seconds, above 0")
    checks = checks_for(model)
    recorded = read_history(store.find_history(history))
    verdicts = [check(recorded, budget) for check in checks]
    word = merge(verdict.verdict for verdict in verdicts)
    if as_json:
        report = {"operations": len(recorded), "model": model, "verdict": word, "checks": verdicts}
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    else:
        click.echo(f"{len(recorded):,} operations, model {model}")
        for verdict in verdicts:
            click.echo(f"{verdict.name}: {verdict.verdict}" + (f": {verdict.reason}" if verdict.reason else ""))
        click.echo(word.upper() if verdicts else "VALID: this model checks nothing")
    return {"valid": EXIT_VALID, "invalid": EXIT_VIOLATION}.get(word, EXIT_UNKNOWN)
