"""Live trials one after the other on actors kept between them: the only place where a sweep meets the live runtime."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from ..assess import failed, with_floor
from ..calibration import keep
from ..errors import HarnessError
from ..trial import Result, Trial
from .worker import run_one

RunLive = Callable[[Trial], Result]


MOST_DEATHS = 3
"""Of Ray, in one sweep: after so many its trials fail."""


@contextmanager
def live_session(address: str | None, besides: Collection[str] = ()) -> Iterator[RunLive]:
    """A function that runs live trials on one set of actors, and the floor of the cluster in each result.

    A trial under which Ray dies runs again on another Ray: it is none of the trial's doing, and no figure was kept.

    Args:
        address: of a running cluster; None starts an embedded local one.
        besides: Ray nodes of that cluster that are left to others.
    """
    # The live runtime stays out of reach of sweeps: the way to it is bench.run, by name, when it is needed.
    run: Any = importlib.import_module("bench.run")
    deaths = 0
    with ExitStack() as stack:
        session = stack.enter_context(run.open_session(address, besides))

        def run_live(trial: Trial) -> Result:
            nonlocal session, deaths
            while True:
                result = attempt(trial)
                if result.error is None or run.session_alive(session) or deaths >= MOST_DEATHS:
                    return result
                deaths += 1
                stack.close()
                session = stack.enter_context(run.open_session(address, besides))

        def attempt(trial: Trial) -> Result:
            try:
                floor = run.floor_of(session, trial)
            except HarnessError as error:
                if run.session_alive(session):
                    raise
                return failed(trial, str(error), {})
            if address is None:
                keep(floor)
            result = run_one(trial, session=session)
            if result.error is not None or result.floor is not None:
                return result
            return with_floor(result, floor)

        yield run_live
