"""``bench replay``: a recorded simulated trial, run again and compared."""

from __future__ import annotations

import click

from .options import option, verb

HELP = """Run the recorded simulated trial RUN again and compare the trace hashes.

RUN is the folder of a run, its result.json, or part of its name in runs/. Says "identical" and ends with the exit code
of the run itself (so 1 for a violation), or with 70 if the two runs differ.

\b
Examples:
  bench replay runs/20250101T120000-raft-1a2b3c4d
  bench replay 1a2b3c4d
"""


@verb("replay", HELP)
@click.argument("run")
@option("Options", "--quiet", is_flag=True, help="Print the comparison only.")
def command(run: str, quiet: bool) -> int:
    """Load, run, compare, show."""
    from ..errors import EXIT_HARNESS, UsageError
    from ..provenance import code_version
    from ..run import run_trial
    from . import Interrupted, store
    from .execute import progress
    from .summary import console, print_summary
    from .violation import print_violation

    recorded = store.load(run)
    if recorded.trial.runtime != "sim":
        raise UsageError(f"{recorded.path} is a live run: only simulated ones can be replayed")
    try:
        with progress(quiet) as say:
            result, _ = run_trial(recorded.trial, progress=say)
    except KeyboardInterrupt:
        raise Interrupted("the recorded run is untouched") from None
    out = console()
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
