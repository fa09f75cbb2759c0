"""The check of any history against any model of a sequential object.

The models, and how their operations are written down, are in :mod:`.sequential`; what linearizable means, and how
operations at one instant count, in :mod:`.linearizability`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from time import monotonic, perf_counter
from typing import Any

from ..errors import unknown_name
from ..history.operations import Operation
from .jit import StepFunction
from .objects import judge
from .sequential import (
    Model,
    cas_register,
    counter,
    kv,
    multi_register,
    mutex,
    queue,
    register,
    set_,
    stack,
)
from .verdict import Verdict

__all__ = ["MODELS", "Model", "check", "custom", "model"]

NAME = "linearizable"


def check(operations: Sequence[Operation], model: Model, budget_s: float = 20.0) -> Verdict:
    """Whether the operations are linearizable with regard to the model.

    Keys that the quick algorithms decide are decided by them: registers (:mod:`.cells`), FIFO queues
    (:mod:`.queues`), locks (:mod:`.locks`), sets (:mod:`.sets`). The others are searched (:mod:`.jit`), and past
    ``budget_s`` seconds, or past the memory bound, the verdict is ``unknown``. So it is if an operation ended before it
    began. The ``rows`` of a violation index ``operations``.

    Raises:
        UsageError: an operation has a function that the model does not know.
    """
    began = perf_counter()
    found = judge(operations, model, monotonic() + budget_s)
    return Verdict(name=NAME, verdict=found.word, reason=found.reason, rows=found.rows, took_s=perf_counter() - began)


def custom(step: StepFunction, initial: Hashable, *, name: str = "custom", keyed: bool = True) -> Model:
    """A model of one's own: any pure step function."""
    return Model(name=name, initial=initial, step=step, keyed=keyed)


MODELS: dict[str, Callable[..., Model]] = {
    "register": register,
    "cas-register": cas_register,
    "multi-register": multi_register,
    "kv": kv,
    "set": set_,
    "counter": counter,
    "queue": queue,
    "stack": stack,
    "mutex": mutex,
}
"""Name -> a function that makes the model; some take an ``initial`` value."""


def model(name: str, **options: Any) -> Model:
    """The model of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in MODELS:
        raise unknown_name("model", name, MODELS)
    return MODELS[name](**options)
