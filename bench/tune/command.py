"""The command line that ``bench tune`` and every study's script share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from ..cli.options import SectionedCommand, option
from ..errors import UsageError
from ..sweep.runner import script_name
from .api import TuneOptions, execute
from .study import Study

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    option("Size", "--candidates", type=int, help="Candidates to try.  [default: the study's]"),
    option("Size", "--confirm", type=int, help="Fresh seeds for the best and the defaults.  [default: the study's]"),
    option("Search", "--sampler", metavar="tpe|nsga2|random", help="Who proposes candidates.  [default: the study's]"),
    option("Search", "--seed", type=int, help="Of the search.  [default: the study's]"),
    option("Where", "--jobs", type=int, help="Trials at once.  [default: every core]"),
    option("Where", "--address", metavar="HOST:PORT", help="Of a running Ray cluster."),
    option("Where", "--out", type=click.Path(path_type=Path), help="Folder of the study; a begun one is resumed."),
    option("Output", "--dry-run", is_flag=True, help="Print what would be tried, run nothing."),
    option("Output", "--plain", is_flag=True, help="Plain lines instead of one that changes in place."),
)


def tune_options(function: F) -> F:
    """The options of :class:`bench.tune.api.TuneOptions`, but its settings."""
    for each in reversed(_OPTIONS):
        function = each(function)
    return function


def options_of(settings: Sequence[str], given: dict[str, Any]) -> TuneOptions:
    """From what click found."""
    given["plain"] = True if given["plain"] else None
    return TuneOptions(settings=tuple(settings), **given)


def main(study: Study, argv: Sequence[str] | None = None) -> int:
    """The command line of a script; returns the exit code. ``--help`` and malformed arguments end the process."""

    help_text = f"{study.question}\n\nKEY=VALUE changes a setting: {', '.join(study.settings)}."

    @click.command(cls=SectionedCommand, help=help_text)
    @click.argument("settings", nargs=-1, metavar="[KEY=VALUE]...")
    @tune_options
    def command(settings: tuple[str, ...], **given: Any) -> int:
        return execute(study, options_of(settings, given), script_name(Path(sys.argv[0])))

    try:
        return int(command.main(list(sys.argv[1:] if argv is None else argv), standalone_mode=False) or 0)
    except click.ClickException as error:
        print(f"error: {error.format_message()}", file=sys.stderr)
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
    return 2
