"""What is observed of a simulated run, turn by turn: its hash, its trace, and whether its invariants hold."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import msgspec
import xxhash

from protocols.family import Invariant

from ...checkers.verdict import Verdict
from ..record import TraceEvent, one_line
from .machine import MESSAGE, REQUEST, SYNCED, TIMER, Machine

_encode = msgspec.msgpack.Encoder().encode
_pack = struct.Struct("<qii").pack


class Observer:
    """The part of a world that watches.

    Attributes:
        now: virtual time, ns.
        violations: of invariants; the run stops at the first.
        trace: every step, if it is asked for.
        views: the last ``inspect`` of each server, as invariants see them.
        stopped: nothing more is handled.
        observing: whether each turn is to be shown to :meth:`after_turn`.
    """

    def __init__(self, invariants: Sequence[Invariant], hashing: bool, tracing: bool) -> None:
        self.now = 0
        self.violations: list[Verdict] = []
        self.trace: list[TraceEvent] | None = [] if tracing else None
        self.views: dict[str, Any] = {}
        self.stopped = False
        self.invariants = list(invariants)
        self.observing = bool(self.invariants) or hashing or tracing
        self._hash = xxhash.xxh3_128() if hashing else None

    def after_turn(self, machine: Machine, kind: int, a: Any, b: Any, sequence: int = -1) -> None:
        """A turn is over: what it was goes into hash and trace, and the invariants look at what it left."""
        if self._hash is not None:
            update = self._hash.update
            update(_pack(self.now, machine.index, kind))
            if kind == MESSAGE:
                update(a.encode())
            update(_encode(b) if kind in (MESSAGE, REQUEST) else repr(a).encode())
        if self.trace is not None:
            self._trace_turn(machine, kind, a, b, sequence)
        if self.invariants and machine.is_server and machine.engine is not None:
            view = self.views[machine.name] = machine.engine.node.inspect()
            for invariant in self.invariants:
                problem = invariant.step(machine.name, view, self.views)
                if problem is not None:
                    self.violations.append(Verdict(name=invariant.name, verdict="invalid", reason=problem, at=self.now))
                    self.note("violation", machine.name, "", invariant.name, detail=problem)
                    self.stopped = True  # what follows a violation proves nothing
                    return

    def _trace_turn(self, machine: Machine, kind: int, a: Any, b: Any, sequence: int) -> None:
        if kind == MESSAGE:
            self.note("deliver", machine.name, a, type(b).__name__, sequence, b)
        elif kind == TIMER:
            self.note("timer", machine.name, "", a if isinstance(a, str) else "/".join(map(str, a)))
        elif kind == REQUEST:
            self.note("request", machine.name, "", type(b).__name__, -1, b)
        elif kind == SYNCED:
            self.note("durable", machine.name, "", f"turn {a}")

    def note(
        self,
        kind: str,
        node: str,
        peer: str,
        what: str,
        number: int = -1,
        message: Any = None,
        at: int = -1,
        *,
        detail: str = "",
    ) -> None:
        """Write a step into the trace, if there is one; ``at`` < 0: now."""
        if self.trace is not None:
            text = detail or ("" if message is None else one_line(message))
            self.trace.append(TraceEvent(self.now if at < 0 else at, kind, node, peer, what, number, text))

    def trace_hash(self) -> str | None:
        """Hash of every turn: when, where, what. Equal for equal trials, whatever process computes it."""
        return None if self._hash is None else self._hash.hexdigest()
