"""Networks by name."""

from __future__ import annotations

import pytest

from bench.cli.build import RunOptions, build_trial
from bench.cli.command import command_of, same_trial
from bench.errors import UsageError
from bench.faults.targets import zones_of
from bench.network.presets import ABOUT, EC2_2013, MS, NETWORKS, network, regions
from bench.run import run_trial
from bench.trial import Trial


def test_each_is_valid_and_described() -> None:
    assert NETWORKS.keys() == ABOUT.keys()
    for each in NETWORKS.values():
        each.validate()


def test_the_matrix_is_the_published_one() -> None:
    found = NETWORKS["ec2-2013"].regions
    assert found is not None
    assert found.names == ("VA", "OR", "CA", "EU", "JP")
    for (one, other), rtt in EC2_2013.items():
        here, there = found.names.index(one), found.names.index(other)
        assert found.rtt[here][there] == found.rtt[there][here] == rtt * MS


def test_a_missing_pair_is_named() -> None:
    with pytest.raises(ValueError, match="B and C"):
        regions({("A", "B"): 1.0, ("A", "C"): 2.0}, 0.1)


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(UsageError, match="ec2-2013"):
        network("ec2-2014")


def test_five_servers_are_in_five_regions() -> None:
    zones = zones_of(NETWORKS["ec2-2013"], [f"n{i}" for i in range(1, 6)], [])
    assert {name: list(members) for name, members in zones.items()} == {
        "VA": ["n1"],
        "OR": ["n2"],
        "CA": ["n3"],
        "EU": ["n4"],
        "JP": ["n5"],
    }


@pytest.mark.parametrize("name", NETWORKS)
def test_the_command_line_there_and_back(name: str) -> None:
    options = RunOptions(protocol="raft", network=name, loss=0.01, nodes=5)
    trial = build_trial(options)
    assert trial.network.loss == 0.01
    words = command_of(trial).split()
    assert words[words.index("--network") + 1] == name
    again = build_trial(RunOptions(protocol="raft", network=name, loss=0.01, nodes=5, duration="1", seed=1))
    assert same_trial(trial, again)


def test_a_name_and_a_latency_exclude_each_other() -> None:
    with pytest.raises(UsageError, match="not both"):
        build_trial(RunOptions(protocol="raft", network="lan", latency="1ms"))


def test_a_commit_across_regions_takes_the_majority_s_round_trip() -> None:
    """A leader in CA has OR at 21.6 and VA at 83.8 ms: three of five need VA's answer, whoever else is slow."""
    params = {"election_timeout_s": (1.0, 2.0), "retry_s": 2.0}
    trial = Trial(protocol="raft", nodes=5, params=params, network=NETWORKS["ec2-2013"], duration=20_000 * MS)
    result, _ = run_trial(trial)
    assert result.verdict == "valid"
    assert result.latency_s.p50 is not None
    assert 0.0838 / 1.5 < result.latency_s.p50 < 0.6
