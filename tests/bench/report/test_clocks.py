"""What people are told of several clocks: in the report, and on the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from bench.cli.summary import print_summary
from bench.report import render
from bench.report.clocks import clock_table, power_sentence
from bench.sweep import Row
from bench.trial import Bias, ClockReport, HostClock, Result, Trial

from ..sweep.fake import result

LIVE = Trial(protocol="raft", runtime="ray", generators=2)


def clock(bound_s: float = 0.000164, **fields: Any) -> ClockReport:
    host = HostClock(machine="10.0.0.3", nodes=("n2", "g2"), offset_s=-1.5, bound_s=bound_s, exchanges=120)
    values: dict[str, Any] = {"hosts": (host,), "max_bound_s": bound_s, "generator_clocks": 2}
    return ClockReport(**(values | {"detection_power_lost": 0.00012, "neighbours_lost": 0.043} | fields))


def row(outcome: Result) -> Row:
    return Row(key="k", point={}, code_version="c", sitting=1, finished=0.0, result=outcome)


def test_each_clock_is_a_row_with_the_worst_of_its_bounds() -> None:
    rows = [row(result(LIVE, clock=clock())), row(result(LIVE, clock=clock(0.002))), row(result(LIVE))]
    table = clock_table(rows)
    assert table is not None
    (cells,) = table.rows
    assert [cell.text for cell in cells[:3]] == ["10.0.0.3", "-1.50 s", "2.00 ms"]
    assert cells[-1].text == "2"
    sentence = power_sentence(rows)
    assert "in the worst of 2 trials: 0.01% of the ordered pairs" in sentence and "and 4.30% of the" in sentence


def test_nothing_is_said_where_one_clock_recorded_all() -> None:
    assert clock_table([row(result(LIVE))]) is None
    assert power_sentence([row(result(LIVE, clock=clock(generator_clocks=1)))]) == ""


def test_the_report_shows_it(tmp_path: Path) -> None:
    file = tmp_path / "out.json"
    file.write_bytes(msgspec.json.encode(result(LIVE, clock=clock(), bias=Bias())))
    words = render(file, tmp_path / "report.html").read_text()
    assert "10.0.0.3" in words and "can no longer be told apart" in words and "164 µs" in words


@pytest.mark.parametrize("several", [True, False])
def test_the_terminal_shows_it(several: bool) -> None:
    out = Console(record=True, width=300)
    found = clock() if several else clock(generator_clocks=1)
    print_summary(out, result(LIVE, clock=found), None)
    (line,) = [line for line in out.export_text().splitlines() if line.strip().startswith("clocks")]
    assert "10.0.0.3 1.5s behind, known to 164us" in line
    assert ("detection power lost: 0.01% of ordered pairs, 4.30% of direct successors" in line) == several
