"""SWIM's arithmetic against published figures."""

from __future__ import annotations

from random import Random
from statistics import fmean
from typing import Any

import pytest

from protocols.membership.swim import formulas
from protocols.membership.swim.config import SwimConfig


@pytest.mark.golden
@pytest.mark.parametrize(("members", "published"), [(5, 1.463), (10, 1.530), (1_000_000, 1.582)])
def test_first_detection(members: int, published: float) -> None:
    ours = formulas.first_detection(members)
    print(f"SWIM, {members} members, periods to the first probe of a crash: published {published} | ours {ours:.4f}")
    assert ours == pytest.approx(published, abs=5e-4)
    assert formulas.first_detection_limit() == pytest.approx(1.582, abs=5e-4)


@pytest.mark.parametrize("members", [3, 5, 10])
def test_first_probe_at_random_phases_against_drawing_it(members: int) -> None:
    rng = Random(members)
    draws = []
    for _ in range(20_000):
        first = min(
            rng.random() + next(n for n in range(10_000) if rng.random() < 1 / (members - 1))
            for _ in range(members - 1)
        )
        draws.append(first)
    assert formulas.first_probe(members) == pytest.approx(fmean(draws), rel=0.03)


def test_memberlists_tables() -> None:
    """As in its own tests: suspicion timeouts, retransmissions, and what remains of a suspicion."""
    assert formulas.retransmit_limit(3, 0) == 0
    assert formulas.retransmit_limit(3, 1) == 3
    assert formulas.retransmit_limit(3, 99) == 6
    assert formulas.suspicion_min(3, 10, 1.0) == pytest.approx(3)
    assert formulas.suspicion_min(3, 100, 2.0) == pytest.approx(12)
    assert formulas.suspicion_min(3, 3, 1.0) == pytest.approx(3)
    table = [(0, 30.0), (1, 16.0), (2, 7.81), (3, 2.0), (4, 2.0)]
    for confirmations, expected in table:
        assert formulas.suspicion_timeout(confirmations, 3, 2.0, 30.0) == pytest.approx(expected, abs=0.01)
    assert formulas.suspicion_timeout(0, 0, 2.0, 30.0) == 2.0


def test_few_members_want_no_confirmations() -> None:
    assert formulas.confirmations_wanted(4, 3) == 0
    assert formulas.confirmations_wanted(4, 4) == 2
    assert formulas.confirmations_wanted(1, 100) == 0


def test_load_of_a_probe() -> None:
    assert formulas.probe_messages(acked=True, dead=False, indirect=3) == 2
    assert formulas.probe_messages(acked=False, dead=True, indirect=3) == 7
    assert formulas.probe_messages(acked=False, dead=False, indirect=3) == 14


def test_health_stays_in_its_bounds() -> None:
    assert formulas.health(0, -1, 8) == 0
    assert formulas.health(8, 1, 8) == 8
    assert formulas.scaled(1000, 8) == 9000


def test_everybody_is_infected_in_a_logarithmic_number_of_rounds() -> None:
    assert formulas.infected(1000, 0) == 1
    assert formulas.infected(1000, 2 * 6.9078) == pytest.approx(999, abs=1)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"seeds": 4}, "seeds 4 is out of range: 1 to the servers, 3, or 0 for all"),
        ({"probe_timeout_s": 1.0}, "probe_timeout_s 1 is out of range: below the probe interval 1"),
        ({"suspicion_mult": 0}, "suspicion_mult 0 is out of range: 1 to 1000"),
    ],
)
def test_parameters_that_cannot_be_are_refused_in_one_sentence(wrong: dict[str, Any], said: str) -> None:
    SwimConfig(seeds=3).validate(3)
    with pytest.raises(ValueError) as refused:
        SwimConfig(**wrong).validate(3)
    assert str(refused.value).startswith(said) and "\n" not in str(refused.value)
