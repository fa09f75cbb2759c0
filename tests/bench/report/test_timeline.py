"""Drawings of violations in histories that others recorded."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from bench.history import readers
from bench.history.history import FAIL, INFO, NEVER
from bench.history.operations import MISSING, Operation
from bench.history.transactions import Transactions
from bench.report.timeline_foreign import overview_svg, short, table, transaction_words, violation_timeline


def operation(process: int, function: str, start: int, end: int | None, **more: object) -> Operation:
    outcome = INFO if end is None else 0
    fields = {"outcome": outcome, "line": start + 1} | more
    completed = NEVER if end is None else end
    return Operation(process=process, function=function, invoked=start, completed=completed, **fields)  # type: ignore[arg-type]


HISTORY = [
    operation(0, "write", 0, 10, argument=1),
    operation(1, "write", 12, 20, argument=2),
    operation(2, "cas", 14, None, argument=(1, 3)),
    operation(3, "read", 30, 40, result=1),
    operation(4, "read", 32, 41, result=2),
    operation(1, "write", 33, 42, argument=9, outcome=FAIL),
    *(operation(5, "read", 1000 + 10 * each, 1005 + 10 * each, result=2) for each in range(200)),
]


def texts(svg: str) -> list[str]:
    return [  # what it says stands before or after what the pointer shows
        (each.text or "") + "".join(child.tail or "" for child in each)
        for each in ElementTree.fromstring(svg).iter()
        if each.tag.endswith("text")
    ]


def hovers(svg: str) -> list[str]:
    return [each.text or "" for each in ElementTree.fromstring(svg).iter() if each.tag.endswith("title")]


def read(tmp_path: Path, text: str) -> Transactions:
    (tmp_path / "history").write_text(text)
    history = readers.read(tmp_path / "history").transactions().history
    assert isinstance(history, Transactions)
    return history


def test_what_shows_it_stands_among_what_went_on() -> None:
    svg = violation_timeline(HISTORY, [0, 1, 3], "a title & more", clock=False)
    words = texts(svg)
    assert words[0] == "a title & more"
    for expected in ("p0", "p1", "p3", "write 1", "write 2", "read → 1", "unanswered"):
        assert expected in words
    assert "process 3: read → 1 (ok, line 31)" in hovers(svg)
    assert not any("write 9" in each for each in hovers(svg)), "it failed: it explains nothing"
    assert len(hovers(svg)) < 60, "of 200 later reads only some"


def test_the_window_is_the_last_operation_to_begin() -> None:
    tree = ElementTree.fromstring(violation_timeline(HISTORY, [0, 1, 3], clock=False))
    boxes = [each for each in tree.iter() if each.tag.endswith("rect")]
    (window,) = (each for each in boxes if each.get("opacity") == "0.16")
    last = next(each for each in boxes if any("read → 1 (ok, line 31)" in (title.text or "") for title in each))
    assert window.get("x") == last.get("x")
    assert abs(float(window.get("width", 0)) - float(last.get("width", 0))) <= 6


def test_nothing_is_drawn_over_the_edge() -> None:
    long = [operation(n, "append", 10 * n, 10 * n + 5, key="k" * 30, argument="x" * 500) for n in range(12)]
    for history in (long, HISTORY):
        tree = ElementTree.fromstring(violation_timeline(history, range(len(history)), clock=True))
        for each in tree.iter():
            if each.tag.endswith("rect") and each.get("x"):
                assert 0 <= float(each.get("x", 0)) <= 1000
                assert float(each.get("x", 0)) + float(each.get("width", 0)) <= 1000
            if each.tag.endswith("text"):
                assert 0 <= float(each.get("x", 0)) <= 1000


def test_rows_that_there_are_not() -> None:
    assert "no operations" in violation_timeline(HISTORY, [])
    assert "no operations" in violation_timeline(HISTORY, [-1, 10_000])
    assert overview_svg(HISTORY, [-1]) == ""
    assert table(HISTORY, [-1, 10_000]) == []


def test_overview() -> None:
    svg = overview_svg(HISTORY, [0, 3], clock=False)
    assert "all 206 in the order in which they began; red: those below" in texts(svg)
    assert hovers(svg).count("of the violation") == 2
    counted = [int(words.split()[0]) for words in hovers(svg) if words.endswith("operations")]
    assert sum(counted) == len(HISTORY)


def test_table() -> None:
    assert table(HISTORY, [2, 0]) == [
        ("line 1", "p0", "write 1", "ok", "0.00 to 0.00 ms"),
        ("line 15", "p2", "cas 1 to 3", "info", "0.00 to unanswered"),
    ]


def test_words() -> None:
    assert short(operation(0, "read", 0, 1, key="k", result=None)) == "read k → nil"
    assert short(operation(0, "cas", 0, 1, argument=(1, 2), result=5)) == "cas 1 to 2 → 5"
    assert short(operation(0, "cas", 0, 1, argument=(1, 2), outcome=FAIL)) == "cas 1 to 2 (failed)"
    assert short(operation(0, "put", 0, 1, key="k", argument="a b", result=MISSING)) == "put k 'a b'"
    assert short(operation(0, "txn", 0, 1, argument=(("r", 1, None),), result=(("r", 1, 2),))) == "txn → [[r 1 2]]"
    assert len(short(operation(0, "put", 0, 1, argument="x" * 500))) == 46


def test_transactions(tmp_path: Path) -> None:
    line = '{{"type": "{}", "process": {}, "time": {}, "value": {}}}\n'
    history = read(
        tmp_path,
        line.format("invoke", 0, 1, '[["append", "x", 1], ["r", "y", null]]')
        + line.format("invoke", 1, 2, '[["r", "x", null]]')
        + line.format("ok", 0, 3, '[["append", "x", 1], ["r", "y", null]]')
        + line.format("ok", 1, 4, '[["r", "x", [1]]]')
        + line.format("invoke", 2, 5, '[["r", "x", null]]'),
    )
    assert [transaction_words(history, row) for row in range(3)] == [
        "append x 1, r y nil",
        "r x [1]",
        "r x ? (unknown)",
    ]
    svg = violation_timeline(history, [0, 1], "title")
    assert {"p0", "p1", "append x 1, r y nil", "r x [1]"} <= set(texts(svg))
    assert table(history, [1])[0][:4] == ("line 2", "p1", "r x [1]", "ok")


def test_sessions_without_a_clock_begin_together(tmp_path: Path) -> None:
    history = read(tmp_path, "w 0 1\n-----\nw 0 2\n=====\nr 0 1\n-----\nr 0 2\n")
    before = history.invoked.copy()
    svg = violation_timeline(history, [0, 2], clock=False)
    assert {"s0", "s1"} <= set(texts(svg))
    assert any("they have no clock in common" in words for words in texts(svg))
    red = [
        each.get("x") for each in ElementTree.fromstring(svg).iter() if each.get("fill") == "#c44500" and each.get("rx")
    ]
    assert len(red) == 2 and len(set(red)) == 1
    assert 'opacity="0.16"' not in svg, "there is no window"
    assert overview_svg(history, [0]) == ""
    assert np.array_equal(before, history.invoked)


def test_offline() -> None:
    svg = violation_timeline(HISTORY, [0, 1, 3])
    assert not re.search(r"<script|https?://(?!www\.w3\.org/2000/svg)|@import|url\(", svg)
