"""Single values in the notation of faults: durations, factors, shares, links, latencies; read and written."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ..errors import UsageError
from ..network.latency import (
    Constant,
    Empirical,
    Exponential,
    Latency,
    Lognormal,
    Mixture,
    Normal,
    Pareto,
    Uniform,
    parse_latency,
)
from ..units import NS_PER, parse_duration


def exact_duration(ns: int) -> str:
    """Whole ns in the largest unit that fits, without rounding: ``1.234567s``; :func:`parse_duration` reads it back."""
    sign, size = ("-", -ns) if ns < 0 else ("", ns)
    for unit in ("s", "ms", "us"):
        if size >= NS_PER[unit]:
            text = f"{(Decimal(size) / NS_PER[unit]).normalize():f}{unit}"
            if parse_duration(text) == size:
                return sign + text
    return f"{sign}{size}ns" if size else "0s"


def _duration(text: str) -> int:
    try:
        return parse_duration(text)
    except OverflowError:
        raise UsageError(f"duration {text!r} is not finite") from None


def _offset(text: str) -> int:
    """A duration with a sign."""
    return -_duration(text[1:]) if text.startswith("-") else _duration(text.removeprefix("+"))


def _number(text: str, what: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UsageError(f"{what}, not {text!r}")
    return number


def _factor(text: str) -> float:
    factor = _number(text.removesuffix("x"), "it is a factor of at least 1, as in 5x")
    if factor < 1:
        raise UsageError(f"it is a factor of at least 1, as in 5x, not {text!r}")
    return factor


def _probability(text: str) -> float:
    probability = _number(text, "it is a probability from 0 to 1")
    if not 0 <= probability <= 1:
        raise UsageError(f"it is a probability from 0 to 1, not {text!r}")
    return probability


def _ppm(text: str) -> float:
    what = "it is a drift in parts per million, above -1000000, as in 500ppm"
    ppm = _number(text.removesuffix("ppm"), what)
    if ppm <= -1e6:
        raise UsageError(f"{what}, not {text!r}")
    return ppm


def _damage(text: str) -> str:
    if text not in ("lost", "corrupt"):
        raise UsageError(f"a disk is lost or corrupt, not {text!r}")
    return text


def parse_links(text: str) -> tuple[tuple[str, str], ...]:
    """``n1-n2,n3>c1``: both directions, or one.

    Raises:
        UsageError: malformed.
    """
    links: list[tuple[str, str]] = []
    for part in text.split(","):
        mark = "-" if "-" in part else ">"
        ends = part.split(mark)
        if len(ends) != 2 or not all(ends) or ends[0] == ends[1] or ">" in ends[1]:
            raise UsageError(f"links {text!r} cannot be cut: write n1-n2 (both ways) or n1>n2, and commas between")
        links.append((ends[0], ends[1]))
        if mark == "-":
            links.append((ends[1], ends[0]))
    return tuple(dict.fromkeys(links))


def format_links(links: Sequence[tuple[str, str]]) -> str:
    """The notation of directed links; :func:`parse_links` reads it back, up to their order."""
    parts = []
    known = set(links)
    for source, target in links:
        if (target, source) not in known:
            parts.append(f"{source}>{target}")
        elif source < target:
            parts.append(f"{source}-{target}")
    return ",".join(parts)


def _plain(number: float) -> str:
    """The shortest text that reads back as the same float, without a needless ``.0``."""
    return repr(number).removesuffix(".0")


def format_latency(latency: Latency) -> str:
    """The exact notation of a latency; :func:`parse_latency` reads it back (an ``Empirical`` has none)."""
    match latency:
        case Constant(delay):
            return exact_duration(delay)
        case Uniform(low, high):
            return f"uniform({exact_duration(low)}, {exact_duration(high)})"
        case Normal(mean, sigma):
            return f"normal({exact_duration(mean)}, {exact_duration(sigma)})"
        case Lognormal(median, shape):
            return f"lognormal({exact_duration(median)}, {_plain(shape)})"
        case Exponential(mean):
            return f"exponential({exact_duration(mean)})"
        case Pareto(minimum, alpha):
            return f"pareto({exact_duration(minimum)}, {_plain(alpha)})"
        case Mixture(parts):
            return "mix(" + ", ".join(f"{_plain(weight)}: {format_latency(part)}" for weight, part in parts) + ")"
        case Empirical():
            return str(latency)
    raise TypeError(f"not a latency: {latency!r}")


@dataclass(frozen=True)
class Value:
    """How one field is read and written. ``example`` shows it in errors and help."""

    example: str
    parse: Callable[[str], Any]
    format: Callable[[Any], str]


START = Value("5s", _duration, exact_duration)
TIME = Value("2s", _duration, exact_duration)
SMALL = Value("20ms", _duration, exact_duration)
OFFSET = Value("-5s", _offset, exact_duration)
FACTOR = Value("5x", _factor, lambda factor: _plain(factor) + "x")
SHARE = Value("0.2", _probability, _plain)
PPM = Value("500ppm", _ppm, lambda ppm: _plain(ppm) + "ppm")
DELAY = Value("20ms", parse_latency, format_latency)
WORD = Value("leader", str, str)
LIE = Value("slander", str, str)
DAMAGE = Value("corrupt", _damage, str)
