"""A run that did not end: what is left of it can be judged and reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.cli import store
from bench.errors import UsageError
from bench.history import History, HistoryBuilder
from bench.history.history import COLUMNS
from bench.history.storage import HistoryWriter, read_history
from bench.trial import Trial
from tests.bench.checkers.histories import Script

TRIAL = Trial(protocol="raft", runtime="ray")


def seen() -> History:
    return Script().write(1, 0, 5).read(1, 6, 9).history


def leave(folder: Path, history: History) -> None:
    """What a driver that was killed leaves."""
    writer = HistoryWriter(folder / store.HISTORY)
    writer.extend({name: getattr(history, name).tobytes() for name in COLUMNS})
    writer.flush()
    writer.close(finish=False)


def test_the_history_of_a_killed_run_is_found_judged_and_reported(bench, tmp_path):
    folder = store.begin(TRIAL)
    leave(folder, seen())
    for name in (folder, folder.name[-8:], folder / "history.parquet.unfinished"):
        done = bench("check", name)
        assert done.exit_code == 0, done.output
        assert done.stdout.splitlines()[0] == "2 operations, model register"
    done = bench("report", folder)
    assert done.exit_code == 0, done.output
    assert "the run did not end" in (folder / "report.html").read_text()
    assert not (folder / store.RESULT).exists()


def test_a_violation_before_the_end_is_one(bench, tmp_path):
    folder = store.begin(TRIAL)
    leave(folder, Script().write(1, 0, 5).read(-1, 6, 9).history)
    assert bench("check", folder).exit_code == 1
    result = store.judge_partial(folder)
    assert result is not None
    assert (result.verdict, result.trial, result.error) == ("invalid", "void", "the run did not end")


@pytest.mark.parametrize("known", [True, False])
def test_what_an_interrupted_run_knew_is_kept(bench, known):
    folder = store.begin(TRIAL)
    leave(folder, seen())
    longer = Script().write(1, 0, 5).read(1, 6, 9).read(1, 10, 12).history
    kept = store.keep_partial(folder, longer if known else None)
    assert kept == folder / store.HISTORY
    assert len(read_history(kept)) == (3 if known else 2)
    assert sorted(each.name for each in folder.iterdir()) == [store.HISTORY, store.TRIAL]


def test_a_run_that_knew_nothing_leaves_nothing(bench):
    folder = store.begin(TRIAL)
    assert store.keep_partial(folder, HistoryBuilder().build()) is None
    assert not folder.exists()
    folder = store.begin(TRIAL)
    leave(folder, HistoryBuilder().build())
    assert store.keep_partial(folder, None) is None
    assert not folder.exists()


def test_what_cannot_be_read_stays(bench):
    folder = store.begin(TRIAL)
    left = folder / "history.parquet.unfinished"
    left.write_bytes(b"garbage")
    assert store.keep_partial(folder, None) == left
    with pytest.raises(UsageError, match="nothing in it can be read"):
        store.judge_partial(folder)
