"""The sweep API: a question, a grid, a trial a cell, and what to conclude from the results."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from ..calibration import Calibration, Service, check_service, kept
from ..errors import (
    EXIT_HARNESS,
    EXIT_THRESHOLD,
    EXIT_UNKNOWN,
    EXIT_USAGE,
    EXIT_VALID,
    HarnessError,
    UsageError,
    unknown_name,
    worst_exit,
)
from ..stats.knee import Saturation
from ..stats.looks import Precision
from ..trial import Trial
from .conclusions import concluded
from .grid import Build, Cell, Point, axis_title, calibrated, expand, override, show, template
from .preparing import check_cells, estimate_s, script_name
from .result import Conclusion, Options, SweepResult, Threshold, check_metric
from .runner import Runner, stop_on_sigterm
from .store import Description, RunFolder
from .worker import ENTRY

EXIT_INTERRUPTED = 130
REPORT_S = 12.0
"""Of a budget, kept for the report; of a small budget, a tenth."""


@dataclass(frozen=True)
class Sweep:
    """A sweep, as a script declares it.

    Attributes:
        name: of the run's folder.
        question: what it asks, as one sentence.
        grid: axis -> values, or the name of a preset (``"@lan-to-wan"``, :mod:`bench.sweep.presets`); names ending in
            ``_s`` hold seconds, ranges are tuples. The last axis varies fastest.
        trial: called with one value of each axis by name, returns the trial of that cell. Its runtime and seed are
            filled in by the sweep.
        seeds: simulated trials a cell. With a budget, more follow round-robin until it is spent.
        precision: instead of a number of seeds, how narrow the interval of each cell must become.
        saturation: after the grid, search for the highest load each setting carries, by bisection.
        live: live trials a cell, one after the other and never beside simulation.
        budget_s: seconds of wall time in total, with everything; None for as long as it takes.
        metric: the column shown while it runs.
        thresholds: bounds on the cells' medians.
        conclude: what follows from the result, in words and figures.
        service: ``default`` service times, the same on every machine, or those ``calibrated`` from the last floor of
            this one; a sweep that is resumed keeps those it began with.
        biases: sentences on what could mislead, for the report.
        entry: the function that runs a trial, as ``module:function``.
    """

    name: str
    question: str
    grid: Mapping[str, Sequence[Any] | str]
    trial: Build
    seeds: int = 20
    live: int = 0
    budget_s: float | None = None
    metric: str = "unavailable_s"
    thresholds: Sequence[Threshold] = ()
    conclude: Callable[[SweepResult], Conclusion] | None = None
    service: Service = "default"
    biases: Sequence[str] = field(default_factory=tuple)
    entry: str = ENTRY
    precision: Precision | None = None
    saturation: Saturation | None = None

    def check(self) -> None:
        """Raise :class:`UsageError` for the first part of the declaration that cannot be."""
        check_metric(self.metric)
        for threshold in self.thresholds:
            check_metric(threshold.metric)
        if self.precision is not None:
            self.precision.validate()
            check_metric(self.precision.metric)
        if self.saturation is not None:
            self.saturation.validate()
            check_metric(self.saturation.metric)
            if self.saturation.axis not in self.grid:
                raise unknown_name("axis of a load", self.saturation.axis, self.grid)

    def cells(self, overrides: Sequence[str] = ()) -> list[Cell]:
        """The cells, with axes replaced by ``key=v1,v2``.

        Raises:
            UsageError: an override or a cell cannot be.
        """
        self.check()
        cells = expand(override(self.grid, overrides), self.trial)
        if self.saturation is not None:
            for value in {cell.point[self.saturation.axis] for cell in cells}:
                if not isinstance(value, (int, float)) or value <= 0:
                    name = self.saturation.axis
                    raise UsageError(f"the axis {name} holds {value!r}: a load to search over is a rate above 0")
        check_cells(cells, self.entry)
        return cells

    def calibration(self, options: Options) -> Calibration | None:
        """Whence the simulated trials have their service times; None for the default.

        Raises:
            UsageError: no floor of this machine is kept, or the folder of the run began with others.
        """
        asked = self.service if options.service is None else options.service
        check_service(asked)
        before = None if options.out is None else RunFolder(options.out).description()
        if before is None or not before.sittings:
            return kept() if asked == "calibrated" else None
        began = "default" if before.calibration is None else "calibrated"
        if options.service is not None and asked != began:
            raise UsageError(f"{options.out} began with {began} service times: give another folder with --out")
        return before.calibration

    def resolve(self, options: Options) -> Options:
        """The options with the sweep's own values where none were given.

        Raises:
            UsageError: a number is out of range.
        """
        seeds = self.seeds if options.seeds is None else options.seeds
        live = self.live if options.live is None else options.live
        budget = self.budget_s if options.budget_s is None else options.budget_s
        if options.runtime not in (None, "sim", "ray"):
            raise UsageError(f"unknown runtime {options.runtime!r}: sim or ray")
        if options.runtime == "sim":
            live = 0
        if options.runtime == "ray":
            # Seeds asked for by name are then trials of the only world there is.
            live, seeds = (options.seeds or max(live, 1)) if options.live is None else live, 0
        for name, value in (("seeds", seeds), ("live", live)):
            if value < 0:
                raise UsageError(f"{name} {value} is out of range: at least 0")
        if seeds + live == 0:
            raise UsageError("nothing to run: neither seeds nor live trials are asked for")
        if budget is not None and not 0 < budget < math.inf:
            raise UsageError(f"budget {budget:g} is out of range: seconds, above 0")
        if options.precision is not None and not 0 < options.precision < math.inf:
            raise UsageError(f"precision {options.precision:g} is out of range: a share of the median, above 0")
        if options.precision is not None and options.seeds is not None:
            raise UsageError("give either seeds or a precision: the one is a number of trials, the other finds it")
        if options.jobs is not None and options.jobs < 1:
            raise UsageError(f"jobs {options.jobs} is out of range: at least 1")
        asked = options.seeds if options.seeds_asked is None else options.seeds_asked
        return replace(options, seeds=seeds, live=live, budget_s=budget, seeds_asked=asked)

    def run(self, options: Options | None = None, script: str = "") -> SweepResult:
        """Run what is not done yet.

        Raises:
            UsageError: nothing was started or written.
        """
        options = self.resolve(options or Options())
        calibration = self.calibration(options)
        cells = calibrated(self.cells(options.overrides), calibration)

        def at(point: Point) -> Trial:
            found = Cell(0, point, template(self.trial, point))
            return calibrated([found], calibration)[0].template

        description = Description(
            name=self.name,
            question=self.question,
            script=script,
            seeds=options.seeds or 0,
            live=options.live or 0,
            budget_s=options.budget_s,
            metric=self.metric,
            biases=tuple(self.biases),
            calibration=calibration,
            precision=self._precision(options),
            saturation=self.saturation,
        )
        if options.address is not None:
            from ..run import find_cluster

            find_cluster(options.address)  # before anything is written
        return Runner(description, cells, options, entry=self.entry, template=at).run()

    def _precision(self, options: Options) -> Precision | None:
        """What is asked for this time; a number of seeds that was asked for is just that."""
        if options.precision is not None:
            like = self.precision or Precision(metric=self.metric, width=options.precision)
            return msgspec.structs.replace(like, width=options.precision)
        return self.precision if options.seeds_asked is None else None

    def main(self, argv: Sequence[str] | None = None) -> int:
        """The command line of a script, with the options of ``bench sweep``; returns the exit code."""
        from .command import parse

        script = script_name(Path(sys.argv[0]))
        options = parse(self, sys.argv[1:] if argv is None else argv)
        return execute(self, replace(options, began=options.began or process_start()), script)


def process_start() -> float:
    """When this process began, on the monotonic clock: what was spent on imports counts against a budget."""
    import psutil

    created: float = psutil.Process(os.getpid()).create_time()
    return time.monotonic() - (time.time() - created)


def dry_run(sweep: Sweep, options: Options) -> None:
    """Print the cells, their number and about how long they will take."""
    options = sweep.resolve(options)
    cells = calibrated(sweep.cells(options.overrides), sweep.calibration(options))
    seeds, live = options.seeds or 0, options.live or 0
    precision = sweep._precision(options)
    if precision is not None and seeds:
        seeds = precision.first
    titles = [axis_title(name) for name in cells[0].point]
    rows = [[show(name, value) for name, value in cell.point.items()] for cell in cells]
    widths = [max(len(row[i]) for row in [titles, *rows]) for i in range(len(titles))]
    for row in [titles, *rows]:
        print("  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)).rstrip())
    workers = options.jobs or len(os.sched_getaffinity(0))
    simulated_s, live_s = estimate_s(cells, seeds, live, workers, sweep.entry)
    print(
        f"{len(cells)} cells, {seeds * len(cells)} simulated trials (about {simulated_s:.0f} s on {workers} "
        f"{'core' if workers == 1 else 'cores'}) and {live * len(cells)} live trials (about {live_s:.0f} s)"
    )
    if precision is not None and seeds:
        print(
            f"precision: after {precision.first} seeds a cell, {precision.step} more up to {precision.most} where the "
            f"interval of {precision.metric} is wider than +-{precision.width:.1%}"
        )
    if sweep.saturation is not None:
        asked = sweep.saturation
        print(
            f"then a search for the highest {asked.axis} with {asked.metric} at most {asked.at_most:g}, "
            f"{asked.seeds} trials a step, to {asked.resolution:.0%}"
        )
    if options.budget_s is not None:
        print(f"budget {options.budget_s:g} s: fewer seeds if that is short, more if time is left")


def execute(sweep: Sweep, options: Options, script: str = "") -> int:
    """Run, report, and print the answer; the exit code of DESIGN.md, 130 after Ctrl-C."""
    try:
        if options.dry_run:
            dry_run(sweep, options)
            return EXIT_VALID
        return _execute(sweep, options, script)
    except UsageError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except HarnessError as error:
        print(f"bench: {error}", file=sys.stderr)
        print("what had finished is kept; to go on, run the same command with --out and the folder of the run")
        return EXIT_HARNESS


def _execute(sweep: Sweep, options: Options, script: str) -> int:
    from ..compare.show import against, baseline
    from ..compare.sides import of_sweep, tolerances
    from ..report import render

    stop_on_sigterm()
    options = sweep.resolve(options)
    before = None if options.baseline is None else baseline(options.baseline, force=options.force)
    budget = options.budget_s
    if budget is not None:
        options = replace(options, budget_s=budget - min(REPORT_S, 0.1 * budget))
    result = sweep.run(options, script)
    if result.interrupted:
        print(
            f"stopped: {len(result.rows)} trials are kept; to resume, run the same command with --out {result.folder}"
        )
        return EXIT_INTERRUPTED
    conclusion, problem = concluded(result, sweep.conclude)
    report = render(result, result.folder / "report.html", conclusion=conclusion)
    broken = [sentence for threshold in sweep.thresholds for sentence in threshold.broken_by(result)]
    for sentence in broken:
        print(f"threshold: {sentence}")
    for sentence in result.uncounted():
        print(f"trials: {sentence}")
    print()
    print(conclusion.answer)
    print(f"report: {report}")
    if conclusion.invitation:
        print(conclusion.invitation)
    if problem:
        print(f"bench: {problem}", file=sys.stderr)
        return EXIT_USAGE
    codes = [row.result.exit_code() for row in result.rows] + [EXIT_THRESHOLD] * bool(broken)
    if not result.rows:
        codes.append(EXIT_UNKNOWN)  # nothing ran, so nothing is known to be valid
    if before is not None:
        codes.append(against(before, of_sweep(result), tolerances(sweep.thresholds), force=options.force))
        if codes[-1] == EXIT_USAGE:
            return EXIT_USAGE
    return worst_exit(codes)
