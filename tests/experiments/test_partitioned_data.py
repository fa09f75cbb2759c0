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


def test_queries_fan_out_as_the_model_says_and_only_an_asynchronous_index_is_late(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    arguments = ["--seeds", "1", "--duration", "2", "--servers", "2,50", "--flushes", "0,0.1"]
    rows = run("secondary_indexes", monkeypatch, tmp_path, *arguments)
    at = {(row["part"], row["kind"], float(row["x"])): row for row in rows}
    wide = at["queries", "local", 50]
    assert float(wide["predicted"]) == pytest.approx(0.395, abs=0.001)
    assert float(wide["late"]) == pytest.approx(0.395, abs=0.08)
    assert float(at["queries", "global", 50]["late"]) < 0.06
    assert float(at["queries", "local, asked again", 50]["late"]) < 0.01
    local, sync, later = (at["writes", kind, 8] for kind in ("local", "sync", "async"))
    for row in (local, sync, later):
        assert float(row["p50_ms"]) == pytest.approx(float(row["predicted"]), rel=0.1)
    assert float(local["messages"]) == 0 < float(sync["messages"]) < 4
    down = {kind: float(at["a server is down", kind, 8]["late"]) for kind in ("local", "sync", "async")}
    assert down["sync"] > 1.5 * down["local"] and down["async"] < 1.3 * down["local"]
    late = at["staleness", "async", 0.1]
    assert float(late["mean_ms"]) == pytest.approx(float(late["predicted"]), rel=0.1)
    assert float(late["late"]) == pytest.approx(float(late["predicted_late"]), rel=0.2)
    assert float(at["staleness", "async", 0]["late"]) < 0.04


def test_the_published_share_of_slow_queries() -> None:
    """Dean and Barroso, The Tail at Scale (CACM 2013): 100 servers, each slow once in 100 times."""
    from tests.experiments.test_partitioning import script

    secondary = script("secondary_indexes")
    assert round(secondary.predicted_late("local", 100), 2) == 0.63
    assert round(secondary.predicted_late("local", 1), 2) == 0.01


def test_joins_move_what_the_model_says_and_agree_with_pandas(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    arguments = ["--left", "400", "--workers", "4", "--ratios", "1,2,4,8", "--skews", "0,1.5", "--widths", "4,256"]
    rows = run("joins", monkeypatch, tmp_path, *arguments, "--duration", "1")
    at = {(row["part"], row["system"], float(row["x"])): row for row in rows}
    for row in rows:
        if row["part"] in ("bytes", "scans", "changes"):
            assert float(row["measured"]) == pytest.approx(float(row["predicted"]), rel=0.12), row
    for ratio, best in ((2, "repartition"), (4, "broadcast")):  # the model says 3
        moved = {way: float(at["bytes", way, ratio]["measured"]) for way in ("repartition", "broadcast")}
        assert min(moved, key=lambda way: moved[way]) == best
    assert float(at["bytes", "colocated", 8]["measured"]) == 0
    assert float(at["skew", "repartition", 1.5]["measured"]) > 1.7 > float(at["skew", "broadcast", 1.5]["measured"])
    assert float(at["scans", "hash", 4]["late"]) > 4 * float(at["scans", "range", 4]["late"])
