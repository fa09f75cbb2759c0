"""The grid of a sweep: named axes, the cells they span, and overrides from the command line."""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from ..calibration import Calibration
from ..errors import UsageError, unknown_name
from ..trial import Trial
from ..units import NS_PER, format_duration, parse_duration, seconds
from .presets import axis_preset

Point = dict[str, Any]
Build = Callable[..., Trial]


@dataclass(frozen=True)
class Cell:
    """One combination of the axes' values, and the trial it stands for (runtime and seed are filled in later)."""

    index: int
    point: Point
    template: Trial

    @property
    def label(self) -> str:
        """The point in words: ``nodes 3, rtt 1 ms``."""
        return describe(self.point)

    def trial(self, runtime: str, seed: int) -> Trial:
        """The trial of this cell in one world with one seed."""
        return msgspec.structs.replace(self.template, runtime=runtime, seed=seed)


def expand(grid: Mapping[str, Sequence[Any] | str], build: Build) -> list[Cell]:
    """Every cell, the last axis varying fastest.

    Raises:
        UsageError: an axis is empty, or the trial of a cell cannot be (the cell is named).
    """
    resolved = resolve(grid)
    check_build(resolved, build)
    points = [dict(zip(resolved, values, strict=True)) for values in itertools.product(*resolved.values())]
    return [Cell(index, point, template(build, point)) for index, point in enumerate(points)]


def template(build: Build, point: Point) -> Trial:
    """The trial at a point, as the script makes it.

    Raises:
        UsageError: it cannot be; the cell is named.
    """
    try:
        found = build(**point)
        if not isinstance(found, Trial):
            raise UsageError(f"the script's trial function returns {type(found).__name__}, not a Trial")
        found.validate()
    except UsageError as error:
        raise UsageError(f"cell {describe(point)}: {error}") from None
    except Exception as error:
        axis = next((n for n, v in point.items() if isinstance(error, KeyError) and error.args == (v,)), None)
        if axis is not None:
            raise UsageError(f"the script knows no {axis} {point[axis]!r}; its own are shown by --dry-run") from None
        what = f"{type(error).__name__}: {error}"
        raise UsageError(f"cell {describe(point)}: the script's trial function fails: {what}") from None
    return found


def resolve(grid: Mapping[str, Sequence[Any] | str]) -> dict[str, list[Any]]:
    """The grid with the values of presets, ``"@NAME"``, in the place of their names.

    Raises:
        UsageError: an axis has no values, or one twice, or is no list; or there is no such preset.
    """
    resolved: dict[str, list[Any]] = {}
    for name, values in grid.items():
        if isinstance(values, str):
            values = axis_preset(values)
        if isinstance(values, Mapping) or not isinstance(values, Iterable):
            raise UsageError(f"the axis {name} of the grid is {values!r}: give a list of values, or '@' and a preset")
        resolved[name] = list(values)
        if not resolved[name]:
            raise UsageError(f"the axis {name} of the grid has no values")
        for place, value in enumerate(resolved[name]):
            if value in resolved[name][:place]:
                raise UsageError(f"the axis {name} of the grid has the value {show(name, value)} twice")
    return resolved


def check_build(grid: Mapping[str, Sequence[Any]], build: Build) -> None:
    """Raise :class:`UsageError` where the axes are not the parameters of the script's trial function."""
    try:
        parameters = inspect.signature(build).parameters
    except (TypeError, ValueError):
        return  # something built in: it will say itself what it cannot take
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters.values()):
        return
    for name in grid:
        if name not in parameters:
            raise unknown_name("parameter of the script's trial function", name, parameters)
    for name, each in parameters.items():
        if each.default is inspect.Parameter.empty and name not in grid:
            if each.kind is inspect.Parameter.VAR_POSITIONAL:
                continue
            raise UsageError(f"the script's trial function needs {name}, and the grid has no such axis")


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two points are one."""
    return repr(sorted(one.items())) == repr(sorted(other.items()))


def calibrated(cells: Iterable[Cell], calibration: Calibration | None) -> list[Cell]:
    """The cells with service times from a floor, where they simulate; unchanged without one."""
    if calibration is None:
        return list(cells)
    changed = []
    for cell in cells:
        service = calibration.apply(cell.template.service)
        changed.append(replace(cell, template=msgspec.structs.replace(cell.template, service=service)))
    return changed


# --- values as people write and read them ---------------------------------------------------------------------------


def axis_title(name: str) -> str:
    """``election_timeout_s`` as ``election timeout``."""
    return (name[:-2] if name.endswith("_s") else name).replace("_", " ")


def show(name: str, value: Any) -> str:
    """A value for people: durations (axes ending in ``_s``) with their unit, ranges as ``50-100 ms`` in one unit."""
    if isinstance(value, (tuple, list)):
        if name.endswith("_s") and len(value) == 2:
            low, high = (v * 1e9 for v in value)
            unit = next((u for u in ("s", "ms", "us") if low >= NS_PER[u]), "ns")
            return f"{low / NS_PER[unit]:.6g}-{high / NS_PER[unit]:.6g} {unit}"
        return "-".join(show(name, v) for v in value)
    if name.endswith("_s") and isinstance(value, (int, float)):
        return spaced(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def spaced(value_s: float) -> str:
    """Seconds in the usual unit: ``20 ms``."""
    return re.sub(r"(?<=[0-9])(?=[a-z])", " ", format_duration(value_s * 1e9))


def describe(point: Mapping[str, Any]) -> str:
    """A point in words."""
    return ", ".join(f"{axis_title(name)} {show(name, value)}" for name, value in point.items())


def listed(words: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def frozen(value: Any) -> Any:
    """A value read back from JSON as it was: lists become tuples."""
    return tuple(frozen(v) for v in value) if isinstance(value, list) else value


# --- overrides ------------------------------------------------------------------------------------------------------


def override(grid: Mapping[str, Sequence[Any] | str], overrides: Iterable[str]) -> dict[str, list[Any]]:
    """The grid with axes replaced by ``key=v1,v2``; a range is written ``0.05..0.1``, a duration may carry its unit.

    Raises:
        UsageError: not of that form, no such axis (the nearest is named), or not a value of the axis' kind.
    """
    grid = resolve(grid)
    changed = {name: list(values) for name, values in grid.items()}
    for text in overrides:
        name, equals, listed = text.partition("=")
        name = name.strip()
        if not equals or not name or not listed.strip():
            raise UsageError(f"override {text!r} is malformed: write AXIS=VALUE,VALUE as in {_example(grid)}")
        if name not in grid:
            raise unknown_name("axis", name, grid)
        if listed.strip().startswith("@"):
            changed[name] = list(axis_preset(listed.strip(), grid[name][0]))
            continue
        changed[name] = [_value(name, part.strip(), grid[name][0]) for part in listed.split(",")]
    return changed


def _example(grid: Mapping[str, Sequence[Any]]) -> str:
    for name, values in grid.items():
        return f"{name}={','.join(_written(value) for value in list(values)[:2])}"
    return "nodes=3,5"


def _written(value: Any) -> str:
    return f"{value[0]:g}..{value[1]:g}" if isinstance(value, tuple) and len(value) == 2 else str(value)


def _value(name: str, text: str, like: Any) -> Any:
    """``text`` as a value of the same kind as ``like``, an existing value of the axis."""
    try:
        if isinstance(like, tuple):
            low, dots, high = text.partition("..")
            if not dots:
                raise ValueError("a range")
            return (_number(name, low), _number(name, high))
        if isinstance(like, bool):
            return {"true": True, "false": False}[text.lower()]
        if isinstance(like, int):
            return int(text)
        if isinstance(like, float):
            return _number(name, text)
        return text
    except (ValueError, KeyError):
        raise UsageError(f"{name}={text} is not a value of that axis: write it like {_written(like)}") from None


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        if not name.endswith("_s"):
            raise
        try:
            return seconds(parse_duration(text))
        except UsageError:
            raise ValueError(text) from None
