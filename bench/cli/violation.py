"""What a violation comes with: its sentence, a space-time diagram, and the command that shows it again."""

from __future__ import annotations

import shlex
from pathlib import Path

import msgspec
from rich.console import Console
from rich.text import Text

from ..checkers.verdict import Verdict
from ..history.history import NEVER
from ..run import run_trial
from ..runtime.record import RunRecord
from ..trial import Result
from .command import command_of

COLUMNS = 7
"""Nodes that fit side by side in a terminal."""


def print_violation(out: Console, result: Result, folder: Path | None, *, command: bool = True) -> None:
    """Print everything about the violations of a result.

    Args:
        out: where to.
        result: with at least one violation.
        folder: of the stored run, if it was kept.
        command: say how to run it again.
    """
    for violation in result.violations:
        out.print(Text.assemble((f"{violation.name}: ", "bold red"), violation.reason or "violated"))
    diagram = draw(result) if result.runtime == "sim" else ""
    if diagram:
        out.print()
        out.print(Text(diagram))
    out.print()
    if not command:
        return
    if folder is not None and result.runtime == "sim":
        out.print(_command("replay with", f"bench replay {shlex.quote(str(folder))}"))
    if folder is not None:
        out.print(_command("shrink with", f"bench shrink {shlex.quote(str(folder))}"))
    out.print(_command("run again with", command_of(result.spec)))
    if folder is not None:
        out.print(_command("as a page", f"bench report {shlex.quote(str(folder))}"))


def _command(label: str, command: str) -> Text:
    return Text.assemble((f"{label + ':':<16}", "dim"), (command, "bold"))


def moment(violation: Verdict, record: RunRecord) -> int | None:
    """When a violation was complete, in ns from the start of the load; None if it is of no one moment."""
    if violation.at >= 0:
        return violation.at
    history = record.history
    ends = [int(history.completed[row]) for row in violation.rows if history.completed[row] != NEVER]
    return max(ends, default=None)


def columns(violation: Verdict, record: RunRecord, servers: int) -> list[str]:
    """The nodes to draw: the clients whose operations show the violation, and as many servers as fit beside them."""
    guilty = sorted({int(record.history.client[row]) for row in violation.rows})[: COLUMNS // 2]
    names = [f"n{index + 1}" for index in range(min(servers, COLUMNS - len(guilty)))]
    return names + [f"c{index + 1}" for index in guilty]


def draw(result: Result) -> str:
    """The space-time diagram of the first violation that has a moment; empty if none has.

    The trial is run once more to record its trace. Were that another run (another trace hash), it is not drawn.
    """
    if all(verdict.at < 0 and not verdict.rows for verdict in result.violations):
        return ""
    from ..report.text import text_space_time

    traced, record = run_trial(msgspec.structs.replace(result.spec, trace=True))
    if traced.trace_hash != result.trace_hash or record.trace is None:
        return ""
    for violation in traced.violations:
        around = moment(violation, record)
        if around is not None:
            return text_space_time(
                record.trace,
                around=around,
                nodes=columns(violation, record, result.nodes),
                faults=record.faults,
                history=record.history,
                rows=violation.rows,
            )
    return ""
