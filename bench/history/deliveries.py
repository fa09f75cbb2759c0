"""Broadcasts and deliveries, in columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from .history import IntColumn

BROADCAST, DELIVER = 0, 1
"""Kinds of rows."""


@dataclass(frozen=True)
class Deliveries:
    """Broadcasts and deliveries in one static group of nodes, a row each.

    Rows stand in any order that keeps every node's own; times play no part, so clocks need not agree. A node that
    restarts with its durable state is the node it was; one that restarts without is another node.

    Attributes:
        node: who broadcast or delivered, from 0.
        kind: BROADCAST or DELIVER.
        message: code of the message, from 0; no two broadcasts share one.
        crashed: of each node, whether it is faulty: it crashed in the run and did not come back.
        settled: whether the run went on until nothing was under way any more. Without it a message that has not
            arrived may still arrive.
    """

    node: IntColumn
    kind: IntColumn
    message: IntColumn
    crashed: NDArray[np.bool_]
    settled: bool = True

    def __post_init__(self) -> None:
        if not len(self.node) == len(self.kind) == len(self.message):
            raise UsageError(f"columns of {len(self.node)}, {len(self.kind)}, {len(self.message)} rows: not of one log")
        if len(self) and not (self.node.min() >= 0 and self.node.max() < len(self.crashed)):
            raise UsageError(f"nodes {self.node.min()} to {self.node.max()}: must be 0 to {len(self.crashed) - 1}")
        if len(self) and self.message.min() < 0:
            raise UsageError(f"message {self.message.min()}: must not be negative")
        if not np.isin(self.kind, (BROADCAST, DELIVER)).all():
            raise UsageError(f"kinds {np.unique(self.kind).tolist()}: must be {BROADCAST} or {DELIVER}")

    def __len__(self) -> int:
        return len(self.node)
