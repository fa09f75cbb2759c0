"""What a person sees: cells, what is done and failed, how long it will take, and the best so far."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from bench.assess import failed
from bench.sweep.grid import Cell
from bench.sweep.progress import Board, Lines, LiveTable, make_progress
from bench.trial import Trial

from . import fake


def board(metric: str = "unavailable_s") -> Board:
    cells = [Cell(i, {"nodes": nodes}, Trial(protocol="raft", nodes=nodes)) for i, nodes in enumerate((3, 5, 7))]
    return Board(cells, metric, seeds=4, live=0, phase="simulating", remaining_s=12.0)


def fill(one: Board) -> Board:
    for cell, outage in zip(one.cells, (0.3, 0.1, 0.2), strict=True):
        for seed in (1, 2):
            one.tallies[cell.index].add(fake.result(cell.trial("sim", seed), outage), one.metric)
    one.tallies[2].add(failed(one.cells[2].trial("sim", 3), "no", {}), one.metric)
    return one


def test_the_best_cell_has_the_lowest_outage_or_the_highest_throughput() -> None:
    assert fill(board()).best() == 1
    throughput = board("throughput_ops_s")
    for cell, seed in zip(throughput.cells, (1, 5, 90), strict=True):
        throughput.tallies[cell.index].add(fake.result(cell.trial("sim", seed)), "throughput_ops_s")
    assert throughput.best() == 2
    assert board().best() is None
    headline = fill(board()).headline()
    assert "3 cells, 7 trials, 1 failed" in headline
    assert "about 12 s left, best so far: nodes 5" in headline


def test_the_table_shows_every_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr("rich.console.Console", lambda: Console(file=out, force_terminal=True, width=110))
    one = board()
    table = LiveTable(one)
    fill(one)
    one.add()
    one.cells = [*one.cells, Cell(3, {"nodes": 9}, Trial(protocol="raft", nodes=9))]
    table.phase("searching")
    table.finished(one.cells[3], fake.result(one.cells[3].trial("sim", 1), 0.5))
    table.close()
    shown = out.getvalue()
    assert "valid (best so far)" in shown
    assert "1 failed" in shown
    assert "500 ms" in shown and "1/4" in shown, "a cell that came later has its row"


def test_without_a_terminal_there_are_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    one = board()
    lines = make_progress(one)
    assert isinstance(lines, Lines)
    lines.phase("simulating")
    lines.finished(one.cells[0], failed(one.cells[0].trial("sim", 1), "the disk is on fire", {}))
    lines.note("Ray died")
    lines.close()
    printed = capsys.readouterr().out
    assert "sim nodes 3: unavailable -, the disk is on fire" in printed
    assert "Ray died\n" in printed
    assert "\x1b" not in printed
