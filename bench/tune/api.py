"""Running a study: search, measure again, conclude; resumable at any point."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from ..errors import EXIT_HARNESS, EXIT_THRESHOLD, EXIT_VALID, EXIT_VIOLATION, UsageError, worst_exit
from ..provenance import provenance
from ..sweep.grid import override
from ..sweep.preparing import default_folder
from ..sweep.runner import stop_on_sigterm
from ..sweep.store import alone
from ..trial import Result
from . import advice, search
from .live import LiveResult, again_live
from .log import Log
from .measuring import Measuring
from .outcome import FILE, ObjectiveNote, StudyResult, again, summarise, tried
from .progress import Progress, make_progress
from .sensitivity import sensitivity
from .study import Sampler, Study

EXIT_INTERRUPTED = 130


@dataclass(frozen=True)
class TuneOptions:
    """How to run a study this time; None takes what the study itself says, or what its folder began with.

    Attributes:
        settings: ``key=value`` of its settings.
        candidates: to try; ``confirm``: fresh seeds to measure the best on.
        sampler, seed: of the search.
        jobs: trials at once.
        address: of a running Ray cluster.
        out: folder of the study; one that was begun is resumed.
        live: trials a finalist and default to run live once the study is finished; 0 for none. Of a folder that holds
            a finished study nothing else is run.
        dry_run: print what would be done, and run nothing.
        plain: plain lines even on a terminal.
    """

    settings: Sequence[str] = ()
    candidates: int | None = None
    confirm: int | None = None
    sampler: Sampler | None = None
    seed: int | None = None
    jobs: int | None = None
    address: str | None = None
    out: Path | None = None
    live: int = 0
    dry_run: bool = False
    plain: bool | None = None


def resolve(study: Study, options: TuneOptions) -> Study:
    """The study with this time's settings and sizes; of a folder that was begun, with those it began with.

    Raises:
        UsageError: a value cannot be, or differs from that with which the folder began.
    """
    before = _before(study, options)
    settings = _settings(study, options.settings)
    changed: dict[str, Any] = {"settings": settings}
    for name in ("candidates", "confirm", "sampler", "seed"):
        given = getattr(options, name)
        if given is None:
            given = getattr(before, name) if before is not None else getattr(study, name)
        changed[name] = given
    if before is not None:
        began = {name: _as(value, study.settings.get(name)) for name, value in before.settings.items()}
        if options.settings and began != settings:
            raise UsageError(f"{options.out} began with other settings: give another folder with --out")
        changed["settings"] = began
        for name in ("sampler", "seed"):
            if changed[name] != getattr(before, name):
                raise UsageError(
                    f"{options.out} began with {name} {getattr(before, name)}: give another folder with --out"
                )
    found = replace(study, **changed)
    found.validate()
    if options.jobs is not None and options.jobs < 1:
        raise UsageError(f"jobs {options.jobs} is out of range: at least 1")
    if options.live < 0:
        raise UsageError(f"live {options.live} is out of range: at least 0")
    if options.live and found.trial is None:
        raise UsageError(f"the study {study.name} has a function, no trial: there is nothing to run live")
    return found


def _before(study: Study, options: TuneOptions) -> StudyResult | None:
    if options.out is None or not (options.out / FILE).is_file():
        return None
    before = StudyResult.load(options.out)
    if before.name != study.name:
        raise UsageError(f"{options.out} holds the study {before.name}: give another folder with --out")
    return before


def _settings(study: Study, overrides: Sequence[str]) -> dict[str, Any]:
    changed = override({name: [value] for name, value in study.settings.items()}, overrides)
    for name, values in changed.items():
        if len(values) != 1:
            raise UsageError(f"{name} is a setting of the study and takes one value, not {len(values)}")
    return {name: values[0] for name, values in changed.items()}


def _as(value: Any, like: Any) -> Any:
    return tuple(value) if isinstance(like, tuple) and isinstance(value, list) else value


def check(study: Study, *, call: bool = True) -> None:
    """Raise :class:`UsageError` if the trial of a default or of a corner cannot be, or (``call``) the function of one
    fails: a study that has begun has shown that it does not."""
    if study.function is not None and call:
        for each in study.defaults[:1]:
            try:
                study.function(**study.settings, **each.point, seed=1)
            except Exception as error:
                said = f"{type(error).__name__}: {error}"
                settings = ", ".join(f"{name} {value}" for name, value in study.settings.items())
                raise UsageError(
                    f"with the settings {settings or 'none'} the study's function fails for {each.name}: {said}"
                ) from None
    if study.trial is None:
        return
    from ..run import prepare
    from ..sweep.worker import ENTRY
    from .study import Choice

    def corner(side: int) -> dict[str, Any]:
        ends = {name: r.values if isinstance(r, Choice) else (r.low, r.high) for name, r in study.parameters.items()}
        return {name: values[side] for name, values in ends.items()}

    for point in [*(dict(each.point) for each in study.defaults), corner(0), corner(-1)]:
        trial = study.build(point, 1)
        if study.entry == ENTRY:
            try:
                prepare(trial)
            except UsageError as error:
                raise UsageError(f"candidate {study.described(point)}: {error}") from None


class Tuning:
    """One sitting of a study.

    Args:
        study: resolved.
        options: of this sitting.
        script: path of the script, for the record.
    """

    def __init__(self, study: Study, options: TuneOptions, script: str = "", progress: Progress | None = None) -> None:
        self.study = study
        self.options = options
        self.folder = options.out or default_folder(study.name)
        self.script = script
        self.began = time.monotonic()
        self._progress = progress

    def run(self) -> StudyResult:
        """Search, measure again, conclude. What finishes is kept, also when interrupted.

        Raises:
            UsageError: the folder cannot be used.
        """
        with alone(self.folder):
            return self._run()

    def _run(self) -> StudyResult:
        self._open()
        log = Log(self.folder)
        self.progress = self._progress or make_progress(self.study, plain=self.options.plain)
        if log.kept:
            self.progress.note(f"resuming {self.folder}: {len(log.kept)} trials are known")
        measuring = Measuring(
            self.study,
            log,
            jobs=self.options.jobs,
            address=self.options.address,
            finished=self.progress.finished,
            keep=self._keep,
        )
        try:
            result = self._conclude(measuring)
        except KeyboardInterrupt:
            result = self._write(measuring, self.header)
        finally:
            measuring.close()
            self.progress.close()
        return result

    def _open(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"the folder {self.folder} cannot be written to: {error.strerror}") from None
        before = StudyResult.load(self.folder).sittings if (self.folder / FILE).is_file() else ()
        study = self.study
        self.header = StudyResult(
            name=study.name,
            question=study.question,
            script=self.script,
            settings=dict(study.settings),
            sampler=study.sampler,
            seed=study.seed,
            candidates=study.candidates,
            confirm=study.confirm,
            parameters=tuple(study.parameters),
            objectives=tuple(
                ObjectiveNote(name=each.name, statistic=each.statistic, unit=each.unit, maximise=each.maximise)
                for each in study.objectives
            ),
            constraints=tuple(each.name for each in study.constraints),
            biases=tuple(study.biases),
            sittings=(*before, provenance()),
        )
        self._save(self.header)

    def _keep(self, result: Result) -> None:
        """A trial that violated a property is kept whole, as what ``bench replay`` takes."""
        folder = self.folder / "violations"
        folder.mkdir(exist_ok=True)
        name = f"{result.spec.key('')[:8]}-seed-{result.seed}.json"
        (folder / name).write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n")

    def _conclude(self, measuring: Measuring) -> StudyResult:
        study, progress = self.study, self.progress
        progress.phase(f"searching among {', '.join(study.parameters)}")
        found = search.run(study, measuring.measure, progress.told)
        text = f"measuring the best and the defaults again on {study.confirm} fresh seeds"
        rows = again(study, found, measuring.measure, lambda wanted: progress.phase(text, measuring.unknown(wanted)))
        finalists = summarise(rows, study)
        lines, best, undecided = advice.answer(finalists, study)
        result = msgspec.structs.replace(
            self.header,
            finished=True,
            answer=lines,
            details=advice.details(finalists, study),
            recommended=None if best is None else best.name,
            undecided=undecided,
            finalists=tuple(finalists),
            comparisons=tuple(advice.compare(rows, finalists, best, study)),
            influences=sensitivity(found, study),
            tried=tried(found, study),
            optuna_s=found.optuna_s,
        )
        return self._write(measuring, result)

    def _write(self, measuring: Measuring, result: StudyResult) -> StudyResult:
        kept = measuring.log.kept.values()
        result = msgspec.structs.replace(
            result,
            trials=len(kept),
            violations=sum(each.verdict == "invalid" for each in kept),
            failed=sum(each.error is not None for each in kept),
            took_s=time.monotonic() - self.began,
            ran=measuring.ran,
            looked_up=measuring.looked_up,
        )
        self._save(result)
        return result

    def _save(self, result: StudyResult) -> None:
        beside = self.folder / (FILE + ".tmp")
        beside.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n")
        beside.replace(self.folder / FILE)


def tune(study: Study, options: TuneOptions | None = None, script: str = "") -> tuple[StudyResult, Path]:
    """Run a study, or what is left of it; its result and its folder.

    Raises:
        UsageError: nothing was started or written.
    """
    options = options or TuneOptions()
    study = resolve(study, options)
    check(study, call=options.out is None or not options.out.is_dir())
    sitting = Tuning(study, options, script)
    return sitting.run(), sitting.folder


def dry_run(study: Study, options: TuneOptions) -> None:
    """Print what would be tried, and about how much that is."""
    study = resolve(study, options)
    check(study)
    points = study.points
    total = study.candidates if points is None else len(points)
    for name, value in study.parameters.items():
        print(f"{name}: {value}")
    print(f"settings: {', '.join(f'{name} {value}' for name, value in study.settings.items()) or 'none'}")
    for default in study.defaults:
        outside = "" if study.inside(default.point) else " (outside of the ranges: compared, not searched from)"
        print(f"default {default.name}: {study.described(default.point)}{outside}")
    again = study.confirm * (len(study.defaults) + study.finalists)
    print(
        f"{total} candidates ({'all there are' if points is not None else study.sampler}), {study.looks[0]} to "
        f"{study.looks[-1]} seeds each: at most {total * study.looks[-1]} trials, then at most {again} on fresh seeds"
    )


def execute(study: Study, options: TuneOptions, script: str = "") -> int:
    """Run, report, and print the answer; the exit code of DESIGN.md, 4 where nothing keeps the constraints."""
    from .page import render

    stop_on_sigterm()
    if options.dry_run:
        dry_run(study, options)
        return EXIT_VALID
    finished = _finished(study, options)
    if finished is None:
        result, folder = tune(study, options, script)
    else:
        result, folder = finished
    if not result.finished:
        print(f"stopped: {result.trials} trials are kept; to resume, run the same command with --out {folder}")
        return EXIT_INTERRUPTED
    live = None
    if options.live:
        try:
            live = _live(resolve(study, replace(options, out=folder, settings=())), result, folder, options)
        except KeyboardInterrupt:
            print(f"stopped: live trials are kept; to go on, run the same command with --out {folder}")
            return EXIT_INTERRUPTED
    report = render(result, folder, folder / "report.html")
    print()
    for line in result.answer:
        print(line)
    for comparison in result.comparisons:
        print(f"beside {comparison.text}")
    for figure in dict.fromkeys(each.figure for each in result.influences):
        ranked = [each for each in result.influences if each.figure == figure]
        print(f"{figure} depends on {', '.join(f'{each.parameter} ({each.share:.0%})' for each in ranked)}")
    for line in live.answer if live is not None else ():
        print(line)
    if result.violations:
        print(f"{result.violations} trials violated a safety property: bench replay {folder}/violations/FILE")
    print(f"report: {report}")
    return worst_exit([exit_code(result), EXIT_VIOLATION if live is not None and live.violations else EXIT_VALID])


def _finished(study: Study, options: TuneOptions) -> tuple[StudyResult, Path] | None:
    """The study of the folder, where only live trials are asked of it: a search is not repeated for their sake."""
    if not options.live or options.out is None or (before := _before(study, options)) is None or not before.finished:
        return None
    asked = resolve(study, options)
    if (asked.candidates, asked.confirm) != (before.candidates, before.confirm):
        return None
    return before, options.out


def _live(study: Study, result: StudyResult, folder: Path, options: TuneOptions) -> LiveResult:
    progress = make_progress(study, plain=options.plain)
    try:
        with alone(folder):
            return again_live(study, result, folder, options.live, progress, address=options.address)
    finally:
        progress.close()


def exit_code(result: StudyResult) -> int:
    """1 after a violation in any trial, 70 after a failure of the harness, 4 where nothing keeps the constraints."""
    codes = [EXIT_VIOLATION] * bool(result.violations) + [EXIT_HARNESS] * bool(result.failed)
    return worst_exit([*codes, *([EXIT_THRESHOLD] if result.recommended is None else [])])
