"""What measures: runtimes, network, faults, workloads, histories, checkers, sweeps and reports.

In scripts and notebooks, see :mod:`bench.python`::

    import bench

    run = bench.run_trial("raft", nodes=5, latency="2ms", fault="crash leader at 2s for 1s")
    print(run.result.verdict, run.result.unavailable_s)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .python import (
        Run,
        check_history,
        find_knee,
        history_frame,
        load,
        load_history,
        make_trial,
        run_sweep,
        run_trial,
    )
    from .trial import Result, Trial

__all__ = [
    "Result",
    "Run",
    "Trial",
    "check_history",
    "find_knee",
    "history_frame",
    "load",
    "load_history",
    "make_trial",
    "run_sweep",
    "run_trial",
]


def __getattr__(name: str) -> Any:
    """What is asked for, imported only then: the command line's help must not wait for it."""
    if name in ("Result", "Trial"):
        from . import trial

        return getattr(trial, name)
    if name in __all__:
        from . import python

        return getattr(python, name)
    raise AttributeError(f"module 'bench' has no attribute {name!r}")
