"""Sweeps: many trials over a grid of cells and seeds, kept as they finish, and what follows from them.

A script declares a :class:`Sweep` and calls its :meth:`Sweep.main`::

    sweep = Sweep(name="nodes", question="What does a larger cluster cost?", grid={"nodes": [3, 5, 7]}, trial=trial)

    if __name__ == "__main__":
        raise SystemExit(sweep.main())
"""

from ..stats.knee import Knee, Saturation
from ..stats.looks import Precision
from .api import Sweep, execute
from .conclusions import ranking, remarks
from .grid import Cell, describe
from .overlay import Model, Overlay, overlay
from .result import Conclusion, Counts, Options, Panel, SweepResult, Threshold, observed
from .saturation import curve, curve_panel, knees, settings
from .scripts import Script, cli_run, discover, load
from .store import Description, Row, RunFolder

__all__ = [
    "Cell",
    "Conclusion",
    "Counts",
    "Description",
    "Knee",
    "Model",
    "Options",
    "Overlay",
    "Panel",
    "Precision",
    "Row",
    "RunFolder",
    "Saturation",
    "Script",
    "Sweep",
    "SweepResult",
    "Threshold",
    "cli_run",
    "curve",
    "curve_panel",
    "describe",
    "discover",
    "execute",
    "knees",
    "load",
    "observed",
    "overlay",
    "ranking",
    "remarks",
    "settings",
]
