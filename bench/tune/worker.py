"""What runs in a worker process for a study of a pure function: one encoded call in, its figures out."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from .log import Measurement, written


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A call of a study's function: ``given`` are its arguments but the seed."""

    key: str
    point: dict[str, Any]
    given: dict[str, Any]
    seed: int


def name_of(function: Callable[..., Any]) -> str:
    """Where a worker finds a function: ``file:name``, so that a script need not be importable."""
    return f"{Path(function.__code__.co_filename).resolve()}:{function.__qualname__}"


@functools.cache
def find(name: str) -> Callable[..., Mapping[str, float | None]]:
    """The function of :func:`name_of`; its file is run once a process, not as ``__main__``."""
    path, _, function = name.rpartition(":")
    spec = importlib.util.spec_from_file_location("study_script_" + Path(path).stem.replace("-", "_"), path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    importlib.import_module("sys").modules[spec.name] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    found: Callable[..., Mapping[str, float | None]] = getattr(module, function)
    return found


def call_encoded(call: bytes, name: str) -> bytes:
    """Call the function. Whatever goes wrong becomes a measurement with that error."""
    return msgspec.json.encode(call_one(msgspec.json.decode(call, type=Call), find(name)))


def call_one(call: Call, function: Callable[..., Mapping[str, float | None]]) -> Measurement:
    """As :func:`call_encoded`, in this process."""
    began = time.perf_counter()
    try:
        figures = function(**call.given, seed=call.seed)
        kept = {name: None if value is None else written(float(value)) for name, value in figures.items()}
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        return Measurement(
            key=call.key, point=call.point, seed=call.seed, trial="void", verdict="unknown", error=text, reason=text
        )
    took = time.perf_counter() - began
    return Measurement(key=call.key, point=call.point, seed=call.seed, figures=kept, took_s=took)
