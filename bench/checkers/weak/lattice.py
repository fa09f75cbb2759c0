"""Which models a history satisfies: the strongest of them, and the weakest that it violates.

The implications hold for every history, under the definitions in :mod:`.causal`, :mod:`.isolation`, :mod:`.guarantees`
and :mod:`.single_order`:

- a linearization is a sequential order; a sequential order explains every past (causal memory), is a commit order
  (causal convergence), and an order of all writes whose prefixes are read (consistent prefix);
- causal memory's order of a session is PRAM's (extended by what is not in the past), and contains what the guarantees
  make visible; a commit order of causal convergence does for all sessions at once, and, what is visible being more, for
  read atomic, as does that for read committed;
- causal convergence and causal memory imply weak causal consistency, and not each other;
- weak causal consistency implies read your writes, but not monotonic reads: two reads may order concurrent writes
  differently.

Bounded staleness and convergence are measured in time, and are not in this lattice.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic, perf_counter
from typing import Final

from ...history.history import History
from .. import linearizability
from ..verdict import Verdict
from . import DECISIONS
from .deciding import judge
from .reading import sessions
from .registers import as_registers, unexplained
from .sessions import Input, Sessions, Undecidable

NAME = "models"
LINEARIZABLE = "linearizable"

IMPLIES: Final[dict[str, tuple[str, ...]]] = {
    "linearizable": ("sequential",),
    "sequential": ("causal-memory", "causal", "consistent-prefix"),
    "causal-memory": ("weak-causal", "pram", "writes-follow-reads"),
    "causal": ("weak-causal", "read-atomic", "monotonic-reads", "monotonic-writes", "writes-follow-reads"),
    "consistent-prefix": ("read-consistency",),
    "weak-causal": ("read-your-writes",),
    "pram": ("read-your-writes", "monotonic-reads", "monotonic-writes"),
    "read-atomic": ("read-committed", "read-your-writes"),
    "read-committed": ("read-consistency",),
    "read-your-writes": ("read-consistency",),
    "monotonic-reads": ("read-consistency",),
    "monotonic-writes": ("read-consistency",),
    "writes-follow-reads": ("read-consistency",),
    "read-consistency": (),
}
"""Each model and the next weaker ones; strong models first."""


def _below(model: str) -> frozenset[str]:
    return frozenset({model}.union(*(_below(each) for each in IMPLIES[model])))


WEAKER: Final = {model: _below(model) for model in IMPLIES}
"""Each model with all that it implies, itself among them."""
STRONGER: Final = {model: frozenset(each for each in IMPLIES if model in WEAKER[each]) for model in IMPLIES}
"""Each model with all that imply it, itself among them."""


@dataclass(frozen=True)
class Models:
    """What was found of each model.

    Attributes:
        words: model -> valid, invalid or unknown; models that do not apply to the history are left out.
        verdicts: of the models that were judged; the others follow from these.
    """

    words: dict[str, str]
    verdicts: dict[str, Verdict]

    @property
    def satisfied(self) -> tuple[str, ...]:
        """The strongest models that the history satisfies."""
        chosen = {model for model, word in self.words.items() if word == "valid"}
        return tuple(model for model in IMPLIES if model in chosen and not (STRONGER[model] - {model}) & chosen)

    @property
    def violated(self) -> tuple[str, ...]:
        """The weakest models that it violates."""
        chosen = {model for model, word in self.words.items() if word == "invalid"}
        return tuple(model for model in IMPLIES if model in chosen and not (WEAKER[model] - {model}) & chosen)

    @property
    def undecided(self) -> tuple[str, ...]:
        """Those that were not decided."""
        return tuple(model for model in IMPLIES if self.words.get(model) == "unknown")


def examine(history: Input, budget_s: float = 20.0) -> Models:
    """Every model of the lattice on the history; of all the time at most ``budget_s``.

    ``linearizable`` applies where times can be compared and each transaction has one operation.

    Raises:
        Undecidable: the history is not one of registers with unique values.
    """
    began = monotonic()
    deadline = began + budget_s
    s = sessions(history)
    words: dict[str, str] = {}
    verdicts: dict[str, Verdict] = {}

    def note(model: str, verdict: Verdict) -> None:
        verdicts[model] = verdict
        words[model] = verdict.verdict
        if verdict.verdict == "valid":
            words.update(dict.fromkeys(WEAKER[model], "valid"))
        elif verdict.verdict == "invalid":
            words.update(dict.fromkeys(STRONGER[model] & applies, "invalid"))

    applies = set(DECISIONS)
    top = _linearizable(history, s, 0.25 * budget_s)
    if top is not None:
        applies.add(LINEARIZABLE)
        note(LINEARIZABLE, top)
    # Two strong ones first, which most histories satisfy, then from the weakest up: what is violated there is above.
    quick = ["causal", "causal-memory"]
    for model in [*quick, *(each for each in reversed(IMPLIES) if each in applies and each not in quick)]:
        if model not in words:
            left = [each for each in IMPLIES if each in applies and each not in words]
            until = monotonic() + max(0.0, deadline - monotonic()) / (1 + len(left) / 3)
            note(model, judge(model, DECISIONS[model], s, until))
    ordered = {model: words[model] for model in IMPLIES if model in words}
    return Models(ordered, verdicts)


def which_models(history: Input, budget_s: float = 20.0) -> Verdict:
    """Which models the history satisfies.

    ``satisfied`` are the strongest of them (there may be several), ``violated`` the weakest violated ones. The verdict
    is ``invalid`` if even read consistency (:mod:`.sessions`) is violated, so that no model here holds, ``unknown`` if
    some model could not be decided, else ``valid``. ``explanations`` and ``rows`` are those of the weakest violated
    models; :func:`bench.checkers.weak.drawing.lattice` draws the answer.
    """
    began = perf_counter()
    try:
        found = examine(history, budget_s)
    except Undecidable as error:
        return Verdict(name=NAME, verdict="unknown", reason=f"{error}", took_s=perf_counter() - began)
    return summary(found, perf_counter() - began)


def summary(found: Models, took_s: float = 0.0) -> Verdict:
    """What was found as one verdict."""
    shown = [found.verdicts[model] for model in found.violated if model in found.verdicts]
    reason = f"satisfies {_list(found.satisfied)}; violates {_list(found.violated)}"
    if found.undecided:
        reason += f"; undecided: {_list(found.undecided)}"
    nothing = found.words["read-consistency"] == "invalid"
    return Verdict(
        name=NAME,
        verdict="invalid" if nothing else "unknown" if found.undecided else "valid",
        reason=f"{reason}.",
        rows=tuple(sorted({row for verdict in shown for row in verdict.rows})),
        took_s=took_s,
        anomalies=tuple(sorted({name for verdict in shown for name in verdict.anomalies})),
        explanations=tuple(f"not {verdict.name}: {verdict.reason}" for verdict in shown),
        satisfied=found.satisfied,
        violated=found.violated,
    )


def _list(models: tuple[str, ...]) -> str:
    return ", ".join(models) if models else "none"


def _linearizable(history: Input, s: Sessions, budget_s: float) -> Verdict | None:
    if s.problems or not s.realtime:
        return None
    if isinstance(history, History):
        return linearizability.check(history, budget_s)
    single = as_registers(s)
    if single is None:
        return None
    verdict = linearizability.check(single[0], budget_s)
    rows = tuple(sorted({int(s.row[single[1][row]]) for row in verdict.rows}))
    reason = unexplained(s, rows) if verdict.verdict == "invalid" else verdict.reason
    return Verdict(name=LINEARIZABLE, verdict=verdict.verdict, reason=reason, rows=rows, took_s=verdict.took_s)
