"""A comparison as people read it: verdicts first, then what got worse, what got better, and what was not seen."""

from __future__ import annotations

from collections.abc import Iterator

from ..report.model import number_text, seconds_text
from .comparing import Change, Comparison, Verdicts, size

NAMES = {
    "throughput_ops_s": "throughput",
    "p50_s": "p50",
    "p90_s": "p90",
    "p99_s": "p99",
    "p999_s": "p99.9",
    "max_s": "maximum",
    "unavailable_s": "outage",
    "messages_per_operation": "messages an operation",
}


def name_of(metric: str) -> str:
    """A metric in words."""
    return NAMES.get(metric, metric.removesuffix("_s").replace("_", " "))


def _figure(metric: str, value: float | None) -> str:
    if value is None:
        return "beyond what was observed"
    if metric == "throughput_ops_s":
        return f"{number_text(value)} ops/s"
    return seconds_text(value) if metric.endswith("_s") else number_text(value)


def _share(value: float) -> str:
    return f"{value:+.1%}"


def change_text(each: Change) -> str:
    """``nodes 3 (simulated): p99 10.2 ms -> 11.3 ms, +10.8% (+8.1% to +13.0%); Cliff's delta 0.83, large; p 2e-06``."""
    figures = f"{_figure(each.metric, each.before)} -> {_figure(each.metric, each.after)}"
    text = f"{each.cell}: {name_of(each.metric)} {figures}"
    if each.change is not None:
        text += f", {_share(each.change)}"
        if each.low is not None and each.high is not None:
            text += f" ({_share(each.low)} to {_share(each.high)})"
    if each.word == "untestable":
        return f"{text}; by the medians of {each.trials[0]} and {each.trials[1]} trials alone"
    delta = each.delta or 0.0
    return f"{text}; Cliff's delta {delta:.2f}, {size(delta)}; p {each.holm:.2g} after correction"


def verdict_text(each: Verdicts) -> str:
    """``nodes 3 (simulated): violated 0 of 30 -> 2 of 30``."""
    parts = [
        f"{name} {each.before[name]} of {each.before['trials']} -> {each.after[name]} of {each.after['trials']}"
        for name in ("violated", "failed", "void", "unknown")
        if each.before[name] or each.after[name]
    ]
    return f"{each.cell}: {', '.join(parts)}"


def lines(found: Comparison) -> Iterator[tuple[str, str]]:
    """(kind, text) of each line; kinds: ``plain``, ``bad``, ``good``, ``note``."""
    yield "plain", f"before  {found.before}, {found.codes[0]}"
    yield "plain", f"after   {found.after}, {found.codes[1]}"
    for note in found.notes:
        yield "note", note
    for missing in found.missing:
        yield "note", f"Not compared: {missing}."
    changed = [each for each in found.verdicts if each.word != "none"]
    for each in changed:
        yield ("bad" if each.word == "worse" else "good"), f"verdict {each.word}: {verdict_text(each)}"
    if not changed:
        yield "plain", f"verdicts: no change in {_plural(len(found.verdicts), 'cell')}"
    for change in found.changes:
        if change.regression:
            yield "bad", f"regression: {change_text(change)}"
    for change in found.changes:
        if change.word == "worse" and not change.regression:
            yield "note", f"worse, but tolerated ({found.tolerated.get(change.metric, 0.0):.0%}): {change_text(change)}"
    for change in found.changes:
        if change.word == "better":
            yield "good", f"improvement: {change_text(change)}"
    yield from _unseen(found)


def _unseen(found: Comparison) -> Iterator[tuple[str, str]]:
    """What was compared without a difference, and what would have been missed."""
    same = [each for each in found.changes if each.word == "none"]
    few = [each for each in found.changes if each.word == "untestable"]
    if same:
        yield "plain", f"no difference: {len(same)} of {_plural(len(found.changes), 'comparison')} (cell and metric)"
        widths: dict[str, list[float]] = {}
        for each in same:
            if each.low is not None and each.high is not None:
                widths.setdefault(each.metric, []).append((each.high - each.low) / 2)
        if widths:
            seen = [f"{name_of(metric)} {_width(values)}" for metric, values in widths.items()]
            yield "plain", f"  half-width of the interval of the change, about what would be missed: {', '.join(seen)}"
    if few:
        trials = min(min(each.trials) for each in few)
        yield (
            "note",
            f"{_plural(len(few), 'comparison')} cannot be tested: with {_plural(trials, 'trial')} on a side, of "
            f"{_plural(len(found.changes), 'comparison')} not even a complete separation shows (alpha {found.alpha:g})",
        )


def _width(values: list[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:.1%}" if high - low < 0.0005 else f"{low:.1%} to {high:.1%}"


def _plural(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def conclusion(found: Comparison) -> tuple[str, str]:
    """(kind, the last line): what to believe."""
    code = found.exit_code()
    if code == 1:
        return "bad", "VIOLATION: a property that held before was violated"
    if code == 3:
        if found.missing:
            return "bad", "UNKNOWN: not every cell is on both sides"
        return "bad", "UNKNOWN: too few trials to tell"
    if code == 4:
        return "bad", "REGRESSION"
    if found.different:
        return "good", "NO REGRESSION, but a difference"
    return "good", "NO DIFFERENCE"
