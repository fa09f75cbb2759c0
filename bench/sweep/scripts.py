"""Finding and loading sweep scripts: Python files in ``experiments/`` with a ``sweep`` at their top level."""

from __future__ import annotations

import ast
import importlib.util
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

from ..errors import UsageError, unknown_name
from ..provenance import ROOT
from .api import Sweep, execute, process_start
from .preparing import script_name
from .result import Options


@dataclass(frozen=True)
class Script:
    """A sweep script that was found.

    Attributes:
        name: ``SECTION/SCRIPT``, without ``.py``.
        path: of the file.
        summary: the first line of its docstring.
    """

    name: str
    path: Path
    summary: str


def discover(folder: Path | None = None, what: str | None = "sweep") -> list[Script]:
    """The scripts in ``experiments/`` (of the project, by default) that declare a ``sweep`` (or another ``what``; None:
    all that can be run), by name; none of them is executed.
    """
    base = ROOT / "experiments" if folder is None else folder
    found = []
    for path in sorted(base.glob("*/*.py")):
        try:
            tree = ast.parse(path.read_text())
        except (SyntaxError, OSError, UnicodeDecodeError):
            continue
        if "main" in _functions(tree) if what is None else _declares(tree, what):
            lines = (ast.get_docstring(tree) or "").splitlines()
            found.append(Script(f"{path.parent.name}/{path.stem}", path, lines[0] if lines else ""))
    return found


def _functions(tree: ast.Module) -> set[str]:
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def _declares(tree: ast.Module, what: str) -> bool:
    for node in tree.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        if any(isinstance(target, ast.Name) and target.id == what for target in targets):
            return True
    return False


def find(name: str | Path, what: str = "sweep") -> Path:
    """The script of that path, ``SECTION/SCRIPT`` or ``SCRIPT``.

    Raises:
        UsageError: there is none; the nearest is named.
    """
    path = Path(name)
    if path.is_file():
        return path
    if path.is_dir():
        raise UsageError(f"{path} is a folder: give one of its {what} scripts")
    text = path.as_posix().removesuffix(".py")
    scripts = discover(what=what)
    for script in scripts:
        if text in (script.name, script.name.partition("/")[2]) or text.endswith("/" + script.name):
            return script.path
    other = next((path for path in sorted((ROOT / "experiments").glob("*/*.py")) if text in _names(path)), None)
    if other is not None:
        shown = other.relative_to(ROOT)
        raise UsageError(f"{name} declares no {what}, and runs by itself: python {shown} (see its --help)")
    known = [script.name if "/" in text else script.name.partition("/")[2] for script in scripts]
    raise unknown_name(f"{what} script", str(name), known)


def _names(path: Path) -> tuple[str, str]:
    return path.stem, f"{path.parent.name}/{path.stem}"


def load(path: Path) -> Sweep:
    """The ``sweep`` of a script.

    Raises:
        UsageError: the script fails, or declares none.
    """
    module = module_of(path, "sweep")
    sweep = getattr(module, "sweep", None)
    if not isinstance(sweep, Sweep):
        others = [name for name, value in vars(module).items() if isinstance(value, Sweep)]
        hint = (
            f"it calls its sweep {others[0]}: call it sweep"
            if others
            else "assign a bench.sweep.Sweep to the name sweep"
        )
        raise UsageError(f"the script {path} declares no sweep: {hint}")
    return sweep


def declared(path: Path, what: str) -> object:
    """What a script has under that name; None if nothing.

    Raises:
        UsageError: the script fails.
    """
    return getattr(module_of(path, what), what, None)


def module_of(path: Path, what: str) -> ModuleType:
    """A script, run as a module of its own: a ``sweep``, or another ``what``.

    Raises:
        UsageError: the script fails.
    """
    name = f"{what}_script_" + path.stem.replace("-", "_")
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # its dataclasses look themselves up there
    try:
        spec.loader.exec_module(module)
    except UsageError as error:
        raise UsageError(f"the script {path}: {error}") from None
    except SyntaxError as error:
        raise UsageError(f"the script {path} is not Python: {error.msg} (line {error.lineno})") from None
    except (Exception, SystemExit) as error:
        line = _line(error, path)
        said = f"{type(error).__name__}: {error}".splitlines()[0]
        raise UsageError(f"the script {path} fails when it is loaded{line}: {said}") from None
    return module


def _line(error: BaseException, path: Path) -> str:
    """Where in the script an error came from."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f" (line {lines[-1]})" if lines else ""


def cli_run(path: str | Path, overrides: Sequence[str] = (), options: Options | None = None) -> int:
    """What ``bench sweep SCRIPT key=v1,v2 ...`` does; returns the exit code.

    Args:
        path: of a script, or its name as in :func:`discover`.
        overrides: ``key=v1,v2``.
        options: None for the script's own.

    Raises:
        UsageError: no such script, or it cannot be loaded. A bad grid or option is printed and returns 2.
    """
    script = find(path)
    sweep = load(script)
    options = options or Options()
    began = process_start() if options.began is None else options.began
    return execute(sweep, replace(options, overrides=tuple(overrides), began=began), script_name(script))
