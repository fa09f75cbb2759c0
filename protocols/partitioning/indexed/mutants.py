"""Classic mistakes."""

from __future__ import annotations

from ...family import Mutant

MUTANTS: tuple[Mutant, ...] = ()
