"""What a report says of live trials beside their results: the floor, and what an operation costs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import Any

from .. import bias as look
from ..sweep.grid import axis_title, show
from ..sweep.result import SweepResult
from ..sweep.store import Row
from ..trial import Floor, NodeCost, Result, ServiceTimes
from .model import Cell, Column, Table, groups, number_text, seconds_text

Text = Callable[[float | None], str]


def share_text(value: float | None) -> str:
    """A share of one, in percent."""
    return "–" if value is None else f"{value:.1%}"


def count_text(value: float | None) -> str:
    """A whole number."""
    return "–" if value is None else f"{value:,.0f}"


def bytes_text(value: float | None) -> str:
    """Bytes for people."""
    return "–" if value is None else f"{number_text(value)} B"


def number_cell(value: float | None, text: Text, look: str = "number", title: str = "") -> Cell:
    """A figure, or a dash for none."""
    return Cell(text(value), "" if value is None else value, look, title)


def live(rows: Iterable[Row]) -> list[Result]:
    """Results of the live trials that ended."""
    return [row.result for row in rows if row.result.runtime == "ray" and row.result.error is None]


# --- the floor ------------------------------------------------------------------------------------------------------


LINK_WORDS = {"tcp": "TCP", "ray": "actor calls"}


def floor_table(rows: Sequence[Row]) -> Table | None:
    """The floors measured, one a client count, and how many trials were bounded by them; None without live trials."""
    found = [result for result in live(rows) if result.floor is not None]
    if not found:
        return None
    other = any(result.spec.link != "tcp" for result in found)
    table = Table(
        [
            Column("clients"),
            *[Column("links", "that carried the trials' messages", numeric=False)] * other,
            Column("link round trip", "one message on the bare link between two host processes"),
            Column("link messages/s", "peak of the bare link, both ways together"),
            Column("with so many under way", "messages on the bare link at once, where its rate is highest"),
            Column(
                "null protocol messages/s",
                "requests and answers of a server that does nothing, at this client count, over the trial's links",
            ),
            Column("replicated log ops/s", "a bare log, closed loop, at this client count"),
            Column("its sync, p50", "of the bare log's leader"),
            Column("trials"),
            Column("bounded by the harness", "at 90% of the null protocol's messages/s or above"),
        ]
    )
    seen: dict[tuple[int, str, float], list[Result]] = {}
    for result in found:
        assert result.floor is not None
        seen.setdefault((result.spec.workload.clients, result.spec.link, result.floor.link_rtt_s), []).append(result)
    for (clients, link, _), results in sorted(seen.items(), key=lambda item: item[0]):
        floor = results[0].floor
        assert floor is not None
        bound = sum(result.harness_bound for result in results)
        window = max(floor.link_windows, key=lambda pair: pair[1])[0] if floor.link_windows else None
        table.rows.append(
            [
                Cell(str(clients), clients, "number"),
                *[Cell(LINK_WORDS[link], link)] * other,
                number_cell(floor.link_rtt_s, seconds_text),
                number_cell(floor.link_messages_s, number_text),
                number_cell(window, number_text),
                number_cell(floor.null_over(results[0].spec.link) or None, number_text),
                number_cell(floor.log_ops_s, number_text),
                number_cell(floor.fsync_p50_s or None, seconds_text),
                Cell(str(len(results)), len(results), "number"),
                Cell(str(bound), bound, "number warn" if bound else "number"),
            ]
        )
    return table


def pinned_text(rows: Sequence[Row]) -> str:
    """The cores that bare link and log were kept on; empty where they were not, or without a floor."""
    cores = {core for result in live(rows) if result.floor is not None for core in result.floor.pinned}
    return f"core{'s' if len(cores) > 1 else ''} {', '.join(map(str, sorted(cores)))}" if cores else ""


WHOLE_CORES = 1.6
"""Work of two busy cores, in that of one alone, below which they are not taken for whole cores."""


def cores_sentence(rows: Sequence[Row]) -> str:
    """What two busy cores of this machine do together; empty where that was not measured."""
    found = [result.floor.two_cores for result in live(rows) if result.floor is not None and result.floor.two_cores]
    if not found:
        return ""
    together = median(found)
    text = f"Two busy cores here do {together:.2f} times the work of one alone."
    if together >= WHOLE_CORES:
        return text
    return (
        f"{text} They slow each other down, so CPU time an operation is of slowed cores wherever two processes were at "
        "work: machines of their own would need less, and reach more than is projected."
    )


def late_table(rows: Sequence[Row]) -> Table | None:
    """How late injected delays and timers of this runtime are here, over the floors measured; None without any."""
    floors = {result.floor for result in live(rows) if result.floor is not None and result.floor.timer_idle_p99_s}
    if not floors:
        return None
    table = Table([Column("what", numeric=False), Column("late, p50"), Column("late, p99")])

    def add(what: str, pairs: Sequence[tuple[float, float]]) -> None:
        p50, p99 = (median(pair[i] for pair in pairs) for i in (0, 1))
        table.rows.append([Cell(what), number_cell(p50, seconds_text), number_cell(p99, seconds_text)])

    ordered = sorted(floors, key=lambda floor: floor.clients)
    for asked in [each.asked_s for each in ordered[0].delays]:
        pairs = [(each.p50_s, each.p99_s) for floor in ordered for each in floor.delays if each.asked_s == asked]
        add(f"injected delay of {seconds_text(asked)}", pairs)
    timers: list[tuple[str, Callable[[Floor], tuple[float, float]]]] = [
        ("timer of 5 ms, idle", lambda floor: (floor.timer_idle_p50_s, floor.timer_idle_p99_s)),
        ("timer of 5 ms, every core busy", lambda floor: (floor.timer_busy_p50_s, floor.timer_busy_p99_s)),
    ]
    for what, of in timers:
        add(what, [of(floor) for floor in ordered])
    return table


def bound_sentence(rows: Sequence[Row]) -> str:
    """Which trials show the harness and not the protocol; empty if none do."""
    found = live(rows)
    bound = sum(result.harness_bound for result in found)
    if not bound:
        return ""
    which = "The live trial is" if len(found) == 1 else f"{bound} of {len(found)} live trials are"
    return (
        f"{which} bounded by the harness, with at least 90% of the messages/s of the null protocol on this machine: "
        "where a figure or a row shows the rate or response time, it shows the harness, not the protocol."
    )


# --- what an operation costs ----------------------------------------------------------------------------------------

COSTS: tuple[tuple[str, str, Text, str], ...] = (
    ("CPU/op", "cpu_per_operation_s", seconds_text, "CPU time of its process, an acknowledged operation of the load"),
    ("CPU, of one core", "load_cpu", share_text, "share of it that the process used during the load"),
    ("messages/op", "messages_per_operation", number_text, "sent by it, to servers and clients"),
    ("bytes/op", "bytes_per_operation", bytes_text, "sent by it, to servers and clients"),
    ("syncs/op", "fsyncs_per_operation", number_text, "of its write-ahead log; group commit makes them fewer than one"),
)


def _measured(result: Result) -> bool:
    return any(cost.cpu_per_operation_s is not None for cost in result.costs.values())


def _busiest(result: Result) -> NodeCost:
    return max(result.costs.values(), key=lambda cost: cost.cpu_per_operation_s or 0.0)


def _cells(result: SweepResult) -> list[tuple[int, list[Result]]]:
    """Live and complete trials with costs, by cell."""
    found = []
    for cell, runtime, rows in groups(result):
        measured = [row.result for row in rows if row.result.trial == "complete" and _measured(row.result)]
        if runtime == "ray" and measured:
            found.append((cell, measured))
    return found


def cost_table(result: SweepResult) -> Table | None:
    """What an operation cost each node; of several trials the busiest node and all together, as medians."""
    cells = _cells(result)
    if not cells:
        return None
    axes = result.axes
    columns = [Column(axis_title(name)) for name in axes] + [Column("node", numeric=False)]
    columns += [Column(name, why) for name, _, _, why in COSTS]
    columns += [Column("sync, p50", "of the last life of the node"), Column("sync, p99")]
    table = Table(columns)
    for cell, results in cells:
        point = result.description.points[cell]
        start = [Cell(show(name, point[name]), _sortable(point[name]), "number") for name in axes]
        if len(results) == 1:
            for name, cost in sorted(results[0].costs.items()):
                table.rows.append([*start, Cell(name, name), *_cost_cells([cost])])
        else:
            table.rows.append([*start, Cell("busiest", "0"), *_cost_cells([_busiest(each) for each in results])])
        table.rows.append([*start, Cell("all together", "1"), *_cost_cells([_together(each) for each in results])])
    return table


def _sortable(value: Any) -> float | str:
    first = value[0] if isinstance(value, tuple) and value else value
    return first if isinstance(first, (int, float)) else str(first)


def _cost_cells(costs: Sequence[NodeCost]) -> list[Cell]:
    """Medians over trials."""
    cells = []
    for _, attribute, text, _ in COSTS:
        values = [value for cost in costs if (value := getattr(cost, attribute)) is not None]
        cells.append(number_cell(median(values) if values else None, text))
    for attribute in ("fsync_p50_s", "fsync_p99_s"):
        values = [value for cost in costs if (value := getattr(cost, attribute))]
        cells.append(number_cell(median(values) if values else None, seconds_text))
    return cells


def _together(result: Result) -> NodeCost:
    costs = result.costs.values()

    def total(attribute: str) -> float | None:
        values = [value for cost in costs if (value := getattr(cost, attribute)) is not None]
        return sum(values) if values else None

    return NodeCost(
        load_cpu=total("load_cpu"),
        cpu_per_operation_s=total("cpu_per_operation_s"),
        messages_per_operation=total("messages_per_operation"),
        bytes_per_operation=total("bytes_per_operation"),
        fsyncs_per_operation=total("fsyncs_per_operation"),
    )


def projection_table(result: SweepResult) -> Table | None:
    """Where separate machines would saturate, beside what was measured here; None where that is not known."""
    cells = [(cell, found) for cell, results in _cells(result) if (found := [r for r in results if r.projection])]
    if not cells:
        return None
    axes = result.axes
    remarked = any(look.rough(each) for _, results in cells for each in results)
    table = Table(
        [
            *[Column(axis_title(name)) for name in axes],
            Column("measured here, ops/s", "median over trials"),
            Column("projected by CPU, ops/s", "the busiest node's core is busy all the time"),
            Column(
                "projected by disk, ops/s", "the busiest disk does nothing but sync, in batches as large as measured"
            ),
            *[Column("remark", numeric=False)] * remarked,
        ]
    )
    for cell, results in cells:
        point = result.description.points[cell]
        cpu = [each.projection.cpu_ops_s for each in results if each.projection]
        disk = [each.projection.sync_ops_s for each in results if each.projection and each.projection.sync_ops_s]
        first = [Cell(show(name, point[name]), _sortable(point[name]), "number") for name in axes]
        remark = "too low: no node was busy, so fixed costs weigh" if any(map(look.rough, results)) else ""
        table.rows.append(
            [
                *first,
                number_cell(median(each.throughput_ops_s for each in results), number_text),
                number_cell(median(cpu), number_text),
                number_cell(median(disk) if disk else None, number_text),
                *[Cell(remark, remark, "remark warn" if remark else "remark")] * remarked,
            ]
        )
    return table


def service_text(result: SweepResult) -> str:
    """Whence the simulated trials have their service times; empty if nothing was simulated."""
    simulated = [row.result.spec.service for row in result.rows if row.result.runtime == "sim"]
    if not simulated:
        return ""
    times, usual = simulated[0], ServiceTimes()
    same = (times.message, times.wakeup, times.fsync) == (usual.message, usual.wakeup, usual.fsync)
    calibration = result.description.calibration
    source = "default" if same else "not the default"
    if calibration is not None:
        source = f"calibrated from the floor of this machine, measured {calibration.measured}"
    work, wakeup, sync = (_spent(ns) for ns in (times.message, times.wakeup, times.fsync))
    return f"{source}: {work} of CPU a message, {wakeup} to wake up, {sync} a sync"


def _spent(ns: float) -> str:
    return f"{ns / 1e3:.3g} µs" if ns < 1e6 else f"{ns / 1e6:.3g} ms"
