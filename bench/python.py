"""The Python interface: what the command line does, for scripts and notebooks. ``import bench`` offers all of it.

Options have the names and the forms of ``bench run``, with underscores: ``run_trial("raft", nodes=5,
latency="lognormal(2ms, 0.5)", fault=["crash leader at 2s for 1s"])``. Times may also be numbers of seconds. Bad input
raises :class:`bench.errors.UsageError` with the sentence that the command line would print.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import UsageError, unknown_name
from .history import History

if TYPE_CHECKING:
    import pandas as pd

    from .checkers.verdict import Verdict
    from .runtime.ray.session import RaySession
    from .stats.knee import Knee
    from .sweep import Sweep, SweepResult
    from .trial import Result, Trial

_REPEATED = ("fault", "faults", "param")


@dataclass(frozen=True)
class Run:
    """A trial that was run.

    Attributes:
        result: everything about it; see :class:`bench.trial.Result`.
        operations: what its clients did, in columns.
        folder: where it is kept; None if it is not.
    """

    result: Result
    operations: History
    folder: Path | None = None

    def history(self) -> pd.DataFrame:
        """What its clients did, one row an operation; see :func:`history_frame`."""
        return history_frame(self.operations)

    def row(self) -> dict[str, Any]:
        """Its figures, as :func:`load` has them in a row; times in seconds."""
        from .sweep.store import flat

        return flat(self.result)

    def __str__(self) -> str:
        result = self.result
        p99 = "-" if result.latency_s.p99 is None else f"{result.latency_s.p99 * 1e3:.3g} ms"
        how = result.verdict if result.trial == "complete" else f"void: {result.void_reason}"
        return f"{result.protocol}, {result.nodes} nodes: {result.throughput_ops_s:,.0f} operations/s, p99 {p99}, {how}"


def make_trial(protocol: str, **options: Any) -> Trial:
    """The trial that ``bench run PROTOCOL`` with these options would run; in the simulator unless ``runtime="ray"``.

    Args:
        protocol: its name; see ``bench list``.
        options: those of ``bench run``. ``param`` may be a dictionary, ``fault`` one text or several.

    Raises:
        UsageError: an option or its value does not exist; the nearest is named.
    """
    from .cli.build import RunOptions, build_trial

    known = {field.name for field in fields(RunOptions)}
    written: dict[str, Any] = {}
    for name, value in options.items():
        if name not in known:
            raise unknown_name("option", name, sorted(known))
        written[name] = _written(name, value)
    return build_trial(RunOptions(protocol=protocol, **written))


def _written(name: str, value: Any) -> Any:
    """A value as it would be typed."""
    if name == "param" and isinstance(value, Mapping):
        return tuple(f"{key}={_param(each)}" for key, each in value.items())
    if name in _REPEATED:
        return (value,) if isinstance(value, str) else tuple(value)
    if name in ("duration", "warmup", "liveness") and isinstance(value, (int, float)):
        return f"{value!r}"
    return value


def _param(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return "..".join(_param(each) for each in value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def run_trial(
    protocol: str | Trial,
    *,
    keep: bool = False,
    address: str | None = None,
    session: RaySession | None = None,
    progress: Callable[[str], None] | None = None,
    **options: Any,
) -> Run:
    """Run one trial and judge it.

    Args:
        protocol: its name, with options as in :func:`make_trial`; or a trial, without options.
        keep: store it under ``runs/`` here, where ``bench report`` and ``bench replay`` find it.
        address: (live) of a running Ray cluster; None starts an embedded local one.
        session: (live) of :func:`bench.run.open_session`: keeps processes between trials.
        progress: called with a few words whenever the run enters another phase.

    Raises:
        UsageError: the trial cannot be.
        HarnessError: the harness failed.
    """
    from .run import run_trial as run

    if isinstance(protocol, str):
        trial = make_trial(protocol, **options)
    elif options:
        raise UsageError(f"{next(iter(options))} was given beside a trial: put it into the trial")
    else:
        trial = protocol
    result, record = run(trial, address=address, session=session, progress=progress)
    folder = None
    if keep:
        from .cli.store import keep as store

        result, folder = store(result, record.history)
    return Run(result, record.history, folder)


def run_sweep(
    sweep: Sweep | str | Path,
    grid: Mapping[str, Iterable[Any]] | None = None,
    *,
    seeds: int | None = None,
    live: int | None = None,
    jobs: int | None = None,
    out: str | Path | None = None,
    address: str | None = None,
    precision: float | None = None,
) -> SweepResult:
    """Run a sweep, or what is left of it.

    Args:
        sweep: declared with :class:`bench.sweep.Sweep`; or a script's path or its name in ``experiments/``.
        grid: axis -> values, instead of the sweep's own.
        seeds, live: simulated and live trials a cell; None: as the sweep says.
        jobs: simulated trials at once; None: one a core.
        out: folder of the run; one that holds trials is resumed.
        address: of a running Ray cluster.
        precision: instead of seeds: add them until each cell's interval is within +- this share of its median.

    Raises:
        UsageError: the sweep or the grid cannot be.
    """
    from dataclasses import replace

    from .sweep import Options, load
    from .sweep.scripts import find

    script = ""
    if isinstance(sweep, (str, Path)):
        path = find(sweep)
        script, sweep = path.stem, load(path)
    for name in grid or ():
        if name not in sweep.grid:
            raise unknown_name("axis", name, sweep.grid)
    changed = {name: tuple(values) for name, values in (grid or {}).items()}
    sweep = replace(sweep, grid={**sweep.grid, **changed})
    folder = None if out is None else Path(out)
    options = Options(seeds=seeds, live=live, jobs=jobs, address=address, out=folder, precision=precision)
    return sweep.run(replace(options, plain=True), script)


def find_knee(
    protocol: str,
    rates: Iterable[float],
    *,
    p99_s: float,
    seeds: int = 5,
    resolution: float = 0.05,
    out: str | Path | None = None,
    jobs: int | None = None,
    address: str | None = None,
    **options: Any,
) -> tuple[Knee, SweepResult]:
    """Search for the highest rate at which the p99 stays within a bound and every verdict is valid, by bisection.

    Args:
        protocol: its name.
        rates: operations/s to begin with; the search goes on between them, or up to 64 times beyond.
        p99_s: the bound, in seconds.
        seeds: trials a rate.
        resolution: it ends when a rate that fails is above one that passes by no more than this share.
        out, jobs, address: as in :func:`run_sweep`.
        options: of each trial, as in :func:`make_trial`, but for the rate. ``runtime="ray"`` searches live.

    Returns:
        Where it saturates, and all trials: :func:`bench.sweep.curve_panel` draws them.

    Raises:
        UsageError: the trial or the search cannot be.
    """
    from .sweep import Options, Saturation, Sweep, knees

    if "rate" in options:
        raise UsageError("rate is what is searched for: give rates to begin with")
    live = options.get("runtime") == "ray"

    def trial(rate: float) -> Trial:
        return make_trial(protocol, rate=rate, **options)

    sweep = Sweep(
        name=f"knee-{protocol}",
        question=f"Up to which load does {protocol} keep its p99 within {p99_s:g} s?",
        grid={"rate": [float(rate) for rate in rates]},
        trial=trial,
        seeds=0 if live else seeds,
        live=seeds if live else 0,
        metric="p99_s",
        saturation=Saturation(at_most=p99_s, seeds=seeds, resolution=resolution),
    )
    folder = None if out is None else Path(out)
    result = sweep.run(Options(jobs=jobs, address=address, out=folder, plain=True))
    found = knees(result)
    if not found:
        raise UsageError(f"no rate has all its trials yet: go on with out={str(result.folder)!r}")
    return found[0][1], result


def load(path: str | Path = "runs") -> pd.DataFrame:
    """Results as a data frame, one row a trial, times in seconds.

    Args:
        path: a sweep's folder, a run's folder or its ``result.json``, or a folder that holds runs.

    Raises:
        UsageError: nothing of that kind is there.
    """
    import msgspec
    import pandas as pd

    from .sweep import SweepResult
    from .sweep.store import flat
    from .trial import Result

    folder = Path(path)
    if (folder / "sweep.json").is_file():
        return SweepResult.load(folder).frame()
    if not folder.exists():
        raise UsageError(f"{folder} does not exist")
    found = [folder] if folder.is_file() else sorted(folder.glob("result.json")) or sorted(folder.glob("*/result.json"))
    rows = []
    for file in found:
        try:
            result = msgspec.json.decode(file.read_bytes(), type=Result)
        except msgspec.MsgspecError as error:
            raise UsageError(f"{file} is not the result of a run: {error}") from None
        rows.append({"run": file.parent.name, "nodes": result.nodes, **flat(result)})
    if not rows:
        raise UsageError(f"{folder} holds no results: neither sweep.json nor result.json")
    return pd.DataFrame(rows)


def load_history(path: str | Path) -> History:
    """The recorded history of a run: of its folder, or a file.

    Raises:
        UsageError: there is none, or it is damaged.
    """
    from .cli.store import find_history
    from .history.storage import read_history

    return read_history(find_history(str(path)))


def history_frame(history: History) -> pd.DataFrame:
    """A history as a data frame, one row an operation.

    Columns: ``process``, ``client``, ``function`` and ``outcome`` (words), ``key``, ``argument``, ``expected`` and
    ``result`` (missing where they do not apply; a key that was never written holds -1), ``intended_s``, ``invoked_s``
    and ``completed_s`` (seconds from the start of the load; missing where nobody answered), ``latency_s`` (from the
    intended start).
    """
    import pandas as pd

    from .history.history import FUNCTIONS, NEVER, NOTHING, OUTCOMES

    def words(column: Any, names: Sequence[str]) -> Any:
        return pd.Categorical.from_codes(column, categories=pd.Index(list(names)))

    frame = pd.DataFrame(
        {
            "process": history.process,
            "client": history.client,
            "function": words(history.function, FUNCTIONS),
            "outcome": words(history.outcome, OUTCOMES),
            "key": history.key,
        }
    )
    for name in ("argument", "expected", "result"):
        column = pd.Series(getattr(history, name), dtype="Int64")
        frame[name] = column.mask(column == NOTHING)
    for name in ("intended", "invoked", "completed"):
        times = pd.Series(getattr(history, name), dtype="float64")
        frame[f"{name}_s"] = times.mask(getattr(history, name) == NEVER) / 1e9
    frame["latency_s"] = frame["completed_s"] - frame["intended_s"]
    return frame


def check_history(history: History | str | Path, model: str = "register", budget_s: float = 20.0) -> list[Verdict]:
    """Judge a history: one of ours, in memory or stored.

    Args:
        history: in columns, or where it is (as :func:`load_history`).
        model: what it must look like; see ``bench check --help``.
        budget_s: seconds for each checker, past which it says ``unknown``.

    Raises:
        UsageError: no such model, or no such history.
    """
    from .checkers.registry import checks_for

    found = history if isinstance(history, History) else load_history(history)
    return [check(found, budget_s) for check in checks_for(model)]
