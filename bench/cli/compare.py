"""``bench compare``: two runs, statistically."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import NUMBER, option, verb

if TYPE_CHECKING:
    from ..compare import Comparison, Side

HELP = """Compare RUN_B with RUN_A, its baseline: folders of sweeps or of runs, or parts of their names in runs/.

Verdicts come first. Then every cell and metric is tested between the trials of both sides (Mann-Whitney, with Cliff's
delta), corrected for their number (Holm): equal runs are found different in at most one comparison in a hundred.

\b
Examples:
  bench compare runs/before runs/after
  bench compare runs/before runs/after --metric p99_s --tolerate p99_s=5%
  bench sweep election_timeout --baseline runs/before

Exit codes: 4 for a regression, 1 for new violations, 3 if there are too few trials to tell or cells are missing.
"""


@verb("compare", HELP)
@click.argument("run_a")
@click.argument("run_b")
@option(
    "Options", "--metric", "metrics", multiple=True, metavar="NAME", help="Only these; repeatable.  [default: five]"
)
@option("Options", "--tolerate", multiple=True, metavar="NAME=SHARE", help="A metric may get worse by: p99_s=5%.")
@option("Options", "--alpha", type=NUMBER, help="Share of false alarms over all comparisons.  [default: 0.01]")
@option("Options", "--force", is_flag=True, help="Compare across machines too.")
@option("Options", "--json", "json_to", metavar="FILE", help="Write the comparison as JSON; - for standard output.")
def command(
    run_a: str,
    run_b: str,
    metrics: tuple[str, ...],
    tolerate: tuple[str, ...],
    alpha: float | None,
    force: bool,
    json_to: str | None,
) -> int:
    """Load, compare, show."""
    from ..compare import load
    from ..compare.comparing import ALPHA, METRICS, compare, with_intervals
    from ..compare.show import show
    from .store import check_writable

    if json_to not in (None, "-"):
        check_writable(Path(str(json_to)))
    before, after = load(find(run_a)), load(find(run_b))
    found = compare(
        before,
        after,
        metrics=metrics or METRICS,
        tolerated=shares(tolerate),
        alpha=ALPHA if alpha is None else alpha,
        force=force,
    )
    found = with_intervals(found, before, after)
    write(found, json_to)
    show(found, to_stderr=json_to == "-")
    return found.exit_code()


def find(name: str) -> Path:
    """The folder or file that a path, or part of a name in ``runs/``, means.

    Raises:
        UsageError: none, or several.
    """
    from ..errors import UsageError, unknown_name
    from .store import RUNS

    path = Path(name)
    if path.exists():
        return path
    known = sorted(each.name for each in RUNS.glob("*") if each.is_dir())
    matches = [each for each in known if name in each] if name else []
    if len(matches) == 1:
        return RUNS / matches[0]
    if matches:
        raise UsageError(f"{name!r} could be any of {len(matches)} runs: {', '.join(matches[-4:])}")
    if "/" in name or not known:
        raise UsageError(f"there is no run {name!r}: give the folder of a sweep or of a run")
    raise unknown_name("run", name, known[-20:])


def shares(texts: Sequence[str]) -> dict[str, float]:
    """``p99_s=5%`` or ``p99_s=0.05`` as a number each.

    Raises:
        UsageError: not of that form.
    """
    from ..errors import UsageError

    found = {}
    for text in texts:
        name, _, written = text.partition("=")
        try:
            share = float(written.strip().removesuffix("%")) / (100 if written.strip().endswith("%") else 1)
        except ValueError:
            raise UsageError(f"--tolerate {text!r} is malformed: write METRIC=SHARE, as p99_s=5%") from None
        if not 0 <= share < 100:
            raise UsageError(f"--tolerate {text!r} is out of range: a share of at least 0")
        found[name.strip()] = share
    return found


def write(found: Comparison, to: str | None) -> None:
    """The comparison as JSON, to a file or standard output."""
    import msgspec

    if to is None:
        return
    data = msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n"
    if to == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
    else:
        Path(to).write_bytes(data)


def read_baseline(name: str, force: bool) -> Side:
    """The baseline of a single run, by what was run."""
    from ..compare.show import baseline

    return baseline(find(name), force=force, by_setting=True)
