"""Running the trial of ``bench run``: progress, what is kept, and what is shown."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..calibration import keep as keep_floor
from ..errors import EXIT_USAGE, HarnessError, worst_exit
from ..run import run_trial
from ..trial import Result, Trial
from . import Interrupted
from .build import RunOptions
from .hunt import Found, hunt, wanted
from .store import HISTORY, begin, encode, keep, keep_partial
from .summary import console, print_summary, verdict_line
from .violation import print_violation

if TYPE_CHECKING:
    from ..compare import Side


@dataclass(frozen=True)
class Output:
    """Where results go: ``json_to`` a file or ``-``, ``store`` under ``runs/``, ``quiet`` for the verdict only.

    ``baseline``: to compare with, on other machines too if ``force``; a metric may be worse by what is ``tolerated``.
    ``shrink``: a violation is made small at once.
    """

    json_to: str | None = None
    store: bool = True
    quiet: bool = False
    baseline: Side | None = None
    tolerated: Mapping[str, float] = field(default_factory=dict)
    force: bool = False
    shrink: bool = False

    @property
    def json_path(self) -> Path | None:
        """The file to write, if it is one."""
        return None if self.json_to in (None, "-") else Path(self.json_to or "")


@contextmanager
def progress(quiet: bool) -> Iterator[Callable[[str], None]]:
    """Shows in which phase the run is: in place on a terminal, else a line each; on standard error."""
    if quiet:
        yield lambda text: None
        return
    err = console(to_stderr=True)
    if not err.is_terminal:
        yield lambda text: err.print(text, style="dim")
        return
    with err.status("starting") as status:
        yield status.update


def execute(options: RunOptions, trial: Trial, output: Output, address: str | None) -> int:
    """Run, keep, show; returns the exit code."""
    folder: Path | None = None
    try:
        with progress(output.quiet) as say:
            found = hunt(options, say) if wanted(options) else None
            trial = trial if found is None else found.trial
            if output.store and trial.runtime == "ray":
                folder = begin(trial)  # what clients see is kept there while the trial goes
            history = None if folder is None else folder / HISTORY
            result, record = run_trial(trial, address=address, progress=say, history=history)
            if output.store and address is None and record.floor is not None:
                keep_floor(record.floor)
    except HarnessError as error:
        kept = None if folder is None else keep_partial(folder, error.history)
        if kept is None:
            raise
        raise HarnessError(f"{error} (what clients saw until then: bench check {kept})", error.history) from error
    except KeyboardInterrupt:
        kept = None if folder is None else keep_partial(folder, None)
        what = "nothing was kept" if kept is None else f"what clients saw until then: bench check {kept}"
        raise Interrupted(f"the trial was not finished, {what}") from None
    except BaseException:
        if folder is not None:
            keep_partial(folder, None)
        raise
    result, folder = keep(result, record.history, folder) if output.store else (result, None)
    if output.json_to == "-":
        sys.stdout.buffer.write(encode(result))
        sys.stdout.flush()
    elif output.json_path is not None:
        output.json_path.write_bytes(encode(result))
    _show(result, found, output, folder)
    if output.shrink and result.violations and folder is not None:
        from .shrinking import shrink_and_write

        shrink_and_write(trial, result.violations[0].name, folder / "scenario.py", 60.0, output.quiet)
    codes = [each.exit_code() for each in (result, *(found.results if found is not None else ()))]
    if output.baseline is not None:
        codes.append(_against(result, output))
        if codes[-1] == EXIT_USAGE:
            return EXIT_USAGE
    return worst_exit(codes)


def _against(result: Result, output: Output) -> int:
    from ..compare.show import against
    from ..compare.sides import of_results

    assert output.baseline is not None
    after = of_results("this run", [result])
    return against(output.baseline, after, output.tolerated, force=output.force, quiet=output.quiet)


def _show(result: Result, found: Found | None, output: Output, folder: Path | None) -> None:
    out = console(to_stderr=output.json_to == "-")
    if output.quiet:
        out.print(verdict_line(result))
        return
    print_summary(out, result, None if folder is None else str(folder))
    if found is not None:
        seeds = f"{len(found.results)} seed{'s' if len(found.results) > 1 else ''}"
        invalid = result.verdict == "invalid"
        out.print(f"found in {seeds}" if invalid else f"no violation in {seeds}: try others (--seed) or other faults")
    if result.verdict == "invalid":
        out.print()
        print_violation(out, result, folder)
