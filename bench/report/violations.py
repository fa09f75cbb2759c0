"""A page for each violation: what broke, what shows it, the window around it drawn, and how to see it again."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from ..checkers.linearizability import describe as operation_text
from ..errors import UsageError
from ..history.history import INFO, NEVER, OUTCOMES, History
from ..sweep.grid import describe
from ..sweep.result import SweepResult
from ..sweep.store import Row
from ..trial import Result, Trial
from .downloads import Download, trial_json
from .model import Cell, Column, Table, figure_cell, world
from .one import fault_table, only, stored_history
from .theme import themed

SHOWN = 40
"""Violations that get a page."""
DRAWN = 10
DRAW_S = 5.0
"""Diagrams cost a replay with tracing each: the first few get one, while this time lasts."""
MOST_BYTES = 2_500_000
"""Of all drawings together, so that the file stays small enough to be sent."""
CARRIED = 10
"""Violations whose result is inside the page, to be replayed elsewhere."""
OPERATIONS = 40

Again = Callable[[Trial], str]
"""The ``bench run`` command of a trial."""


@dataclass(frozen=True)
class Broken:
    """One check that failed: its name, a sentence, and what else it has to say."""

    name: str
    reason: str
    explanations: tuple[str, ...] = ()


@dataclass
class Shown:
    """A violation as the page shows it.

    Attributes:
        anchor: id of its page.
        title: the cell, seed and world.
        mistake: what was done wrong on purpose, if the trial ran a mutant.
        broken: the checks that failed.
        command: replays it; empty for a live trial, which cannot be.
        again: runs the same trial again.
        carried: the result, to be saved and replayed without the run's folder.
        drawings: (heading, SVG).
        operations: those that show it.
        faults: the first that fired in it, of ``fired``.
        missing: why there is no diagram.
    """

    anchor: str
    title: str
    broken: tuple[Broken, ...]
    mistake: str = ""
    command: str = ""
    again: str = ""
    carried: Download | None = None
    drawings: list[tuple[str, str]] = field(default_factory=list)
    operations: Table | None = None
    faults: Table | None = None
    fired: int = 0
    missing: str = ""


def listed(result: SweepResult, *, write: bool = True, again: Again | None = None) -> tuple[list[Shown], int]:
    """The first violations in words, and how many there are; see :func:`shown`."""
    broken = [row for row in result.rows if row.result.verdict == "invalid"]
    return [_page(number, row, result.folder, write, again) for number, row in enumerate(broken[:SHOWN])], len(broken)


def shown(result: SweepResult, *, write: bool = True, again: Again | None = None) -> tuple[list[Shown], int]:
    """The first violations with what shows them drawn, and how many there are.

    Args:
        result: of a sweep, or of a single trial.
        write: put a file for ``bench replay`` into ``violations/`` of the folder for each, where there is none.
        again: makes the command that runs a trial again.
    """
    pages, total = listed(result, write=write, again=again)
    broken = [row.result for row in result.rows if row.result.verdict == "invalid"]
    end = time.monotonic() + DRAW_S
    size = 0
    for number, (page, trial) in enumerate(zip(pages, broken, strict=False)):
        if trial.runtime != "sim":
            history = stored_history(result) if only(result) is not None else None
            if history is not None:
                _seen(page, history, trial)
            page.missing = "A live trial leaves no trace of its messages: what its clients saw is all there is."
        elif number >= DRAWN or time.monotonic() > end or size > MOST_BYTES:
            page.missing = "Not drawn here, as there are many: the command above prints the diagram."
        else:
            _drawn(page, trial)
            size += sum(len(svg) for _, svg in page.drawings)
    return pages, total


def _page(number: int, row: Row, folder: Path, write: bool, again: Again | None) -> Shown:
    trial = row.result
    simulated = trial.runtime == "sim"
    name = f"{trial.protocol}-seed{trial.seed}-{row.key[:8]}.json"
    return Shown(
        anchor=f"violation-{number + 1}",
        title=_title(row),
        broken=tuple(_broken(trial)),
        mistake=_mistake(trial),
        command=_replay(row, folder, write) if simulated else "",
        again=again(trial.spec) if again is not None else "",
        carried=trial_json(name, trial) if simulated and number < CARRIED else None,
        faults=fault_table(trial),
        fired=len(trial.faults),
    )


def _title(row: Row) -> str:
    seed = "" if "seed" in row.point else f", seed {row.result.seed}"
    return f"{describe(row.point)}{seed}, {world(row.result.runtime)}"


def _broken(trial: Result) -> list[Broken]:
    return [
        Broken(
            verdict.name.replace("_", " "),
            verdict.reason,
            tuple(words for words in verdict.explanations if words != verdict.reason),
        )
        for verdict in trial.violations
    ]


def _mistake(trial: Result) -> str:
    if trial.mutant is None:
        return ""
    from ..mutation import find_mutant, load_family

    try:
        return f"{trial.mutant}: {find_mutant(load_family(trial.protocol), trial.mutant).why}"
    except UsageError:
        return trial.mutant  # of another version


def _replay(row: Row, folder: Path, write: bool) -> str:
    """The command, with a file that holds the result: of a single run its own, else one written for it."""
    if (folder / "result.json").is_file():
        return f"bench replay {shlex.quote(str(folder))}"
    file = folder / "violations" / f"{row.key}.json"
    if write and not file.is_file():
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(msgspec.json.format(msgspec.json.encode(row.result), indent=2))
        except OSError:
            pass  # somebody else's folder: the page carries the file
    return f"bench replay {shlex.quote(str(file) if file.is_file() else file.name)}"


# --- what shows it --------------------------------------------------------------------------------------------------


def _seen(page: Shown, history: History, trial: Result) -> None:
    """The operations that show it, drawn and listed."""
    from .timeline import operations_svg

    rows = next((verdict.rows for verdict in trial.violations if verdict.rows), ())
    if rows:
        page.drawings.append(("What the clients saw", themed(operations_svg(history, rows))))
        page.operations = operation_table(history, rows)


def operation_table(history: History, rows: Sequence[int]) -> Table:
    """The operations of a violation in the order they began."""
    table = Table(
        [
            Column("client", numeric=False),
            Column("operation", numeric=False),
            Column("key"),
            Column("began"),
            Column("ended"),
            Column("outcome", numeric=False),
        ]
    )
    for row in sorted(rows, key=lambda each: int(history.invoked[each]))[:OPERATIONS]:
        text = operation_text(history, row)
        what = text.partition("'s ")[2].rpartition(" (")[0]
        ended, outcome = int(history.completed[row]), int(history.outcome[row])
        never = ended >= NEVER or outcome == INFO
        client = f"c{int(history.client[row]) + 1}"
        table.rows.append(
            [
                Cell(client, client),
                Cell(what, what, "remark"),
                Cell(str(int(history.key[row])), int(history.key[row]), "number"),
                figure_cell(int(history.invoked[row]) / 1e9),
                Cell("unanswered", 1e300, "number") if never else figure_cell(ended / 1e9),
                Cell(OUTCOMES[outcome], outcome),
            ]
        )
    return table


def _drawn(page: Shown, trial: Result) -> None:
    """Replay with tracing, and draw. Only a replay with the same trace hash is the same run."""
    from .. import run
    from .evidence import space_time_svg
    from .timeline import operations_svg

    try:
        replayed, record = run.run_trial(msgspec.structs.replace(trial.spec, trace=True))
    except Exception as error:
        page.missing = f"It could not be replayed for a diagram: {type(error).__name__}: {error}"
        return
    if replayed.trace_hash != trial.trace_hash:
        page.missing = (
            "No diagram: the code has changed since, and a replay is now another run. "
            "With the code of the commit under Provenance, the command above shows it."
        )
        return
    try:
        diagram = space_time_svg(record, replayed)
        rows = next((verdict.rows for verdict in replayed.violations if verdict.rows), ())
        if rows:
            page.drawings.append(("What the clients saw", themed(operations_svg(record.history, rows))))
            page.operations = operation_table(record.history, rows)
        if diagram:
            page.drawings.append(("Space-time diagram of the window around it", themed(diagram)))
    except Exception as error:
        page.missing = f"The diagram could not be drawn: {type(error).__name__}: {error}"
