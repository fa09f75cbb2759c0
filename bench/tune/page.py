"""The HTML report of a study, made of ``study.json`` alone."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..report.model import Cell, Column, Table
from ..report.render import draw
from ..sweep.grid import axis_title, show
from .advice import spanned, text_of
from .live import LiveResult
from .log import read
from .outcome import Estimate, Finalist, Kept, ObjectiveNote, StudyResult
from .panels import panels

_LOOK = {"holds": "valid", "likely": "valid", "unlikely": "invalid", "broken": "invalid", "unknown": "unknown"}
MOST_TRIED = 300


def render(result: StudyResult, folder: Path, out: Path) -> Path:
    """Write the report.

    Raises:
        UsageError: it cannot be written there.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent.parent / "report" / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    provenance = result.sittings[-1] if result.sittings else {}
    html = environment.get_template("study.html").render(
        question=result.question,
        answer=result.answer or ("The study has not ended yet.",),
        details=result.details,
        live=() if (live := LiveResult.load(folder)) is None else live.answer,
        live_rows=None if live is None else live_table(live, result),
        badges=_badges(result),
        comparisons=[each.text for each in result.comparisons],
        sources=[(each.name, each.source) for each in result.finalists if each.default and each.source],
        figures=draw(panels(result), "study"),
        finalists=finalist_table(result) if result.finalists else None,
        influences=influence_table(result) if result.influences else None,
        tried=tried_table(result) if result.tried else None,
        tried_total=len(result.tried),
        settings=[f"{axis_title(name)} {_shown(name, value)}" for name, value in result.settings.items()],
        biases=result.biases,
        provenance=_provenance(result, provenance),
        folder=folder.name,
        date=str(provenance.get("time", ""))[:10],
    )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(html, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"the report cannot be written to {out}: {error.strerror}") from None
    return out


def _badges(result: StudyResult) -> list[tuple[str, str]]:
    listed = [(f"{len(result.tried)} candidates", ""), (f"{result.trials:,} trials", "")]
    if result.violations:
        listed.append((f"{result.violations} violated a safety property", "invalid"))
    else:
        listed.append(("no safety property violated", "valid"))
    if result.failed:
        listed.append((f"{result.failed} failed", "unknown"))
    if result.undecided:
        listed.append(("cannot be told apart", "unknown"))
    return listed


# --- tables ---------------------------------------------------------------------------------------------------------


def _estimate(found: Estimate, note: ObjectiveNote) -> Cell:
    value = found.number
    sortable: float | str = "" if math.isnan(value) else min(value, 1e300)
    return Cell(spanned(found, note.unit), sortable, "number", f"{note.statistic} of {found.n} trials ({found.method})")


def _constraint(kept: Kept) -> Cell:
    text = f"{kept.broken} of {kept.trials}"
    low, high = kept.share.bounds
    title = f"{kept.word}; {low:.1%} to {high:.1%} of trials, {kept.tolerated:.0%} tolerated"
    return Cell(text, kept.broken / kept.trials if kept.trials else 1.0, f"number {_LOOK[kept.word]}", title)


def live_table(live: LiveResult, result: StudyResult) -> Table:
    """Each objective of each finalist in both worlds."""
    units = {note.name: note.unit for note in result.objectives}
    table = Table(
        [
            Column("candidate", numeric=False),
            Column("objective", numeric=False),
            Column("simulated", "median of the fresh seeds"),
            Column("live", "median"),
            Column("inside", "live trials inside the middle 90% of the simulated ones"),
            Column("", numeric=False),
        ]
    )
    for row in live.rows:
        simulated, lived = read(row.simulated), read(row.live)
        table.rows.append(
            [
                Cell(row.finalist, row.finalist),
                Cell(row.objective, row.objective),
                Cell(text_of(simulated, units[row.objective]), min(simulated, 1e300), "number"),
                Cell(text_of(lived, units[row.objective]), min(lived, 1e300), "number"),
                Cell(f"{row.inside} of {row.trials}", row.inside, "number", f"Mann-Whitney p {row.p:.2g}"),
                Cell("differs" if row.differs else "", int(row.differs)),
            ]
        )
    return table


def finalist_table(result: StudyResult) -> Table:
    """Finalists and defaults on fresh seeds."""
    constraints = ["violations", *result.constraints]
    table = Table(
        [
            Column("candidate", numeric=False),
            Column("settings", numeric=False),
            *(Column(note.name, f"{note.statistic} over trials with its 95% interval") for note in result.objectives),
            *(Column(name, "trials that broke it") for name in constraints),
            Column("void", "trials of which no figure means anything"),
            Column("", numeric=False),
        ]
    )
    for each in result.finalists:
        table.rows.append(
            [
                Cell(each.name, each.name),
                Cell(each.settings, each.settings),
                *(_estimate(each.objectives[note.name], note) for note in result.objectives),
                *(_constraint(each.constraints[name]) for name in constraints),
                Cell(str(each.void), each.void, "number"),
                Cell(_remark(each, result), look="remark"),
            ]
        )
    return table


def _remark(each: Finalist, result: StudyResult) -> str:
    if each.name == result.recommended:
        return "recommended"
    if not each.feasible:
        return "breaks a constraint"
    alike = " (not to be told from the recommended)" if result.recommended in each.alike else ""
    return ("on the front" if each.front else "another is better") + alike


def influence_table(result: StudyResult) -> Table:
    """The parameters, most important first, for each figure."""
    table = Table([Column("figure", numeric=False), Column("parameter", numeric=False), Column("share"), Column("90%")])
    for each in result.influences:
        span = "–" if math.isnan(each.low) else f"{each.low:.0%} to {each.high:.0%}"
        share = Cell(f"{each.share:.0%}", each.share, "number")
        table.rows.append([Cell(each.figure), Cell(axis_title(each.parameter)), share, Cell(span)])
    return table


def tried_table(result: StudyResult) -> Table:
    """The candidates of the search."""
    table = Table(
        [
            Column("number"),
            *(Column(axis_title(name)) for name in result.parameters),
            *(Column(note.name, f"{note.statistic}, on the seeds of the search") for note in result.objectives),
            Column("seeds", "trials it was given"),
            Column("", numeric=False),
        ]
    )
    for each in result.tried[:MOST_TRIED]:
        broken = [name for name, excess in each.excess.items() if excess > 0]
        remark = each.default or ""
        if broken:
            remark = f"{remark}: breaks {', '.join(broken)}".lstrip(": ")
        elif each.fate == "beaten":
            remark = f"{remark}: beaten early".lstrip(": ")
        set_to = [(name, each.point[name]) for name in result.parameters]
        found = [(note.unit, read(each.values[note.name])) for note in result.objectives]
        table.rows.append(
            [
                Cell(str(each.number), each.number, "number"),
                *(Cell(_shown(name, value), _sortable(value), "number") for name, value in set_to),
                *(Cell(text_of(value, unit), _finite(value), "number") for unit, value in found),
                Cell(str(each.seeds), each.seeds, "number"),
                Cell(remark, look="remark"),
            ]
        )
    return table


def _shown(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return show(name, float(f"{value:.3g}") if isinstance(value, float) else value)


def _sortable(value: Any) -> float | str:
    return value if isinstance(value, (int, float)) else str(value)


def _finite(value: float) -> float | str:
    return "" if math.isnan(value) else min(value, 1e300)


def _provenance(result: StudyResult, last: dict[str, Any]) -> list[tuple[str, str]]:
    machine, versions = last.get("machine", {}), last.get("versions", {})
    dirty = f", with changes {last['dirty']}" if last.get("dirty") else ""
    listed = [
        ("command", " ".join(last.get("argv", []))),
        ("commit", f"{last.get('commit') or 'not a git checkout'}{dirty}"),
        ("code version", str(last.get("code_version", ""))),
        ("time", str(last.get("time", ""))),
        ("took", f"{result.took_s:.0f} s, {result.ran} trials run and {result.looked_up} known before"),
        ("search", f"{result.sampler}, seed {result.seed}; {result.optuna_s:.2g} s of it in Optuna"),
        ("sittings", str(len(result.sittings))),
        ("machine", f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB" if machine else ""),
        ("versions", ", ".join(f"{name} {version}" for name, version in versions.items())),
        ("script", result.script),
    ]
    return [(name, text) for name, text in listed if text]
