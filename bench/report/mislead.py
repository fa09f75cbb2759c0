"""What a report says of what could mislead in live trials: the harness' own disturbances, and the machines'."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

from .. import bias as look
from ..sweep.store import Row
from ..trial import Bias, MachineBias, Result
from .live import Text, count_text, live, number_cell, share_text
from .model import Cell, Column, Table, seconds_text

MOST_SENTENCES = 3
"""Live trials up to which each is talked about in sentences; beyond, only counted."""


def _of(attribute: str) -> Callable[[Result, Bias], float | None]:
    return lambda result, bias: float(getattr(bias, attribute))


def _late(attribute: str) -> Callable[[Result, Bias], float | None]:
    """Only an open loop intends a time at which to send."""
    return lambda result, bias: None if result.spec.workload.rate is None else float(getattr(bias, attribute))


def _throttled(result: Result, bias: Bias) -> float | None:
    known = [machine.throttled_s for machine in bias.machines if machine.throttled_s is not None]
    return sum(known) if known else None


def _cpu(result: Result, bias: Bias) -> float | None:
    used, cores = look.cpu_used(result), sum(machine.cores for machine in bias.machines)
    return used / cores if used is not None and cores else None


def _steal(result: Result, bias: Bias) -> float | None:
    known = [machine.steal for machine in bias.machines if machine.steal is not None]
    return max(known) if known else (None if bias.machines else bias.steal)


def _sync(attribute: str) -> Callable[[Result, Bias], float | None]:
    def worst(result: Result, bias: Bias) -> float | None:
        return max((getattr(cost, attribute) for cost in result.costs.values()), default=0.0) or None

    return worst


BIASES: tuple[tuple[str, str, Callable[[Result, Bias], float | None], Text, str, str], ...] = (
    (
        "generator lateness, p50",
        "",
        _late("generator_lateness_p50_s"),
        seconds_text,
        "",
        "sent later than intended; a closed loop intends no time",
    ),
    (
        "generator lateness, p99",
        "generator_lateness_p99_s",
        _late("generator_lateness_p99_s"),
        seconds_text,
        f"above {look.LATE_SHARE:.0%} of the median response",
        "it is part of the response time, though the harness' own",
    ),
    (
        "generator CPU",
        "generator_cpu",
        _of("generator_cpu"),
        share_text,
        f"above {look.GENERATOR_CPU:.0%} of a core",
        "near 100% the generator is the bottleneck",
    ),
    ("operations shed", "shed", _of("shed"), count_text, "any", "not started because too many were under way"),
    (
        "CPU of nodes and generator",
        "cpu",
        _cpu,
        share_text,
        f"above {look.SATURATED:.0%} of all cores",
        "on a shared machine their sum is the limit, on separate ones the busiest node",
    ),
    ("CPU steal", "steal", _steal, share_text, f"above {look.STEAL:.0%}", "time the hypervisor gave to others"),
    (
        "CPU quota, time withheld",
        "throttled",
        _throttled,
        seconds_text,
        "any",
        "a control group's limit stopped the processes",
    ),
    (
        "garbage collection, longest",
        "gc_pause_max_s",
        _of("gc_pause_max_s"),
        seconds_text,
        f"above {seconds_text(look.PAUSE_S)}",
        "a pause of the harness, not of the protocol",
    ),
    (
        "garbage collection, in total",
        "gc_pause_total_s",
        _of("gc_pause_total_s"),
        seconds_text,
        f"above {look.PAUSED:.0%} of the load",
        "of the process with most of it",
    ),
    ("timer lateness, p50", "", _of("timer_lateness_p50_s"), seconds_text, "", "timers and injected delays"),
    (
        "timer lateness, p99",
        "timer_lateness_p99_s",
        _of("timer_lateness_p99_s"),
        seconds_text,
        f"above {seconds_text(look.TIMER_S)}",
        "late timers lengthen every timeout",
    ),
    (
        "timer lateness, worst",
        "",
        _of("timer_lateness_max_s"),
        seconds_text,
        "",
        "a process that a fault pauses counts too",
    ),
    ("sync, p50", "", _sync("fsync_p50_s"), seconds_text, "", "fdatasync of the slowest node"),
    ("sync, p99", "", _sync("fsync_p99_s"), seconds_text, "", "the same; a shared disk has a long tail"),
    ("connections refused", "", _of("refused"), count_text, "", "to the nodes' processes, from outside this trial"),
    ("stale frames", "", _of("stale"), count_text, "", "of an earlier life of a node: ignored"),
)


ABSENT = {
    "generator lateness, p50": "closed loop",
    "generator lateness, p99": "closed loop",
    "sync, p50": "nothing synced",
    "sync, p99": "nothing synced",
}
"""What stands for a figure that no trial has: a closed loop sends when it has its answer, and so is never late."""


def bias_table(rows: Sequence[Row]) -> Table | None:
    """What was measured of the harness itself, over live trials, marked beyond its threshold; None without any."""
    measured = [(result, result.bias) for result in live(rows) if result.bias is not None]
    if not measured:
        return None
    many = len(measured) > 1
    doubtful = [{doubt.subject for doubt in look.doubts(result)} for result, _ in measured]
    columns = [Column("what", numeric=False), *[Column("median")] * many, Column("worst" if many else "measured")]
    columns += [Column("look twice at", numeric=False), Column("why", numeric=False)]
    table = Table(columns)
    for name, subject, of, text, limit, why in BIASES:
        known = [value for result, bias in measured if (value := of(result, bias)) is not None]
        over = sum(subject in found for found in doubtful) if subject else 0
        mark = f"{limit}: {over} of {len(measured)} trials" if over and many else limit
        cells = [Cell(name, name, "warn strong" if over else "")]
        if not known:
            cells += [Cell(ABSENT.get(name, "not available"), "", "none number")] * (2 if many else 1)
        else:
            cells += [number_cell(median(known), text)] * many
            cells.append(number_cell(max(known), text, "number warn strong" if over else "number"))
        cells += [Cell(("▲ " if over else "") + mark, over, "warn strong" if over else ""), Cell(why)]
        table.rows.append(cells)
    return table


def sentences(rows: Sequence[Row]) -> list[str]:
    """Why to look twice at these trials; empty for many, whose table counts them."""
    results = live(rows)
    if len(results) > MOST_SENTENCES:
        return []
    found = [(result, doubt) for result in results for doubt in look.doubts(result) if doubt.subject != "harness_bound"]
    lead = len(results) > 1
    return [(f"seed {result.seed}: " if lead else "") + doubt.text for result, doubt in found]


def machine_table(rows: Sequence[Row]) -> Table | None:
    """The machines that took part, with what lies under the write-ahead logs; None where nothing is known of any."""
    seen: dict[tuple[str, str, str, bool | None], list[MachineBias]] = {}
    for result in live(rows):
        for machine in result.bias.machines if result.bias is not None else ():
            seen.setdefault((machine.name, machine.file_system, machine.device, machine.durable), []).append(machine)
    if not seen:
        return None
    table = Table(
        [
            Column("machine", numeric=False),
            Column("processes", "nodes, and g1, the load with all clients; the most of a trial"),
            Column("cores"),
            Column("steal, worst"),
            Column("CPU quota hit", "periods of a trial in which a control group's limit stopped the processes, worst"),
            Column("logs on", numeric=False),
            Column("device", numeric=False),
            Column("a sync there", numeric=False),
        ]
    )
    words = {
        True: ("is durable", ""),
        False: ("means nothing", "warn strong"),
        None: ("depends on what is below", "warn"),
    }
    for (name, kind, device, durable), machines in sorted(seen.items(), key=lambda item: item[0][:3]):
        steal = [machine.steal for machine in machines if machine.steal is not None]
        periods = [machine.throttled_periods for machine in machines if machine.throttled_periods is not None]
        word, style = words[durable] if kind else ("is not known", "warn")
        nodes = max((machine.nodes for machine in machines), key=len)
        table.rows.append(
            [
                Cell(name, name),
                Cell(str(len(nodes)), len(nodes), "number", ", ".join(nodes)),
                Cell(str(machines[0].cores), machines[0].cores, "number"),
                _limited(max(steal, default=None), share_text, look.STEAL),
                _limited(max(periods, default=None), count_text, 0),
                Cell(kind or "–", kind),
                Cell(device or "–", device),
                Cell(word, word, style),
            ]
        )
    return table


def _limited(value: float | None, text: Text, limit: float) -> Cell:
    """Marked beyond the limit; in words where the kernel does not say."""
    if value is None:
        return Cell("not available", "", "none number")
    return number_cell(value, text, "number warn strong" if value > limit else "number")
