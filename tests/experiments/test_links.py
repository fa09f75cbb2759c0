"""The comparison of links follows the data, and says so where they do not tell the links apart."""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

import pandas as pd
import pytest

from bench.provenance import ROOT

SCRIPT = ROOT / "experiments" / "consensus-algorithms" / "links.py"


def module() -> Any:
    spec = importlib.util.spec_from_file_location("links", SCRIPT)
    assert spec is not None and spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules["links"] = loaded
    spec.loader.exec_module(loaded)
    return loaded


experiment = module()


def frame(rates: dict[tuple[str, str, int], list[float]], **changes: Any) -> pd.DataFrame:
    """A row a trial; a closed loop, so latency is clients / rate."""
    rows = [
        {
            "protocol": protocol,
            "link": link,
            "clients": clients,
            "runtime": "ray",
            "trial": "complete",
            "verdict": "valid",
            "throughput_ops_s": rate,
            "p50_s": clients / rate,
        }
        | changes
        for (protocol, link, clients), each in rates.items()
        for rate in each
    ]
    return pd.DataFrame(rows)


RATES = {
    ("null", "tcp", 1): [4000.0, 4400.0],
    ("null", "ray", 1): [200.0, 220.0],
    ("null", "tcp", 64): [26000.0, 30000.0],
    ("null", "ray", 64): [13000.0, 15000.0],
    ("raft", "tcp", 1): [1000.0, 1000.0],
    ("raft", "ray", 1): [100.0, 100.0],
    ("raft", "tcp", 64): [17000.0, 17000.0],
    ("raft", "ray", 64): [3400.0, 3400.0],
}


class Fake:
    """What ``conclude`` needs of a sweep's result."""

    def __init__(self, df: pd.DataFrame) -> None:
        self._df = df

    def frame(self) -> pd.DataFrame:
        return self._df


def answer(df: pd.DataFrame) -> str:
    return str(experiment.conclude(Fake(df)).answer)


def test_the_answer_states_the_loss_at_both_ends_of_the_load() -> None:
    assert answer(frame(RATES)) == (
        "The null protocol takes 20.0 times as long over actor calls with 1 client, and reaches 50% of the throughput "
        "it has over TCP with 64. Raft takes 10.0 times as long over actor calls with 1 client, and reaches 20% of the "
        "throughput it has over TCP with 64."
    )


def test_reversed_data_reverse_the_answer() -> None:
    swapped = {
        (protocol, "ray" if link == "tcp" else "tcp", clients): rate
        for (protocol, link, clients), rate in RATES.items()
    }
    assert "Raft takes 0.1 times as long over actor calls" in answer(frame(swapped))
    assert "reaches 500% of the throughput" in answer(frame(swapped))


def test_overlapping_trials_are_not_told_apart() -> None:
    same = {key: [100.0, 200.0] if key[1] == "tcp" else [150.0, 160.0] for key in RATES}
    assert answer(frame(same)) == (
        "The null protocol: these trials cannot tell the two links apart. "
        "Raft: these trials cannot tell the two links apart."
    )
    half = RATES | {("raft", "ray", 64): [1000.0, 18000.0]}
    assert "and reaches a throughput that cannot be told from that over TCP with 64" in answer(frame(half))
    assert any("(not told apart)" in each for each in experiment.conclude(Fake(frame(half))).details)


@pytest.mark.parametrize("changes", [{"trial": "void"}, {"runtime": "sim"}, {"link": "tcp"}])
def test_without_two_links_there_is_nothing_to_compare(changes: dict[str, Any]) -> None:
    assert answer(frame(RATES, **changes)).endswith("there is nothing to compare.")
    assert answer(pd.DataFrame()).endswith("there is nothing to compare.")


def test_a_violation_comes_first() -> None:
    assert answer(frame(RATES, verdict="invalid")).startswith("16 trials broke a property that must hold")


def test_the_figure_shows_both_protocols_over_both_links() -> None:
    (panel,) = experiment.conclude(Fake(frame(RATES))).panels
    figure = panel.draw()
    rates, latencies = figure.axes
    assert rates.get_ylabel() == "operations/s" and latencies.get_ylabel() == "median latency [s]"
    drawn = {tuple(line.get_ydata()) for line in rates.get_lines() if list(line.get_xdata()) == [1, 64]}
    assert {(4200.0, 28000.0), (210.0, 14000.0), (1000.0, 17000.0), (100.0, 3400.0)} <= drawn
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["TCP", "Ray actor calls", "raft", "null"]


def test_every_cell_can_be_run_and_they_differ_in_their_link() -> None:
    cells = experiment.sweep.cells()
    assert len(cells) == 16
    assert {cell.template.link for cell in cells} == {"tcp", "ray"}
    assert all(cell.trial("ray", 1).runtime == "ray" for cell in cells)
    assert experiment.sweep.budget_s < 120
