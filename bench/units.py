"""Durations as people write them (``2ms``, ``1.5s``), and the integer nanoseconds used inside."""

from __future__ import annotations

import re

from .errors import UsageError

NS_PER = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "min": 60_000_000_000, "h": 3_600_000_000_000}
_DURATION = re.compile(r"\s*([0-9]*\.?[0-9]+(?:e-?[0-9]+)?)\s*(ns|us|µs|ms|s|min|h)?\s*", re.IGNORECASE)


def seconds(ns: float) -> float:
    """Nanoseconds as seconds."""
    return ns / 1e9


def nanoseconds(s: float) -> int:
    """Seconds as whole nanoseconds."""
    return round(s * 1e9)


def parse_duration(text: str, what: str = "duration") -> int:
    """``"2ms"`` as nanoseconds; a bare ``0`` needs no unit.

    Raises:
        UsageError: not a duration.
    """
    match = _DURATION.fullmatch(text)
    if match is None or (match[2] is None and float(match[1]) != 0):
        raise UsageError(f"{what} {text!r} is not a duration: write a number and a unit, as in 2ms or 1.5s")
    unit = (match[2] or "s").lower().replace("µ", "u")
    return round(float(match[1]) * NS_PER[unit])


def format_duration(ns: float) -> str:
    """The shortest usual form: ``1.5ms``, ``300us``, ``2s``; :func:`parse_duration` reads it back."""
    if ns == 0:
        return "0s"
    for unit in ("s", "ms", "us"):
        if abs(ns) >= NS_PER[unit]:
            return f"{ns / NS_PER[unit]:.6g}{unit}"
    return f"{ns:.6g}ns"
