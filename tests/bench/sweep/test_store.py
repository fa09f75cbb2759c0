"""The run folder: atomic parts, each trial once, readable while it grows."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from bench.assess import failed
from bench.errors import UsageError
from bench.sweep import Counts, RunFolder, SweepResult, observed
from bench.sweep.store import COMPACT_AT, Description, Row, alone
from bench.trial import Latency, Result, Trial

from .fake import result

POINT = {"nodes": 3, "election_timeout_s": (0.05, 0.1)}


def row(key: str, seed: int = 1, finished: float = 0.0, outcome: Result | None = None, code: str = "code") -> Row:
    outcome = result(Trial(protocol="raft", seed=seed)) if outcome is None else outcome
    return Row(key=key, point=POINT, code_version=code, sitting=1, finished=finished, result=outcome)


def folder(tmp_path: Path) -> RunFolder:
    made = RunFolder(tmp_path / "run")
    made.create()
    made.describe(Description(name="x", question="?", points=(POINT,), code_version="code", finished=True))
    return made


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    files = folder(tmp_path)
    broken = failed(Trial(protocol="raft", seed=2), "worker died", {})
    files.append([row("a", 1, 1.0), row("b", 2, 2.0, broken)])
    files.append([row("c", 3, 0.5)])
    assert [r.key for r in files.rows()] == ["c", "a", "b"]
    assert files.rows()[1] == row("a", 1, 1.0)
    assert files.rows()[2].result.error == "worker died"
    assert files.keys() == {"a", "b", "c"}
    assert RunFolder(files.path).keys() == files.keys()


def test_a_part_under_way_and_a_stale_one_are_not_seen(tmp_path: Path) -> None:
    files = folder(tmp_path)
    files.append([row("a")])
    (files.parts / "part-000009.tmp").write_bytes(b"half a file")
    assert files.keys() == {"a"}
    files.create()
    assert not list(files.parts.glob("*.tmp"))


def test_many_parts_become_one_without_losing_or_doubling_any(tmp_path: Path) -> None:
    files = folder(tmp_path)
    for i in range(COMPACT_AT + 5):
        files.append([row(f"k{i}", i, float(i))])
    assert len(list(files.parts.glob("*.parquet"))) < 10
    assert [r.key for r in files.rows()] == [f"k{i}" for i in range(COMPACT_AT + 5)]


def test_a_kill_while_merging_leaves_each_trial_once(tmp_path: Path) -> None:
    files = folder(tmp_path)
    files.append([row("a")])
    kept = (files.parts / "part-000001.parquet").read_bytes()
    files.append([row("b")])
    files.compact()
    (files.parts / "part-000001.parquet").write_bytes(kept)  # the merged file is there, this one not yet removed
    assert sorted(r.key for r in RunFolder(files.path).rows()) == ["a", "b"]


def test_the_frame_has_axes_and_figures_and_only_the_latest_code(tmp_path: Path) -> None:
    files = folder(tmp_path)
    files.append([row("a"), row("old", code="older code")])
    loaded = SweepResult.load(files.path)
    frame = loaded.frame()
    assert loaded.other_code == 1
    assert len(frame) == 1
    assert frame.loc[0, "election_timeout_s"] == (0.05, 0.1)
    assert frame.loc[0, "cell"] == 0
    assert frame.loc[0, "p99_s"] == 0.01
    assert frame.loc[0, "leader_hit"]


def test_what_was_longer_than_could_be_observed_counts_as_infinite_over_trials(tmp_path: Path) -> None:
    """Neither left out nor taken for what was seen of it: the median of three trials of which two never ended is so."""
    files = folder(tmp_path)
    trial = Trial(protocol="raft")
    files.append([row("a", outcome=result(trial, 0.1))])
    beyond = {"unavailable_censored": True, "latency_s": Latency(p50=0.1, censored=0.4)}
    files.append([row(key, outcome=result(trial, 0.05, **beyond)) for key in "bc"])
    files.append([row("d", outcome=result(trial, 0.01, trial="void", void_reason="x"))])
    files.append([row("e", outcome=failed(trial, "no", {}))])
    frame = SweepResult.load(files.path).frame()
    assert sorted(observed(frame, "unavailable_s")) == [0.1, math.inf, math.inf]
    assert sorted(observed(frame, "p99_s")) == [0.01, math.inf, math.inf]
    assert sorted(observed(frame, "p50_s")) == [0.002, 0.1, 0.1]
    assert list(observed(frame, "ok")) == [400.0] * 3
    counts = Counts.of(frame)
    assert (counts.trials, counts.void, counts.silent) == (5, 2, 2)
    assert counts.text() == "of 5 trials 2 are void and 2 did not serve again"
    assert SweepResult.load(files.path).uncounted() == [
        "nodes 3, election timeout 50-100 ms (simulated): of 5 trials 2 are void and 2 did not serve again"
    ]
    assert Counts(3, 0, 0).text() == ""


def test_parts_with_fewer_columns_are_merged_with_the_others(tmp_path: Path) -> None:
    """A folder that an earlier version of the program began is resumed."""
    files = folder(tmp_path)
    files.append([row("a")])
    part = files.parts / "part-000001.parquet"
    pq.write_table(pq.read_table(part).drop_columns(["unavailable_censored", "latency_censored"]), part)
    files.append([row("b")])
    files.compact()
    assert sorted(each.key for each in files.rows()) == ["a", "b"]


def test_the_parquet_itself_is_readable_by_anyone(tmp_path: Path) -> None:
    files = folder(tmp_path)
    files.append([row("a", outcome=failed(Trial(protocol="raft"), "no", {}))])
    files.append([row("b")])
    table = pd.read_parquet(files.parts)
    assert set(table["key"]) == {"a", "b"}
    assert table["unavailable_s"].notna().sum() == 1


def test_a_folder_that_is_none_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"it has no sweep\.json"):
        SweepResult.load(tmp_path)
    (tmp_path / "sweep.json").write_text("{")
    with pytest.raises(UsageError, match="is not the description of a sweep"):
        SweepResult.load(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written to"):
        RunFolder(tmp_path / "file" / "run").create()


def test_a_folder_in_use_is_refused_and_is_free_again_afterwards(tmp_path: Path) -> None:
    with alone(tmp_path / "run"), pytest.raises(UsageError, match="is in use"), alone(tmp_path / "run"):
        raise AssertionError("two hold it")
    with alone(tmp_path / "run"):
        assert list((tmp_path / "run").iterdir()) == []


@pytest.mark.parametrize("left", [0, 40])
def test_a_part_that_a_loss_of_power_emptied_costs_only_its_own_trials(tmp_path: Path, left: int) -> None:
    files = folder(tmp_path)
    files.append([row("a")])
    files.append([row("b")])
    files.append([row("c")])
    second = files.parts / "part-000002.parquet"
    second.write_bytes(second.read_bytes()[:left])
    files = RunFolder(files.path)
    assert files.keys() == {"a", "c"}
    assert files.damaged() == [second]
    files.append([row("b")])
    files.compact()
    assert files.keys() == {"a", "b", "c"} == {each.key for each in files.rows()}
    assert second.exists(), "what cannot be read is left for whoever wants to look at it"
