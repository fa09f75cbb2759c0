"""Prints a comparison, and compares with a baseline: what ``bench compare`` and ``--baseline`` share."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from ..errors import UsageError
from ..provenance import provenance
from .comparing import Comparison, check_machines, compare, with_intervals
from .sides import Side, load, machines_of
from .words import conclusion, lines

STYLES = {"plain": "", "bad": "red", "good": "green", "note": "yellow"}


def show(found: Comparison, *, to_stderr: bool = False) -> None:
    """Print it, line by line, and what to believe."""
    from rich.console import Console
    from rich.text import Text

    out = Console(file=None if to_stderr else sys.stdout, stderr=to_stderr, soft_wrap=True, highlight=False)
    for kind, text in lines(found):
        out.print(Text(text, STYLES[kind]))
    kind, text = conclusion(found)
    out.print(Text(text, f"bold {STYLES[kind]}"))


def baseline(path: Path, *, force: bool, by_setting: bool = False) -> Side:
    """Read a baseline, before the work begins that is to be compared with it.

    Args:
        path: as :func:`bench.compare.load`.
        force: compare across machines too.
        by_setting: cells are what was run, also where a sweep names them by its axes.

    Raises:
        UsageError: it is none, or ran on another machine than this.
    """
    side = load(path, by_setting=by_setting)
    here = Side(name="this run", cells={}, machines=machines_of([provenance()]))
    check_machines(side, here, force)
    return side


def against(
    before: Side, after: Side, tolerated: Mapping[str, float], *, force: bool = False, quiet: bool = False
) -> int:
    """Compare with a baseline and print it (or, if ``quiet``, its last line); returns the exit code."""
    try:
        found = compare(before, after, tolerated=tolerated, force=force)
    except UsageError as error:  # the work is done and kept: it is the comparison that cannot be
        print(f"no comparison: {error}", file=sys.stderr)
        return 2
    if quiet:
        print(conclusion(found)[1])
    else:
        show(with_intervals(found, before, after))
    return found.exit_code()
