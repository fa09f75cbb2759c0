"""The page of ``bench check --html``: a verdict on a recorded history, with what shows it drawn. One offline file."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..checkers.judging import Options
from ..checkers.registry import model_named
from ..checkers.verdict import Verdict, merge
from ..errors import UsageError
from ..history.readers import Recorded
from ..history.transactions import Transactions
from .theme import themed
from .timeline_foreign import overview_svg, table, violation_timeline

SHOWN = 60
"""Operations in the table, and in the drawing, at most."""


def write_page(
    out: Path, recorded: Recorded, model: str, verdicts: Sequence[Verdict], options: Options, budget_s: float = 20.0
) -> Path:
    """Write the page.

    Args:
        out: the HTML file.
        recorded: the history, in the shape that was judged.
        model: by which.
        verdicts: on it.
        options: what the model was told.
        budget_s: seconds that finding the drawings of anomalies may take.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        out.write_text(page(recorded, model, verdicts, options, budget_s), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"the page cannot be written to {out}: {error.strerror}") from None
    return out


def page(recorded: Recorded, model: str, verdicts: Sequence[Verdict], options: Options, budget_s: float = 20.0) -> str:
    """The HTML: no script, nothing from elsewhere."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    word = merge(verdict.verdict for verdict in verdicts)
    history = recorded.history
    things = "transactions" if isinstance(history, Transactions) else "operations"
    took = sum(verdict.took_s for verdict in verdicts)
    return environment.get_template("check.html").render(
        file=recorded.path.name,
        word=word,
        sentence=_sentence(model, word),
        badges=[
            (f"{len(history):,} {things}", ""),
            (f"format {recorded.format}", ""),
            (f"judged in {took:.3f} s", ""),
        ],
        clock=recorded.clock,
        checks=[_check(recorded, model, verdict, options, budget_s) for verdict in verdicts],
        command=f"bench check {shlex.quote(str(recorded.path))} --model {model}",
    )


def _sentence(model: str, word: str) -> str:
    about = model_named(model).about
    if model == "models":
        return about
    if word == "unknown":
        return f"whether the history satisfies {model} could not be decided ({about})"
    return f"the history {'satisfies' if word == 'valid' else 'violates'} {model} ({about})"


def _check(recorded: Recorded, model: str, verdict: Verdict, options: Options, budget_s: float) -> dict[str, Any]:
    rows = [row for row in verdict.rows if row >= 0]
    history, clock = recorded.history, recorded.clock
    drawn = rows[:SHOWN]
    return {
        "title": verdict.name,
        "word": verdict.verdict,
        "reason": verdict.reason,
        "overview": themed(overview_svg(history, rows, clock=clock)),
        "timeline": themed(violation_timeline(history, drawn, clock=clock)) if drawn else "",
        "rows": table(history, drawn, clock=clock),
        "more": len(rows) - len(drawn),
        "explanations": [words for words in verdict.explanations if words != verdict.reason],
        "drawings": _drawings(recorded, model, verdict, options, budget_s),
        "satisfied": verdict.satisfied,
        "violated": verdict.violated,
        "figures": [(name.replace("_", " "), f"{value:,g}") for name, value in verdict.figures.items()],
    }


def _drawings(
    recorded: Recorded, model: str, verdict: Verdict, options: Options, budget_s: float
) -> list[tuple[str, str]]:
    """Cycles of transactions, or the lattice of models, drawn: not part of a verdict, and so found once more."""
    if model == "models":
        from ..checkers.weak.drawing import lattice
        from ..checkers.weak.lattice import examine
        from ..checkers.weak.sessions import Undecidable

        try:
            return [("Models", lattice(examine(recorded.history, budget_s).words))]
        except Undecidable:
            return []
    if not isinstance(recorded.history, Transactions) or verdict.name not in ("list-append", "rw-register"):
        return []
    if verdict.verdict != "invalid":
        return []
    from ..checkers.transactions.checking import analyse, level_of

    asked = model if model_named(model).kind != "isolation" else options.level
    level = level_of(recorded.history, asked)
    analysis = analyse(recorded.history, budget_s, kind=verdict.name, level=level)
    return sorted(analysis.drawings().items())
