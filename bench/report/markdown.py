"""``report.md``: the same answer, figures and tables for a README, with the figures as PNG files beside it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from ..errors import UsageError
from ..sweep.result import Panel, SweepResult
from . import live, model, one, setup, violations
from .model import Cell, Table
from .plots import on_white
from .render import OWN, Kept, first_words, kept_in, provenance_of

FOLDER = "figures"
MOST_ROWS = 60
"""Rows of a table; a README is no place for more."""
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#])")


def write_markdown(result: SweepResult, out: Path, kept: Kept | None = None) -> Path:
    """Write the Markdown and its figures.

    Args:
        result: of a sweep, or of a single trial.
        out: the file; figures go to ``figures/`` beside it.
        kept: what the sweep's script concluded; without, what is kept in its folder.

    Returns:
        ``out``.

    Raises:
        UsageError: it cannot be written.
    """
    kept = kept_in(result.folder) if kept is None else kept
    try:
        figures = _figures(result, kept, out.parent / FOLDER)
        out.write_text(text(result, kept, figures), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"the report cannot be written to {out}: {error.strerror}") from None
    return out


def text(result: SweepResult, kept: Kept, figures: Sequence[tuple[str, str, str]] = ()) -> str:
    """The Markdown. ``figures``: (title, caption, address)."""
    trial = one.only(result)
    parts = [f"## {plain(result.description.question)}", *(plain(line) for line in first_words(result, kept))]
    parts.append(" · ".join(plain(words) for words, _ in model.totals(result)))
    if kept.details:
        parts.append("\n".join(f"- {plain(line)}" for line in kept.details))
    broken, total = violations.listed(result)
    if broken:
        parts.append("### Violations")
        more = f"\n\nThe first {len(broken)} of {total}." if total > len(broken) else ""
        parts.append("\n".join(_violation(each) for each in broken) + more)
    for title, caption, address in figures:
        parts += [f"### {plain(title)}", f"![{plain(title)}]({address})", f"*{plain(caption)}*"]
    bound = live.bound_sentence(result.rows)
    if trial is not None and trial.error is None:
        parts += ["### Results", table(one.key_figures(trial))]
    elif result.rows and trial is None:
        parts += ["### Results", table(model.cell_table(result))]
        parts.append(
            "*Medians over complete trials; in brackets the 95% interval, or the range of fewer than 8 trials. Latency "
            "counts from the intended start.*"
        )
    parts += [f"▲ {plain(bound)}"] * bool(bound)
    if result.rows:
        parts += ["### Verdicts", table(model.matrix(result))]
    floor = live.floor_table(result.rows)
    if floor is not None:
        parts += ["### Floor of the machine", live.cores_sentence(result.rows), table(floor)]
    facts = setup.setup(result) + provenance_of(result)
    parts += ["### Provenance", "\n".join(f"- {plain(name)}: {plain(words)}" for name, words in facts)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _violation(each: violations.Shown) -> str:
    lines = [f"- **{plain(each.title)}**"]
    lines += [f"  - {plain(one.name)}{f': {plain(one.reason)}' if one.reason else ''}" for one in each.broken]
    return "\n".join([*lines, *[f"  - `{each.command}`"] * bool(each.command)])


def plain(words: str) -> str:
    """A text of which Markdown makes nothing else, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(words.split()))


def table(made: Table) -> str:
    """A table, figures to the right."""
    heads = [plain(column.name) for column in made.columns]
    rules = ["---:" if column.numeric and not column.upright else "---" for column in made.columns]
    lines = [_row(heads), _row(rules)]
    lines += [_row([_cell(cell) for cell in row]) for row in made.rows[:MOST_ROWS]]
    if len(made.rows) > MOST_ROWS:
        lines.append(_row([f"{len(made.rows) - MOST_ROWS} more", *[""] * (len(heads) - 1)]))
    return "\n".join(lines)


def _row(texts: Sequence[str]) -> str:
    return f"| {' | '.join(texts)} |"


def _cell(cell: Cell) -> str:
    return plain(cell.text)


def _figures(result: SweepResult, kept: Kept, folder: Path) -> list[tuple[str, str, str]]:
    """Draw what can be drawn again, and copy what was drawn when the sweep ended."""
    from .overtime import panels as over_time
    from .panels import general_panels

    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for number, (title, caption, svg) in enumerate(kept.figures):
        source, target = result.folder / OWN.format(number), folder / f"own-{number}.png"
        if not source.is_file():  # of a sweep that ended before they were kept
            if not svg:
                continue
            target = target.with_suffix(".svg")
            target.write_text(on_white(svg), encoding="utf-8")
        elif source.resolve() != target.resolve():
            shutil.copyfile(source, target)
        made.append((title, caption, f"{FOLDER}/{target.name}"))
    for number, panel in enumerate(over_time(result) + general_panels(result, curves=not kept.figures)):
        target = folder / f"general-{number}.png"
        if draw_png(panel, target):
            made.append((panel.title, panel.caption, f"{FOLDER}/{target.name}"))
    return made


def draw_png(panel: Panel, target: Path) -> bool:
    """Draw a figure into a file; whether that could be done."""
    from .plots import style, to_png

    try:
        with style():
            data = to_png(panel.draw())
    except Exception:
        return False  # the HTML says why
    target.write_bytes(data)
    return True
