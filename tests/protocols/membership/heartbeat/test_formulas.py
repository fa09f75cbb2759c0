"""Phi, Chen's and Bertier's estimates against published figures and against definitions computed another way."""

from __future__ import annotations

from math import exp, log, log10
from random import Random

import pytest
from scipy.stats import norm

from protocols.membership.heartbeat import chen, phi
from protocols.membership.heartbeat.window import Window

DAY = 86_400.0


def show(what: str, published: float, ours: float) -> None:
    print(f"{what}: published {published:g} | ours {ours:.6g}")


@pytest.mark.golden
@pytest.mark.parametrize(("threshold", "published"), [(1, 1.282), (3, 3.059), (8, 5.226)])
def test_akka_reaches_thresholds_at_the_published_deviations(threshold: int, published: float) -> None:
    ours = phi.deviations_logistic(threshold)
    show(f"Akka's phi {threshold}, deviations", published, ours)
    assert ours == pytest.approx(published, abs=5e-4)
    assert phi.phi_logistic(ours) == pytest.approx(threshold, abs=1e-9)


@pytest.mark.golden
def test_cassandra_threshold_8_means_18_42_intervals() -> None:
    ours = phi.timeout_exponential(8, 1.0)
    show("Cassandra's phi 8, mean intervals", 18.42, ours)
    assert ours == pytest.approx(18.42, abs=5e-3)
    assert phi.phi_exponential(ours, 1.0) == pytest.approx(8, abs=1e-9)


@pytest.mark.parametrize("y", [-6.0, -1.0, 0.0, 0.5, 3.0, 8.0, 20.0, 36.9, 37.1, 50.0, 200.0])
def test_the_normal_tail_is_exact_even_where_it_underflows(y: float) -> None:
    assert phi.phi_normal(100 + y * 7, 100, 7) == pytest.approx(-norm.logsf(y) / log(10), rel=1e-9)


@pytest.mark.parametrize("y", [-8.0, -2.0, -0.1, 0.0, 0.1, 1.0, 5.0, 8.0])
def test_akka_as_its_source_computes_it(y: float) -> None:
    mean, sigma, pause = 1000.0, 120.0, 3000.0
    e = exp(-y * (1.5976 + 0.070566 * y * y))
    theirs = -log10(e / (1 + e)) if y > 0 else -log10(1 - 1 / (1 + e))
    assert phi.phi_akka(mean + pause + y * sigma, mean, sigma, pause) == pytest.approx(theirs, rel=1e-9, abs=1e-12)
    assert phi.phi_akka(mean + pause + y * sigma, mean, 1.0, pause, sigma) == pytest.approx(theirs, rel=1e-9, abs=1e-12)


def test_a_threshold_is_a_deadline_in_each_form() -> None:
    for threshold in (0.5, 1, 3, 5, 8, 12, 16):
        assert phi.phi_normal(phi.timeout_normal(threshold, 100, 20), 100, 20) == pytest.approx(threshold, abs=1e-9)
        assert phi.phi_exponential(phi.timeout_exponential(threshold, 100), 100) == pytest.approx(threshold, abs=1e-9)
        assert phi.phi_akka(phi.timeout_akka(threshold, 100, 5, 30, 10), 100, 5, 30, 10) == pytest.approx(
            threshold, abs=1e-9
        )


def test_without_deviation_the_normal_form_is_a_step() -> None:
    """Why a floor is needed: one late nanosecond would be infinitely suspicious."""
    assert phi.phi_normal(100, 100, 0) == 0
    assert phi.phi_normal(101, 100, 0) == float("inf")
    assert phi.phi_akka(101, 100, 0) == float("inf")
    assert phi.phi_akka(101, 100, 0, 0, 50) < 1


def test_no_event_bounds_the_rate_by_the_rule_of_three() -> None:
    assert phi.rate_bound(0, 3600) == pytest.approx(3 / 3600)
    assert phi.rate_bound(5, 1) == pytest.approx(10.513, abs=1e-3)  # Poisson, one-sided 95%


def test_the_window_is_exact_and_forgets() -> None:
    rng = Random(1)
    window = Window(50)
    kept: list[int] = []
    for _ in range(1000):
        sample = rng.randrange(10**12)
        window.add(sample)
        kept = [*kept, sample][-50:]
    mean = sum(kept) / 50
    assert len(window) == 50
    assert window.mean == mean
    assert window.sigma == pytest.approx((sum((x - mean) ** 2 for x in kept) / 50) ** 0.5, rel=1e-12)


def test_one_sample_has_no_deviation() -> None:
    window = Window(10)
    assert (window.mean, window.sigma) == (0.0, 0.0)
    window.add(7)
    assert (window.mean, window.sigma) == (7.0, 0.0)


def test_chen_expects_the_next_heartbeat_at_the_mean_shift() -> None:
    arrivals = [(3, 3_050), (4, 4_020), (5, 5_080)]
    assert chen.expected_arrival(arrivals, 1000) == pytest.approx(6_050)
    window = chen.ArrivalWindow(3, 1000)
    for number, at in [(1, 1_900), *arrivals]:
        window.add(number, at)
    assert window.expected() == 6_050


def test_bertier_is_jacobsons_estimator() -> None:
    margin = chen.bertier(chen.Margin(), 110.0, 100.0)
    assert margin == (pytest.approx(1.0), pytest.approx(1.0))
    margin = chen.bertier(margin, 95.0, 100.0)  # error -6
    assert margin == (pytest.approx(0.4), pytest.approx(1.5))
    assert chen.bertier_alpha(margin) == pytest.approx(0.4 + 4 * 1.5)


@pytest.mark.golden
def test_chens_configurations() -> None:
    """Their example: detection within 30 s, a mistake a month, of 60 s; 1% lost, mean and variance .02."""
    found = chen.configure(30, 30 * DAY, 60, 0.01, 0.02, 0.02)
    assert found is not None
    show("Chen, unknown distribution: eta", 9.71, found[0])
    show("Chen, unknown distribution: delta", 20.29, found[1])
    assert found == (pytest.approx(9.71, abs=5e-3), pytest.approx(20.29, abs=5e-3))
    known = chen.quality(9.97, 20.03, 0.01, lambda x: exp(-x / 0.02))
    show("Chen, exponential delays, eta 9.97: mistakes at least this many days apart", 30, known.recurrence / DAY)
    assert known.recurrence >= 30 * DAY
    assert known.mistake <= 60
    assert chen.quality(9.98, 20.02, 0.01, lambda x: exp(-x / 0.02)).recurrence < 30 * DAY


def test_what_cannot_be_configured() -> None:
    assert chen.configure(0.01, 30 * DAY, 60, 0.01, 0.02, 0.02) is None


@pytest.mark.parametrize(
    ("loss", "mean", "deviation", "period", "within"),
    [
        (1e-5, 0.0005, 0.0005, 0.1, 0.21),
        (1e-5, 0.0005, 0.0005, 1.0, 2.00),
        (1e-4, 0.001, 0.002, 0.1, 0.30),
        (1e-4, 0.001, 0.002, 1.0, 2.03),
        (1e-3, 0.05, 0.01, 0.1, 0.46),
        (1e-3, 0.05, 0.01, 1.0, 3.06),
        (0.004, 0.02, 0.02, 0.1, 0.51),
        (0.004, 0.02, 0.02, 1.0, 3.17),
        (0.05, 0.1, 0.15, 0.1, 1.13),
        (0.05, 0.1, 0.15, 1.0, 6.19),
    ],
)
def test_the_table_of_the_decision(loss: float, mean: float, deviation: float, period: float, within: float) -> None:
    """docs/adr/0012: a mistake a month at most; with a centisecond less the period would have to be shorter."""
    found = chen.configure(within + 0.005, 30 * DAY, 60, loss, mean, deviation**2)
    assert found is not None and found[0] >= period
    sooner = chen.configure(within - 0.0151, 30 * DAY, 60, loss, mean, deviation**2)
    assert sooner is None or sooner[0] < period


def test_phi_means_what_it_says_where_gaps_are_as_assumed() -> None:
    """10^-phi mistakes a gap, within a factor of two, for synthetic normal gaps: and only for those."""
    from protocols.membership.heartbeat.config import DetectorConfig
    from protocols.membership.heartbeat.estimators import Accrual

    rng = Random(7)
    for threshold in (1.0, 2.0):
        detector = Accrual(DetectorConfig(detector="phi-normal", threshold=threshold, floor_s=1e-6, period_s=0.1))
        now, deadline, late, gaps = 0, 1 << 62, 0, 20_000
        for number in range(1, gaps):
            now += max(1, round(rng.gauss(103_500_000, 18_980_000)))
            late += now > deadline
            deadline = detector.arrived(number, now)
        print(f"phi {threshold:g}, mistakes a gap: assumed {10**-threshold:g} | ours {late / gaps:.3g}")
        assert 0.5 < late / gaps * 10**threshold < 2
