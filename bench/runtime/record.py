"""What a runtime hands back from one run, before anyone judges it. The same in both worlds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from ..checkers.verdict import Verdict
from ..faults.spec import FaultRecord
from ..history import History
from ..trial import Bias, ClockReport, Floor, NodeCost


class Mark(msgspec.Struct, frozen=True):
    """A node said that something worth counting happened. ``at``: ns from the start of the load."""

    at: int
    node: str
    name: str
    fields: dict[str, Any]


class TraceEvent(msgspec.Struct, frozen=True):
    """One step of a traced (simulated) run.

    Attributes:
        at: ns from the start of the load.
        kind: ``send``, ``deliver``, ``drop``, ``timer``, ``request``, ``reply``, ``crash``, ``boot``, ``fault``,
            ``heal``, ``mark``, ``durable``, ``violation``.
        node: where it happened (for ``send`` the sender, for ``deliver`` and ``drop`` the destination).
        peer: the other end of a message.
        what: name of the message type, timer, request, fault or mark.
        id: pairs a ``send`` with its ``deliver`` or ``drop``; -1 elsewhere.
        detail: contents, in one line for people.
    """

    at: int
    kind: str
    node: str
    peer: str
    what: str
    id: int
    detail: str


@dataclass
class RunRecord:
    """Everything one run produced.

    Attributes:
        history: every operation the clients were given, unanswered ones as ``info``.
        marks: in order of time.
        faults: those that fired.
        verdicts: what the runtime itself judged: one a protocol invariant (sim), ``no_handler_crash``, ``liveness``.
        offered: operations the load was asked for in its duration (open loop), 0 in a closed loop.
        shed: operations the load could not start because too many were under way.
        load_end, run_end: ns: end of the load phase with faults; end of the liveness phase.
        lives: (ns, server, whether it booted or died), where the runtime knows (sim).
        quiet: ns of the times by which every server was to deem rightly who is up, each with whether all the time that
            the family promises to need had been granted; see :class:`protocols.family.Opinions`.
        leaders: (ns, node) each time a server began to lead, where the protocol has leaders.
        clock: (ray) how the clocks of several machines differ; what that costs is not counted yet.
        workers: (a cluster) what each process was: its nodes, machine, Ray node, and the code it ran.
        figures: what the runtime measured beside verdicts; see :attr:`bench.trial.Result.figures`.
        bound_by_generator: why the load generator, not the system, limited this run; empty if it did not.
    """

    history: History
    marks: list[Mark] = field(default_factory=list)
    faults: list[FaultRecord] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    offered: int = 0
    shed: int = 0
    load_end: int = 0
    run_end: int = 0
    lives: list[tuple[int, str, bool]] = field(default_factory=list)
    quiet: list[tuple[int, bool]] = field(default_factory=list)
    leaders: list[tuple[int, str]] = field(default_factory=list)
    messages_server: int = 0
    messages_client: int = 0
    messages_dropped: int = 0
    messages_overflowed: int = 0
    events: int = 0
    trace_hash: str | None = None
    trace: list[TraceEvent] | None = None
    costs: dict[str, NodeCost] = field(default_factory=dict)
    bias: Bias | None = None
    floor: Floor | None = None
    bound_by_generator: str = ""
    clock: ClockReport | None = None
    workers: list[dict[str, Any]] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    took_s: float = 0.0


def one_line(message: Any) -> str:
    """The contents of a message for people, cut at 400 characters."""
    if not isinstance(message, msgspec.Struct):
        return str(message)
    parts = []
    for name in message.__struct_fields__:
        value = getattr(message, name)
        if isinstance(value, tuple) and len(value) > 3:
            value = f"{len(value)} x {type(value[0]).__name__}"
        parts.append(f"{name}={value!r}" if not isinstance(value, str) else f"{name}={value}")
    return ", ".join(parts)[:400]
