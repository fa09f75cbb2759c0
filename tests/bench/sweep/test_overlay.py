"""Models over measurements: the divergence is a number, for every kind of formula there is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bench.errors import UsageError
from bench.network import Constant, Lognormal, Network
from bench.sweep import Model, overlay
from bench.theory.hashing import peak_to_average
from bench.theory.pbs import Wars, predict
from bench.theory.queueing import batches, response_s, waits
from bench.theory.quorums import quorum_round_trip
from bench.theory.votes import split_rate


def frame(values: dict[Any, Any], axis: str, metric: str) -> pd.DataFrame:
    rows = [
        {axis: at, "runtime": "sim", "trial": "complete", "latency_censored": 0.0, metric: float(value)}
        for at, each in values.items()
        for value in each
    ]
    return pd.DataFrame(rows)


def test_a_right_model_is_close_and_a_wrong_one_is_told_by_how_much() -> None:
    rng = np.random.default_rng(1)
    trials = {n: rng.normal(n, 0.01 * n, 40) for n in (1, 2, 4)}
    right = overlay(frame(trials, "n", "p50_s"), Model("n", "p50_s", lambda n: n * 1.0), ["n"])
    wrong = overlay(frame(trials, "n", "p50_s"), Model("n / 2", "p50_s", lambda n: n / 2), ["n"])
    assert right.typical < 0.01
    assert wrong.typical == pytest.approx(1.0, abs=0.02)
    assert "typically 100% away" in wrong.sentence()
    table = wrong.frame()
    assert list(table["n"]) == [40, 40, 40] or list(table["predicted"]) == [0.5, 1.0, 2.0]
    assert table["ratio"].tolist() == pytest.approx([2.0] * 3, abs=0.02)


def test_distributions_are_compared_as_such() -> None:
    """Quorum order statistics, PBS, hash imbalance and split votes against draws of what they describe."""
    rng = np.random.default_rng(2)
    where = Network(latency=Lognormal(1_000_000, 0.5))
    trips = {
        n: np.sort(sum(rng.lognormal(0, 0.5, (300, n - 1)) for _ in range(2)) / 1e3, axis=1)[:, n // 2 - 1]
        for n in (3, 5, 7)
    }
    quorums = Model("quorum", "p50_s", lambda servers: quorum_round_trip(where, servers, servers // 2 + 1))
    found = overlay(frame(trips, "servers", "p50_s"), quorums, ["servers"])
    assert found.typical < 0.06
    assert all(each.divergence is not None and (each.divergence.distance or 0) < 0.1 for each in found.cells)

    one = Constant(1_000_000)
    stale = Model("PBS", "p50_s", lambda w: predict(Wars(one, one, one, one), 3, 1, w, draws=100).write_s)
    pbs = overlay(frame({1: [0.002] * 9, 2: [0.002] * 9}, "w", "p50_s"), stale, ["w"])
    assert pbs.typical == pytest.approx(0, abs=1e-9)

    shares = {v: rng.dirichlet(np.ones(10 * v), 200).reshape(200, 10, v).sum(2).max(1) * 10 for v in (1, 100)}
    peaks = Model("imbalance", "p50_s", lambda vnodes: peak_to_average(10, vnodes))
    assert overlay(frame(shares, "vnodes", "p50_s"), peaks, ["vnodes"]).typical < 0.05

    votes = {r: [rng.binomial(1, split_rate(4, 5, r), 4000).mean() for _ in range(9)] for r in (0.2, 0.5)}
    splits = Model("split votes", "p50_s", lambda ratio: split_rate(4, 5, ratio))
    assert overlay(frame(votes, "ratio", "p50_s"), splits, ["ratio"]).typical < 0.1


def test_where_a_model_says_nothing_there_is_no_cell() -> None:
    trials = frame({1.0: [0.1] * 9, 2.0: [0.2] * 9}, "rate", "p50_s")
    half = overlay(trials, Model("m", "p50_s", lambda rate: None if rate > 1 else 0.1), ["rate"])
    assert [each.point for each in half.cells] == [{"rate": 1.0}]
    endless = overlay(trials, Model("m", "p50_s", lambda rate: math.inf), ["rate"])
    assert math.isnan(endless.typical)
    assert endless.sentence() == "m: there is nothing to compare it with."
    assert overlay(pd.DataFrame(), Model("m", "p50_s", float), []).cells == ()


def test_the_figure_has_every_point_and_the_line() -> None:
    rng = np.random.default_rng(3)
    trials = frame({r: rng.exponential(1 / (10 - r), 30) for r in (1.0, 5.0, 9.0)}, "rate", "p50_s")
    found = overlay(trials, Model("M/M/1", "p50_s", lambda rate: response_s(rate, 0.1) * math.log(2)), ["rate"])
    drawn = found.panel("rate", log=True).draw()
    axes = drawn.axes[0]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    model = axes.lines[0]
    assert list(np.asarray(model.get_xdata(), dtype=float)) == [1.0, 5.0, 9.0]
    with pytest.raises(UsageError, match="rates is no axis of these cells: rate"):
        found.panel("rates")


# --- the queues that models are made of ----------------------------------------------------------------------------


def test_waits_follow_pollaczek_and_khinchine() -> None:
    rng = np.random.default_rng(4)
    for draw, variation in ((np.full(200_000, 1e-3), 0.0), (rng.exponential(1e-3, 200_000), 1.0)):
        found = waits(600.0, draw, seed=5)
        assert found.mean() + 1e-3 == pytest.approx(response_s(600.0, 1e-3, variation), rel=0.04)
    with pytest.raises(ValueError, match="saturated"):
        waits(1001.0, np.full(10, 1e-3))


def test_a_batch_server_idles_at_low_load_and_shares_at_high() -> None:
    low = batches(1.0, 1e-3, 1e-5)
    assert np.median(low.response_s) == pytest.approx(1.01e-3, rel=0.01)
    assert (low.pending_s > 0).mean() < 0.01
    # without a cost for each, it serves in cycles: half a cycle until the next, and that one
    high = batches(1e6, 1e-3, 0.0)
    assert high.response_s.mean() == pytest.approx(1.5e-3, rel=0.1)
    assert (high.pending_s > 0).mean() > 0.99
    assert high.pending_s.mean() == pytest.approx(1.5e-3, rel=0.1)
    # a cycle lasts as long as what came in it needs: fixed / (1 - rate * each)
    busy = batches(50_000.0, 1e-3, 1e-5)
    assert busy.response_s.max() <= 2.5 * 1e-3 / (1 - 0.5)
    for rate, each in ((1e5, 1e-5), (2e5, 1e-5)):
        with pytest.raises(ValueError, match="saturated"):
            batches(rate, 1e-3, each)
