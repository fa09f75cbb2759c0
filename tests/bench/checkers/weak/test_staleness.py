"""Staleness in seconds and versions, and convergence, against their definitions."""

from __future__ import annotations

from random import Random

import pytest

from bench.checkers.linearizability import check as linearizable
from bench.checkers.weak import quiescence, staleness
from bench.checkers.weak.reading import sessions
from bench.history.history import CAS, INFO, NIL, READ, History
from tests.bench.checkers.histories import Script, simulated
from tests.bench.checkers.weak.drawn import columns


def plainly(history: History) -> list[tuple[int, int]]:
    """(ns, versions) that each read is certainly stale, read by read: no sorting, no trees."""
    rows = range(len(history))
    ok = [row for row in rows if history.outcome[row] != INFO]
    value = {row: int(history.result[row] if history.function[row] == READ else history.argument[row]) for row in rows}
    writes = [row for row in rows if history.function[row] != READ]

    def place(key: int, what: int) -> int:
        if what == NIL:
            return -(2**62)
        ends = [int(history.completed[row]) for row in ok if history.key[row] == key and value[row] == what]
        return min(ends, default=2**62)

    out = []
    for row in ok:
        if history.function[row] != READ:
            continue
        key, begins = int(history.key[row]), int(history.invoked[row])
        since = place(key, value[row])
        newer = [
            place(key, value[w])
            for w in writes
            if history.key[w] == key and int(history.invoked[w]) > since and place(key, value[w]) < 2**62
        ]
        out.append((max(0, begins - min(newer, default=2**62)), sum(each < begins for each in newer)))
    return sorted(out)


@pytest.mark.parametrize("seed", range(12))
def test_staleness_is_what_it_is_defined_to_be(seed: int) -> None:
    history = simulated(Random(seed), 120, 5, 3, swaps=0.0, stale=0.2, unanswered=0.02)
    found = staleness.measure(sessions(history))
    got = sorted(zip(found.ns.tolist(), found.versions.tolist(), strict=True))
    assert got == plainly(history)
    assert (found.versions <= found.versions_at_most).all()
    assert found.ns.max() > 0


@pytest.mark.parametrize("seed", range(6))
def test_a_linearizable_history_is_not_stale(seed: int) -> None:
    history = simulated(Random(seed), 400, 8, 3, swaps=0.1)
    verdict = staleness.check(history, t_s=0.0)
    assert verdict.verdict == "valid"
    assert verdict.figures["staleness_s_max"] == verdict.figures["staleness_versions_max"] == 0
    assert verdict.figures["stale_share"] == 0
    assert staleness.check(history, k=1).verdict == "valid"
    assert linearizable(history).verdict == "valid"
    assert (history.function == CAS).any()


@pytest.mark.parametrize("seed", range(8))
def test_a_bound_of_nothing_is_linearizability(seed: int) -> None:
    history = simulated(Random(seed), 60, 6, 2, swaps=0.0, stale=0.05)
    assert staleness.check(history, t_s=0.0).verdict == linearizable(history).verdict


def test_how_stale() -> None:
    history = Script().write(1, 0, 10).write(2, 20, 30).write(3, 40, 50).read(1, 130, 140).read(3, 150, 160).history
    verdict = staleness.check(history)
    assert verdict.verdict == "valid"
    assert verdict.figures["staleness_s_max"] == pytest.approx(0.1)  # since 30 ms
    assert verdict.figures["staleness_versions_max"] == 2
    assert verdict.figures["stale_share"] == 0.5
    assert staleness.check(history, t_s=0.1).verdict == "valid"
    late = staleness.check(history, t_s=0.099)
    assert late.verdict == "invalid"
    assert late.rows == (0, 1, 3)
    assert "2 versions behind" in late.reason
    assert staleness.check(history, k=3).verdict == "valid"
    assert staleness.check(history, k=2).verdict == "invalid"
    assert staleness.check(history, k=1).verdict == "invalid"


def test_a_version_seen_by_somebody_is_in_place() -> None:
    history = Script().write(1, 0, 10).write(2, 20, 200).read(2, 30, 40).read(1, 60, 70).history
    assert staleness.check(history).figures["staleness_s_max"] == pytest.approx(0.02)


def test_a_read_of_the_future_fits_no_bound() -> None:
    history = Script().read(1, 0, 5).write(1, 10, 20).history
    verdict = staleness.check(history, t_s=100.0)
    assert verdict.verdict == "invalid"
    assert verdict.rows == (0, 1)


def test_without_times_it_is_unknown() -> None:
    assert staleness.check(columns([(0, "ok", [("w", 0, 1)])])).verdict == "unknown"
    assert quiescence.check(columns([(0, "ok", [("w", 0, 1)])])).verdict == "unknown"


def test_convergence() -> None:
    script = Script().write(1, 0, 10).write(2, 5, 20).read(1, 40, 50)
    assert quiescence.check(script.history).verdict == "valid"
    script.read(2, 60, 70)
    verdict = quiescence.check(script.history)
    assert verdict.verdict == "invalid"
    assert "different versions" in verdict.reason
    assert verdict.rows == (0, 1, 2, 3)
    calm = quiescence.check(script.history, quiescence_s=0.03)
    assert calm.verdict == "valid"
    assert calm.figures["reads_judged"] == 1
    assert calm.figures["converged_after_s"] == pytest.approx(0.02)
    assert quiescence.check(script.history, quiescence_s=1).verdict == "unknown"


def test_agreeing_on_the_past_is_not_convergence() -> None:
    history = Script().write(1, 0, 10).write(2, 20, 30).read(1, 40, 50).read(1, 60, 70).history
    verdict = quiescence.check(history)
    assert verdict.verdict == "invalid"
    assert "overwritten" in verdict.reason


def test_an_unanswered_write_may_come_late() -> None:
    script = Script().write(1, 0, 10).write(2, 5, None).read(1, 40, 50).read(2, 60, 70).read(2, 80, 90)
    assert quiescence.check(script.history).verdict == "valid"
    script.read(1, 100, 110)
    assert quiescence.check(script.history).verdict == "invalid"
