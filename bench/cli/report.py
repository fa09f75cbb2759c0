"""``bench report``: the HTML report of a run or a sweep."""

from __future__ import annotations

from pathlib import Path

import click

from .options import option, verb

HELP = """Write the HTML report of RUN: the folder of a sweep or of a single run, or part of its name in runs/.

The report is one file that needs no network.

\b
Examples:
  bench report runs/election_timeout-20250101-120000
  bench report 1a2b3c4d --out report.html
"""


@verb("report", HELP)
@click.argument("run")
@option("Options", "--out", type=click.Path(path_type=Path), help="File to write.  [default: report.html in the run]")
def command(run: str, out: Path | None) -> int:
    """Find the run, render it, say where."""
    from ..errors import UsageError
    from . import store

    folder = Path(run)
    if not folder.is_dir():
        matches = sorted(each for each in store.RUNS.glob("*") if each.is_dir() and run in each.name)
        if len(matches) > 1:
            names = ", ".join(each.name for each in matches[-4:])
            raise UsageError(f"{run!r} could be any of {len(matches)} runs: {names}")
        folder = matches[0] if matches else store.find(run).parent
    target = folder / "report.html" if out is None else out
    store.check_writable(target)

    from ..report import render, single
    from .build import command_of

    partial = store.judge_partial(folder)
    click.echo(str(render(folder if partial is None else single(partial, folder), target, again=command_of)))
    return 0
