"""One-way latency as a distribution: what a link adds to each message, independently of the others."""

from __future__ import annotations

import bisect
import math
import re
from collections.abc import Callable
from random import Random

import msgspec

from ..errors import UsageError, unknown_name
from ..units import format_duration, parse_duration

Sampler = Callable[[], int]


class Constant(msgspec.Struct, frozen=True, tag="constant"):
    """Every message takes ``delay`` ns."""

    delay: int

    def __str__(self) -> str:
        return format_duration(self.delay)


class Uniform(msgspec.Struct, frozen=True, tag="uniform"):
    """Uniform on [low, high] ns."""

    low: int
    high: int

    def __str__(self) -> str:
        return f"uniform({format_duration(self.low)}, {format_duration(self.high)})"


class Normal(msgspec.Struct, frozen=True, tag="normal"):
    """Normal with mean and standard deviation in ns, cut at 0."""

    mean: int
    sigma: int

    def __str__(self) -> str:
        return f"normal({format_duration(self.mean)}, {format_duration(self.sigma)})"


class Lognormal(msgspec.Struct, frozen=True, tag="lognormal"):
    """Lognormal: ``median`` in ns and the (dimensionless) ``sigma`` of the logarithm."""

    median: int
    sigma: float

    def __str__(self) -> str:
        return f"lognormal({format_duration(self.median)}, {self.sigma:g})"


class Exponential(msgspec.Struct, frozen=True, tag="exponential"):
    """Exponential with the given mean in ns."""

    mean: int

    def __str__(self) -> str:
        return f"exponential({format_duration(self.mean)})"


class Pareto(msgspec.Struct, frozen=True, tag="pareto"):
    """Pareto: minimum in ns and the tail exponent ``alpha`` (> 0)."""

    minimum: int
    alpha: float

    def __str__(self) -> str:
        return f"pareto({format_duration(self.minimum)}, {self.alpha:g})"


class Empirical(msgspec.Struct, frozen=True, tag="empirical"):
    """Drawn with replacement from measured one-way delays, in ns."""

    samples: tuple[int, ...]

    def __str__(self) -> str:
        return f"empirical({len(self.samples)} samples)"


class Mixture(msgspec.Struct, frozen=True, tag="mixture"):
    """With probability weight_i (they sum to 1) drawn from the i-th distribution."""

    parts: tuple[tuple[float, Latency], ...]

    def __str__(self) -> str:
        return "mix(" + ", ".join(f"{weight:g}: {part}" for weight, part in self.parts) + ")"


Latency = Constant | Uniform | Normal | Lognormal | Exponential | Pareto | Empirical | Mixture


def sampler(latency: Latency, rng: Random) -> Sampler:
    """A function that draws one delay in ns, never negative, from ``rng``."""
    match latency:
        case Constant(delay):
            return lambda: delay
        case Uniform(low, high):
            span, random = high - low, rng.random
            return lambda: low + int(span * random())
        case Normal(mean, sigma):
            gauss = rng.gauss
            return lambda: max(0, int(gauss(mean, sigma)))
        case Lognormal(median, sigma):
            gauss, exp = rng.gauss, math.exp
            return lambda: int(median * exp(gauss(0.0, sigma)))
        case Exponential(mean):
            random, log = rng.random, math.log
            return lambda: int(-mean * log(1.0 - random()))
        case Pareto(minimum, alpha):
            random, power = rng.random, -1.0 / alpha
            return lambda: int(minimum * (1.0 - random()) ** power)
        case Empirical(samples):
            return lambda: samples[int(rng.random() * len(samples))]
        case Mixture(parts):
            draws = [sampler(part, rng) for _, part in parts]
            bounds = [sum(weight for weight, _ in parts[: i + 1]) for i in range(len(parts))]
            last = len(draws) - 1

            def mixed() -> int:
                return draws[min(last, bisect.bisect_right(bounds, rng.random()))]()

            return mixed
    raise TypeError(f"not a latency: {latency!r}")


def mean_of(latency: Latency) -> float:
    """The mean in ns (infinite for a Pareto with alpha <= 1); of a Normal before it is cut at 0."""
    match latency:
        case Constant(delay):
            return delay
        case Uniform(low, high):
            return (low + high) / 2
        case Normal(mean, _) | Exponential(mean):
            return mean
        case Lognormal(median, sigma):
            return median * math.exp(sigma * sigma / 2)
        case Pareto(minimum, alpha):
            return math.inf if alpha <= 1 else minimum * alpha / (alpha - 1)
        case Empirical(samples):
            return sum(samples) / len(samples)
        case Mixture(parts):
            return sum(weight * mean_of(part) for weight, part in parts)
    raise TypeError(f"not a latency: {latency!r}")


# --- the notation ---------------------------------------------------------------------------------------------------

_FORMS = {
    "constant": "constant(2ms)",
    "uniform": "uniform(1ms, 3ms)",
    "normal": "normal(2ms, 0.5ms)",
    "lognormal": "lognormal(2ms, 0.5)",
    "exponential": "exponential(2ms)",
    "pareto": "pareto(1ms, 1.5)",
    "mix": "mix(0.9: 1ms, 0.1: exponential(5ms))",
}


def parse_latency(text: str) -> Latency:
    """Read ``2ms``, ``lognormal(2ms, 0.5)``, ``mix(0.9: 1ms, 0.1: exponential(5ms))`` ...; one-way.

    Raises:
        UsageError: with the form that is expected.
    """
    text = text.strip()
    match = re.fullmatch(r"([a-z]+)\s*\((.*)\)", text, re.DOTALL)
    if match is None:
        try:
            return Constant(parse_duration(text))
        except UsageError:
            word = "".join(re.findall(r"^[a-z]+", text))
            if word in _FORMS:
                raise UsageError(f"latency {text!r} is malformed: write {_FORMS[word]}") from None
            raise UsageError(
                f"latency {text!r} is neither a duration (2ms) nor a distribution ({', '.join(sorted(_FORMS))})"
            ) from None
    name, body = match[1], match[2]
    if name not in _FORMS:
        raise unknown_name("latency distribution", name, _FORMS)
    arguments = [part.strip() for part in _split(body)]
    try:
        return _build(name, arguments)
    except (ValueError, IndexError, UsageError) as error:
        reason = f" ({error})" if isinstance(error, UsageError) else ""
        raise UsageError(f"latency {text!r} is malformed: write {_FORMS[name]}{reason}") from None


def _split(body: str) -> list[str]:
    """Split at commas outside parentheses."""
    parts, depth, start = [], 0, 0
    for i, char in enumerate(body):
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            parts.append(body[start:i])
            start = i + 1
    return [*parts, body[start:]]


def _build(name: str, arguments: list[str]) -> Latency:
    expected = 1 if name in ("constant", "exponential") else 2
    if name != "mix" and len(arguments) != expected:
        raise UsageError(f"it takes {expected} argument{'s' if expected > 1 else ''}, not {len(arguments)}")
    if name == "mix":
        pairs = [part.split(":", 1) for part in arguments]
        parts = tuple((float(weight), parse_latency(inner)) for weight, inner in pairs)
        if abs(sum(weight for weight, _ in parts) - 1) > 1e-9 or any(weight < 0 for weight, _ in parts):
            raise UsageError("its weights must sum to 1")
        return Mixture(parts)
    first = parse_duration(arguments[0])
    if name == "constant":
        return Constant(first)
    if name == "exponential":
        return Exponential(first)
    if name == "uniform":
        high = parse_duration(arguments[1])
        if high < first:
            raise UsageError("its upper bound is below its lower bound")
        return Uniform(first, high)
    if name == "normal":
        return Normal(first, parse_duration(arguments[1]))
    number = float(arguments[1])
    if not math.isfinite(number) or number < 0 or (name == "pareto" and number == 0):
        raise UsageError(f"{arguments[1]} is out of range")
    return Lognormal(first, number) if name == "lognormal" else Pareto(first, number)
