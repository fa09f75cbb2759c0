"""Opinions against the truth: the log, when a run is calm, and the quality of service on a run worked out by hand."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from bench.checkers.opinions import DEEMS_DOWN, DEEMS_UP, DOWN, UP
from bench.faults.spec import Crash, FaultRecord
from bench.history import HistoryBuilder
from bench.opinions import calm, lives, opinion_log, quality, vacuous
from bench.run import run_trial
from bench.runtime.record import Mark, RunRecord
from bench.trial import Trial
from bench.workload.spec import Workload
from protocols.registry import load

S = 1_000_000_000


def record(marks: list[tuple[float, str, str, str]], lived: list[tuple[float, str, bool]]) -> RunRecord:
    end = 20
    return RunRecord(
        history=HistoryBuilder().build(),
        marks=[Mark(round(at * S), node, name, {"subject": subject}) for at, node, name, subject in marks],
        lives=[(round(at * S), node, up) for at, node, up in lived],
        load_end=round(end * S),
        run_end=round(end * S),
    )


CRASH = record(
    [
        (2.0, "n1", "deemed_down", "n2"),  # a mistake of 3 s
        (5.0, "n1", "deemed_up", "n2"),
        (11.0, "n1", "deemed_down", "n3"),
        (12.5, "n2", "deemed_down", "n3"),
    ],
    [(10.0, "n3", False)],
)


def test_quality_of_service_by_hand() -> None:
    found = quality(CRASH, 3)
    assert found.detection_first == (1.0,)
    assert found.detection == pytest.approx(1.75)  # the median of 1 and 2.5
    assert found.detection_max == 2.5
    assert found.spread == (2.5,)
    assert (found.undetected, found.mistakes) == (0, 1)
    assert found.observed == pytest.approx(6 * 10 + 2 * 10)  # ordered pairs of which both are up
    assert found.mistake_rate == pytest.approx(1 / 80)
    assert found.mistake_length == pytest.approx(3)
    assert found.mistaken == {"n2": 1}
    assert found.accuracy == pytest.approx(1 - 3 / 80)


def test_a_warm_up_is_left_out() -> None:
    found = quality(CRASH, 3, start=6 * S)
    assert found.mistakes == 0
    assert found.accuracy == 1.0  # nor does what was wrong before count as anything
    assert found.observed == pytest.approx(6 * 4 + 2 * 10)


def test_a_detection_that_is_taken_back_does_not_count() -> None:
    wavering = record([(11.0, "n1", "deemed_down", "n3"), (12.0, "n1", "deemed_up", "n3")], [(10.0, "n3", False)])
    found = quality(wavering, 3)
    assert found.detection_first == (1.0,)
    assert (found.undetected, found.detection) == (2, None)


def test_a_booted_server_deems_everybody_up() -> None:
    log = opinion_log(
        record(
            [(11.0, "n1", "deemed_down", "n3")],
            [(10.0, "n3", False), (12.0, "n1", False), (13.0, "n1", True), (14.0, "n3", True)],
        ),
        3,
    )
    assert list(zip(log.kind.tolist(), log.node.tolist(), log.subject.tolist(), strict=True)) == [
        (DOWN, 2, 2),
        (DEEMS_DOWN, 0, 2),
        (DOWN, 0, 0),
        (DEEMS_UP, 0, 2),
        (UP, 0, 0),
        (UP, 2, 2),
    ]


def test_lives_follow_from_faults_where_nobody_knows_better() -> None:
    run = dataclasses.replace(CRASH, lives=[])
    run.faults.append(FaultRecord(kind="crash", targets=("c1", "n3"), start=4 * S, end=6 * S))
    assert lives(run) == [(4 * S, "n3", False), (6 * S, "n3", True)]


def test_a_run_is_calm_when_nothing_happened_for_long_enough() -> None:
    assert calm(CRASH, 9 * S)
    assert not calm(CRASH, 11 * S)
    disturbed = dataclasses.replace(CRASH, faults=[FaultRecord(kind="partition", targets=(), start=S, end=15 * S)])
    assert calm(disturbed, 4 * S)
    assert not calm(disturbed, 6 * S)


def test_without_an_opinion_a_run_says_nothing() -> None:
    family = load("heartbeat")
    assert vacuous(CRASH, family) is None
    assert "let one crash" in (vacuous(record([], []), family) or "")
    assert vacuous(record([], []), load("null")) is None


def trial(**changes: Any) -> Trial:
    return Trial(protocol="heartbeat", duration=4 * S, workload=Workload(clients=2, rate=50.0), **changes)


def test_a_crash_is_found_out_and_counts() -> None:
    result, _ = run_trial(trial(faults=(Crash(at=S, target="n2", down=2 * S),)))
    assert (result.trial, result.verdict, result.checks["opinions"]) == ("complete", "valid", "valid")
    assert result.detection is not None
    assert 0.1 < (result.detection.detection or 0) < 0.5
    assert result.detection.mistakes == 0


def test_a_run_in_which_nobody_formed_an_opinion_is_void() -> None:
    result, _ = run_trial(trial())
    assert (result.trial, result.verdict) == ("void", "unknown")
    assert "no server deemed another down" in (result.void_reason or "")
