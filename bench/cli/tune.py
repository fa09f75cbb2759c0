"""``bench tune``: search for the best parameters."""

from __future__ import annotations

from typing import Any

import click

from ..tune.command import options_of, tune_options
from .options import verb

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

Exit code 4: no candidate keeps the constraints.
"""


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

    from ..tune.scripts import cli_run

    return cli_run(study, options_of(settings, given))
