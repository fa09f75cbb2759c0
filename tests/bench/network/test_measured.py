"""Measured networks, from files as people have them."""

from __future__ import annotations

import statistics
from pathlib import Path
from random import Random

import pytest

from bench.cli.build import RunOptions, build_trial
from bench.errors import UsageError
from bench.network.latency import sampler
from bench.network.measured import quantiles, read_latency, read_network
from bench.run import run_trial

MS = 1_000_000
MATRIX = "rtt_ms, eu, us, jp\neu, 0.6, 80, 250\n\nus, , , 150\njp, 252, ,\n"
PAIRS = "from,to,rtt_us\neu,us,80000\njp,eu,250000\neu,jp,252000\nus,jp,150000\neu,eu,600\n"


@pytest.mark.parametrize("text", [MATRIX, PAIRS])
def test_both_forms_are_the_same_network(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rtt.csv"
    path.write_text(text)
    regions = read_network(path).regions
    assert regions is not None
    at = {name: place for place, name in enumerate(regions.names)}

    def rtt(one: str, other: str) -> float:
        return regions.rtt[at[one]][at[other]] / MS

    assert (rtt("eu", "us"), rtt("us", "eu"), rtt("eu", "jp"), rtt("us", "jp")) == (80, 80, 251, 150)
    assert (rtt("eu", "eu"), rtt("us", "us")) == (0.6, 0)
    assert regions.place == (0, 1, 2)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("rtt,a,b\n", "line 1: the header is neither"),
        ("rtt_ms,a,b\na,0,x\n", "line 2: round trip a to b 'x' is out of range"),
        ("rtt_ms,a,b\na,0,-1\n", "line 2: round trip a to b '-1' is out of range"),
        ("rtt_ms,a,b\na,0,1\n\nc,1,0\n", "line 4: region 'c' is not in the header (a, b)"),
        ("rtt_ms,a,b\na,0,1\na,0,1\n", "line 3: region a has a second row"),
        ("rtt_ms,a,b\na,0,1,2\n", "line 2: 3 round trips for 2 regions"),
        ("rtt_ms,a,a\n", "line 1: the header names each region once"),
        ("rtt_ms,a,b,c\na,0,1,1\n", "no round trip between b and c"),
        ("from,to,rtt_ms\na,b\n", "line 2: a pair has 3 cells"),
        ("from,to,rtt_ms\na,b,1\na,b,1\n", "line 3: a to b is given a second time"),
        ("from,to,rtt_ms\n", "a header and nothing below it"),
    ],
)
def test_what_is_wrong_with_round_trips_is_said_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "rtt.csv"
    path.write_text(text)
    with pytest.raises(UsageError) as raised:
        read_network(path)
    assert says in str(raised.value)


def test_a_trace_is_drawn_from(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text("when,rtt_ms\n1,4\n2,6\n3,20\n")
    latency = read_latency(path)
    assert latency.samples == (2 * MS, 3 * MS, 10 * MS)
    draw = sampler(latency, Random(1))
    assert {draw() for _ in range(100)} == set(latency.samples)


def test_a_long_trace_is_kept_as_quantiles(tmp_path: Path) -> None:
    rng = Random(2)
    values = [rng.lognormvariate(0, 0.5) for _ in range(20_000)]
    path = tmp_path / "trace.csv"
    path.write_text("latency_ms\n" + "".join(f"{value}\n" for value in values))
    samples = read_latency(path).samples
    assert len(samples) == 1000
    for share in (10, 50, 90, 99):
        exact = statistics.quantiles(values, n=100)[share - 1] * MS
        assert abs(statistics.quantiles(samples, n=100)[share - 1] / exact - 1) < 0.02
    assert quantiles([3, 1, 2], 3) == (1, 2, 3)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "names 0 columns of latencies"),
        ("a,b\n1,2\n", "names 0 columns"),
        ("latency_ms,rtt_ms\n", "names 2 columns"),
        ("latency_ms\n", "a header and nothing below it"),
        ("latency_ms\n1\n\nx\n", "line 4: latency_ms 'x' is out of range"),
        ("when,latency_ms\n1,2\n1\n", "line 3: there is no latency_ms in it"),
        ("latency_s\n1\n4000\n", "line 3: latency_s '4000' is out of range"),
    ],
)
def test_what_is_wrong_with_a_trace_is_said_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(text)
    with pytest.raises(UsageError) as raised:
        read_latency(path)
    assert says in str(raised.value)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"latency_ms\n\xff\xfe\n")
    with pytest.raises(UsageError, match="is no CSV"):
        read_latency(path)


def test_the_command_line_takes_them(tmp_path: Path) -> None:
    matrix, trace = tmp_path / "rtt.csv", tmp_path / "trace.csv"
    matrix.write_text(MATRIX)
    trace.write_text("latency_ms\n5\n5\n5\n")
    trial = build_trial(RunOptions(protocol="raft", network=str(matrix), duration="300ms", rate=50.0))
    assert trial.network.regions is not None
    result, _ = run_trial(build_trial(RunOptions(protocol="raft", latency=str(trace), duration="500ms", rate=100.0)))
    assert result.latency_s.p50 is not None
    assert 0.02 < result.latency_s.p50 < 0.03  # to the leader, to a follower, and back
    with pytest.raises(UsageError, match="there is no file"):
        build_trial(RunOptions(protocol="raft", network="nowhere.csv"))


def test_zones_of_a_measured_network_can_be_lost(tmp_path: Path) -> None:
    matrix = tmp_path / "rtt.csv"
    matrix.write_text("from,to,rtt_ms\na,b,2\nb,c,2\na,c,2\n")
    trial = build_trial(
        RunOptions(protocol="raft", network=str(matrix), fault=("zone-loss b at 300ms for 200ms",), duration="1")
    )
    result, record = run_trial(trial)
    assert [fault.targets for fault in record.faults] == [("n2",)]
    assert result.verdict == "valid"
