"""What runs in a worker process: one encoded trial in, one encoded result out. Only structs travel."""

from __future__ import annotations

import importlib
import os
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing import connection, parent_process
from typing import Any

import msgspec

from ..assess import failed
from ..errors import UsageError
from ..trial import Result, Trial

ENTRY = "bench.run:run_trial"
"""The function that runs a trial, by name, so that a worker imports it itself."""


def load_entry(entry: str) -> Callable[..., tuple[Result, Any]]:
    """The function named ``module:function``."""
    module, _, name = entry.partition(":")
    function: Callable[..., tuple[Result, Any]] = getattr(importlib.import_module(module), name)
    return function


def run_one(trial: Trial, entry: str = ENTRY, **keywords: Any) -> Result:
    """Run a trial. Whatever goes wrong becomes a result with that error: one bad trial does not end a sweep."""
    began = time.perf_counter()
    try:
        result, _ = load_entry(entry)(trial, **keywords)
    except UsageError as error:
        return failed(trial, str(error), {}, time.perf_counter() - began)
    except Exception as error:
        return failed(trial, f"{type(error).__name__}: {error}", {}, time.perf_counter() - began)
    # Provenance is stored once a sitting, not two thousand times.
    return msgspec.structs.replace(result, provenance={})


def run_encoded(trial: bytes, entry: str = ENTRY) -> bytes:
    """As :func:`run_one`, from and to JSON."""
    return msgspec.json.encode(run_one(msgspec.json.decode(trial, type=Trial), entry))


def start_worker() -> None:
    """Prepare a worker process: Ctrl-C is for the parent to handle, and no worker outlives the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    if parent is None:
        return

    def follow() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
