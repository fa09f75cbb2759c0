"""Classic mistakes in epidemics, each as the smallest edit of the real source that makes it."""

from __future__ import annotations

from ..family import Mutant

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="versions-not-compared",
        why="Whatever arrives last wins, so that old copies replace new ones (section 1).",
        file="server",
        edits=(
            (
                "if known is not None and (item.version, item.writer) <= (known.version, known.writer):",
                "if known == item:",
            ),
        ),
        caught_by=("newest_wins",),
    ),
    Mutant(
        name="ties-not-broken",
        why="Two replicas that wrote the same version keep their own value for ever.",
        file="server",
        edits=(
            (
                "if known is not None and (item.version, item.writer) <= (known.version, known.writer):",
                "if known is not None and item.version <= known.version:",
            ),
        ),
        caught_by=("convergence",),
    ),
    Mutant(
        name="never-loses-interest",
        why="A rumor is told for ever, however many know it (section 1.4).",
        file="server",
        edits=(("cold = self.hot[key] >= self.config.k", "cold = self.hot[key] < 0"),),
        caught_by=("interest_is_lost",),
        seed=4,
    ),
)
