"""``bench replay``: a recorded simulated trial, run again and compared."""

from __future__ import annotations

from pathlib import Path

import click

from .options import option, verb

HELP = """Run the recorded simulated trial RUN again and compare the trace hashes.

RUN is the folder of a run, its result.json, or part of its name in runs/. Says "identical" and ends with the exit code
of the run itself (so 1 for a violation), or with 70 if the two runs differ.

With --page the run is also written as a page that plays it: servers with their roles, terms and logs, messages on
their way; play, step, scrub. It needs nothing but a browser.

\b
Examples:
  bench replay runs/20250101T120000-raft-1a2b3c4d
  bench replay 1a2b3c4d
  bench replay 1a2b3c4d --page run.html --from 400ms --until 900ms
"""


@verb("replay", HELP)
@click.argument("run")
@option("Options", "--quiet", is_flag=True, help="Print the comparison only.")
@option("Page", "--page", type=click.Path(dir_okay=False, path_type=Path), help="Write a page that plays the run.")
@option("Page", "--from", "start", metavar="TIME", help="Play from here.  [default: the first boot]")
@option("Page", "--until", metavar="TIME", help="Play up to here, 20,000 steps at most.  [default: the end]")
def command(run: str, quiet: bool, page: Path | None, start: str | None, until: str | None) -> int:
    """Load, run, compare, show."""
    from ..errors import EXIT_HARNESS, UsageError
    from ..provenance import code_version
    from ..run import run_trial
    from . import Interrupted, store
    from .execute import progress
    from .summary import console, print_summary
    from .violation import print_violation

    span = window(page, start, until)
    recorded = store.load(run)
    if recorded.trial.runtime != "sim":
        raise UsageError(f"{recorded.path} is a live run: only simulated ones can be replayed")
    try:
        with progress(quiet) as say:
            if page is None:
                result, _ = run_trial(recorded.trial, progress=say)
            else:
                from ..playing import play
                from ..report.player import write_page

                played = play(recorded.trial)
                result, told = played.result, write_page(page, played, *span)
    except KeyboardInterrupt:
        raise Interrupted("the recorded run is untouched") from None
    out = console()
    if page is not None:
        out.print(f"{told}: {page}", highlight=False, soft_wrap=True)
    if not quiet:
        print_summary(out, result, None)
        if result.verdict == "invalid":
            out.print()
            print_violation(out, result, None)
        out.print()
    expected = None if recorded.result is None else recorded.result.trace_hash
    if expected is None:
        out.print(f"trace hash {result.trace_hash}; {recorded.path} holds none to compare with")
        return result.exit_code()
    if result.trace_hash == expected:
        out.print(f"identical: trace hash {expected}")
        return result.exit_code()
    out.print(f"different: trace hash {result.trace_hash}, recorded was {expected}")
    before = recorded.result.provenance.get("code_version") if recorded.result is not None else None
    if before != code_version():
        out.print(f"the code has changed since: it was version {before}, this is {code_version()}")
    return EXIT_HARNESS


def window(page: Path | None, start: str | None, until: str | None) -> tuple[int | None, int | None]:
    """The part of the run that is played, in ns.

    Raises:
        UsageError: there is no page to play it, or it ends before it begins.
    """
    from ..errors import UsageError
    from .build import duration_of

    if page is None and (start is not None or until is not None):
        raise UsageError("--from and --until say what part of the run --page plays: give --page FILE, too")
    low = None if start is None else duration_of(start, "--from")
    high = None if until is None else duration_of(until, "--until")
    if low is not None and high is not None and low >= high:
        raise UsageError(f"--from {start} is not before --until {until}")
    return low, high
