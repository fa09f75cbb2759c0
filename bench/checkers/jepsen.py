"""Necessary conditions on sets and counters, as Jepsen checks them: quick, and silent about order.

``set``: the last read decides. ``set-full``: each element by itself, over all reads. ``counter``: each read within the
bounds that the additions around it leave. All three are implied by linearizability and decided in O(n log n); what
they accept need not be linearizable.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Mapping, Sequence
from time import perf_counter
from typing import Any

from ..history.history import FAIL, NEVER, OK
from ..history.operations import MISSING, Operation
from .verdict import Verdict

_SHOWN = 10


def check_set(history: Sequence[Operation], budget_s: float = 20.0) -> Verdict:
    """Whether the last read holds every element whose ``add`` was acknowledged, and none that was never tried.

    Anomalies: ``lost``, ``unexpected``. Without a read: ``unknown``. ``budget_s`` is not needed.
    """
    del budget_s
    began = perf_counter()
    reads = _reads(history)
    tried = {each.argument: row for row, each in enumerate(history) if each.function == "add"}
    sure = {each.argument: row for row, each in enumerate(history) if each.function == "add" and each.outcome == OK}
    failed = {each.argument for each in history if each.function == "add" and each.outcome == FAIL}
    if not reads:
        return Verdict(name="set", verdict="unknown", reason="nothing was read", took_s=perf_counter() - began)
    last = max(reads, key=lambda row: (history[row].completed, row))
    seen = set(history[last].result)
    lost = [each for each in sure if each not in seen]
    unexpected = [each for each in seen if each not in tried or (each in failed and each not in sure)]
    found: dict[str, list[tuple[Hashable, int]]] = {
        "lost": [(each, sure[each]) for each in lost],
        "unexpected": [(each, tried.get(each, -1)) for each in unexpected],
    }
    figures = {
        "attempted": float(len(tried)),
        "acknowledged": float(len(sure)),
        "recovered": float(len([each for each in seen if each in tried and each not in sure and each not in failed])),
        "lost": float(len(lost)),
        "unexpected": float(len(unexpected)),
    }
    words = {"lost": "was added and is not in the last read", "unexpected": "is in the last read and was not added"}
    return _verdict("set", found, words, last, figures, perf_counter() - began, "the last read holds what was added")


def check_set_full(history: Sequence[Operation], budget_s: float = 20.0, *, stale_is_invalid: bool = False) -> Verdict:
    """What became of each element, by all reads.

    An element is known from the end of its acknowledged ``add``, or of the first read that saw it. ``lost``: some read
    that began later misses it and no read that began after that one holds it. ``stale``: such a read misses it, but a
    later one holds it; allowed unless ``stale_is_invalid`` (a linearizable set has none). ``never-read``: not known to
    be lost, since no read began late enough. ``unexpected``: read, never added. ``duplicate``: twice in one read.
    Without any element that was seen to stay, or past ``budget_s`` seconds with nothing found: ``unknown``.
    """
    began = perf_counter()
    late_at = began + budget_s
    judged = 0
    reads = sorted(_reads(history), key=lambda row: history[row].invoked)
    holds: dict[int, set[Hashable]] = {}
    tried = {each.argument: row for row, each in enumerate(history) if each.function == "add"}
    failed = {each.argument for each in history if each.function == "add" and each.outcome == FAIL}
    found: dict[str, list[tuple[Hashable, int]]] = {name: [] for name in ("lost", "stale", "unexpected", "duplicate")}
    first_seen: dict[Hashable, int] = {}
    last_seen: dict[Hashable, int] = {}
    for place, row in enumerate(reads):
        if perf_counter() > late_at:
            del reads[place:]  # what was read so far may show something
            break
        holds[row] = set(history[row].result)
        for each in holds[row]:
            if each not in first_seen and (each not in tried or each in failed):
                found["unexpected"].append((each, row))
            first_seen[each] = min(first_seen.get(each, NEVER), history[row].completed)
            last_seen[each] = place
        if len(holds[row]) < len(history[row].result):
            counted: set[Hashable] = set()
            for each in history[row].result:
                if each in counted:
                    found["duplicate"].append((each, row))
                counted.add(each)
    starts = [history[row].invoked for row in reads]
    stable = never = 0
    lag_ns = 0
    for each, row in tried.items():
        if perf_counter() > late_at:
            break
        judged += 1
        known = min(history[row].completed if history[row].outcome == OK else NEVER, first_seen.get(each, NEVER))
        if known == NEVER:
            never += 1
            continue
        late = bisect_left(starts, known + 1)  # equal times are concurrent
        missing = [place for place in range(late, len(reads)) if each not in holds[reads[place]]]
        if each in last_seen and (not missing or last_seen[each] > missing[-1]):
            stable += 1
            if missing:
                found["stale"].append((each, reads[missing[-1]]))
                lag_ns = max(lag_ns, starts[missing[-1]] - known)
        elif missing:
            found["lost"].append((each, reads[missing[-1]]))
        else:
            never += 1
    figures = {
        "attempted": float(len(tried)),
        "stable": float(stable),
        "never_read": float(never),
        "lost": float(len(found["lost"])),
        "stale": float(len(found["stale"])),
        "stale_ms": lag_ns / 1e6,
    }
    words = {
        "lost": "was known to be there, and is missing from a read that began later and from all after it",
        "stale": "was known to be there and missed by a read that began later",
        "unexpected": "was read and never added",
        "duplicate": "occurs twice in one read",
    }
    took = perf_counter() - began
    stale = found.pop("stale")
    if stale_is_invalid:
        found["stale"] = stale
    if judged < len(tried) and not any(found.values()):
        reason = f"out of time after {judged} of {len(tried)} elements, in {len(reads)} reads"
        return Verdict(name="set-full", verdict="unknown", reason=reason, took_s=took, figures=figures)
    if not stable and not any(found.values()):
        reason = "no element was seen after it was added"
        return Verdict(name="set-full", verdict="unknown", reason=reason, took_s=took, figures=figures)
    return _verdict("set-full", found, words, -1, figures, took, f"{stable} elements were seen to stay", tried)


def check_counter(history: Sequence[Operation], budget_s: float = 20.0) -> Verdict:
    """Whether each read lies within what the additions allow.

    At least what those add up to that ended ok before it began, at most with all others that began before it ended.

    Args:
        history: ``add`` with a number, ``read`` with the number seen. Additions that failed did not happen; below zero
            they subtract.
        budget_s: not needed.
    """
    del budget_s
    began = perf_counter()
    events: list[tuple[int, int, int]] = []  # (time, 0 begins / 1 ends, row); what begins at a time may still count
    for row, each in enumerate(history):
        if each.outcome == FAIL or (each.function == "read" and each.outcome != OK):
            continue
        events.append((each.invoked, 0, row))
        if each.outcome == OK and each.completed < NEVER:
            events.append((each.completed, 1, row))
    events.sort()
    low = high = 0
    floor: dict[int, int] = {}
    found: list[tuple[Hashable, int]] = []
    ceilings: dict[int, int] = {}
    bounds: dict[int, tuple[int, int]] = {}
    reads = 0
    for _, ends, row in events:
        each = history[row]
        if each.function == "add":
            amount = int(each.argument)
            if (amount >= 0) == bool(ends):
                low += amount
                if not ends:  # a subtraction may count for every open read from now on
                    for open_ in floor:
                        floor[open_] += amount
            else:
                high += amount
                if not ends:
                    for open_ in ceilings:
                        ceilings[open_] += amount
        elif not ends:
            floor[row], ceilings[row] = low, high
        else:
            reads += 1
            least, most = floor.pop(row), ceilings.pop(row)
            if each.result is not MISSING and not least <= (each.result or 0) <= most:
                bounds[row] = (least, most)
                found.append((each.result, row))
    words = {"out-of-bounds": "was read, outside of what the additions allow"}
    if found:
        least, most = bounds[found[0][1]]
        words["out-of-bounds"] = f"was read, where the additions allow {least} to {most}"
    return _verdict(
        "counter",
        {"out-of-bounds": found},
        words,
        -1,
        {"reads": float(reads), "wrong_reads": float(len(found))},
        perf_counter() - began,
        f"all {reads} reads lie within the additions",
    )


def _reads(history: Sequence[Operation]) -> list[int]:
    return [
        row
        for row, each in enumerate(history)
        if each.function == "read" and each.outcome == OK and each.result is not MISSING and each.result is not None
    ]


def _verdict(
    name: str,
    found: dict[str, list[tuple[Any, int]]],
    words: dict[str, str],
    also: int,
    figures: dict[str, float],
    took: float,
    fine: str,
    added: Mapping[Hashable, int] | None = None,
) -> Verdict:
    bad = {anomaly: each for anomaly, each in found.items() if each}
    if not bad:
        return Verdict(name=name, verdict="valid", reason=fine, took_s=took, figures=figures)
    anomaly = next(iter(bad))
    thing, row = bad[anomaly][0]
    more = f" (and {len(bad[anomaly]) - 1} more)" if len(bad[anomaly]) > 1 else ""
    return Verdict(
        name=name,
        verdict="invalid",
        reason=f"{anomaly}: {thing} {words[anomaly]}{more}",
        rows=tuple(sorted({each for each in (row, also, (added or {}).get(thing, -1)) if each >= 0})),
        took_s=took,
        anomalies=tuple(sorted(bad)),
        explanations=tuple(
            f"{kind}: {thing} {words[kind]}" for kind, some in bad.items() for thing, _ in some[:_SHOWN]
        ),
        figures=figures,
    )
