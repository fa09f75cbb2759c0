"""What a study has measured, as it is kept: one line a trial, added as trials finish.

This is the only truth a study has. The search itself is a function of its seed and of these measurements, so a study
that was killed is resumed by running the search again: what was measured is looked up, and only the rest is run.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ..errors import UsageError

BEYOND = "beyond"
"""In place of a number: longer than was observed. JSON has no infinity."""
Number = float | str | None
"""A number, ``beyond``, or None for unknown."""


def written(value: float) -> Number:
    """A figure as JSON can hold it."""
    if math.isnan(value):
        return None
    return BEYOND if math.isinf(value) else value


def read(value: Number) -> float:
    """The inverse of :func:`written`."""
    if value is None:
        return math.nan
    return math.inf if isinstance(value, str) else float(value)


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """One trial (or one call of a study's function).

    Attributes:
        key: of candidate, seed, settings, script and code.
        point: of the candidate.
        seed: of the trial.
        figures: name of an objective or constraint -> its figure.
        trial: ``complete`` or ``void``: its figures mean nothing.
        verdict: as of a trial; ``valid`` for a function.
        error: why the harness could not finish it.
        reason: why it is void.
        took_s: seconds it took.
    """

    key: str
    point: dict[str, Any]
    seed: int
    figures: dict[str, Number] = {}
    trial: str = "complete"
    verdict: str = "valid"
    error: str | None = None
    reason: str | None = None
    took_s: float = 0.0

    def figure(self, name: str) -> float:
        """A figure; NaN if it was not observed or the trial is void."""
        return read(self.figures.get(name)) if self.trial == "complete" else math.nan


class Log:
    """The measurements of a study's folder.

    Raises:
        UsageError: a line in the middle cannot be read. A torn last line (a kill) is cut off.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "trials.jsonl"
        self.kept: dict[str, Measurement] = {}
        self._read()

    def _read(self) -> None:
        if not self.path.exists():
            return
        data = self.path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            with self.path.open("r+b") as file:
                file.truncate(whole)
        decoder = msgspec.json.Decoder(Measurement)
        for number, line in enumerate(data[:whole].splitlines(), 1):
            try:
                found = decoder.decode(line)
            except msgspec.MsgspecError as error:
                raise UsageError(f"line {number} of {self.path} is not a measurement of a study: {error}") from None
            self.kept[found.key] = found

    def add(self, found: Iterable[Measurement]) -> None:
        """Keep measurements, in one write: what a kill leaves of it is cut off when the log is read."""
        listed = list(found)
        if not listed:
            return
        with self.path.open("ab") as file:
            file.write(b"".join(msgspec.json.encode(each) + b"\n" for each in listed))
        self.kept.update({each.key: each for each in listed})


def sample(found: Sequence[Measurement], name: str) -> list[float]:
    """A figure of the complete trials in which it was observed; infinite where it was longer than that."""
    values = [each.figure(name) for each in found]
    return [value for value in values if not math.isnan(value)]


def same_point(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether two points are one, also where one was read back from JSON."""
    return msgspec.json.encode(dict(a), order="deterministic") == msgspec.json.encode(dict(b), order="deterministic")
