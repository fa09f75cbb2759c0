"""Panels of all trials over an axis."""

from __future__ import annotations

import pandas as pd
import pytest

from bench.sweep.panels import by_axis, named


def frame() -> pd.DataFrame:
    rows = [
        {"cell": cell, "size": size, "kind": kind, "runtime": runtime, "p50_s": size * scale / 1e3}
        for cell, (size, kind, scale) in enumerate([(1, "a", 1), (1, "b", 2), (9, "a", 1), (9, "b", 2)])
        for runtime in ("sim", "sim", "ray")
    ]
    late = [row for row in rows if row["cell"] == 0]
    unknown = {"cell": 1, "size": 1, "kind": "b", "runtime": "sim", "p50_s": None}
    return pd.DataFrame([*(row for row in rows if row["cell"] != 0), unknown, *late])


def test_values_stand_in_the_order_of_the_grid_in_their_unit() -> None:
    panel = by_axis(frame(), "size", "p50_s", by="kind", title="t", y_label="[ms]", scale=1e3)
    figure = panel.draw()
    axes = figure.axes[0]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1", "9"], "although cell 0 finished last"
    assert axes.get_ylabel() == "[ms]" and axes.get_xlabel() == "size"
    drawn = {float(y) for line in axes.lines for y in line.get_ydata()}
    assert {1.0, 2.0, 9.0, 18.0} <= drawn
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["a, simulated", "b, simulated", "live"]


def test_one_colour_without_a_second_axis() -> None:
    figure = by_axis(frame(), "size", "p50_s", title="t", y_label="s", x_label="servers").draw()
    assert figure.axes[0].get_xlabel() == "servers"


@pytest.mark.parametrize(
    ("axis", "value", "text"),
    [("kind", "pipelined", "pipelined"), ("loss", 0.05, "loss 0.05"), ("rtt_s", 0.02, "rtt 20 ms")],
)
def test_legends_name_what_numbers_count(axis: str, value: object, text: str) -> None:
    assert named(axis, value) == text
