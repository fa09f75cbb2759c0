"""Renders the report of a sweep (or of one trial) as a single HTML file that needs nothing else."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from ..errors import UsageError
from ..sweep.result import Conclusion, Panel, SweepResult
from ..sweep.store import Description, Row
from ..trial import Result
from . import advice, clocks, downloads, live, mislead, model, one, setup, violations


@dataclass(frozen=True)
class Drawn:
    """A figure that is ready for the page."""

    title: str
    caption: str
    svg: str


class Kept(msgspec.Struct, frozen=True):
    """The conclusion as it is kept in the run's folder, so that ``bench report`` needs no script."""

    answer: str
    details: tuple[str, ...]
    figures: tuple[tuple[str, str, str], ...]


def render(
    source: Path | SweepResult,
    out: Path,
    conclusion: Conclusion | None = None,
    *,
    again: violations.Again | None = None,
) -> Path:
    """Write the report of a sweep.

    Args:
        source: a sweep's result or its folder, or the folder or JSON of a single run.
        out: the HTML file.
        conclusion: what the script makes of it; without one, the one kept in the folder by an earlier rendering.
        again: makes the ``bench run`` command of a trial, for its violations.

    Returns:
        ``out``.

    Raises:
        UsageError: the source is neither, or ``out`` cannot be written to.
    """
    result = source if isinstance(source, SweepResult) else load(source)
    kept = _keep(result, conclusion) if conclusion is not None else kept_in(result.folder)
    html = page(result, kept, again=again)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(html, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"the report cannot be written to {out}: {error.strerror}") from None
    return out


def load(path: Path) -> SweepResult:
    """A sweep's folder, or the folder or JSON of a single run.

    Raises:
        UsageError: it is neither.
    """
    if path.is_dir() and (path / "result.json").is_file():
        path = path / "result.json"  # of a single run
    if path.is_dir():
        return SweepResult.load(path)
    try:
        result = msgspec.json.decode(path.read_bytes(), type=Result)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except msgspec.MsgspecError:
        raise UsageError(f"{path} is neither the folder of a sweep nor the JSON of a result") from None
    return single(result, path.parent)


def single(result: Result, folder: Path) -> SweepResult:
    """One trial as a sweep of one cell."""
    code = str(result.provenance.get("code_version", ""))
    point = {"protocol": result.protocol, "nodes": result.nodes, "seed": result.seed}
    key = result.spec.key(code)
    row = Row(key=key, point=point, code_version=code, sitting=1, finished=0.0, result=result)
    nodes = f"{result.nodes} node{'s' if result.nodes > 1 else ''}"
    description = Description(
        name=result.protocol,
        question=f"One trial of {result.protocol} on {nodes}, seed {result.seed}",
        points=(point,),
        code_version=code,
        sittings=(result.provenance,) if result.provenance else (),
        took_s=result.took_s,
        finished=True,
    )
    return SweepResult(folder, description, (row,))


# --- figures --------------------------------------------------------------------------------------------------------


def draw(panels: list[Panel], prefix: str) -> list[Drawn]:
    """Draw figures; one that fails leaves its error in place, so that the rest of the page survives.

    ``prefix`` keeps the ids of two lists of figures apart.
    """
    from .plots import style, to_svg

    drawn = []
    for i, panel in enumerate(panels):
        try:
            with style():
                svg = to_svg(panel.draw(), panel.title, f"{prefix}{i}")
        except Exception as error:
            drawn.append(Drawn(panel.title, f"This figure could not be drawn: {type(error).__name__}: {error}", ""))
            continue
        drawn.append(Drawn(panel.title, panel.caption, svg))
    return drawn


OWN = "figures/own-{}.png"
"""Where a script's own figures are kept as PNG, for ``report.md``: they cannot be drawn without the script."""


def _keep(result: SweepResult, conclusion: Conclusion) -> Kept:
    figures = tuple((drawn.title, drawn.caption, drawn.svg) for drawn in draw(list(conclusion.panels), "own"))
    kept = Kept(conclusion.answer, tuple(conclusion.details), figures)
    if result.folder.is_dir() and os.access(result.folder, os.W_OK):
        from .markdown import draw_png

        (result.folder / "conclusion.json").write_bytes(msgspec.json.encode(kept))
        for number, panel in enumerate(conclusion.panels):
            file = result.folder / OWN.format(number)
            file.parent.mkdir(exist_ok=True)
            draw_png(panel, file)
    return kept


def kept_in(folder: Path) -> Kept:
    """The conclusion that an earlier rendering kept; an empty one without.

    Raises:
        UsageError: it is there and cannot be read.
    """
    file = folder / "conclusion.json"
    if not file.is_file():
        return Kept("", (), ())
    try:
        return msgspec.json.decode(file.read_bytes(), type=Kept)
    except msgspec.MsgspecError:
        raise UsageError(f"{file} is not the conclusion of a sweep") from None


# --- the page -------------------------------------------------------------------------------------------------------

HOME = "<!--home-->"
"""Where the server puts the way back to the list of runs."""


def environment() -> Any:
    """The templates."""
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


def page(result: SweepResult, kept: Kept, *, write: bool = True, again: violations.Again | None = None) -> str:
    """The HTML of the report.

    Args:
        result: of a sweep, or of a single trial.
        kept: what its script concluded.
        write: whether files for ``bench replay`` may be written to the folder.
        again: makes the command that runs a trial again, for violations.
    """
    figures = all_figures(result, kept)
    trial = one.only(result)
    listed = model.notable(result.rows) if trial is None else []
    broken, broken_total = violations.shown(result, write=write, again=again)
    description = result.description
    provenance = description.sittings[-1] if description.sittings else {}
    return str(
        environment()
        .get_template("report.html")
        .render(
            question=description.question,
            answer=first_words(result, kept),
            details=kept.details,
            badges=model.totals(result),
            figures=figures,
            keys=one.key_figures(trial) if trial is not None and trial.error is None else None,
            recovered=one.recovery_table(trial) if trial is not None else None,
            fired=one.fault_table(trial) if trial is not None else None,
            fired_total=len(trial.faults) if trial is not None else 0,
            cells=model.cell_table(result) if result.rows and trial is None else None,
            trials=model.trial_table(result, listed) if listed else None,
            trials_total=len(result.rows),
            trials_file=downloads.trials_csv(result),
            cells_file=downloads.cells_csv(result) if trial is None else None,
            matrix=model.matrix(result) if result.rows else None,
            checks=model.check_matrix(result),
            violations=broken,
            violations_total=broken_total,
            bound=live.bound_sentence(result.rows),
            floor=live.floor_table(result.rows),
            pinned=live.pinned_text(result.rows),
            cores=live.cores_sentence(result.rows),
            late=live.late_table(result.rows),
            costs=live.cost_table(result),
            projection=live.projection_table(result),
            bias=mislead.bias_table(result.rows),
            doubts=mislead.sentences(result.rows),
            machines=mislead.machine_table(result.rows),
            clocks=clocks.clock_table(result.rows),
            power=clocks.power_sentence(result.rows),
            biases=description.biases,
            notes=_notes(result),
            setup=setup.setup(result),
            provenance=provenance_of(result),
            folder=result.folder.name,
            date=str(provenance.get("time", ""))[:10],
            home=HOME,
        )
    )


def all_figures(result: SweepResult, kept: Kept) -> list[Drawn]:
    """The script's own, then those that every report has."""
    from .overtime import panels as over_time
    from .panels import general_panels

    return [Drawn(*figure) for figure in kept.figures] + draw(
        over_time(result) + general_panels(result, curves=not kept.figures), "general"
    )


def first_words(result: SweepResult, kept: Kept) -> list[str]:
    """The answer, a paragraph a line: violations, then what the script says, or else what follows from the rows."""
    if kept.answer:
        return [*advice.violated(result), *kept.answer.splitlines()]
    trial = one.only(result)
    return [one.answer(trial)] if trial is not None else advice.answer(result).splitlines()


def _notes(result: SweepResult) -> list[str]:
    notes = list(result.description.notes)
    if result.other_code:
        notes.append(f"{result.other_code} trials in this folder were run by other code and enter nothing here.")
    if result.interrupted and not notes:
        notes.append("The sweep has not ended yet.")
    if len(result.description.sittings) > 1:
        notes.append(f"It was run in {len(result.description.sittings)} sittings.")
    return notes


def provenance_of(result: SweepResult) -> list[tuple[str, str]]:
    """(name, text): where, when, by which code and how the rows came to be."""
    provenance: dict[str, Any] = result.description.sittings[-1] if result.description.sittings else {}
    machine = provenance.get("machine", {})
    versions = provenance.get("versions", {})
    dirty = provenance.get("dirty")
    commit = provenance.get("commit") or "not a git checkout"
    listed = [
        ("command", " ".join(provenance.get("argv", []))),
        ("commit", f"{commit}, with changes {dirty}" if dirty else str(commit)),
        ("code version", str(provenance.get("code_version", result.description.code_version))),
        ("time", str(provenance.get("time", ""))),
        ("took", f"{result.description.took_s:.0f} s" if result.description.took_s >= 1 else ""),
        (
            "machine",
            f"{machine.get('cpu')}, {machine.get('cores')} cores, {machine.get('memory_gib')} GiB, "
            f"{machine.get('system')} {machine.get('kernel')}"
            if machine
            else "",
        ),
        ("versions", ", ".join(f"{name} {version}" for name, version in versions.items())),
        ("service times", live.service_text(result)),
        ("script", result.description.script),
    ]
    return [(name, text) for name, text in listed if text]
