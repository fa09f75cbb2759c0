"""Violations in a report: what broke, the command that replays it, and a diagram where one can be drawn."""

from __future__ import annotations

import importlib
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ..sweep.grid import describe
from ..sweep.store import Row
from ..trial import Result
from .model import world

SHOWN = 20
DRAWN = 3
"""Diagrams cost a replay with tracing each: only the first few get one."""


@dataclass(frozen=True)
class Shown:
    """A violation as the page shows it."""

    title: str
    reasons: tuple[tuple[str, str], ...]
    command: str
    diagram: str


def shown(rows: Sequence[Row], folder: Path) -> tuple[list[Shown], int]:
    """The first violations, and how many there are. Each is written to ``violations/KEY.json`` for its replay."""
    broken = [row for row in rows if row.result.verdict == "invalid"]
    found = []
    for i, row in enumerate(broken[:SHOWN]):
        result = row.result
        file = _recorded(row, folder)
        found.append(
            Shown(
                title=f"{describe(row.point)}, seed {result.seed}, {world(result.runtime)}",
                reasons=tuple((verdict.name.replace("_", " "), verdict.reason) for verdict in result.violations),
                command=f"bench replay {shlex.quote(str(file))}" if file else "",
                diagram=diagram(result) if i < DRAWN and result.runtime == "sim" else "",
            )
        )
    return found, len(broken)


def _recorded(row: Row, folder: Path) -> Path | None:
    """A file that ``bench replay`` takes: of a single run its own result, else one written for it."""
    own = folder / "result.json"
    if own.is_file():
        return own
    file = folder / "violations" / f"{row.key}.json"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(msgspec.json.format(msgspec.json.encode(row.result), indent=2))
    except OSError:
        return None  # somebody else's folder: the report is still worth having
    return file


def diagram(result: Result) -> str:
    """A space-time diagram of the run, replayed with tracing; empty where it cannot be drawn.

    Only a replay with the same trace hash is the same run: after an edit of the code it is another, and is not shown.
    """
    try:
        draw = importlib.import_module("bench.report.diagram").violation_svg
    except (ImportError, AttributeError):
        return ""
    from .. import run

    try:
        replayed, record = run.run_trial(msgspec.structs.replace(result.spec, trace=True))
        if replayed.trace_hash != result.trace_hash:
            return ""
        return str(draw(record, replayed))
    except Exception:
        return ""  # a report without a picture is better than none
