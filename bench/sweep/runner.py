"""Runs the cells of a sweep: a first look, then live trials one by one, then simulation on every core."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Sequence

import msgspec

from ..assess import failed
from ..errors import UsageError
from ..provenance import code_version, provenance
from ..stats.knee import Saturation
from ..stats.looks import Precision
from ..trial import Result, Trial
from . import lanes, live
from .grid import Cell, Point, same
from .plan import Fixed, Plan, Saturating, UntilNarrow
from .pools import Pool, choose
from .preparing import default_folder, estimate_live_s
from .progress import Board, Progress, make_progress
from .result import Options, SweepResult
from .store import Description, Row, RunFolder, alone
from .worker import ENTRY, run_one

FIRST_LOOK_S = 6.0
"""The first look stops here: something to read at once, not a phase to wait for."""
LIVE_SHARE = 0.75
"""Of a budget: no live trial starts after it, so that something is left for the simulation, which gives the answer."""
AHEAD = 2
"""Trials handed to the pool a worker: one running, one waiting."""


class Runner:
    """One start of a sweep.

    Args:
        description: of the sweep, without its sittings.
        cells: of the grid.
        options: with ``seeds`` and ``live`` resolved.
        entry: the function that runs a trial, by name.
        progress: makes the display for a board.
        template: of a cell at a point that is not of the grid: a search for a knee goes to such points.
    """

    def __init__(
        self,
        description: Description,
        cells: Sequence[Cell],
        options: Options,
        *,
        entry: str = ENTRY,
        progress: Callable[[Board], Progress] | None = None,
        template: Callable[[Point], Trial] | None = None,
    ) -> None:
        self.cells = list(cells)
        self._template = template
        self.options = options
        self.entry = entry
        self.code = code_version()
        self.folder = RunFolder(options.out or default_folder(description.name))
        self.description = description
        self.seeds, self.live = description.seeds, description.live
        self.precision: Precision | None = description.precision
        self.saturation: Saturation | None = description.saturation
        self.notes: list[str] = []
        self.took: dict[str, list[float]] = {"sim": [], "ray": []}
        self.began = time.monotonic() if options.began is None else options.began
        self.deadline = None if options.budget_s is None else self.began + options.budget_s
        self.board = Board(
            self.cells, description.metric, self.seeds, self.live, deadline=self.deadline, began=self.began
        )
        self._make_progress = progress or (lambda board: make_progress(board, plain=options.plain))
        self.progress: Progress
        self.done: set[str] = set()
        self.known: dict[str, Result] = {}
        self.workers = 1
        self._pool: Pool | None = None

    # --- the whole ---------------------------------------------------------------------------------------------------

    def run(self) -> SweepResult:
        """Everything that is not done yet; what finishes is kept, also when interrupted.

        Raises:
            UsageError: a trial cannot be, the folder holds another sweep or is in use, or no cluster answers at the
                address.
        """
        with alone(self.folder.path):
            return self._run()

    def _run(self) -> SweepResult:
        self._open()
        self.progress = self._make_progress(self.board)
        interrupted = False
        try:
            self._restore()
            self._first_look()
            if self.live:
                self._live(Fixed(self.cells, self.live, alternate=True))
            if self.seeds:
                self._simulate(self._simulated())
            if self.saturation is not None:
                search = self._search(self.saturation)
                if self.seeds:
                    self._simulate(search)
                else:
                    self._live(search)
        except KeyboardInterrupt:
            interrupted = True
            self.notes.append("It was stopped before its end.")
        finally:
            if self._pool is not None:
                self._pool.close()
            self.progress.close()
        self.folder.compact()
        self._describe(finished=not interrupted)
        return SweepResult.load(self.folder.path)

    def _open(self) -> None:
        before = self.folder.description()
        if before is not None and before.name != self.description.name:
            raise UsageError(f"{self.folder.path} holds the sweep {before.name}: give another folder with --out")
        self.folder.create()
        sittings = () if before is None else before.sittings
        self.description = msgspec.structs.replace(
            self.description,
            points=self._points(before),
            code_version=self.code,
            sittings=(*sittings, provenance()),
        )
        self._describe(finished=False)

    def _points(self, before: Description | None) -> tuple[Point, ...]:
        """Those of the grid, and those that an earlier sitting's search went to: their cells are made again."""
        if self.saturation is not None and before is not None:
            axis = self.saturation.axis
            for point in before.points:
                like = next((c for c in self.cells if same(c.point, point | {axis: c.point[axis]})), None)
                if like is not None and not any(same(c.point, point) for c in self.cells):
                    self._add(point)
        return tuple(cell.point for cell in self.cells)

    def _add(self, point: Point) -> Cell:
        """A cell beside those of the grid."""
        assert self._template is not None
        cell = Cell(len(self.cells), point, self._template(point))
        self.cells.append(cell)
        self.board.add()
        return cell

    def _describe(self, *, finished: bool) -> None:
        self.description = msgspec.structs.replace(
            self.description, notes=tuple(self.notes), took_s=time.monotonic() - self.began, finished=finished
        )
        self.folder.describe(self.description)

    def _restore(self) -> None:
        """Take note of what earlier sittings finished."""
        self.done = self.folder.keys()
        for part in self.folder.damaged():
            self.progress.note(f"{part} cannot be read (a loss of power does that): its trials run again")
        if not self.done:
            return
        points = {repr(sorted(cell.point.items())): cell for cell in self.cells}
        decides = self.precision is not None or self.saturation is not None
        kept = 0
        for row in self.folder.rows():
            cell = points.get(repr(sorted(row.point.items())))
            if cell is not None and row.code_version == self.code:
                kept += 1
                if decides:
                    self.known[row.key] = row.result
                self.board.tallies[cell.index].add(row.result, self.board.metric)
        left = len(self.done) - kept
        ignored = f"; {left} of other code or other cells are left out" if left else ""
        self.progress.note(f"resuming {self.folder.path}: {kept} trials are done{ignored}")

    # --- bookkeeping -------------------------------------------------------------------------------------------------

    def _wanted(self, cell: Cell, runtime: str, seed: int) -> tuple[str, Trial] | None:
        """(key, trial), or None if it is done."""
        trial = cell.trial(runtime, seed)
        key = trial.key(self.code)
        return None if key in self.done else (key, trial)

    def _finished(self, batch: Sequence[tuple[str, Cell, Result]]) -> None:
        """Keep results, then show them."""
        rows = [
            Row(
                key=key,
                point=cell.point,
                code_version=self.code,
                sitting=len(self.description.sittings),
                finished=time.time(),
                result=result,
            )
            for key, cell, result in batch
        ]
        self.folder.append(rows)
        for key, cell, result in batch:
            self.done.add(key)
            if self.precision is not None or self.saturation is not None:
                self.known[key] = result
            self.board.remaining_s = self._remaining()
            self.progress.finished(cell, result)

    def _remaining(self) -> float | None:
        """Seconds until every trial asked for is done, from how long those of this sitting took."""
        seconds = 0.0
        seeds = self.precision.first if self.precision is not None else self.seeds
        for runtime, wanted in (("ray", self.live), ("sim", seeds)):
            counts = [tally.live if runtime == "ray" else tally.sim for tally in self.board.tallies]
            left = sum(max(0, wanted - count) for count in counts)
            took = self.took[runtime]
            if left and not took and runtime == "sim":
                return None
            each = sum(took) / len(took) if took else estimate_live_s(self.cells[0].template)
            seconds += left * each / (self.workers if runtime == "sim" else 1)
        return seconds

    def _late(self, each_s: float, share: float = 1.0) -> bool:
        """Whether another trial of that length would end after (this share of) the budget."""
        if self.deadline is None or self.options.budget_s is None:
            return False
        return time.monotonic() + each_s > self.began + share * self.options.budget_s

    # --- phases ------------------------------------------------------------------------------------------------------

    def _first_look(self) -> None:
        """One seed of each cell in this process: something to read at once, and bad parameters end here."""
        if not self.seeds:
            return
        began = time.monotonic()
        self.progress.phase("simulating one seed a cell")
        for cell in self.cells:
            if time.monotonic() - began > FIRST_LOOK_S or self._late(0.0):
                return
            wanted = self._wanted(cell, "sim", 1)
            if wanted is not None:
                key, trial = wanted
                started = time.monotonic()
                result = run_one(trial, self.entry)
                self.took["sim"].append(time.monotonic() - started)
                self._finished([(key, cell, result)])

    def _live(self, plan: Plan) -> None:
        following = self._following(plan, "ray")
        if following is None:
            return
        self.progress.phase("starting Ray and its actors")
        try:
            groups = lanes.survey(self.options.address, [cell.template for cell in self.cells])
            if groups and self.options.address is not None:
                side_by_side = lanes.Lanes(self.options.address, groups)
                try:
                    self.progress.phase(side_by_side.name)
                    self._drain(side_by_side, plan, following, "ray")
                finally:
                    side_by_side.close()
                return
            with live.live_session(self.options.address) as run_live:
                stop_on_sigterm()
                number = 0
                while following is not None:
                    cell, key, trial, seed = following
                    number += 1
                    took = self.took["ray"]
                    each = sum(took) / len(took) if took else estimate_live_s(trial)
                    left = 1 + (plan.wanted() or 0)
                    if self._late(each, LIVE_SHARE if self.seeds else 1.0):
                        total = number - 1 + left
                        self._remark(f"The budget left no time for {left} of {total} live trials.")
                        return
                    self.progress.phase(f"live trial {number} of {number - 1 + left}: {cell.label}")
                    started = time.monotonic()
                    result = run_live(trial)
                    took.append(time.monotonic() - started)
                    self._finished([(key, cell, result)])
                    plan.tell(cell, seed, result)
                    following = self._following(plan, "ray")
        except UsageError:
            raise
        except Exception as error:  # the cluster, not a trial: those never raise
            self._remark(f"Live trials ended early: {type(error).__name__}: {error}")

    def _remark(self, text: str) -> None:
        self.notes.append(text)
        self.progress.note(text)

    def _simulated(self) -> Plan:
        """Seeds round-robin over the cells; beyond the number asked for, as long as a budget lasts."""
        if self.precision is not None:
            return UntilNarrow(self.cells, self.precision)
        return Fixed(list(self.cells), None if self.deadline is not None else self.seeds)

    def _search(self, asked: Saturation) -> Plan:
        """For the knee of each setting: cells that differ in the load only."""
        groups: dict[str, list[Cell]] = {}
        for cell in self.cells:
            setting = sorted((name, value) for name, value in cell.point.items() if name != asked.axis)
            groups.setdefault(repr(setting), []).append(cell)

        def at(like: Cell, rate: float) -> Cell:
            point = like.point | {asked.axis: rate}
            cell = self._add(point)
            self.description = msgspec.structs.replace(self.description, points=tuple(c.point for c in self.cells))
            self._describe(finished=False)
            return cell

        return Saturating(list(groups.values()), asked, at)

    def _following(self, plan: Plan, runtime: str) -> tuple[Cell, str, Trial, int] | None:
        """The next trial of a plan that is not done: (cell, key, trial, seed). The plan is told of those that are."""
        while (item := plan.take()) is not None:
            cell, seed = item
            wanted = self._wanted(cell, runtime, seed)
            if wanted is not None:
                return cell, *wanted, seed
            key = cell.trial(runtime, seed).key(self.code)
            if key in self.known:
                plan.tell(cell, seed, self.known[key])
        return None

    def _simulate(self, plan: Plan) -> None:
        if self._late(self._each()):
            return
        following = self._following(plan, "sim")
        if following is None:
            return
        if self._pool is None:
            self.progress.phase("starting workers for the simulation")
            left = plan.wanted() if isinstance(plan, Fixed) and self.saturation is None else None
            self._pool = choose(
                None if left is None else left + 1,
                address=self.options.address,
                jobs=self.options.jobs,
                entry=self.entry,
            )
            self.workers = self._pool.workers
            stop_on_sigterm()
        verb = "searching for the knee" if isinstance(plan, Saturating) else "simulating"
        self.progress.phase(f"{verb}, {self._pool.name}")
        self._drain(self._pool, plan, following)

    def _each(self, runtime: str = "sim") -> float:
        took = self.took[runtime]
        if not took and runtime == "ray":
            return estimate_live_s(self.cells[0].template)
        return sum(took) / len(took) if took else 0.0

    def _drain(
        self, pool: Pool, plan: Plan, following: tuple[Cell, str, Trial, int] | None, runtime: str = "sim"
    ) -> None:
        """Keep every worker busy until the plan or the budget ends."""
        share = LIVE_SHARE if runtime == "ray" and self.seeds else 1.0
        running: dict[str, tuple[Cell, Trial, int]] = {}
        over = False
        while True:
            while not over and len(running) < AHEAD * pool.workers:
                if self._late(self._each(runtime) * (1 + len(running) / pool.workers), share):
                    over = True
                    break
                following = following or self._following(plan, runtime)
                if following is None:
                    break  # the plan is at its end, or waits to be told
                cell, key, trial, seed = following
                following = None
                running[key] = (cell, trial, seed)
                pool.submit(key, msgspec.json.encode(trial))
            if not running:
                return
            batch: list[tuple[str, Cell, Result]] = []
            told = []
            for tag, answer in pool.collect(0.5):
                cell, trial, seed = running.pop(str(tag))
                if isinstance(answer, bytes):
                    result = msgspec.json.decode(answer, type=Result)
                    self.took[runtime].append(result.took_s)
                else:
                    result = failed(trial, answer, {})
                batch.append((str(tag), cell, result))
                told.append((cell, seed, result))
            self._finished(batch)
            for cell, seed, result in told:
                plan.tell(cell, seed, result)
            for remark in pool.remarks():
                self._remark(remark)


def stop_on_sigterm() -> None:
    """Treat SIGTERM as Ctrl-C. To be called again after Ray has started: it puts in a handler of its own."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)
