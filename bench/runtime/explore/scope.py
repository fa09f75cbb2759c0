"""What a search explores, and what it has come to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from ...checkers.verdict import Verdict
from .steps import Step


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What is explored.

    Attributes:
        nodes, clients: servers and clients.
        operations: (client index, request), each client's in order; a client asks for one at a time.
        timeouts: timers that may run out, in all.
        crashes: of servers, in all. A crash may keep any number of unsynced records; a boot may come at any time after.
        duplicates: messages that may arrive a second time, in all.
        depth: steps at most; None: as many as there are.
        chance: whether every way is tried in which nodes may choose among few (a peer, a server), or one.
    """

    nodes: int = 3
    clients: int = 1
    operations: tuple[tuple[int, Any], ...] = ()
    timeouts: int = 2
    crashes: int = 0
    duplicates: int = 0
    depth: int | None = None
    chance: bool = False


@dataclass
class Found:
    """What a search has come to; it grows while the search is under way.

    Attributes:
        states: different ones seen; ``expanded``: those whose every step was tried.
        transitions: steps tried.
        terminal: states in which nothing can happen any more.
        depth: steps to the farthest state.
        turns: of nodes that were computed.
        histories: different ones that were judged.
        cut: why it is not complete: ``states``, ``time``, ``depth``, ``interrupted``; empty if it is.
        verdict: of the check that fails; None if none does.
        steps: to the violation.
    """

    states: int = 0
    expanded: int = 0
    transitions: int = 0
    terminal: int = 0
    depth: int = 0
    turns: int = 0
    histories: int = 0
    cut: str = ""
    verdict: Verdict | None = None
    steps: list[Step] = field(default_factory=list)
    took_s: float = 0.0

    @property
    def word(self) -> Literal["valid", "invalid", "unknown"]:
        """``valid`` only if everything within the bounds was seen."""
        if self.verdict is not None:
            return "invalid"
        return "unknown" if self.cut else "valid"
