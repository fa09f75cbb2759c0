"""What can be saved from a report without a network: CSV of its tables, and the JSON that replays a violation."""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from ..sweep.result import SweepResult, observed
from ..trial import Result
from .model import groups, interval_of, world

MOST_BYTES = 1_200_000
"""Of one download; what is larger stays in the run's folder."""
WITH_INTERVAL = ("throughput_ops_s", "p99_s", "unavailable_s")
"""A bootstrap each: a large grid cannot afford one for every column."""
MEDIANS = ("p50_s", "p999_s", "detect_s", "elect_s", "commit_s", "p99_back_s", "messages_per_operation")


@dataclass(frozen=True)
class Download:
    """A file inside the page: its name, a ``data:`` address, and what it holds."""

    name: str
    href: str
    text: str


def _download(name: str, kind: str, content: bytes, text: str) -> Download | None:
    if len(content) > MOST_BYTES:
        return None
    return Download(name, f"data:{kind};base64,{base64.b64encode(content).decode()}", text)


def _plain(value: Any) -> Any:
    """Ranges in one column of a CSV, as they are written on the command line."""
    return "..".join(f"{each:g}" for each in value) if isinstance(value, tuple) else value


def trials_csv(result: SweepResult) -> Download | None:
    """Every trial with the columns of :meth:`SweepResult.frame`; None where that is too much for a page."""
    if not result.rows:
        return None
    frame = result.frame()
    for name in result.axes:
        frame[name] = [_plain(value) for value in frame[name]]
    content = frame.to_csv(index=False, float_format="%.6g").encode()
    count = len(frame)
    which = "the trial" if count == 1 else f"all {count:,} trials"
    return _download("trials.csv", "text/csv", content, f"CSV of {which}")


def cells_csv(result: SweepResult) -> Download | None:
    """One row for each cell and world: counts, medians, and the 95% intervals of those that matter most.

    Of fewer than 8 trials the interval is that of the mean.
    """
    import pandas as pd

    frame = result.frame()
    listed = []
    for cell, runtime, rows in groups(result):
        mine = frame[(frame["cell"] == cell) & (frame["runtime"] == runtime)]
        complete = mine[mine["trial"] == "complete"]
        line: dict[str, Any] = {name: _plain(value) for name, value in result.description.points[cell].items()}
        line |= {"world": world(runtime), "trials": len(rows), "complete": len(complete)}
        line |= {word: int((mine["verdict"] == word).sum()) for word in ("valid", "invalid", "unknown")}
        for metric in WITH_INTERVAL:
            values = [float(value) for value in observed(complete, metric).dropna()]
            found = interval_of(values)
            line |= {f"{metric}_median": float(np.median(values)) if values else math.nan}
            line |= {f"{metric}_low": found.low, f"{metric}_high": found.high}
        line |= {f"{metric}_median": float(observed(complete, metric).median()) for metric in MEDIANS}
        listed.append(line)
    if not listed:
        return None
    content = pd.DataFrame(listed).to_csv(index=False, float_format="%.6g").encode()
    return _download("cells.csv", "text/csv", content, "CSV of the cells")


def trial_json(name: str, result: Result) -> Download | None:
    """The whole result, which ``bench replay`` takes."""
    return _download(name, "application/json", msgspec.json.encode(result), f"{name}, for bench replay anywhere")
