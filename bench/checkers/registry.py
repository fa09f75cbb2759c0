"""Which checks judge the histories of a protocol, by the name of its model (``Family.model``)."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import unknown_name
from ..history.history import History
from . import linearizability
from .clocks import in_every_clock
from .verdict import Verdict

Check = Callable[[History, float], Verdict]
"""(history, seconds it may take) -> verdict. It never changes the history, and never raises for what is in one."""

_CHECKS: dict[str, tuple[Check, ...]] = {
    "register": (linearizability.check,),
    "none": (),
}


def checks_for(model: str) -> tuple[Check, ...]:
    """The checks of that model, for histories of one clock or several.

    Raises:
        UsageError: there is no such model.
    """
    if model not in _CHECKS:
        raise unknown_name("model", model, _CHECKS)
    return tuple(in_every_clock(check) for check in _CHECKS[model])
