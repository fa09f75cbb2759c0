"""What the template shows: tables of formatted cells with the raw value to sort by."""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..stats.intervals import Interval, interval
from ..sweep.grid import axis_title, show
from ..sweep.result import SweepResult, observed
from ..sweep.store import Row
from ..trial import Result

BOUND = ("throughput_ops_s",)
"""What a floor bounds: marked where it did."""
BEYOND = "beyond"
"""In place of a duration that is longer than what was observed."""
SYMBOLS = {"valid": "✓", "invalid": "✗", "unknown": "?"}
MOST_TRIALS = 200
"""Trials listed one by one; the Parquet files hold the rest."""


@dataclass(frozen=True)
class Cell:
    """One cell of a table: text, the value it sorts by, a class for its look, and where in the page it leads."""

    text: str
    value: float | str = ""
    look: str = ""
    title: str = ""
    link: str = ""


@dataclass(frozen=True)
class Column:
    """A column: heading, explanation, whether its heading stands upright to save room, and whether to filter by it."""

    name: str
    title: str = ""
    upright: bool = False
    numeric: bool = True
    facet: bool = False


@dataclass
class Table:
    """Columns and rows of cells."""

    columns: list[Column]
    rows: list[list[Cell]] = field(default_factory=list)


def seconds_text(value: float | None) -> str:
    """A duration for people, three digits: ``74 ms``, ``1.28 s``."""
    if value is None or math.isnan(value):
        return "–"
    if value == 0:
        return "0"
    if math.isinf(value):
        return BEYOND
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if abs(value) >= scale or unit == "µs":
            return f"{_three(value / scale)} {unit}"
    raise AssertionError


def _three(value: float) -> str:
    """Three significant digits, without an exponent."""
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text and digits > 2 else text


def number_text(value: float | None) -> str:
    """A number for people: three digits below 1000, thousands separated above."""
    if value is None or math.isnan(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else _three(value)


def _sortable(value: float | None) -> float | str:
    return "" if value is None or math.isnan(value) else min(value, 1e300)


def figure_cell(value: float | None, text: Callable[[float | None], str] = seconds_text, title: str = "") -> Cell:
    """A figure as people write it, with the number to sort by; a dash for none."""
    return Cell(text(value), _sortable(value), "number", title)


@functools.lru_cache(maxsize=4096)
def _interval(values: tuple[float, ...]) -> Interval:
    return interval(values)


def interval_of(values: Sequence[float]) -> Interval:
    """As :func:`bench.stats.intervals.interval`; figures, tables and files of one report ask for the same ones."""
    return _interval(tuple(values))


def _with_interval(values: Sequence[float]) -> Cell:
    """Median with its interval; of few trials the mean with their range, as a t interval of two says nothing."""
    found = interval_of(values)
    if found.n == 0 or (not found.known and found.n == 1):
        return figure_cell(found.estimate)
    low, high = (min(values), max(values)) if found.few else (found.low, found.high)
    span = seconds_text(low), seconds_text(high)
    first = span[0].split(" ")[0] if span[0].split(" ")[-1] == span[1].split(" ")[-1] else span[0]
    word = "mean and range" if found.few else f"median and {found.level:.0%} interval ({found.method})"
    text = f"{seconds_text(found.estimate)} ({first}–{span[1]})"
    return Cell(text, _sortable(found.estimate), "number", f"{word} of {found.n} trials")


# --- one row a cell -------------------------------------------------------------------------------------------------

MEDIANS: tuple[tuple[str, str, str, str], ...] = (
    ("ops/s", "throughput_ops_s", "ok operations a second over the measured window", "number"),
    ("p50", "p50_s", "response time from the intended start", "seconds"),
    ("p99", "p99_s", "response time from the intended start", "seconds"),
    ("p99.9", "p999_s", "response time from the intended start", "seconds"),
    ("unavailable", "unavailable_s", "longest gap between acknowledged operations, if more than chance", "interval"),
    ("detect", "detect_s", "fault to first suspicion", "seconds"),
    ("elect", "elect_s", "first suspicion to the election that lasted", "seconds"),
    ("commit", "commit_s", "election to the first commit of the new term", "seconds"),
    ("p99 back", "p99_back_s", "first fault until the p99 is back within 10% of what it was", "seconds"),
    ("messages/op", "messages_per_operation", "between servers, an ok operation", "number"),
)


def check_names(rows: Iterable[Row]) -> list[str]:
    """Every check of any trial: linearizability first, liveness last."""
    names = {name for row in rows for name in row.result.checks}
    rank = {"linearizable": 0, "liveness": 3, "no_handler_crash": 2}
    return sorted(names, key=lambda name: (rank.get(name, 1), name))


def groups(result: SweepResult) -> list[tuple[int, str, list[Row]]]:
    """(cell, runtime, rows) in the grid's order, simulated before live."""
    points = [dict(point) for point in result.description.points]
    found: dict[tuple[int, str], list[Row]] = {}
    for row in result.rows:
        if row.point in points:
            found.setdefault((points.index(row.point), row.result.runtime), []).append(row)
    order = {"sim": 0, "ray": 1}
    return [(cell, world, found[cell, world]) for cell, world in sorted(found, key=lambda k: (k[0], order[k[1]]))]


def world(runtime: str) -> str:
    """The runtime in a word for people."""
    return "live" if runtime == "ray" else "simulated"


def two_worlds(result: SweepResult) -> bool:
    """Whether there are simulated trials and live ones: only then does a table say which."""
    return len({row.result.runtime for row in result.rows}) > 1


def _world_column(result: SweepResult) -> list[Column]:
    return [Column("world", numeric=False, facet=True)] * two_worlds(result)


def cell_table(result: SweepResult) -> Table:
    """One row for each cell and world: medians over complete trials, and the worst verdict over all."""
    axes = result.axes
    columns = [Column(axis_title(name), facet=True) for name in axes]
    counted = "complete trials, and how many of them did not serve again; void and failed ones beside them"
    columns += [*_world_column(result), Column("trials", counted)]
    columns.append(Column("verdict", "worst over all trials and checks; each check is under Verdicts"))
    columns += [Column(name, f"{explained}; median over trials") for name, _, explained, _ in MEDIANS]
    table = Table(columns)
    frame = result.frame()
    for cell, runtime, rows in groups(result):
        point = result.description.points[cell]
        mine = frame[(frame["cell"] == cell) & (frame["runtime"] == runtime)]
        complete = mine[mine["trial"] == "complete"]
        cells = [_axis(name, point[name]) for name in axes]
        cells += [Cell(world(runtime), runtime)] * two_worlds(result)
        cells.append(_count(rows))
        cells.append(_verdict([row.result for row in rows]))
        for _, column, _, kind in MEDIANS:
            if kind == "interval":
                cells.append(_with_interval([float(value) for value in observed(complete, column).dropna()]))
            else:
                value = float(observed(complete, column).median()) if len(complete) else math.nan
                cells.append(figure_cell(value, number_text if kind == "number" else seconds_text))
                if column in BOUND and (bound := sum(row.result.harness_bound for row in rows)):
                    title = f"{bound} of {len(rows)} trials are bounded by the harness"
                    cells[-1] = replace(cells[-1], text=f"{cells[-1].text} ▲", look="number warn", title=title)
        table.rows.append(cells)
    return _without_empty(table)


def _without_empty(table: Table) -> Table:
    """The table without the figures of which no row has one, as elections of a protocol without leaders."""
    named = {name for name, *_ in MEDIANS}
    keep = [
        i
        for i, column in enumerate(table.columns)
        if column.name not in named or any(row[i].text != figure_cell(None).text for row in table.rows)
    ]
    return Table([table.columns[i] for i in keep], [[row[i] for i in keep] for row in table.rows])


def _axis(name: str, value: Any) -> Cell:
    first = value[0] if isinstance(value, tuple) and value else value
    return Cell(show(name, value), first if isinstance(first, (int, float)) else str(first), "number")


def _count(rows: Sequence[Row]) -> Cell:
    failed = sum(row.result.error is not None for row in rows)
    void = sum(row.result.trial == "void" for row in rows) - failed
    complete = len(rows) - failed - void
    silent = sum(row.result.unavailable_censored and row.result.trial == "complete" for row in rows)
    extra = [f"{void} void"] * bool(void) + [f"{failed} failed"] * bool(failed)
    text = f"{complete}" + (f", {silent} silent" if silent else "") + (f" + {', '.join(extra)}" if extra else "")
    title = f"{silent} did not serve again before the load ended, or never did" if silent else ""
    return Cell(text, complete, "number warn" if extra or silent else "number", title)


def _checked(results: Sequence[Result], name: str) -> Cell:
    words = Counter(result.checks[name] for result in results if name in result.checks)
    if not words:
        return Cell("–", 9, "verdict", f"{name}: not checked in this world")
    return _worst(words, name)


def _verdict(results: Sequence[Result]) -> Cell:
    """The worst verdict over all checks, with how many trials have it; failed trials were not judged."""
    words = Counter(result.verdict for result in results if result.error is None)
    if not words:
        return Cell("–", 9, "verdict", "no trial was judged")
    cell = _worst(words, "all checks")
    return replace(cell, link="#violations") if words["invalid"] else cell


def _worst(words: Counter[Any], name: str) -> Cell:
    worst = next(word for word in ("invalid", "unknown", "valid") if words[word])
    title = f"{name}: " + ", ".join(f"{words[word]} {word}" for word in ("valid", "unknown", "invalid") if words[word])
    count = "" if worst == "valid" else f" {words[worst]}"
    rank = ("invalid", "unknown", "valid").index(worst)
    return Cell(SYMBOLS[worst] + count, rank, f"verdict {worst}", title)


# --- one row a trial ------------------------------------------------------------------------------------------------


def trial_table(result: SweepResult, rows: Sequence[Row]) -> Table:
    """One row for each of these trials."""
    axes = result.axes
    columns = [Column(axis_title(name), facet=True) for name in axes]
    remarks = [_remark(row.result) for row in rows]
    remarked = any(remark.text for remark in remarks)
    columns += [
        *_world_column(result),
        Column("seed"),
        *[Column("remark", numeric=False)] * remarked,
    ]
    columns.append(Column("ok/fail/info", "operations by outcome"))
    columns.append(Column("verdict", "worst over all checks"))
    columns += [Column(name, explained) for name, _, explained, _ in MEDIANS]
    table = Table(columns)
    for row, remark in zip(rows, remarks, strict=True):
        found = row.result
        counted = found.operations
        cells = [_axis(name, row.point.get(name, "")) for name in axes]
        cells += [Cell(world(found.runtime), found.runtime)] * two_worlds(result)
        cells += [Cell(str(found.seed), found.seed, "number")]
        cells += [remark] * remarked
        cells.append(Cell(f"{counted.ok}/{counted.fail}/{counted.info}", counted.ok, "number"))
        cells.append(_verdict([found]))
        latency, recovery = found.latency_s, found.recovery_s
        cells.append(figure_cell(found.throughput_ops_s, number_text))
        cells += [latency_cell(value, latency.censored) for value in (latency.p50, latency.p99, latency.p999)]
        cells.append(outage_cell(found))
        back = found.recoveries[0].p99_back if found.recoveries else None
        cells += [figure_cell(value) for value in (recovery.detect, recovery.elect, recovery.commit, back)]
        cells.append(figure_cell(found.messages_per_operation, number_text))
        table.rows.append(cells)
    return _without_empty(table)


def latency_cell(value: float | None, censored: float) -> Cell:
    """A quantile; in words where it falls among the operations that were not acknowledged."""
    if not censored:
        return figure_cell(value)
    title = f"{censored:.2%} of the operations were not acknowledged, and count as longer than any that was"
    return figure_cell(math.inf if value is None else value, title=title)


def outage_cell(result: Result) -> Cell:
    """How long the system did not serve; "over" a bound where it did not serve again."""
    resolution = result.unavailable_resolution_s
    title = "" if resolution is None else f"resolution {seconds_text(resolution)}"
    found = figure_cell(result.unavailable_s, title=title)
    if not result.unavailable_censored:
        return found
    return replace(found, text=f"over {found.text}", title="; ".join(filter(None, [title, "not over at the end"])))


def _remark(result: Result) -> Cell:
    if result.error is not None:
        return Cell(f"failed: {result.error}", "0", "remark bad")
    broken = [verdict.name for verdict in result.violations]
    if broken:
        return Cell("violated: " + ", ".join(broken), "1", "remark bad")
    if result.trial == "void":
        return Cell(f"void: {result.void_reason}", "2", "remark warn")
    open_ = [name.replace("_", " ") for name, word in sorted(result.checks.items()) if word == "unknown"]
    if open_:
        return Cell("undecided: " + ", ".join(open_), "3", "remark warn")
    return Cell("bounded by the harness", "4", "remark warn") if result.harness_bound else Cell("", "9", "remark")


def notable(rows: Sequence[Row]) -> list[Row]:
    """Trials worth a row of their own: failed, violating, void and live ones."""

    def odd(row: Row) -> bool:
        result = row.result
        return result.error is not None or result.verdict != "valid" or result.trial == "void"

    chosen = [row for row in rows if odd(row)][:MOST_TRIALS] + [
        row for row in rows if row.result.runtime == "ray" and not odd(row)
    ]
    return chosen[: 2 * MOST_TRIALS]


# --- the rest -------------------------------------------------------------------------------------------------------


def matrix(result: SweepResult) -> Table:
    """Check by world: how many trials each verdict was given."""
    worlds = [runtime for runtime in ("sim", "ray") if any(row.result.runtime == runtime for row in result.rows)]
    columns = [Column("check", numeric=False)]
    for runtime in worlds:
        columns += [Column(f"{SYMBOLS[word]} {word}, {world(runtime)}") for word in SYMBOLS]
    table = Table(columns)
    for name in [*check_names(result.rows), "all together"]:
        cells = [Cell(name.replace("_", " "), name)]
        for runtime in worlds:
            words = Counter(
                row.result.verdict if name == "all together" else row.result.checks.get(name, "")
                for row in result.rows
                if row.result.runtime == runtime
            )
            for word in SYMBOLS:
                look = f"number {word}" if words[word] else "number none"
                cells.append(Cell(f"{words[word]:,}" if words[word] else "–", words[word], look))
        table.rows.append(cells)
    return table


def check_matrix(result: SweepResult) -> Table | None:
    """Cell by check: the worst verdict of each, with how many trials have it; None for a single row."""
    listed = groups(result)
    if len(listed) < 2:
        return None
    checks = check_names(result.rows)
    columns = [Column(axis_title(name), facet=True) for name in result.axes]
    columns += _world_column(result)
    columns += [Column(name.replace("_", " "), "worst verdict over all trials", upright=True) for name in checks]
    table = Table(columns)
    for cell, runtime, rows in listed:
        point = result.description.points[cell]
        found = [row.result for row in rows]
        first = [_axis(name, point[name]) for name in result.axes]
        first += [Cell(world(runtime), runtime)] * two_worlds(result)
        table.rows.append([*first, *(_checked(found, name) for name in checks)])
    return table


def totals(result: SweepResult) -> list[tuple[str, str]]:
    """(text, look) of the badges under the answer."""
    return totals_of([row.result for row in result.rows])


def totals_of(rows: Sequence[Result]) -> list[tuple[str, str]]:
    """(text, look) of the badges that say what became of some trials; first how many there are."""
    simulated = sum(found.runtime == "sim" for found in rows)
    failed = sum(found.error is not None for found in rows)
    void = sum(found.trial == "void" for found in rows) - failed
    invalid = sum(found.verdict == "invalid" for found in rows)
    unknown = sum(found.verdict == "unknown" for found in rows) - failed
    counts = [(simulated, "simulated"), (len(rows) - simulated, "live")]
    badges = [(f"{count:,} {name} {'trial' if count == 1 else 'trials'}", "") for count, name in counts if count]
    if invalid:
        badges.append((f"✗ {invalid:,} {'violation' if invalid == 1 else 'violations'}", "invalid"))
    elif rows and len(rows) > failed + void:
        badges.append(("✓ no violation found", "valid"))
    badges += [(f"? {unknown:,} unknown", "unknown")] * bool(unknown)
    badges += [(f"{void:,} void", "unknown")] * bool(void)
    badges += [(f"{failed:,} failed", "invalid")] * bool(failed)
    bound = sum(found.harness_bound for found in rows)
    badges += [(f"▲ {bound:,} bounded by the harness", "unknown")] * bool(bound)
    return badges
