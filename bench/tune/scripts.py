"""Finding and loading studies: Python files in ``experiments/`` with a ``study`` at their top level."""

from __future__ import annotations

from pathlib import Path

from ..errors import UsageError
from ..sweep.preparing import script_name
from ..sweep.scripts import Script, declared
from ..sweep.scripts import discover as discover_scripts
from ..sweep.scripts import find as find_script
from .api import TuneOptions, execute
from .study import Study


def discover(folder: Path | None = None) -> list[Script]:
    """The studies in ``experiments/`` (of the project, by default), by name; none of them is executed."""
    return discover_scripts(folder, "study")


def load(path: Path) -> Study:
    """The ``study`` of a script.

    Raises:
        UsageError: the script fails, or declares none, or one that cannot be.
    """
    study = declared(path, "study")
    if not isinstance(study, Study):
        raise UsageError(f"the script {path} declares no study: assign a bench.tune.Study to the name study")
    study.validate()
    return study


def cli_run(name: str | Path, options: TuneOptions) -> int:
    """What ``bench tune STUDY key=value ...`` does; returns the exit code.

    Raises:
        UsageError: no such script, it cannot be loaded, or an option cannot be.
    """
    path = find_script(name, "study")
    return execute(load(path), options, script_name(path))
