"""The scripts on replication and consistency: every cell can be run, and what they conclude follows the data."""

from __future__ import annotations

import importlib.util
import math
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bench.provenance import ROOT
from bench.run import prepare

SCRIPTS = sorted(
    path
    for folder in ("replication-strategies", "consistency-models")
    for path in (ROOT / "experiments" / folder).glob("*.py")
    if not path.stem.startswith("tune_")
)


def script(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = loaded
    spec.loader.exec_module(loaded)
    return loaded


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_every_cell_can_be_run(path: Path) -> None:
    cells = script(path).sweep.cells()
    assert len(cells) >= 4
    for cell in cells:
        prepare(cell.trial("sim", 1))


def rows(**served: dict[str, int]) -> pd.DataFrame:
    """Trials of 100 operations, of which so many were served, by system and shape."""
    return pd.DataFrame(
        [
            {
                "system": system,
                "shape": shape,
                "trial": "complete",
                "ok": ok,
                "fail": 100 - ok,
                "info": 0,
                "holds.register": "invalid" if system == "one" and shape != "none" else "valid",
            }
            for system, by_shape in served.items()
            for shape, ok in by_shape.items()
        ]
    )


class Frame:
    """What ``conclude`` asks of a result."""

    def __init__(self, df: pd.DataFrame) -> None:
        self.df = df

    def frame(self) -> pd.DataFrame:
        return self.df


def test_the_worst_shape_and_who_is_right_follow_the_data() -> None:
    shapes = script(ROOT / "experiments" / "consistency-models" / "partition_shapes.py")
    df = rows(raft={"none": 100, "isolate": 40}, one={"none": 99, "isolate": 98, "halves": 70})
    said = shapes.conclude(Frame(df))
    assert "Raft 40% (isolate)" in said.answer
    assert "store, ONE 70% (halves)" in said.answer
    assert "1 of 3 histories linearizable" in said.details[1]
    tables = dict(shapes.tables(df.assign(served=df["ok"] / 100, right=df["holds.register"] == "valid")))
    served = tables["operations served [%]"]
    assert served[0][:2] == [100.0, 40.0]
    assert math.isnan(served[0][-1])  # no trial: an empty cell, not a zero
    figure = said.panels[0].draw()
    assert next(text.get_text() for text in figure.axes[0].get_yticklabels()) == "Raft"


def test_nothing_complete_is_said() -> None:
    shapes = script(ROOT / "experiments" / "consistency-models" / "partition_shapes.py")
    assert shapes.conclude(Frame(rows(raft={"none": 1}).assign(trial="void"))).answer == "No trial was complete."
