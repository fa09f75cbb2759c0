"""Studies whose right answer is known, for tests; run as a script it is a study that a test kills.

``python -m tests.bench.tune.studies FOLDER JOBS`` appends a line to the file named by ``QUORUMBENCH_TEST_LOG`` whenever
the function is called, before it answers.
"""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path
from typing import Any

from bench.trial import Trial
from bench.tune import Choice, Constraint, Default, Objective, Real, Study, TuneOptions, Whole, tune

LOG = "QUORUMBENCH_TEST_LOG"
SLOW = "QUORUMBENCH_TEST_SLOW"


def noisy(seed: int, *values: float) -> random.Random:
    """Luck that belongs to a point and a seed."""
    return random.Random(f"{seed} {values}")


def measured(x: float, y: float, noise: float, seed: int) -> dict[str, float | None]:
    """Two figures that no point has both at their best; x below 0.2 breaks something now and then, y hardly matters."""
    if LOG in os.environ:
        with Path(os.environ[LOG]).open("a") as log:  # a line is written at once
            log.write(f"{x!r} {y!r} {seed}\n")
        time.sleep(float(os.environ.get(SLOW, "0")))
    luck = noisy(seed, x, y)
    return {
        "cost": 1.0 + x + 0.02 * y + noise * luck.random(),
        "delay": 1.0 / (0.1 + x) + noise * luck.random(),
        "broke": float(x < 0.2 and luck.random() < 0.8),
    }


def study(**changes: Any) -> Study:
    fields: dict[str, Any] = {
        "name": "known",
        "question": "Where is the compromise?",
        "parameters": {"x": Real(0.0, 1.0), "y": Real(0.0, 1.0)},
        "settings": {"noise": 0.05},
        "function": measured,
        "objectives": [Objective("cost", "cost", unit=""), Objective("delay", "delay")],
        "constraints": [Constraint("a breakage", "broke", at_most=0.0, tolerated=0.1)],
        "defaults": [
            Default("bold", {"x": 0.1, "y": 0.5}, "made up"),
            Default("shy", {"x": 0.9, "y": 0.9}, "made up"),
        ],
        "candidates": 48,
        "looks": (3, 8),
        "confirm": 20,
    }
    return Study(**(fields | changes))


def quorum(read: int, write: int, strong: bool, seed: int) -> dict[str, float | None]:
    """A formula: small quorums are fast, large ones fresh."""
    luck = noisy(seed, read, write, strong)
    return {"latency": read + write + 0.1 * luck.random(), "stale": float(not strong and read + write <= 3)}


discrete = Study(
    name="discrete",
    question="Which quorums?",
    parameters={"read": Whole(1, 3), "write": Whole(1, 3), "strong": Choice((False, True))},
    function=quorum,
    objectives=[Objective("latency", "latency", unit="ms")],
    constraints=[Constraint("a stale read", "stale", at_most=0.0)],
    candidates=30,
    looks=(2, 4),
    confirm=10,
)


def trial(nodes: int, speed: float) -> Trial:
    return Trial(protocol="raft", nodes=nodes, params={"speed": speed})


def trials(**changes: Any) -> Study:
    """A study of trials, run by a stand-in."""
    fields: dict[str, Any] = {
        "name": "trials",
        "question": "?",
        "parameters": {"speed": Real(0.0, 1.0)},
        "settings": {"nodes": 3},
        "trial": trial,
        "objectives": [Objective("outage", "unavailable_s")],
        "candidates": 6,
        "looks": (2, 4),
        "confirm": 5,
        "entry": "tests.bench.tune.fake:run_trial",
    }
    return Study(**(fields | changes))


if __name__ == "__main__":
    options = TuneOptions(out=Path(sys.argv[1]), jobs=int(sys.argv[2]), plain=True)
    result, _ = tune(study(candidates=24, confirm=6), options)
    print("finished" if result.finished else "stopped")
