"""The script on moving data, at a tiny size."""

from __future__ import annotations

import csv
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "experiments" / "partitioning" / "rebalance.py"


def load(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("rebalance", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "rebalance", module)
    spec.loader.exec_module(module)
    return module


def test_all_that_is_due_moves_and_a_pause_makes_it_take_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["rebalance.py", "--seeds", "1", "--cells", "3", "--rate", "1500", "--keys", "6000"]
    monkeypatch.setattr("sys.argv", [*arguments, "--out", str(tmp_path)])
    assert load(monkeypatch).main() == 0
    rows = {float(row["pause_s"]): row for row in csv.DictReader((tmp_path / "cells.csv").open())}
    assert {row["moved"] for row in rows.values()} == {"12"}, "64 partitions, five servers"
    assert {row["valid"] for row in rows.values()} == {"1"}
    assert float(rows[0.0]["took_s"]) < float(rows[0.002]["took_s"]) < float(rows[0.01]["took_s"])
    assert (tmp_path / "figure.png").stat().st_size > 5000
