"""Epidemics in the simulator against the tables of Demers et al. (1987), and the formulas beside them."""

from __future__ import annotations

import importlib.util
import sys
from statistics import fmean, stdev
from typing import Any

import pytest

from bench.provenance import ROOT
from protocols.gossip import formulas


def experiment() -> Any:
    path = ROOT / "experiments" / "failure-detection" / "gossip_fanout.py"
    spec = importlib.util.spec_from_file_location("gossip_fanout", path)
    assert spec is not None and spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules["gossip_fanout"] = loaded
    spec.loader.exec_module(loaded)
    return loaded


fanout = experiment()


def test_residues() -> None:
    """The paper's "k = 1 misses 20%, k = 2 only 6%"."""
    assert formulas.rumor_residue(1) == pytest.approx(0.203, abs=5e-4)
    assert formulas.rumor_residue(2) == pytest.approx(0.0595, abs=5e-4)
    assert formulas.missing_after(False, 0.1, 1000) == pytest.approx(0.01)
    assert formulas.missing_after(True, 0.01, 1000) == pytest.approx(0.01 / 2.718, rel=0.02)


@pytest.mark.golden
@pytest.mark.parametrize("row", [1, 5], ids=["push k=2", "pull k=1"])
def test_rumors_of_a_thousand(row: int) -> None:
    """Within three standard errors, and what the table's rounding leaves; 300 runs: the experiment, --runs 300."""
    name, params, published = fanout.ROWS[row]
    found = fanout.rumor(params, 1000, 3)
    for measure, value in zip(("residue", "traffic"), published, strict=False):
        values = [getattr(each, measure) for each in found]
        ours, error = fmean(values), stdev(values) / len(values) ** 0.5
        print(f"{name}: {measure} published {value:g} | ours {ours:.4g} +- {error:.2g}")
        assert abs(ours - value) < 4 * error + 0.02 * value


@pytest.mark.golden
@pytest.mark.parametrize(("style", "published"), [("push", 12.3), ("pull", 9.8), ("push-pull", 6.5)])
def test_rounds_of_anti_entropy(style: str, published: float) -> None:
    values = fanout.entropy(style, 100, 12)
    ours, error = fmean(values), stdev(values) / len(values) ** 0.5
    print(f"anti-entropy {style}, n=100: rounds published {published} | ours {ours:.2f} +- {error:.2f}")
    assert abs(ours - published) < 0.3 + 3 * error
