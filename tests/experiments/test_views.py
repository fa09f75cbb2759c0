"""The script on agreed views, at a tiny size."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from .test_failure_detection import script


def test_a_group_stops_where_raft_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["views.py", "--seeds", "1", "--shapes", "another killed", "--out", str(tmp_path)])
    assert script("views").main() == 0
    rows = {row["system"]: row for row in csv.DictReader((tmp_path / "cells.csv").open())}
    assert float(rows["views, safe"]["outage_ms"]) > 200 > float(rows["raft"]["outage_ms"])
    assert {row["valid"] for row in rows.values()} == {"1"}
    assert (tmp_path / "figure.png").stat().st_size > 5000
