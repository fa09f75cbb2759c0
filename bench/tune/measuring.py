"""Measures candidates: looks up what was measured before, and runs the rest on every core or as Ray tasks."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import xxhash

from ..assess import failed
from ..errors import unknown_name
from ..provenance import code_version
from ..sweep.pools import Here, Pool, Processes, choose
from ..sweep.runner import stop_on_sigterm
from ..trial import Result, Trial
from .log import Log, Measurement, written
from .study import Point, Study, figure_of
from .worker import Call, call_encoded, name_of

Wanted = tuple[Point, int]
"""(candidate, seed)."""


def script_hash(study: Study) -> str:
    """Of the code that makes trials and figures: an edit of it makes earlier measurements another study's.

    Comments and layout do not count.
    """
    functions = [study.trial or study.function, *(each for each in study.figures.values() if callable(each))]
    files = sorted({inspect.getsourcefile(each) or "" for each in functions if each is not None})
    digest = xxhash.xxh3_128()
    for file in files:
        if file and Path(file).is_file():
            digest.update(ast.dump(ast.parse(Path(file).read_text())).encode())
    # The script that names the figures may be another file than that of the trial.
    for name, figure in sorted(study.figures.items()):
        digest.update(f"{name}: {getattr(figure, '__qualname__', figure)}\n".encode())
    return digest.hexdigest()[:16]


class Measuring:
    """Runs trials for a study and keeps them.

    Args:
        study: with the settings it is run with.
        log: of its folder.
        jobs: trials at once; None for every core.
        address: of a running Ray cluster.
        finished: called with each trial that was run.
        keep: called with each result in which a property was violated.
    """

    def __init__(
        self,
        study: Study,
        log: Log,
        *,
        jobs: int | None = None,
        address: str | None = None,
        finished: Callable[[Measurement], None] = lambda _: None,
        keep: Callable[[Result], None] = lambda _: None,
    ) -> None:
        self.study = study
        self.log = log
        self.jobs, self.address = jobs, address
        self.finished, self.keep = finished, keep
        self.identity = f"{code_version()} {script_hash(study)}"
        self.pool: Pool | None = None
        self.ran = 0
        self.looked_up = 0

    def close(self) -> None:
        """Stop the workers."""
        if self.pool is not None:
            self.pool.close()
            self.pool = None

    # --- identity ----------------------------------------------------------------------------------------------------

    def _task(self, point: Point, seed: int) -> tuple[str, Trial | Call]:
        """(key, what to run)."""
        study = self.study
        if study.function is not None:
            given = {**study.settings, **point}
            blob = msgspec.json.encode([name_of(study.function).rpartition("/")[2], given, seed], order="deterministic")
            key = xxhash.xxh3_128_hexdigest(blob + self.identity.encode())
            return key, Call(key=key, point=point, given=given, seed=seed)
        trial = study.build(point, seed)
        return trial.key(self.identity), trial

    def unknown(self, wanted: Sequence[Wanted]) -> int:
        """How many of these have not been measured yet."""
        return len({key for point, seed in wanted if (key := self._task(point, seed)[0]) not in self.log.kept})

    # --- running -----------------------------------------------------------------------------------------------------

    def measure(self, wanted: Sequence[Wanted]) -> list[Measurement]:
        """A measurement for each, in order; those that are known are not run."""
        tasks = [self._task(point, seed) for point, seed in wanted]
        todo: dict[str, tuple[Wanted, Trial | Call]] = {}
        for each, (key, task) in zip(wanted, tasks, strict=True):
            if key not in self.log.kept:
                todo.setdefault(key, (each, task))
        self.looked_up += len({key for key, _ in tasks} - set(todo))
        if todo:
            self._run(todo)
        return [self.log.kept[key] for key, _ in tasks]

    def _start(self, trials: int) -> Pool:
        """The pool, started when it is first needed: resuming a finished study starts none."""
        if self.pool is None:
            if self.study.function is not None:
                entry = name_of(self.study.function)
                few = self.jobs == 1 or trials <= 2
                workers = self.jobs or max(1, _cores())
                self.pool = Here(entry, call_encoded) if few else Processes(workers, entry, call_encoded)
            else:
                # More generations follow than this first batch: it is the study that is worth starting Ray for.
                expected = max(trials, self.study.candidates * self.study.looks[0])
                self.pool = choose(expected, address=self.address, jobs=self.jobs, entry=self.study.entry)
            stop_on_sigterm()
        return self.pool

    def _run(self, todo: dict[str, tuple[Wanted, Trial | Call]]) -> None:
        pool = self._start(len(todo))
        for key, (_, task) in todo.items():
            pool.submit(key, msgspec.json.encode(task))
        left = set(todo)
        while left:
            batch = []
            for tag, answer in pool.collect(0.5):
                key = str(tag)
                left.discard(key)
                (point, seed), task = todo[key]
                batch.append(self._measurement(key, point, seed, task, answer))
            self.log.add(batch)
            self.ran += len(batch)
            for found in batch:
                self.finished(found)

    def _measurement(self, key: str, point: Point, seed: int, task: Trial | Call, answer: bytes | str) -> Measurement:
        if isinstance(task, Call):
            if isinstance(answer, bytes):
                return self._named(msgspec.json.decode(answer, type=Measurement))
            return Measurement(
                key=key, point=point, seed=seed, trial="void", verdict="unknown", error=answer, reason=answer
            )
        result = msgspec.json.decode(answer, type=Result) if isinstance(answer, bytes) else failed(task, answer, {})
        if result.verdict == "invalid":
            self.keep(result)
        return measurement(key, point, seed, result, self.study)

    def _named(self, found: Measurement) -> Measurement:
        """With the figures of a function under the names of the objectives and constraints they belong to."""
        if found.error is not None:
            return found
        figures = {}
        for name, figure in self.study.figures.items():
            if figure not in found.figures:
                raise unknown_name(f"figure of {name}, of the function's,", str(figure), found.figures)
            figures[name] = found.figures[str(figure)]
        return msgspec.structs.replace(found, figures=figures)


def measurement(key: str, point: Point, seed: int, result: Result, study: Study) -> Measurement:
    """What a study keeps of a result."""
    complete = result.trial == "complete"
    figures: dict[str, Any] = {}
    if complete:
        figures = {name: written(figure_of(result, figure)) for name, figure in study.figures.items()}
    return Measurement(
        key=key,
        point=point,
        seed=seed,
        figures=figures,
        trial=result.trial,
        verdict=result.verdict,
        error=result.error,
        reason=result.void_reason,
        took_s=result.took_s,
    )


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0))
