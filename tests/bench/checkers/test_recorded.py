"""Histories that other projects recorded get the verdicts that those projects assert."""

from __future__ import annotations

import pytest

from bench.checkers.judging import Options, judge, model_of
from bench.checkers.registry import MODELS
from bench.checkers.transactions.levels import WEAKER
from bench.history import readers
from bench.history.transactions import Transactions

from .recorded import Expected, everything, folder

EVERYTHING = everything()
pytestmark = pytest.mark.skipif(
    folder() is None, reason="recorded histories: neither ../shared/histories nor QUORUMBENCH_HISTORIES is there"
)
FORMATS = {".log": "jepsen-log", ".txt": "porcupine-kv", ".jsonl": "jsonl", ".bincode": "polysi"}


def read(file: str) -> readers.Recorded:
    root = folder()
    assert root is not None
    return readers.read(root / file)


def test_none_is_left_out() -> None:
    assert len({each.file for each in EVERYTHING}) == 126, "72 and 55 are listed, of one no verdict is stated"
    assert {each.verdict for each in EVERYTHING} == {"valid", "invalid"}


@pytest.mark.parametrize("expected", EVERYTHING, ids=str)
def test_verdict(expected: Expected) -> None:
    if expected.model not in MODELS:
        pytest.skip(f"the model {expected.model} is not there yet")
    recorded = read(expected.file)
    options = Options(level=expected.level, group_size=3 if expected.model == "long-fork" else None)
    verdicts = judge(recorded.history, expected.model, 20.0, options, format=recorded.format, path=expected.file)
    assert [verdict.verdict for verdict in verdicts] == [expected.verdict], verdicts
    (verdict,) = verdicts
    if expected.verdict == "invalid":
        assert verdict.reason
        assert verdict.rows == tuple(sorted(set(verdict.rows)))
        assert all(0 <= row < len(recorded.history) for row in verdict.rows)
    assert set(expected.anomalies) <= set(verdict.anomalies)
    if expected.exactly:
        assert set(verdict.anomalies) == set(expected.anomalies)
    for level in expected.violated:
        assert any(weakest in WEAKER[level] for weakest in verdict.violated), f"{level} is violated"
    for level in expected.kept:
        assert any(level in WEAKER[strongest] for strongest in verdict.satisfied), f"{level} is kept"


@pytest.mark.parametrize("file", sorted({each.file for each in EVERYTHING}))
def test_format_and_model_are_told_by_the_content(file: str) -> None:
    recorded = read(file)
    folder_of = file.partition("/")[0]
    by_folder = {"awdit": "awdit", "polysi": "polysi"}.get(folder_of)
    assert recorded.format == (by_folder or FORMATS[file[file.rindex(".") :]])
    assert recorded.path.name == file.rpartition("/")[2]
    model = model_of(recorded.history, file)
    stated = {each.model for each in EVERYTHING if each.file == file}
    if isinstance(recorded.history, Transactions):
        assert model == "rw-register"
    elif model == "register":  # a history without a compare-and-set does not tell that there could be one
        assert "cas-register" in stated
        assert all(operation.function != "cas" for operation in recorded.history)
    else:
        assert model in stated or (model, stated) == ("set", {"set-full"})


def test_no_process_goes_on_after_an_info() -> None:
    """What the readers do with one that does (see ``readers.events``) has been no need of any recorded history."""
    for file in sorted({each.file for each in EVERYTHING}):
        history = read(file).history
        if isinstance(history, Transactions):
            continue
        ended = set()
        for operation in history:
            assert operation.process not in ended
            if operation.outcome == 2:
                ended.add(operation.process)
