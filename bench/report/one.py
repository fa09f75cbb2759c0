"""What the report of a single trial says in words: its answer, its figures one a row, and the faults that fired."""

from __future__ import annotations

from ..history.history import History
from ..sweep.result import SweepResult
from ..trial import Result
from .model import Cell, Column, Table, figure_cell, latency_cell, number_text, outage_cell, seconds_text, world

MOST_FAULTS = 100
"""Faults listed one by one."""


def only(result: SweepResult) -> Result | None:
    """The trial, where there is only one."""
    one = len(result.rows) == 1 and len(result.description.points) <= 1
    return result.rows[0].result if one else None


def stored_history(result: SweepResult) -> History | None:
    """What the clients of a single trial saw, where it was kept beside the result."""
    from ..errors import UsageError
    from ..history.storage import read_history

    trial = only(result)
    if trial is None or not trial.history:
        return None
    file = result.folder / trial.history
    try:
        return read_history(file) if file.is_file() else None
    except (OSError, UsageError):
        return None  # the report says what it can without


def answer(result: Result) -> str:
    """The first sentence of a trial's report, computed from its figures."""
    nodes = f"{result.nodes} node{'s' if result.nodes != 1 else ''}"
    who = f"{result.protocol} on {nodes}, {world(result.runtime)}"
    if result.error is not None:
        return f"The trial of {who}, failed: {result.error}"
    if result.verdict == "invalid":
        names = " and ".join(dict.fromkeys(verdict.name.replace("_", " ") for verdict in result.violations))
        mutant = f" with the mistake {result.mutant}," if result.mutant else ""
        reason = next((verdict.reason for verdict in result.violations if verdict.reason), "")
        return f"{who[:1].upper()}{who[1:]},{mutant} violated {names}{f': {reason}' if reason else ''}."
    if result.trial == "void":
        return f"The trial is void and its figures mean nothing: {result.void_reason}."
    latency = result.latency_s
    served = f"{who[:1].upper()}{who[1:]}, served {number_text(result.throughput_ops_s)} operations a second"
    if latency.p99 is not None:
        served += f", 99 of 100 within {seconds_text(latency.p99)}"
    elif latency.censored:
        served += f"; {latency.censored:.1%} were never acknowledged"
    outage = ""
    if result.unavailable_s is None:
        pass
    elif result.unavailable_censored:
        outage = f" It had not served for {seconds_text(result.unavailable_s)} when the load ended."
    elif result.unavailable_s > 0:
        outage = f" Its longest outage lasted {seconds_text(result.unavailable_s)}."
    elif result.faults:
        outage = " No outage longer than chance was seen."
    found = "No violation was found." if result.verdict == "valid" else "Whether it is correct could not be decided."
    return f"{served}.{outage} {found}"


def key_figures(result: Result) -> Table:
    """A single trial's figures, one a row, so that they are read on a phone too."""
    table = Table([Column("figure", numeric=False), Column("value"), Column("what it is", numeric=False)])
    counted, latency, recovery = result.operations, result.latency_s, result.recovery_s
    bound = "; at 90% of the null protocol or above: the harness bounds it" if result.harness_bound else ""
    mark = " ▲" if result.harness_bound else ""
    outcomes = f"{counted.ok:,} ok, {counted.fail:,} fail, {counted.info:,} info"
    rate = f"{number_text(result.throughput_ops_s)} ops/s{mark}"
    look = "number warn" if mark else "number"
    listed: list[tuple[str, Cell, str]] = [
        ("operations", Cell(outcomes, counted.ok, "number"), "acknowledged, definitely not done, perhaps done"),
        ("throughput", Cell(rate, result.throughput_ops_s, look), f"acknowledged, over the measured window{bound}"),
    ]
    for name, value in (("p50", latency.p50), ("p90", latency.p90), ("p99", latency.p99), ("p99.9", latency.p999)):
        listed.append((f"response time, {name}", latency_cell(value, latency.censored), "from the intended start"))
    if result.queue_s.p99 is not None and result.service_s.p99 is not None:
        listed.append(("queueing, p99", figure_cell(result.queue_s.p99), "intended start until a client took it up"))
        listed.append(("service, p99", figure_cell(result.service_s.p99), "from there to the answer"))
    listed.append(("unavailable", outage_cell(result), "longest gap between acknowledgements, if more than chance"))
    for name, value, about in (
        ("detect", recovery.detect, "fault to first suspicion"),
        ("elect", recovery.elect, "first suspicion to the election that lasted"),
        ("first commit", recovery.commit, "election to the first commit of the new term"),
    ):
        if value is not None:
            listed.append((name, figure_cell(value), about))
    if result.steady_s is not None:
        listed.append(("steady from", figure_cell(result.steady_s), "response times before the first fault (MSER-5)"))
    listed.append(("messages/op", figure_cell(result.messages_per_operation, number_text), "between servers"))
    if result.leader_changes:
        changes = Cell(f"{result.leader_changes:,}", result.leader_changes, "number")
        listed.append(("changes of leader", changes, "elections won after the first"))
    table.rows = [[Cell(name), cell, Cell(about, about, "remark faint")] for name, cell, about in listed]
    return table


def recovery_table(result: Result) -> Table | None:
    """What each fault did, in order; None where nothing was seen of any."""
    told = [each for each in result.recoveries if any((each.detect, each.elect, each.commit, each.p99_back))]
    if not told:
        return None
    table = Table(
        [
            Column("at"),
            Column("fault", numeric=False),
            Column("hit", numeric=False),
            Column("detect", "fault to first suspicion"),
            Column("elect", "first suspicion to the election that lasted"),
            Column("commit", "election to the first commit of the new term"),
            Column("p99 back", "fault until the p99 is back within 10% of what it was before the first fault"),
        ]
    )
    for each in told[:MOST_FAULTS]:
        hit = ", ".join(each.targets)
        parts = (each.detect, each.elect, each.commit, each.p99_back)
        table.rows.append(
            [figure_cell(each.at), Cell(each.kind, each.kind), Cell(hit, hit, "remark"), *map(figure_cell, parts)]
        )
    return table


def fault_table(result: Result) -> Table | None:
    """The faults that fired, in order; None without any."""
    if not result.faults:
        return None
    noted = any(fault.note or fault.how in ("logical", "mixed") for fault in result.faults)
    table = Table(
        [
            Column("from"),
            Column("to", "when its effect was undone"),
            Column("kind", numeric=False),
            Column("hit", numeric=False),
            Column("as scheduled", numeric=False),
            *[Column("note", numeric=False)] * noted,
        ]
    )
    for fault in sorted(result.faults, key=lambda each: each.start)[:MOST_FAULTS]:
        how = f"{fault.how}; " if fault.how in ("logical", "mixed") else ""
        note = f"{how}{fault.note}".removesuffix("; ")
        table.rows.append(
            [
                figure_cell(fault.start / 1e9),
                Cell("never", 1e300, "number") if fault.end is None else figure_cell(fault.end / 1e9),
                Cell(fault.kind, fault.kind),
                Cell(", ".join(fault.targets), ", ".join(fault.targets), "remark"),
                Cell(fault.detail, fault.detail, "remark"),
                *[Cell(note, note, "remark")] * noted,
            ]
        )
    return table
