"""The script on split brain, at a tiny size."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from .test_failure_detection import script


def test_a_pause_tells_a_fence_from_hope(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["split_brain.py", "--seeds", "1", "--strategies", "keep-majority", "--shapes", "1 paused"]
    monkeypatch.setattr("sys.argv", [*arguments, "--out", str(tmp_path)])
    assert script("split_brain").main() == 0
    rows = {row["fence"]: row for row in csv.DictReader((tmp_path / "cells.csv").open())}
    assert rows["True"]["n1_had_it"] == rows["False"]["n1_had_it"] == "1"
    assert float(rows["True"]["double_acts"]) == 0 < float(rows["False"]["double_acts"])
    assert (tmp_path / "figure.png").stat().st_size > 5000
