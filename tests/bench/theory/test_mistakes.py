"""Months of heartbeats over arrays: the same as the estimators and the server one by one, and as theory expects."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.theory.mistakes import (
    MONTH_S,
    NETWORKS,
    SECOND,
    Link,
    Pauses,
    base,
    bound_network,
    expected,
    expected_network,
    expected_stalls,
    lags,
    margin_for,
    replay,
    stream,
)
from protocols.membership.heartbeat.chen import configure
from protocols.membership.heartbeat.config import DetectorConfig
from protocols.membership.heartbeat.estimators import estimator

CALM = Pauses(a_day=0.0)
OFTEN = Pauses(a_day=2000.0, median_s=2.0, sigma=1.2)
DETECTORS: list[dict[str, Any]] = [
    {"detector": "fixed", "timeout_s": 2.5},
    {"detector": "chen", "alpha_s": 0.3, "window": 20},
    {"detector": "chen", "alpha_s": 0.01, "window": 1000},
    {"detector": "phi-akka", "threshold": 8.0, "pause_s": 3.0, "floor_s": 0.1, "window": 1000},
    {"detector": "phi-akka", "threshold": 2.0, "floor_s": 0.001, "window": 10},
    {"detector": "phi-normal", "threshold": 3.0, "floor_s": 0.01, "window": 2},
    {"detector": "phi-exponential", "threshold": 8.0, "cap_s": 2.0, "first_gap_s": 2.0},
    {"detector": "phi-exponential", "threshold": 0.5, "window": 5},
]


def one_by_one(config: DetectorConfig, arrivals: list[tuple[int, int]]) -> tuple[list[int], int]:
    """Deadlines by the estimator's own class, and mistakes as the server's handlers count them."""
    judge = estimator(config)
    deadlines: list[int] = []
    mistakes, latest, up, alarm = 0, 0, True, None
    for number, at in arrivals:  # in the order in which they arrive
        if alarm is not None and alarm < at and up:
            mistakes, up = mistakes + 1, False
        if number <= latest:
            continue
        latest = number
        deadline = judge.arrived(number, at)
        deadlines.append(deadline)
        up = up or deadline > at
        alarm = at + max(1, deadline - at)
    return deadlines, mistakes


@pytest.mark.parametrize("fields", DETECTORS, ids=lambda fields: "-".join(map(str, fields.values())))
@pytest.mark.parametrize("network", ["jittery", "mobile"])
@pytest.mark.parametrize("period_s", [0.1, 1.0])
def test_arrays_say_what_the_estimators_and_the_server_say(
    fields: dict[str, Any], network: str, period_s: float
) -> None:
    config = DetectorConfig(period_s=period_s, **fields)
    heard = stream(NETWORKS[network], OFTEN, period_s, 0.2 * period_s, seed=3)
    order = np.argsort(heard.at, kind="stable")
    arrivals = list(zip(heard.number[order].tolist(), heard.at[order].tolist(), strict=True))
    assert len(arrivals) > 10_000
    deadlines, mistakes = one_by_one(config, arrivals)
    number, at = heard.number[heard.taken], heard.at[heard.taken]
    assert len(deadlines) == len(at), "the same heartbeats are news"
    ours = base(config, number, at) + lags(config, number, at)
    apart = np.abs(ours - np.array(deadlines)).max()
    assert apart <= (0 if config.detector in ("fixed", "chen") else 2000), "2 us: sums of squares are rounded"
    found = replay(config, heard)
    assert found.mistakes == pytest.approx(mistakes, abs=2 if apart else 0)
    if config.detector != "phi-akka" or not config.pause_s:
        assert mistakes > 5, "else nothing was compared"


@given(st.integers(0, 2**32), st.sampled_from(DETECTORS), st.integers(1, 200))
def test_the_last_deadline_of_a_stream_that_ends_is_the_detection(seed: int, fields: dict[str, Any], cut: int) -> None:
    """A crash after heartbeat ``cut``: the estimator fed with what had been sent by then says when it is noticed."""
    config = DetectorConfig(period_s=1.0, **fields)
    heard = stream(Link(0.05, 0.05, 0.02), CALM, 1.0, 0.01, seed)
    number, at = heard.number[:cut], heard.at[:cut]
    judge = estimator(config)
    deadline = 0
    for each, when in zip(number.tolist(), at.tolist(), strict=True):  # delays far below the period: none overtakes
        deadline = judge.arrived(each, when)
    lag = lags(config, number, at)
    assert abs(int(base(config, number, at)[-1] + lag[-1]) - deadline) <= 2000


def test_a_pause_sends_nothing_and_then_the_latest_that_was_due() -> None:
    heard = stream(Link(0.0, 0.001, 0.0001), Pauses(a_day=50.0, median_s=20.0, sigma=0.1), 1.0, 1.0, seed=1)
    late = np.flatnonzero(heard.sent != (heard.number - 1) * SECOND)
    assert 20 < len(late) <= 60
    assert np.all(np.diff(heard.sent) > 0)
    for index in late[1:-1].tolist():
        behind = heard.sent[index] - (heard.number[index] - 1) * SECOND
        assert 0 < behind <= SECOND, "the latest due"
        assert heard.number[index] - heard.number[index - 1] > 10
        assert heard.number[index + 1] == heard.number[index] + 1


def test_delays_and_losses_are_as_asked() -> None:
    link = NETWORKS["mobile"]
    heard = stream(link, CALM, 0.1, 1.0, seed=2)
    delay = (heard.at - heard.sent) / SECOND
    assert len(delay) / 864_000 == pytest.approx(1 - link.loss, abs=0.001)
    assert delay.mean() == pytest.approx(link.mean_s, rel=0.01)
    assert delay.std() == pytest.approx(link.deviation_s, rel=0.03)
    assert np.mean(delay > 0.5) == pytest.approx(link.tail(0.5), rel=0.05)


def test_mistakes_from_the_network_are_those_of_theorem_5() -> None:
    link = NETWORKS["mobile"]
    config = DetectorConfig(detector="chen", period_s=1.0, alpha_s=0.9)
    seen = sum(replay(config, stream(link, CALM, 1.0, 30.0, seed), crashes=1).mistakes for seed in range(3))
    due = 3 * expected_network(link, 1.0, 0.9)
    assert due > 10_000
    assert seen == pytest.approx(due, rel=0.03)


def test_mistakes_from_pauses_are_those_of_the_integral() -> None:
    often = Pauses(a_day=300.0, median_s=0.5, sigma=1.0)
    config = DetectorConfig(detector="chen", period_s=1.0, alpha_s=1.5)
    seen = sum(
        replay(config, stream(NETWORKS["machine room"], often, 1.0, 30.0, s), crashes=1).mistakes for s in (1, 2)
    )
    due = 2 * expected_stalls(often, 1.0, 1.5)
    assert due > 500
    assert abs(seen - due) < 4 * due**0.5


def test_detection_is_the_margin_and_the_rest_of_a_period() -> None:
    link = NETWORKS["between regions"]
    config = DetectorConfig(detector="chen", period_s=1.0, alpha_s=2.0)
    took = replay(config, stream(Link(0.0, link.mean_s, link.deviation_s), CALM, 1.0, 2.0, seed=5)).detection_s
    assert took[0] == pytest.approx(2.05, abs=0.02) and took[-1] == pytest.approx(3.05, abs=0.02)
    assert np.median(took) == pytest.approx(2.55, abs=0.03)


@pytest.mark.parametrize("network", NETWORKS)
def test_a_margin_for_a_budget_keeps_to_it_and_is_hardly_longer_than_needed(network: str) -> None:
    link, pauses = NETWORKS[network], Pauses()
    margin = margin_for(1.0, link, pauses, 1.0)
    assert expected(link, pauses, 1.0, margin) <= 1.0 < expected(link, pauses, 1.0, margin - 0.002)
    assert margin_for(1 / 90, link, pauses, 1.0) > margin


@pytest.mark.parametrize("network", NETWORKS)
def test_chens_bound_is_the_one_he_configures_by_and_lies_above_what_a_known_shape_gives(network: str) -> None:
    link = NETWORKS[network]
    found = configure(6.0, MONTH_S, 60.0, link.loss, link.mean_s, link.deviation_s**2)
    assert found is not None
    period, shift = found
    bound = bound_network(link, period, shift - link.mean_s)
    assert bound <= 1.0 + 1e-9
    assert expected_network(link, period, shift - link.mean_s) <= bound


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="no margin below an hour"):
        margin_for(1e-9, NETWORKS["mobile"], Pauses(a_day=100.0, median_s=100.0, sigma=3.0), 1.0)
    with pytest.raises(ValueError, match="bertier"):
        lags(DetectorConfig(detector="bertier"), np.array([1]), np.array([1]))
