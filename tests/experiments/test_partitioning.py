"""The scripts on placement: run small, they measure what the formulas say, and write what they print."""

from __future__ import annotations

import csv
import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.provenance import ROOT


def script(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, ROOT / "experiments" / "partitioning" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[name] = loaded
    spec.loader.exec_module(loaded)
    return loaded


def run(name: str, monkeypatch: pytest.MonkeyPatch, out: Path, *arguments: str) -> list[dict[str, str]]:
    """Run the script, and read the table it wrote."""
    monkeypatch.setattr(sys, "argv", [name, *arguments, "--out", str(out)])
    assert script(name).main() == 0
    assert (out / "figure.png").stat().st_size > 10_000
    (table,) = out.glob("*.csv")
    with table.open() as file:
        return list(csv.DictReader(file))


def test_random_tokens_spread_as_the_formula_says_and_chosen_ones_better(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rows = run("vnodes", monkeypatch, tmp_path, "--rings", "6", "--nodes", "10,100", "--tokens", "1,16")
    cells = {(row["nodes"], row["tokens"], row["allocation"]): row for row in rows}
    assert len(cells) == 8
    for nodes in ("10", "100"):
        drawn, chosen = cells[nodes, "16", "random"], cells[nodes, "16", "chosen"]
        assert float(drawn["deviation"]) == pytest.approx(float(drawn["formula_deviation"]), rel=0.35)
        assert float(chosen["peak"]) < 1.1 < float(drawn["peak"])
    assert float(cells["100", "1", "random"]["peak"]) > float(cells["10", "1", "random"]["peak"])


def test_only_hash_mod_n_moves_nearly_everything(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rows = run("placement", monkeypatch, tmp_path, "--keys", "5000", "--nodes", "10")
    found = {row["strategy"]: row for row in rows}
    assert len(found) == 11
    assert float(found["hash mod N"]["join_moves"]) > 8
    for name, row in found.items():
        if name != "hash mod N":
            assert 0.3 < float(row["join_moves"]) < 2.5, name
        if name not in ("hash mod N", "ring, 16 random, bounded 1.25") and not name.startswith("Maglev"):
            assert float(row["join_needless"]) == float(row["leave_needless"]) == 0, name
    assert float(found["ring, 16 random, bounded 1.25"]["peak"]) <= 1.25


def test_the_bad_hash_is_found_and_the_good_ones_pass(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rows = run("hash_quality", monkeypatch, tmp_path, "--keys", "5000")
    for row in rows:
        sums = row["function"] == "sum" and row["keys"] not in ("random",)
        if sums and row["keys"] != "zipfian requests":
            assert float(row["chi_square_p"]) < 1e-6, row
        if row["function"] != "sum":
            assert float(row["chi_square_p"]) > 1e-4, row
    worst = next(row for row in rows if row["function"] == "sum" and row["keys"].startswith("anagrams"))
    assert float(worst["peak"]) == 64


def test_a_split_by_load_helps_where_one_by_size_does_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rows = run("split_merge", monkeypatch, tmp_path, "--seeds", "1", "--skews", "1.2", "--sizes", "500")
    rates = {row["system"]: float(row["throughput"]) for row in rows if row["part"] == "load"}
    bound = next(float(row["predicted"]) for row in rows if row["part"] == "load" and "load" in row["system"])
    assert rates["range, split by load"] == pytest.approx(bound, rel=0.1)
    assert rates["range, split by size"] < 0.5 * bound
    inserts = {row["system"]: float(row["throughput"]) for row in rows if row["part"] == "insert"}
    assert max(rate for system, rate in inserts.items() if "range" in system) < 0.2 * inserts["hash, 64 fixed"]
    (size,) = (row for row in rows if row["part"] == "size")
    assert 500 / 64 <= float(size["partitions"]) <= 2 * 500 / 64
    joins = {row["system"]: row for row in rows if row["part"] == "join"}
    assert float(joins["64 fixed"]["moved"]) == pytest.approx(0.19, abs=0.03)
    assert float(joins["32 a server"]["moves"]) == 32


def test_as_many_raft_groups_as_servers_and_no_more(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rows = run("raft_groups", monkeypatch, tmp_path, "--seeds", "1", "--groups", "1,3,24")
    rates = {
        int(row["groups"]): float(row["throughput"]) for row in rows if row["throughput"] and row["servers"] == "3"
    }
    assert rates[3] > 1.5 * rates[1] and rates[3] > 1.5 * rates[24]
    waited = {int(row["groups"]): float(row["waited"]) for row in rows if row["waited"] and row["servers"] == "6"}
    assert waited[1] == 1 and waited[24] < 0.4
