"""``bench sweep``: the experiments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .options import NUMBER, option, verb

HELP = """Run the sweep SCRIPT over its grid, or list the scripts.

SCRIPT is a file, or a name in experiments/. KEY=V1,V2 replaces the values of an axis of its grid. A sweep that was
interrupted goes on where it stopped when --out names its folder.

\b
Examples:
  bench sweep
  bench sweep election_timeout
  bench sweep election_timeout nodes=3 --seeds 200 --no-live
  bench sweep election_timeout --precision 0.05 --no-live
  bench sweep election_timeout --baseline runs/before
  bench sweep election_timeout --dry-run
"""


@verb("sweep", HELP)
@click.argument("script", required=False)
@click.argument("overrides", nargs=-1, metavar="[KEY=V1,V2]...")
@option("Size", "--seeds", type=int, help="Simulated trials a cell.  [default: the script's]")
@option(
    "Size",
    "--precision",
    type=NUMBER,
    metavar="SHARE",
    help="Seeds until intervals are within +- this share.  [default: the script's]",
)
@option("Size", "--live", type=int, help="Live trials a cell.  [default: the script's]")
@option("Size", "--no-live", is_flag=True, help="Simulation only.")
@option(
    "Size",
    "--budget",
    type=NUMBER,
    metavar="SECONDS",
    help="In total; more seeds until it is spent.  [default: the script's]",
)
@option("Size", "--runtime", type=click.Choice(["sim", "ray"]), help="Only that world.  [default: both]")
@option("Where", "--jobs", type=int, help="Simulated trials at once.  [default: every core]")
@option(
    "Size",
    "--service",
    metavar="default|calibrated",
    help="Simulated service times: the same anywhere, or from this machine's floor.  [default: the script's]",
)
@option(
    "Where",
    "--address",
    metavar="HOST:PORT",
    help="Of a running Ray cluster, or auto.  [default: this machine alone]",
)
@option(
    "Where",
    "--out",
    type=click.Path(path_type=Path),
    help="Folder of the run; one with trials is resumed.  [default: a new one in runs/]",
)
@option("Output", "--baseline", metavar="RUN", help="Compare with an earlier run; exit code 4 for a regression.")
@option("Output", "--force", is_flag=True, help="Compare with a baseline of another machine, too.")
@option("Output", "--dry-run", is_flag=True, help="Print the cells and the estimated time, run nothing.")
@option("Output", "--plain", is_flag=True, help="Plain lines instead of a live table.")
def command(script: str | None, overrides: tuple[str, ...], **given: Any) -> int:
    """List, or hand over to the sweep."""
    from ..errors import UsageError
    from . import listing

    if script is None:
        listing.TOPICS["sweeps"]()
        return 0
    if given["no_live"] and given["live"]:
        raise UsageError("give --live or --no-live, not both")
    for name in ("seeds", "live", "jobs", "budget"):
        least = 1 if name == "jobs" else 0
        if given[name] is not None and given[name] < least:
            raise UsageError(f"--{name} {given[name]:g} is out of range: at least {least}")
    if given["address"] is not None:
        from ..address import probe

        probe(given["address"])

    from ..sweep import Options, cli_run
    from .compare import find

    options = Options(
        seeds=given["seeds"],
        live=0 if given["no_live"] else given["live"],
        budget_s=given["budget"],
        runtime=given["runtime"],
        jobs=given["jobs"],
        service=given["service"],
        address=given["address"],
        out=given["out"],
        baseline=None if given["baseline"] is None else find(given["baseline"]),
        force=given["force"],
        dry_run=given["dry_run"],
        plain=True if given["plain"] else None,
        precision=given["precision"],
    )
    return cli_run(script, overrides, options)
