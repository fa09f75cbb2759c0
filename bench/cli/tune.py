"""``bench tune``: search for the best parameters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from .options import option, verb

F = TypeVar("F", bound=Callable[..., Any])

HELP = """Search for the best parameters under constraints, as the study STUDY says, or list the studies.

STUDY is a file, or a name in experiments/. KEY=VALUE changes one of its settings, such as the network. The best
candidates and the defaults of known systems are measured again on seeds that the search has not seen. A study that was
interrupted or killed goes on where it stopped when --out names its folder.

\b
Examples:
  bench tune
  bench tune tune_election
  bench tune tune_election rtt_s=80ms --candidates 60 --out runs/wan
  bench tune tune_election --dry-run
  bench tune tune_election --live 5 --out runs/lan

Exit code 4: no candidate keeps the constraints.
"""


_OPTIONS = (
    option("Size", "--candidates", type=int, help="Candidates to try.  [default: the study's]"),
    option("Size", "--confirm", type=int, help="Fresh seeds for the best and the defaults.  [default: the study's]"),
    option(
        "Size",
        "--live",
        type=int,
        default=0,
        help="Live trials for each of the best and the defaults, at the end.  [default: 0]",
    ),
    option("Search", "--sampler", metavar="tpe|nsga2|random", help="Who proposes candidates.  [default: the study's]"),
    option("Search", "--seed", type=int, help="Of the search.  [default: the study's]"),
    option("Where", "--jobs", type=int, help="Trials at once.  [default: every core]"),
    option(
        "Where",
        "--address",
        metavar="HOST:PORT",
        help="Of a running Ray cluster, or auto.  [default: this machine alone]",
    ),
    option(
        "Where",
        "--out",
        type=click.Path(path_type=Path),
        help="Folder of the study; a begun one is resumed.  [default: a new one in runs/]",
    ),
    option("Output", "--dry-run", is_flag=True, help="Print what would be tried, run nothing."),
    option("Output", "--plain", is_flag=True, help="Plain lines instead of one that changes in place."),
)


def tune_options(function: F) -> F:
    """The options of :class:`bench.tune.api.TuneOptions`, but its settings."""
    for each in reversed(_OPTIONS):
        function = each(function)
    return function


@verb("tune", HELP)
@click.argument("study", required=False)
@click.argument("settings", nargs=-1, metavar="[KEY=VALUE]...")
@tune_options
def command(study: str | None, settings: tuple[str, ...], **given: Any) -> int:
    """List, or hand over to the study."""
    from . import listing

    if study is None:
        listing.TOPICS["studies"]()
        return 0
    if given["address"] is not None:
        from ..address import probe

        probe(given["address"])

    from ..tune.command import options_of
    from ..tune.scripts import cli_run

    return cli_run(study, options_of(settings, given))
