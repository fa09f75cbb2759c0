"""What one run looks like on a terminal."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping

from rich.console import Console
from rich.text import Text

from ..bias import doubts
from ..faults.notation import exact_duration
from ..trial import ClockReport, Latency, Result, Trial
from ..units import NS_PER, format_duration

_WORD_STYLE = {"valid": "green", "invalid": "bold red", "unknown": "yellow"}
WIDTH = 14
FAULTS_SHOWN = 6
MARKS = 8
"""Kinds of marks that are shown."""


def console(*, to_stderr: bool = False) -> Console:
    """Lines are never wrapped: they end up in files and pipes."""
    # standard error by name and not as it is now: live runs put another in its place
    file = None if to_stderr else sys.stdout
    return Console(file=file, stderr=to_stderr, soft_wrap=True, highlight=False)


def duration(s: float | None) -> str:
    """Seconds for people, with three figures; a dash for nothing."""
    return "-" if s is None else format_duration(float(f"{s * NS_PER['s']:.3g}"))


def number(value: float) -> str:
    """With thousands separated, and three figures below 100."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def title(trial: Trial) -> str:
    """The trial in one line."""
    workload = trial.workload
    loop = f"open loop, {workload.rate:g} ops/s" if workload.rate else "closed loop"
    mutant = f" [{trial.mutant}]" if trial.mutant else ""
    clients = f"{workload.clients} client{'s' if workload.clients > 1 else ''}"
    nodes = f"{trial.nodes} node{'s' if trial.nodes > 1 else ''}"
    return " · ".join(
        (
            f"{trial.protocol}{mutant}",
            nodes,
            trial.runtime,
            f"seed {trial.seed}",
            f"{exact_duration(trial.duration)} of load",
            f"{clients}, {loop}",
        )
    )


def _quantiles(latency: Latency) -> str:
    names = (("p50", "p50"), ("p90", "p90"), ("p99", "p99"), ("p99.9", "p999"), ("max", "max"))
    found = [(name, getattr(latency, field)) for name, field in names]
    if not latency.censored:
        return "  ".join(f"{name} {duration(value)}" for name, value in found)
    text = "  ".join(f"{name} {duration(value)}" for name, value in found if value is not None)
    beyond = [name for name, value in found if value is None]
    if beyond:
        text += f"{'; ' if text else ''}{', '.join(beyond)} beyond what was observed"
    return f"{text} ({_share(latency.censored)} of the operations were not acknowledged)"


def _outage(result: Result) -> str:
    if result.unavailable_s is None:
        return "-"
    text = duration(result.unavailable_s)
    if result.unavailable_censored:
        text += ", and not over when the load ended"
    if result.unavailable_resolution_s is not None:
        text += f" (resolution {duration(result.unavailable_resolution_s)})"
    parts = [(name, getattr(result.recovery_s, name)) for name in ("detect", "elect", "commit")]
    if any(value is not None for _, value in parts):
        text += ": " + ", ".join(f"{name} {duration(value)}" for name, value in parts)
    return text


def _clocks(clock: ClockReport) -> str:
    """How the machines' clocks differed, and what that hides."""
    farthest = max(clock.hosts, key=lambda host: abs(host.offset_s))
    others = f", {len(clock.hosts)} machines compared" if len(clock.hosts) > 1 else ""
    sign = "ahead" if farthest.offset_s >= 0 else "behind"
    text = f"{farthest.machine} {duration(abs(farthest.offset_s))} {sign}{others}"
    text += f", known to {duration(clock.max_bound_s)}"
    if clock.generator_clocks > 1:
        text += f"; detection power lost: {_share(clock.detection_power_lost)} of ordered pairs, "
        text += f"{_share(clock.neighbours_lost)} of direct successors"
    return text


def _share(value: float) -> str:
    return f"{value:.2g}" if 0 < value < 1e-4 else f"{value:.2%}"


def _rows(result: Result) -> Iterable[tuple[str, str]]:
    """(label, text) of every line between the title and the checks."""
    counts = result.operations
    yield "operations", f"{number(counts.ok)} ok, {number(counts.fail)} fail, {number(counts.info)} info"
    yield "throughput", f"{number(result.throughput_ops_s)} ops/s"
    yield "latency", _quantiles(result.latency_s)
    queue, response = result.queue_s.p99, result.latency_s.p99
    if queue is not None and response is not None and queue > 0.1 * response:
        yield "of it queueing", _quantiles(result.queue_s)
    yield "unavailable", _outage(result)
    per_operation = result.messages_per_operation
    rate = "-" if per_operation is None else f"{per_operation:.3g}"
    lost = result.messages.overflowed
    yield (
        "messages",
        f"{rate} between servers an operation "
        f"({number(result.messages.server)} server, {number(result.messages.client)} client)"
        + (f"; {number(lost)} lost because a receiver was too slow" if lost else ""),
    )
    if result.faults:
        kinds: dict[str, int] = {}
        for fault in result.faults:
            kind = f"{fault.kind} ({fault.how})" if fault.how in ("logical", "mixed") else fault.kind
            kinds[kind] = kinds.get(kind, 0) + 1
        listing = ", ".join(f"{kind} x{count}" if count > 1 else kind for kind, count in sorted(kinds.items()))
        yield "faults", f"{len(result.faults)} fired: {listing}; {result.leader_changes} changes of leader"
        for note in sorted({fault.note for fault in result.faults if fault.note}):
            yield "", note
    if result.coverage:
        yield "marks", _marks(result.coverage)
    if result.floor is not None:
        floor = result.floor
        bound = "; the harness bounds this result" if result.harness_bound else ""
        yield (
            "floor",
            f"link round trip {duration(floor.link_rtt_s)}, {number(floor.link_messages_s)} messages/s, null protocol "
            f"{number(floor.null_over(result.spec.link))} messages/s, bare log {number(floor.log_ops_s)} ops/s{bound}",
        )
    if result.clock is not None:
        yield "clocks", _clocks(result.clock)
    if result.bias is not None:
        bias = result.bias
        late = f"late p99 {duration(bias.generator_lateness_p99_s)}, its " if result.spec.workload.rate else ""
        yield (
            "bias",
            f"generator {late}CPU {bias.generator_cpu:.0%}, {bias.shed} shed, "
            f"timers late p99 {duration(bias.timer_lateness_p99_s)}, steal {bias.steal:.1%}",
        )
    if looks := _doubts(result):
        yield "look twice", looks


def _marks(coverage: Mapping[str, int]) -> str:
    """What servers noted, most frequent first; those of children together."""
    counts: Counter[str] = Counter()
    for name, count in coverage.items():
        counts[name.rpartition("/")[2]] += count
    shown = [f"{name.replace('_', ' ')} {number(count)}" for name, count in counts.most_common(MARKS)]
    return ", ".join(shown) + (f" and {len(counts) - MARKS} others" if len(counts) > MARKS else "")


def _doubts(result: Result) -> str:
    """Why to look twice; that the harness bounds a result is said beside its floor."""
    return "; ".join(doubt.text for doubt in doubts(result) if doubt.subject != "harness_bound")


def _line(label: str, text: str | Text) -> Text:
    return Text.assemble((f"  {label:<{WIDTH}} ", "dim"), text)


def _checks(result: Result) -> Text:
    text = Text()
    for index, (name, word) in enumerate(sorted(result.checks.items())):
        text.append("  " if index else "").append(name + " ").append(word, _WORD_STYLE.get(word, ""))
    return text


def print_summary(out: Console, result: Result, kept: str | None) -> None:
    """Figures, checks each with its verdict, and the verdict of the whole.

    Args:
        out: where to.
        result: of the run.
        kept: path of its folder, if it was stored.
    """
    out.print(Text(title(result.spec), "bold"))
    for label, text in _rows(result):
        out.print(_line(label, text))
    out.print(_line("checks", _checks(result)))
    if result.trace_hash is not None:
        out.print(_line("trace", f"{result.trace_hash} ({number(result.events)} events in {duration(result.took_s)})"))
    if kept is not None:
        out.print(_line("kept in", kept))
    out.print(verdict_line(result))


def verdict_line(result: Result) -> Text:
    """The last line: what to believe."""
    word = Text(result.verdict.upper(), _WORD_STYLE[result.verdict])
    if result.error is not None:
        return Text.assemble(("HARNESS FAILED", "bold red"), f": {result.error}")
    if result.trial == "void":
        return Text.assemble(word, ", and the trial is ", ("void", "yellow"), f": {result.void_reason}")
    if result.verdict == "unknown":
        undecided = ", ".join(name for name, verdict in sorted(result.checks.items()) if verdict == "unknown")
        if not undecided:
            return Text.assemble(word, ": too little was acknowledged for anything to come out wrong")
        return Text.assemble(word, f": {undecided} could not be decided; a larger --check-budget may")
    return word
