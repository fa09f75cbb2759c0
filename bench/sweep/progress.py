"""What a person sees while a sweep runs: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TextIO

import numpy as np

from ..trial import Result
from .grid import Cell, axis_title, show, spaced
from .result import HIGHEST, LATENCIES
from .store import flat

if TYPE_CHECKING:
    from rich.table import Table

LINE_EVERY_S = 5.0


@dataclass
class Tally:
    """Where one cell stands. ``silent``: trials in which the system did not serve again before the load ended."""

    sim: int = 0
    live: int = 0
    failed: int = 0
    void: int = 0
    silent: int = 0
    invalid: int = 0
    metric: dict[str, list[float]] = field(default_factory=lambda: {"sim": [], "ray": []})

    def add(self, result: Result, metric: str) -> None:
        """Count a finished trial."""
        if result.runtime == "ray":
            self.live += 1
        else:
            self.sim += 1
        self.failed += result.error is not None
        self.invalid += result.verdict == "invalid"
        self.void += result.trial == "void" and result.error is None
        if result.trial != "complete":
            return
        self.silent += result.unavailable_censored
        value = flat(result).get(metric)
        unserved = value is None and metric in LATENCIES and result.latency_s.censored > 0
        if unserved or (metric == "unavailable_s" and result.unavailable_censored):
            value = math.inf  # as in bench.sweep.observed
        if value is not None:
            self.metric[result.runtime].append(float(value))

    def median(self, runtime: str) -> float:
        """Of the metric over complete trials; NaN without any."""
        return float(np.median(self.metric[runtime])) if self.metric[runtime] else math.nan

    @property
    def verdict(self) -> str:
        """In one word."""
        if self.invalid:
            return f"{self.invalid} violated"
        if self.failed:
            return f"{self.failed} failed"
        parts = [f"{self.void} void"] * bool(self.void) + [f"{self.silent} silent"] * bool(self.silent)
        return ", ".join(parts) or ("valid" if self.sim + self.live else "")


@dataclass
class Board:
    """Everything there is to show.

    Attributes:
        cells: of the grid.
        metric: the column shown.
        seeds, live: trials wanted a cell; a budget may add more seeds.
        phase: what is going on, in a few words.
        deadline: monotonic time at which the budget ends, None without one.
        remaining_s: estimate of the time left without a deadline.
    """

    cells: Sequence[Cell]
    metric: str
    seeds: int
    live: int
    phase: str = ""
    deadline: float | None = None
    remaining_s: float | None = None
    began: float = field(default_factory=time.monotonic)
    tallies: list[Tally] = field(default_factory=list)

    def __post_init__(self) -> None:
        """One tally a cell."""
        self.tallies = [Tally() for _ in self.cells]

    def add(self) -> None:
        """One more cell."""
        self.tallies.append(Tally())

    def best(self) -> int | None:
        """Index of the cell that is best so far, in simulation where there is any; None without two to compare."""
        worlds = [
            {i: t.median(world) for i, t in enumerate(self.tallies) if not math.isnan(t.median(world))}
            for world in ("sim", "ray")
        ]
        medians = worlds[0] or worlds[1]
        if len(medians) < 2:
            return None
        sign = -1 if self.metric in HIGHEST else 1
        return min(medians, key=lambda i: sign * medians[i])

    @property
    def done(self) -> int:
        """Trials finished."""
        return sum(tally.sim + tally.live for tally in self.tallies)

    @property
    def left_s(self) -> float | None:
        """Seconds until the end, as far as known."""
        if self.deadline is not None:
            return max(0.0, self.deadline - time.monotonic())
        return self.remaining_s

    def headline(self) -> str:
        """Phase, trials, elapsed and remaining time, in one line."""
        failed, invalid = (sum(getattr(t, name) for t in self.tallies) for name in ("failed", "invalid"))
        parts = [self.phase, f"{len(self.cells)} cells", f"{self.done} trials"]
        parts += [f"{failed} failed"] if failed else []
        parts += [f"{invalid} violations"] if invalid else []
        parts.append(f"{time.monotonic() - self.began:.0f} s")
        if self.left_s is not None:
            parts.append(f"about {self.left_s:.0f} s left")
        best = self.best()
        if best is not None:
            parts.append(f"best so far: {self.cells[best].label}")
        return ", ".join(part for part in parts if part)


class Progress(Protocol):
    """Shows a board as it changes."""

    def phase(self, text: str) -> None:
        """Something else is going on now."""
        ...

    def note(self, text: str) -> None:
        """Something a person should know, kept on the screen."""
        ...

    def finished(self, cell: Cell, result: Result) -> None:
        """A trial ended."""
        ...

    def close(self) -> None:
        """No more to come."""
        ...


def _value(number: float, metric: str) -> str:
    if math.isnan(number):
        return "-"
    if math.isinf(number):
        return "beyond"  # what was observed, in half of the trials or more
    return spaced(float(f"{number:.3g}")) if metric.endswith("_s") else f"{number:.4g}"


class Lines:
    """Plain lines: each live trial, and where the simulation stands every five seconds."""

    def __init__(self, board: Board, stream: TextIO | None = None) -> None:
        self.board = board
        self.stream = stream or sys.stdout
        self.last = -math.inf

    def _print(self, text: str) -> None:
        print(text, file=self.stream, flush=True)

    def phase(self, text: str) -> None:
        """See :class:`Progress`."""
        self.board.phase = text
        self._print(f"[{time.monotonic() - self.board.began:5.1f} s] {text}")

    def note(self, text: str) -> None:
        """See :class:`Progress`."""
        self._print(text)

    def finished(self, cell: Cell, result: Result) -> None:
        """See :class:`Progress`."""
        self.board.tallies[cell.index].add(result, self.board.metric)
        elapsed = time.monotonic() - self.board.began
        first = self.board.done == 1
        if result.runtime == "ray" or result.error is not None or result.verdict == "invalid" or first:
            metric = self.board.metric
            shown = flat(result).get(metric)
            figure = f"{axis_title(metric)} {_value(math.nan if shown is None else float(shown), metric)}"
            word = result.error or (result.void_reason if result.trial == "void" else result.verdict)
            world = "live" if result.runtime == "ray" else "sim"
            self._print(f"[{elapsed:5.1f} s] {world} {cell.label}: {figure}, {word}")
        if result.runtime == "sim" and elapsed - self.last >= LINE_EVERY_S:
            self.last = elapsed
            self._print(f"[{elapsed:5.1f} s] {self.board.headline()}")

    def close(self) -> None:
        """See :class:`Progress`."""
        self._print(f"[{time.monotonic() - self.board.began:5.1f} s] {self.board.headline()}")


class LiveTable:
    """A table that changes in place."""

    def __init__(self, board: Board) -> None:
        from rich.console import Console
        from rich.live import Live

        self.board = board
        self.console = Console()
        self.live = Live(
            console=self.console, get_renderable=self._render, refresh_per_second=2, vertical_overflow="visible"
        )
        self.live.start()

    def _render(self) -> Table:
        from rich.table import Table

        board = self.board
        table = Table(title=board.headline(), title_justify="left", title_style="bold", box=None, pad_edge=False)
        axes = list(board.cells[0].point) if board.cells else []
        for name in axes:
            table.add_column(axis_title(name), justify="right")
        title = axis_title(board.metric)
        table.add_column(f"{title}\nsimulated", justify="right")
        table.add_column("seeds", justify="right")
        if board.live:
            table.add_column(f"{title}\nlive", justify="right")
            table.add_column("trials", justify="right")
        table.add_column("verdict")
        best = board.best()
        for cell, tally in zip(board.cells, board.tallies, strict=True):
            row = [show(name, value) for name, value in cell.point.items()]
            row += [_value(tally.median("sim"), board.metric), f"{tally.sim}/{board.seeds}"]
            if board.live:
                row += [_value(tally.median("ray"), board.metric), f"{tally.live}/{board.live}"]
            style = "red" if tally.invalid else "yellow" if tally.failed or tally.void or tally.silent else None
            if cell.index == best:
                style = "bold" if style is None else f"bold {style}"
            table.add_row(*row, tally.verdict + (" (best so far)" if cell.index == best else ""), style=style)
        return table

    def phase(self, text: str) -> None:
        """See :class:`Progress`."""
        self.board.phase = text
        self.live.refresh()

    def note(self, text: str) -> None:
        """See :class:`Progress`."""
        self.console.print(text, highlight=False, markup=False)

    def finished(self, cell: Cell, result: Result) -> None:
        """See :class:`Progress`."""
        self.board.tallies[cell.index].add(result, self.board.metric)
        if result.error is not None:
            self.note(f"failed: {cell.label}, seed {result.seed}: {result.error}")

    def close(self) -> None:
        """See :class:`Progress`."""
        self.live.stop()


def make_progress(board: Board, *, plain: bool | None = None) -> Progress:
    """A live table if standard output is a terminal, plain lines otherwise or if asked for."""
    use_lines: Any = not sys.stdout.isatty() if plain is None else plain
    return Lines(board) if use_lines else LiveTable(board)
