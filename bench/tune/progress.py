"""What a person sees while a study runs: one line in place on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import math
import time
from typing import Any, Protocol

from .advice import text_of
from .log import Measurement
from .search import Search
from .study import Study

LINE_EVERY_S = 5.0


class Progress(Protocol):
    """Shows how far a study has come."""

    def phase(self, text: str, trials: int | None = None) -> None:
        """Something else is going on now, with so many trials, if that is known."""
        ...

    def note(self, text: str) -> None:
        """Something a person should know, kept on the screen."""
        ...

    def finished(self, found: Measurement) -> None:
        """A trial ended."""
        ...

    def told(self, search: Search) -> None:
        """A generation ended."""
        ...

    def close(self) -> None:
        """No more to come."""
        ...


class Lines:
    """Plain lines: each generation, each violation and failure, and every five seconds the count of trials."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.began = time.monotonic()
        self.last = self.began
        self.text = ""
        self.expected: int | None = None
        self.first, self.since = 0, self.began
        self.trials = self.violations = self.failed = self.tried = 0

    def show(self, text: str) -> None:
        """A line with the time since the start."""
        print(f"[{time.monotonic() - self.began:5.1f} s] {text}", flush=True)

    def headline(self) -> str:
        """Phase, trials, violations and failures."""
        parts = [self.text, f"{self.trials} trials"]
        parts += [f"{self.violations} violations"] * bool(self.violations)
        parts += [f"{self.failed} failed"] * bool(self.failed)
        return ", ".join(part for part in parts if part)

    def remaining(self) -> str:
        """Of the phase: from how long its trials (in the search: its candidates) took so far."""
        if self.expected is not None:
            done = self.trials - self.first
            left = (time.monotonic() - self.since) / done * (self.expected - done) if done else 0.0
            return f" ({done} of {self.expected} here), about {left:.0f} s left" if done else ""
        if not self.tried or self.tried >= self.study.candidates or not self.trials:
            return ""
        left = (time.monotonic() - self.began) / self.tried * (self.study.candidates - self.tried)
        return f", about {left:.0f} s of search left"

    def phase(self, text: str, trials: int | None = None) -> None:
        """See :class:`Progress`."""
        self.text = text
        self.expected, self.first, self.since = trials, self.trials, time.monotonic()
        self.show(text)

    def note(self, text: str) -> None:
        """See :class:`Progress`."""
        self.show(text)

    def finished(self, found: Measurement) -> None:
        """See :class:`Progress`."""
        self.trials += 1
        self.violations += found.verdict == "invalid"
        self.failed += found.error is not None
        if found.verdict == "invalid" or (found.error is not None and self.failed <= 3):
            what = "violates a safety property" if found.error is None else f"failed: {found.error}"
            self.note(f"{self.study.described(found.point)}, seed {found.seed}: {what}")
        self.tick()

    def tick(self) -> None:
        """Show the headline, if it is time to."""
        if time.monotonic() - self.last >= LINE_EVERY_S:
            self.last = time.monotonic()
            self.show(self.headline() + self.remaining())

    def told(self, search: Search) -> None:
        """See :class:`Progress`."""
        self.tried = len(search.candidates)
        self.last = time.monotonic()
        self.show(f"{standing(search, self.study)}{self.remaining()}")

    def close(self) -> None:
        """See :class:`Progress`."""


class Status(Lines):
    """The same in place."""

    def __init__(self, study: Study) -> None:
        from rich.console import Console

        super().__init__(study)
        self.console = Console()
        self.best = ""
        self.status: Any = self.console.status("starting")
        self.status.start()

    def show(self, text: str) -> None:
        """Change the line."""
        self.status.update(f"{text}{self.best}")

    def note(self, text: str) -> None:
        """A line that stays."""
        self.console.print(text, highlight=False, markup=False)

    def tick(self) -> None:
        """Always."""
        self.show(self.headline() + self.remaining())

    def told(self, search: Search) -> None:
        """A generation's line stays in sight until the next."""
        self.tried = len(search.candidates)
        self.best = f"\n{standing(search, self.study)}"
        self.tick()

    def close(self) -> None:
        """Leave the terminal as it was."""
        self.status.stop()


def standing(search: Search, study: Study) -> str:
    """Candidates so far, how many were given up, and the best value of each objective among those that hold."""
    fates = [each.fate for each in search.candidates]
    parts = [f"{len(fates)} of {study.candidates if study.points is None else len(study.points)} candidates"]
    parts += [f"{fates.count(fate)} {fate}" for fate in ("broken", "beaten") if fate in fates]
    good = [each for each in search.candidates if each.feasible and each.fate == "measured"]
    for i, objective in enumerate(study.objectives):
        values = [each.values[i] for each in good if math.isfinite(each.values[i])]
        if values:
            best = max(values) if objective.maximise else min(values)
            parts.append(f"best {objective.name} {text_of(best, objective.unit)}")
    return ", ".join(parts)


def make_progress(study: Study, *, plain: bool | None = None) -> Progress:
    """In place if standard output is a terminal, plain lines otherwise or if asked for."""
    import sys

    return Lines(study) if plain or not sys.stdout.isatty() else Status(study)
