"""Tuning: a search for the best parameters under constraints, whose finalists are measured again on fresh seeds.

A script declares a :class:`Study` and calls :func:`main`::

    study = Study(name="quorum", question="Which quorums?", parameters={"read": Whole(1, 5)}, objectives=[...], ...)

    if __name__ == "__main__":
        raise SystemExit(main(study))
"""

from .api import TuneOptions, tune
from .command import main
from .outcome import StudyResult
from .study import Choice, Constraint, Default, Objective, Real, Study, Whole

__all__ = [
    "Choice",
    "Constraint",
    "Default",
    "Objective",
    "Real",
    "Study",
    "StudyResult",
    "TuneOptions",
    "Whole",
    "main",
    "tune",
]
