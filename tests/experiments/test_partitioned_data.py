"""The scripts on hot keys, secondary indexes and joins: run small, they measure what their models say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.experiments.test_partitioning import run


def test_a_hot_key_costs_its_share_and_salts_move_the_cost_to_reads(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    arguments = ["--seeds", "1", "--duration", "0.6", "--skews", "0.5,1.9", "--salts", "1,8", "--ttls", "0,0.1"]
    rows = run("hot_keys", monkeypatch, tmp_path, *arguments)
    for row in rows:
        if row["predicted"]:
            assert float(row["throughput"]) == pytest.approx(float(row["predicted"]), rel=0.15), row
    at = {(row["part"], row["system"], float(row["x"])): row for row in rows}
    writes, reads = (
        [float(at["salting", f"{share}% writes", salts]["throughput"]) for salts in (1, 8)] for share in (100, 0)
    )
    assert writes[1] > 1.3 * writes[0] and reads[1] < 0.5 * reads[0]
    cached, plain = at["cache", "table", 0.1], at["cache", "table", 0.0]
    assert float(plain["stale"]) == 0 < float(cached["stale"]) < float(cached["predicted_stale"])
    assert float(cached["busiest_s"]) < 0.6 * float(plain["busiest_s"])
    assert float(at["insert", "hash", 1]["throughput"]) > 5 * float(at["insert", "range", 1]["throughput"])
