"""Models weaker than linearizability: causal consistency and its variants, session guarantees, staleness.

They are checked on histories of registers whose written values differ; see :mod:`.sessions`.
"""

from __future__ import annotations

from typing import Final

from . import quiescence, staleness
from .causal import convergence, memory, pram, weak
from .deciding import VALID, Check, Decide, Found, checker
from .guarantees import monotonic_reads, monotonic_writes, read_your_writes, writes_follow_reads
from .isolation import read_atomic, read_committed
from .order import OutOfTime
from .sessions import Sessions
from .single_order import prefix, sequential

__all__ = ["DECISIONS", "MODELS", "Check", "Found", "OutOfTime"]


def _consistent_reads(s: Sessions, deadline: float) -> Found:
    """Read consistency: no read of a value that nobody wrote, that was aborted, or that its writer overwrote."""
    return VALID


DECISIONS: Final[dict[str, Decide]] = {
    "sequential": sequential,
    "causal-memory": memory,
    "causal": convergence,
    "weak-causal": weak,
    "pram": pram,
    "consistent-prefix": prefix,
    "read-atomic": read_atomic,
    "read-committed": read_committed,
    "read-your-writes": read_your_writes,
    "monotonic-reads": monotonic_reads,
    "monotonic-writes": monotonic_writes,
    "writes-follow-reads": writes_follow_reads,
    "read-consistency": _consistent_reads,
}
"""Name -> what decides the model on sessions; strong models first."""

MODELS: Final[dict[str, Check]] = {name: checker(name, decide) for name, decide in DECISIONS.items()} | {
    "causal-convergence": checker("causal", convergence),
    "bounded-staleness": staleness.check,
    "convergence": quiescence.check,
}
"""Name -> check function (history, seconds it may take) -> verdict. All at once: :func:`.lattice.which_models`."""
