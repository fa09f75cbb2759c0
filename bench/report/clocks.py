"""What a report says of the clocks of several machines: how they differed, and what that hides."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from ..sweep.store import Row
from ..trial import ClockReport, HostClock
from .live import live, number_cell
from .model import Cell, Column, Table, number_text, seconds_text


def share_text(value: float | None) -> str:
    """A share of one, in percent; small ones with two figures."""
    if value is None:
        return "–"
    return f"{value:.2%}" if value == 0 or value >= 1e-4 else f"{value * 100:.2g}%"


def clock_table(rows: Sequence[Row]) -> Table | None:
    """The clocks that were not the driver's, a row each, over live trials; None where there was only one."""
    seen: dict[str, list[HostClock]] = {}
    for report in _reports(rows):
        for host in report.hosts:
            seen.setdefault(host.machine, []).append(host)
    if not seen:
        return None
    table = Table(
        [
            Column("machine", numeric=False),
            Column("ahead of the driver's clock", "when the load ended, median over trials"),
            Column("uncertain by, worst", "at any time of a trial: half of what the exchanges leave open"),
            Column("exchanges", "of a trial, median"),
            Column("fastest", "there and back, of all trials"),
            Column("trials"),
        ]
    )
    for machine, hosts in sorted(seen.items()):
        table.rows.append(
            [
                Cell(machine, machine),
                number_cell(median(host.offset_s for host in hosts), seconds_text),
                number_cell(max(host.bound_s for host in hosts), seconds_text),
                number_cell(median(host.exchanges for host in hosts), number_text),
                number_cell(min(host.fastest_s for host in hosts), seconds_text),
                Cell(str(len(hosts)), len(hosts), "number"),
            ]
        )
    return table


def power_sentence(rows: Sequence[Row]) -> str:
    """What verdicts could not see because several clocks recorded operations; empty if one clock recorded them all."""
    reports = [report for report in _reports(rows) if report.generator_clocks > 1]
    if not reports:
        return ""
    pairs = max(report.detection_power_lost for report in reports)
    neighbours = max(report.neighbours_lost for report in reports)
    trials = "the trial" if len(reports) == 1 else f"the worst of {len(reports)} trials"
    return (
        f"Several machines recorded operations, so intervals were widened between them. Detection power lost in "
        f"{trials}: {share_text(pairs)} of the ordered pairs of operations on a key, and {share_text(neighbours)} of "
        f"the operations and their last predecessor, can no longer be told apart; a violation that shows in the order "
        f"of such a pair alone is not seen."
    )


def _reports(rows: Sequence[Row]) -> list[ClockReport]:
    return [result.clock for result in live(rows) if result.clock is not None]
