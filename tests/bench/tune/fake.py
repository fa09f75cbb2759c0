"""A stand-in for running a trial, whose figures follow from its parameters."""

from __future__ import annotations

from typing import Any

from bench.trial import Result, Trial
from tests.bench.sweep import fake


def run_trial(trial: Trial, **_: Any) -> tuple[Result, None]:
    """A violation where ``speed`` is above 0.8, void below 0.1, failure between 0.1 and 0.11."""
    speed = trial.params["speed"]
    if 0.1 <= speed < 0.11:
        raise ValueError("the disk is on fire")
    changes: dict[str, Any] = {}
    if speed > 0.8:
        changes["verdict"] = "invalid"
    if speed < 0.1:
        changes |= {"trial": "void", "void_reason": "too little load", "verdict": "unknown"}
    return fake.result(trial, unavailable=1.0 - speed + trial.seed % 7 / 1000, **changes), None
