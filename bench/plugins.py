"""Protocols, checkers, workloads and real systems of other distributions, registered through Python entry points.

A distribution names them in its ``pyproject.toml``::

    [project.entry-points."quorumbench.protocols"]
    chain = "mychain"                 # a module or package with `family`, a protocols.family.Family of that name

    [project.entry-points."quorumbench.checkers"]
    even = "mychain.checks:even"      # (history, seconds it may take) -> Verdict

    [project.entry-points."quorumbench.workloads"]
    hot = "mychain.loads:hot"         # a bench.workload.spec.Workload, or a function without arguments that makes one

    [project.entry-points."quorumbench.systems"]
    mydb = "mychain.server:MyDb"      # a bench.systems.System, or a class or function without arguments that makes one

Nothing of them is imported until its name is used (or everything is listed), and one that is broken breaks nothing but
the commands that name it. What quorumbench brings itself cannot be replaced. On a cluster of several machines they have
to be installed on each.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Literal

from protocols.family import Family
from protocols.registry import MODULES

from .errors import UsageError

if TYPE_CHECKING:
    from .systems.interface import System
    from .workload.spec import Workload

Kind = Literal["protocols", "checkers", "workloads", "systems"]
GROUPS: dict[Kind, str] = {kind: f"quorumbench.{kind}" for kind in ("protocols", "checkers", "workloads", "systems")}


@cache
def _found(kind: Kind) -> dict[str, tuple[EntryPoint, ...]]:
    """All that is registered, by name; a distribution that is seen twice (on the path twice) counts once."""
    named: dict[str, dict[str, EntryPoint]] = {}
    for each in entry_points(group=GROUPS[kind]):
        named.setdefault(each.name, {}).setdefault(f"{_origin(each)}: {each.value}", each)
    return {name: tuple(points.values()) for name, points in sorted(named.items())}


def _origin(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "an unknown distribution"


def names(kind: Kind) -> tuple[str, ...]:
    """What is registered, without loading it; in order of name."""
    return tuple(_found(kind))


def origin(kind: Kind, name: str) -> str:
    """The distribution that brings it."""
    return ", ".join(dict.fromkeys(_origin(each) for each in _found(kind)[name]))


def _load(kind: Kind, name: str) -> Any:
    """The object that an entry point names.

    Raises:
        UsageError: it cannot be imported, or two distributions bring it.
    """
    points = _found(kind)[name]
    what = f"{kind[:-1]} {name!r}"
    if len(points) > 1:
        raise UsageError(f"{what} is registered by several distributions ({origin(kind, name)}): uninstall all but one")
    try:
        return points[0].load()
    except Exception as error:
        text = " ".join(str(error).split())
        raise UsageError(
            f"{what} of {_origin(points[0])} cannot be loaded: {type(error).__name__}: {text} ({points[0].value})"
        ) from None


def register_protocol(name: str) -> bool:
    """Have the registry know a protocol that a distribution brings; whether there is one of that name.

    Raises:
        UsageError: it is broken.
    """
    if name in MODULES:
        return True
    if name not in _found("protocols"):
        return False
    found = _load("protocols", name)
    point = _found("protocols")[name][0]
    where = f"protocol {name!r} of {_origin(point)}"
    family = found if isinstance(found, Family) else getattr(found, "family", None)
    if not isinstance(family, Family):
        raise UsageError(f"{where} is no protocol: {point.value} has no 'family' that is a protocols.family.Family")
    if family.name != name:
        raise UsageError(f"{where} calls itself {family.name!r}: entry point and Family.name must be the same")
    if getattr(importlib.import_module(point.module), "family", None) is not family:
        raise UsageError(f"{where}: the module {point.module} must hold it as 'family'")
    MODULES[name] = point.module
    return True


def protocol_names() -> tuple[str, ...]:
    """Of all protocols, ours and others', broken ones too."""
    return tuple(sorted({*MODULES, *names("protocols")}))


def checker(name: str) -> Callable[..., Any] | None:
    """The check that a distribution brings under that name; None if there is none.

    Raises:
        UsageError: it is broken.
    """
    if name not in _found("checkers"):
        return None
    found = _load("checkers", name)
    if not callable(found):
        raise UsageError(f"checker {name!r} of {origin('checkers', name)} is no function of a history and a budget")
    function: Callable[..., Any] = found
    return function


def workload(name: str) -> Workload | None:
    """The workload that a distribution brings under that name; None if there is none.

    Raises:
        UsageError: it is broken.
    """
    from .workload.spec import Workload

    if name not in _found("workloads"):
        return None
    found = _load("workloads", name)
    where = f"workload {name!r} of {origin('workloads', name)}"
    if callable(found):
        try:
            found = found()
        except Exception as error:
            raise UsageError(f"{where} cannot be made: {type(error).__name__}: {error}") from None
    if not isinstance(found, Workload):
        raise UsageError(f"{where} is no bench.workload.spec.Workload")
    return found


def system(name: str) -> System | None:
    """The adapter of a real system that a distribution brings under that name; None if there is none.

    Raises:
        UsageError: it is broken.
    """
    from .systems.interface import System

    if name not in _found("systems"):
        return None
    found = _load("systems", name)
    where = f"system {name!r} of {origin('systems', name)}"
    if callable(found):
        try:
            found = found()
        except Exception as error:
            raise UsageError(f"{where} cannot be made: {type(error).__name__}: {error}") from None
    if not isinstance(found, System):
        raise UsageError(f"{where} is no bench.systems.System")
    return found


def rows(kind: Kind, about: Callable[[str], str]) -> Iterable[tuple[str, str]]:
    """(name, text) of everything registered, for lists; of what is broken, the reason."""
    for name in names(kind):
        try:
            yield name, f"{about(name)} [{origin(kind, name)}]"
        except UsageError as error:
            yield name, f"BROKEN: {error}"
