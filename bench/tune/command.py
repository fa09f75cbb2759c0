"""The command line of a study's script: that of ``bench tune``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ..cli.options import SectionedCommand
from ..cli.tune import tune_options
from ..errors import UsageError
from ..sweep.preparing import script_name
from .api import TuneOptions, execute
from .study import Study


def options_of(settings: Sequence[str], given: dict[str, Any]) -> TuneOptions:
    """From what click found."""
    given["plain"] = True if given["plain"] else None
    return TuneOptions(settings=tuple(settings), **given)


def main(study: Study, argv: Sequence[str] | None = None) -> int:
    """The command line of a script; returns the exit code. ``--help`` and malformed arguments end the process."""

    help_text = f"{study.question}\n\nKEY=VALUE changes a setting: {', '.join(study.settings)}."

    @click.command(cls=SectionedCommand, help=help_text, context_settings={"help_option_names": ["-h", "--help"]})
    @click.argument("settings", nargs=-1, metavar="[KEY=VALUE]...")
    @tune_options
    def command(settings: tuple[str, ...], **given: Any) -> int:
        return execute(study, options_of(settings, given), script_name(Path(sys.argv[0])))

    try:
        return int(command.main(list(sys.argv[1:] if argv is None else argv), standalone_mode=False) or 0)
    except click.ClickException as error:
        print(f"bench: {error.format_message()}", file=sys.stderr)
    except UsageError as error:
        print(f"bench: {error}", file=sys.stderr)
    return 2
