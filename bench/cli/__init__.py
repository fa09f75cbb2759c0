"""The command line: ``bench VERB``. Verbs are imported when they are used, so that help comes at once."""

from __future__ import annotations

import importlib
import os
import re
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import click

from ..errors import EXIT_HARNESS, EXIT_USAGE, HarnessError, UsageError, unknown_name

EXIT_INTERRUPTED = 130

VERBS: dict[str, tuple[str, str]] = {
    "list": ("listing", "Protocols, parameters, mutants, faults, workloads, sweeps."),
    "run": ("run", "Run one trial and judge it."),
    "sweep": ("sweep", "List the experiments, or run one over its grid."),
    "tune": ("tune", "Search for the best parameters under constraints."),
    "compare": ("compare", "Compare two runs: did anything change beyond luck?"),
    "check": ("check", "Judge a recorded history."),
    "report": ("report", "Write the HTML report of a run or sweep."),
    "serve": ("serve", "Show all runs and their reports in a browser."),
    "replay": ("replay", "Run a recorded simulated trial again and compare."),
    "shrink": ("shrink", "Make a failing run small, as a script."),
    "explore": ("explore", "Every behaviour of a small cluster, up to bounds."),
    "floor": ("floor", "Measure what this machine does without a protocol."),
}
"""Verb -> (module of this package, one line of help)."""

HELP = """Benchmarks distributed-systems protocols: speed and verdict in one row.

\b
Examples:
  bench run raft                                   simulated, back in seconds
  bench run raft --runtime ray --clients 16        real processes on this machine
  bench run raft --fault "crash leader at 1s for 500ms"
  bench run raft --mutant vote-not-persisted       break it, and see it caught
  bench sweep election_timeout nodes=5             an experiment over a grid

\b
Exit codes: 0 valid, 1 violation, 2 wrong input, 3 unknown or void,
4 a threshold missed, 70 the harness failed, 130 interrupted.
"""


class Interrupted(Exception):
    """Ctrl-C; the text says what was kept. No ``KeyboardInterrupt``, which click would turn into a bare ``Abort``."""


class Bench(click.Group):
    """The verbs, and how every one of them ends."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which a newcomer needs them."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one verb."""
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"{__name__}.{VERBS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest verb for one that does not exist."""
        if args and not args[0].startswith("-") and args[0] not in VERBS:
            raise unknown_name("command", args[0], VERBS)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """From the table: the modules stay unloaded."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in VERBS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb. A reader that has seen enough (``| head``) ends it quietly, as far as it got."""
        try:
            code = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        return code

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any) -> Any:  # type: ignore[override]
        """Run a verb and exit with its code; errors are one sentence on standard error."""
        extra["standalone_mode"] = False
        try:
            code = super().main(args, prog_name or "bench", **extra)
        except UsageError as error:
            code = _say(str(error), EXIT_USAGE)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message())
            code = EXIT_USAGE
        except click.ClickException as error:
            code = _say(_sentence(error), EXIT_USAGE)
        except HarnessError as error:
            code = _say(str(error), EXIT_HARNESS)
        except Interrupted as error:
            code = _say(f"interrupted: {error}", EXIT_INTERRUPTED)
        except (KeyboardInterrupt, click.Abort):
            code = _say("interrupted: nothing was kept", EXIT_INTERRUPTED)
        except Exception as error:
            traceback.print_exc()
            code = _say(f"the harness failed: {type(error).__name__}: {error}", EXIT_HARNESS)
        sys.exit(code or 0)


def _say(sentence: str, code: int) -> int:
    print(f"bench: {sentence}", file=sys.stderr)
    return code


def _sentence(error: click.ClickException) -> str:
    """Click's message in the style of the others: one sentence, and where help is."""
    message = " ".join(error.format_message().split()).rstrip(".")
    message = message[:1].lower() + message[1:]
    if isinstance(error, click.UsageError) and error.ctx is not None:
        # Sweeps and studies take KEY=VALUE as it stands, so it is tried on the verbs that want an option before it.
        stray = re.search(r"unexpected extra argument \((\w+)=(\S+)\)$", message)
        known = [name for each in error.ctx.command.params for name in each.opts]
        if stray and (name := f"--{stray[1].replace('_', '-')}") in known:
            message += f": did you mean {name} {stray[2]}?"
        elif stray and "--param" in known:
            message += f": did you mean --param {stray[1]}={stray[2]}?"
        message += f" (see '{error.ctx.command_path} --help')"
    return message


@click.group(cls=Bench, help=HELP, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="quorumbench", prog_name="bench", message="%(prog)s %(version)s")
def main() -> None:
    """The console script."""
