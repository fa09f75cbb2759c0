"""Bounds on staleness, and convergence, against their definitions, on small random histories of reads and writes.

The definitions are spelled out here, order by order and read by read, and share nothing with the checkers.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import permutations
from random import Random

import numpy as np

from bench.checkers.weak import quiescence, staleness
from bench.history.history import INFO, NEVER, NIL, OK, READ, History
from tests.bench.checkers import brute_force
from tests.bench.checkers.fuzzing import seeds
from tests.bench.checkers.histories import MS, Script, simulated


def drawn(rng: Random) -> History:
    """At most 7 operations, reads of old versions among them; written values differ."""
    if rng.random() < 0.5:
        return simulated(
            rng, rng.randint(3, 7), clients=rng.randint(2, 4), keys=rng.choice((1, 1, 2)), swaps=0.0, unanswered=0.15,
            stale=0.3,
        )  # fmt: skip
    script = Script()
    written = [NIL]
    horizon = rng.choice((4, 8, 20))
    for value in range(1, rng.randint(4, 8)):
        start = rng.randrange(horizon)
        end = None if rng.random() < 0.15 else start + rng.choice((0, 1, 2, 4, 8))
        if rng.random() < 0.5:
            script.write(value, start, end)
            written.append(value)
        else:
            script.read(rng.choice(written), start, end)
    return script.history


def earlier(history: History, by: int) -> History:
    """The same with each read begun that many ns earlier."""
    return replace(history, invoked=np.where(history.function == READ, history.invoked - by, history.invoked))


def within(history: History, k: int) -> bool:
    """Whether on each key some order that real time allows has every read see one of the last k versions."""
    for key in set(history.key.tolist()):
        rows = [row for row in range(len(history)) if history.key[row] == key]
        sure = [row for row in rows if history.outcome[row] == OK]
        maybe = [row for row in rows if history.outcome[row] == INFO and history.function[row] != READ]
        happened = [
            [*sure, *(row for at, row in enumerate(maybe) if which >> at & 1)] for which in range(1 << len(maybe))
        ]
        if not any(_explained(history, order, k) for some in happened for order in permutations(some)):
            return False
    return True


def _explained(history: History, order: tuple[int, ...], k: int) -> bool:
    versions = [NIL]
    ends = [int(history.completed[row]) if history.outcome[row] == OK else NEVER for row in order]
    for at, row in enumerate(order):
        if min(ends[at:]) < history.invoked[row]:
            return False
        if history.function[row] != READ:
            versions.append(int(history.argument[row]))
        elif int(history.result[row]) not in versions[-k:]:
            return False
    return True


def converged(history: History, quiet_ns: int) -> str:
    """valid, invalid, or unknown because nothing was read so late, by what :func:`quiescence.check` promises."""
    judged = 0
    for key in set(history.key.tolist()):
        rows = [row for row in range(len(history)) if history.key[row] == key]
        reads = [row for row in rows if history.function[row] == READ and history.outcome[row] == OK]
        writes = {int(history.argument[row]): row for row in rows if history.function[row] != READ}
        place: dict[int, int] = {NIL: -NEVER}
        ends: list[int] = []
        for value, row in writes.items():
            seen = [int(history.completed[read]) for read in reads if history.result[read] == value]
            answered = history.outcome[row] == OK
            place[value] = min([*seen, *([int(history.completed[row])] if answered else [])], default=NEVER)
            if answered:
                ends.append(int(history.completed[row]))
            elif seen:
                ends.append(min(seen))
        last = max(ends, default=-NEVER)
        if any(history.completed[read] < history.invoked[writes[int(history.result[read])]]
               for read in reads if history.result[read] != NIL):  # fmt: skip
            return "invalid"
        late = [read for read in reads if history.invoked[read] >= last + quiet_ns]
        judged += len(late)
        if len({int(history.result[read]) for read in late}) > 1:
            return "invalid"
        for read in late:
            since = place[int(history.result[read])]
            newer = [place[value] for value, row in writes.items() if history.invoked[row] > since]
            if min(newer, default=NEVER) < history.invoked[read]:
                return "invalid"
    return "valid" if judged else "unknown"


def test_bounds_in_seconds() -> None:
    """Exact: linearizable once all reads are taken to have begun so much earlier."""
    counts: Counter[str] = Counter()
    for seed in seeds(250):
        rng = Random(seed)
        history = drawn(rng)
        for bound in (0, rng.choice((1, 2, 3, 5)) * MS, rng.randrange(2_000_000)):
            expected = brute_force.linearizable(earlier(history, bound))
            verdict = staleness.check(history, t_s=bound / 1e9)
            counts[verdict.verdict] += 1
            assert verdict.verdict == ("valid" if expected else "invalid"), f"seed {seed}, {bound} ns: {verdict}"
    assert min(counts["valid"], counts["invalid"]) > sum(counts.values()) // 12, counts


def test_bounds_in_versions() -> None:
    """Never wrong; not always decided."""
    counts: Counter[str] = Counter()
    for seed in seeds(250):
        history = drawn(Random(seed))
        for k in (1, 2, 3):
            expected = within(history, k)
            verdict = staleness.check(history, k=k)
            counts[verdict.verdict] += 1
            assert verdict.verdict in ("unknown", "valid" if expected else "invalid"), f"seed {seed}, k={k}: {verdict}"
            assert k > 1 or verdict.verdict != "unknown", f"seed {seed}: one version is linearizability"
    assert min(counts["valid"], counts["invalid"]) > sum(counts.values()) // 12, counts
    assert counts["unknown"] < sum(counts.values()) // 3, counts


def test_convergence() -> None:
    counts: Counter[str] = Counter()
    for seed in seeds(500):
        rng = Random(seed)
        history = drawn(rng)
        quiet = rng.choice((0, 0, 1, 3)) * MS
        verdict = quiescence.check(history, quiescence_s=quiet / 1e9)
        expected = converged(history, quiet)
        counts[expected] += 1
        assert verdict.verdict == expected, f"seed {seed}, {quiet} ns: {verdict}, by the definition {expected}"
    assert min(counts["valid"], counts["invalid"], counts["unknown"]) > sum(counts.values()) // 12, counts
