"""Live trials, one after the other on actors kept between them: the only place where a sweep meets the live runtime."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..assess import with_floor
from ..calibration import keep
from ..trial import Result, Trial
from .worker import run_one

RunLive = Callable[[Trial], Result]


@contextmanager
def live_session(address: str | None) -> Iterator[RunLive]:
    """A function that runs live trials on one set of actors, and the floor of the cluster in each result."""
    # The live runtime stays out of reach of sweeps: the way to it is bench.run, by name, when it is needed.
    run: Any = importlib.import_module("bench.run")
    with run.open_session(address) as session:

        def run_live(trial: Trial) -> Result:
            floor = run.floor_of(session, trial)
            if address is None:
                keep(floor)
            result = run_one(trial, session=session)
            if result.error is not None or result.floor is not None:
                return result
            return with_floor(result, floor)

        yield run_live
