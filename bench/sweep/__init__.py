"""Sweeps: many trials over a grid of cells and seeds, kept as they finish, and what follows from them.

A script declares a :class:`Sweep` and calls its :meth:`Sweep.main`::

    sweep = Sweep(name="nodes", question="What does a larger cluster cost?", grid={"nodes": [3, 5, 7]}, trial=trial)

    if __name__ == "__main__":
        raise SystemExit(sweep.main())
"""

from .api import Sweep, execute
from .grid import Cell, describe
from .result import Conclusion, Counts, Options, Panel, SweepResult, Threshold, observed
from .scripts import Script, cli_run, discover, load
from .store import Description, Row, RunFolder

__all__ = [
    "Cell",
    "Conclusion",
    "Counts",
    "Description",
    "Options",
    "Panel",
    "Row",
    "RunFolder",
    "Script",
    "Sweep",
    "SweepResult",
    "Threshold",
    "cli_run",
    "describe",
    "discover",
    "execute",
    "load",
    "observed",
]
