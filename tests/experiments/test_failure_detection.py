"""The scripts on failure detection: their cells can be run, and what they conclude follows the data."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bench.provenance import ROOT
from bench.run import prepare


def script(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, ROOT / "experiments" / "failure-detection" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[name] = loaded
    spec.loader.exec_module(loaded)
    return loaded


@pytest.mark.parametrize("name", ["heartbeat_timeout", "phi_threshold", "swim_scale", "lifeguard"])
def test_every_cell_can_be_run(name: str) -> None:
    cells = script(name).sweep.cells()
    assert len(cells) > 5
    for cell in cells:
        prepare(cell.trial("sim", 1))


def phi_rows(mistakes: dict[float, int]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "network": "steady",
                "detector": "phi-normal",
                "window": 20,
                "threshold": threshold,
                "runtime": "sim",
                "trial": "complete",
                "observed_s": 3600.0,
                "mistakes": float(count),
                "detection_s": threshold / 10,
                "accuracy": 1.0,
            }
            for threshold, count in mistakes.items()
        ]
    )


def test_the_front_leaves_out_what_is_later_and_no_more_often_right() -> None:
    phi = script("phi_threshold")
    found = phi.points(phi_rows({1.0: 50, 3.0: 7, 5.0: 9, 8.0: 0, 12.0: 0}))
    assert list(phi.front(found)["threshold"]) == [1.0, 3.0, 8.0]
    assert found.set_index("threshold").loc[8.0, "at_most_h"] == pytest.approx(3.0)


def test_a_void_trial_enters_nothing() -> None:
    phi = script("phi_threshold")
    rows = phi_rows({1.0: 5, 3.0: 0})
    rows.loc[0, "trial"] = "void"
    assert list(phi.points(rows)["threshold"]) == [3.0]


def test_a_bound_that_holds_has_one_holder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    arguments = ["lease_drift", "--seeds", "3", "--drifts", "0.3", "--bounds", "0,0.3", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", arguments)
    assert script("lease_drift").main() == 0
    rows = pd.read_csv(tmp_path / "cells.csv").set_index("assumed")
    assert rows.loc[0.3, "two_holders"] == 0
    assert rows.loc[0.3, "outage_s"] > rows.loc[0.0, "outage_s"]
    assert (tmp_path / "figure.png").stat().st_size > 10_000
