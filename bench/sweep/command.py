"""The command line that every sweep script shares."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .result import Options

if TYPE_CHECKING:
    from .api import Sweep


def parse(sweep: Sweep, argv: Sequence[str]) -> Options:
    """Options from the arguments of a script. ``--help`` and malformed arguments end the process."""
    found: list[Options] = []
    narrow = "none, --seeds holds" if sweep.precision is None else f"{sweep.precision.width:g}"
    limit = "none" if sweep.budget_s is None else f"{sweep.budget_s:g}"

    @click.command(
        help=f"{sweep.question}\n\nAXIS=VALUE,VALUE replaces the values of an axis: {', '.join(sweep.grid)}.",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    @click.argument("overrides", nargs=-1, metavar="[AXIS=VALUE,VALUE]...")
    @click.option("--seeds", type=int, help=f"Simulated trials a cell. [default: {sweep.seeds}]")
    @click.option(
        "--precision",
        type=float,
        help=f"Seeds until each interval is within +- this share of its median. [default: {narrow}]",
    )
    @click.option("--live", type=int, help=f"Live trials a cell. [default: {sweep.live}]")
    @click.option("--no-live", is_flag=True, help="Simulation only.")
    @click.option("--budget", type=float, help=f"Seconds in total; more seeds until it is spent. [default: {limit}]")
    @click.option("--runtime", type=click.Choice(["sim", "ray"]), help="Only that world. [default: both]")
    @click.option("--jobs", type=int, help="Simulated trials at once. [default: every core]")
    @click.option("--service", help=f"Service times of simulations: default or calibrated. [default: {sweep.service}]")
    @click.option("--address", help="HOST:PORT of a running Ray cluster, or auto. [default: this machine alone]")
    @click.option(
        "--out",
        type=click.Path(path_type=Path),
        help="Folder of the run; one that holds trials is resumed. [default: a new one in runs/]",
    )
    @click.option(
        "--baseline",
        type=click.Path(path_type=Path),
        help="Earlier run to compare with; exit code 4. [default: none]",
    )
    @click.option("--force", is_flag=True, help="Compare with a baseline of another machine, too.")
    @click.option("--dry-run", is_flag=True, help="Print the cells and the estimated time, run nothing.")
    @click.option("--plain", is_flag=True, help="Plain lines instead of a live table.")
    def command(
        overrides: tuple[str, ...],
        seeds: int | None,
        precision: float | None,
        live: int | None,
        no_live: bool,
        budget: float | None,
        runtime: str | None,
        jobs: int | None,
        service: str | None,
        address: str | None,
        out: Path | None,
        baseline: Path | None,
        force: bool,
        dry_run: bool,
        plain: bool,
    ) -> None:
        if no_live and live:
            raise click.UsageError("give --live or --no-live, not both")
        found.append(
            Options(
                seeds=seeds,
                live=0 if no_live else live,
                budget_s=budget if budget is not None else sweep.budget_s,
                runtime=runtime,
                jobs=jobs,
                service=service,
                address=address,
                out=out,
                baseline=baseline,
                force=force,
                dry_run=dry_run,
                plain=True if plain else None,
                overrides=overrides,
                precision=precision,
            )
        )

    try:
        command.main(list(argv), standalone_mode=False)
    except click.ClickException as error:
        print(f"bench: {error.format_message()[:1].lower()}{error.format_message()[1:].rstrip('.')}", file=sys.stderr)
        raise SystemExit(2) from None
    if not found:
        raise SystemExit(0)  # --help
    return found[0]
