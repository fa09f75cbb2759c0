"""Slow against dead, and suspicions that breed suspicions: the scripts at a tiny size."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest

from tests.experiments.test_failure_detection import script


def test_a_pause_is_suspected_exactly_when_a_kill_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    out = str(tmp_path)
    arguments = ["slow_or_dead", "--seeds", "1", "--live", "0", "--detectors", "fixed,phi/Akka,SWIM", "--out", out]
    monkeypatch.setattr(sys, "argv", arguments)
    assert script("slow_or_dead").main() == 0
    with (tmp_path / "cells.csv").open() as file:
        rows = list(csv.DictReader(file))
    longer = [row for row in rows if float(row["pause_s"]) > float(row["kill_s"])]
    assert longer and all(row["suspected_s"] == row["kill_s"] for row in longer)
    shorter = [row for row in rows if float(row["pause_s"]) < 0.95 * float(row["kill_s"])]
    assert shorter and not any(row["suspected_s"] for row in shorter)
    assert (tmp_path / "figure.png").stat().st_size > 10_000


@pytest.mark.parametrize("detector", ["Bertier", "phi, Cassandra", "pull, fixed"])
def test_the_others_see_the_same_until_they_suspect(detector: str) -> None:
    events, same = script("slow_or_dead").same_until_suspected(detector, 2)
    assert same and events > 300


def test_a_shard_falls_to_each_of_the_others_once() -> None:
    cascading = script("cascading")
    orders = [cascading.preferences(shard, cascading.NAMES) for shard in range(cascading.SHARDS)]
    assert all(sorted(order) == sorted(cascading.NAMES) for order in orders)
    heirs = [order[1] for order in orders if order[0] == "n2"]
    assert sorted(heirs) == sorted(set(cascading.NAMES) - {"n2"})


def test_load_makes_busy_workers_suspected_and_priority_prevents_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cascading = script("cascading")
    assert cascading.expected_threshold(0.3) == pytest.approx(0.656, abs=0.001)
    monkeypatch.setattr(cascading, "END_S", 9.0)
    names = "fixed 0.3 s;SWIM, Lifeguard;0.3 s, priority"
    out = str(tmp_path)
    arguments = ["cascading", "--seeds", "1", "--loads", "0.4,0.8", "--detectors", names, "--out", out]
    monkeypatch.setattr(sys, "argv", arguments)
    assert cascading.main() == 0
    with (tmp_path / "cells.csv").open() as file:
        rows = {(row["detector"], float(row["load"])): row for row in csv.DictReader(file)}
    assert float(rows["fixed 0.3 s", 0.4]["work"]) < 2 < 10 < float(rows["fixed 0.3 s", 0.8]["work"])
    for name in ("SWIM, Lifeguard", "0.3 s, priority"):
        assert float(rows[name, 0.8]["work"]) < 2
        assert 0.1 < float(rows[name, 0.8]["detected_s"]) < 3
