"""``bench report``: the HTML report of a run or a sweep."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import option, verb

if TYPE_CHECKING:
    from ..sweep import SweepResult

HELP = """Write the report of RUN: the folder of a sweep, study or run, the JSON of a run, or part of a name in runs/.

The report is one HTML file that needs no network. With --markdown there is report.md beside it, with its figures as PNG
files in figures/, to be put into a README.

\b
Examples:
  bench report runs/election_timeout-20250101-120000
  bench report 1a2b3c4d --out report.html
  bench report 1a2b3c4d --markdown
  bench report --index                    runs/index.html, over all reports written
"""


@verb("report", HELP)
@click.argument("run", required=False)
@option("Options", "--out", type=click.Path(path_type=Path), help="File to write.  [default: report.html in the run]")
@option("Options", "--markdown", is_flag=True, help="Write report.md and figures/*.png too, beside the HTML.")
@option("Options", "--index", is_flag=True, help="Write an index over all runs instead.")
def command(run: str | None, out: Path | None, markdown: bool, index: bool) -> int:
    """Find the run, render it, say where."""
    from ..errors import UsageError
    from . import store

    if index:
        if run is not None or out is not None or markdown:
            raise UsageError("--index goes alone: it writes index.html into runs/")
        from ..report.index import write

        click.echo(str(write(store.RUNS)))
        return 0
    if run is None:
        raise UsageError("which RUN? Give its folder, or part of its name in runs/ ('bench list runs' shows them)")
    source = find(run)
    folder = source if source.is_dir() else source.parent
    target = folder / "report.html" if out is None else out
    store.check_writable(target)

    if (folder / "study.json").is_file():
        if markdown:
            raise UsageError("--markdown is for sweeps and runs: a study has report.html and study.json")
        from ..tune.outcome import StudyResult
        from ..tune.page import render as render_study

        click.echo(str(render_study(StudyResult.load(folder), folder, target)))
        return 0
    from ..report import render
    from .command import command_of

    result = load(source)
    click.echo(str(render(result, target, again=command_of)))
    if markdown:
        from ..report.markdown import write_markdown

        click.echo(str(write_markdown(result, target.parent / f"{target.stem}.md")))
    return 0


def find(run: str) -> Path:
    """The folder, or the file, of a run that is named.

    Raises:
        UsageError: none, or several.
    """
    from ..errors import UsageError
    from ..report.index import is_run
    from . import store

    path = Path(run)
    if path.is_dir() and run.strip():
        if not is_run(path):
            raise UsageError(
                f"{run} is the folder of neither a run nor a sweep: it has no result.json and no sweep.json"
            )
        return path
    if path.is_file() and path.name != store.RESULT:
        return path
    matches = sorted(each for each in store.RUNS.glob("*") if each.is_dir() and run in each.name) if run else []
    if len(matches) > 1:
        names = ", ".join(each.name for each in matches[-4:])
        raise UsageError(f"{run!r} could be any of {len(matches)} runs: {names}")
    return matches[0] if matches else store.find(run).parent


def load(source: Path) -> SweepResult:
    """A run's folder or file as what a report is made of; of one that did not end, what its clients saw.

    Raises:
        UsageError: it is none.
    """
    from ..report import single
    from ..report.render import load as load_whole
    from . import store

    partial = store.judge_partial(source) if source.is_dir() else None
    return load_whole(source) if partial is None else single(partial, source)
