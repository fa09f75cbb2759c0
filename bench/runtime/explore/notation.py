"""Steps as people read and write them, one a line: ``deliver n1>n2 RequestVote #4``, ``crash n2``.

The line of a step has its kind and its node, then what belongs to the kind::

    boot n1                         deliver n1>n2 Vote #7         sync n2 #4
    crash n1                        deliver n1>n2 Vote #7 again   end n1
    crash n1 keep 2                 timer n1 election             disconnect n1 n2
    lose n1 corrupt                 request c1 write k0 7         fenced n1 n2
    full n1                         request c1 cas k0 7->8        admin n1 Drain {}
    space n1                        request c1 read k0

``#4`` is the step that sent the message (``#4.2``: the second of that type to that node), or wrote the last record to
be synced. ``keep 2``: two of the unsynced records
survive. ``again``: a message is delivered a second time. A timer with a key is a tuple, ``timer c1 ('', 'retry', 17)``.
``draws 2`` says how the node's choices among few fall, in the order in which it makes them (of explored steps).
``clock 213ms`` at the end says what the node's monotonic clock shows; otherwise step k happens at k ms, and a timer
that runs out finds its time come.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from protocols.family import Family
from protocols.node import AddServer, Drain, RemoveServer
from protocols.requests import Cas, Read, Write

from ...errors import UsageError, unknown_name
from ...faults.notation import exact_duration
from ...units import parse_duration
from .steps import KINDS, TICK, Step

_ADMIN: dict[str, type] = {kind.__name__: kind for kind in (AddServer, RemoveServer, Drain)}
_CLOCK = re.compile(r" clock (\S+)$")
_DRAWS = re.compile(r" draws ([\d,]+)$")
_SHORT = re.compile(r"(read|write|cas) (\S+)(?: (nil|\d+)->(\d+)| (\d+))?")
VALUE_BYTES = 16


def _value(number: str | int) -> bytes:
    return int(number).to_bytes(8, "big").ljust(VALUE_BYTES, b"\0")


def _number(value: bytes) -> int | None:
    """The number that a value of a workload holds; None if it is no such value."""
    number = int.from_bytes(value[:8], "big")
    return number if _value(number) == value else None


def format_request(request: Any) -> str:
    """``write k0 7``, or the type and its fields as JSON."""
    if isinstance(request, Read):
        return f"read {request.key}"
    if isinstance(request, Write) and _number(request.value) is not None:
        return f"write {request.key} {_number(request.value)}"
    if isinstance(request, Cas) and _number(request.value) is not None:
        expected = "nil" if request.expected is None else _number(request.expected)
        if expected is not None:
            return f"cas {request.key} {expected}->{_number(request.value)}"
    return f"{type(request).__name__} {msgspec.json.encode(request).decode()}"


def parse_request(text: str, family: Family) -> Any:
    """Read a request of this protocol's clients.

    Raises:
        UsageError: malformed, or unknown to them.
    """
    match = _SHORT.fullmatch(text)
    if match is not None:
        function, key, expected, new, value = match.groups()
        if function == "read" and new is None and value is None:
            return Read(key)
        if function == "write" and value is not None:
            return Write(key, _value(value))
        if function == "cas" and new is not None:
            return Cas(key, None if expected == "nil" else _value(expected), _value(new))
    return _decode(text, {kind.__name__: kind for kind in family.client.handlers.request})


def _decode(text: str, kinds: dict[str, type]) -> Any:
    name, _, fields = text.partition(" ")
    if name not in kinds:
        raise unknown_name("request", name, kinds)
    try:
        return msgspec.json.decode(fields or "{}", type=kinds[name])
    except msgspec.DecodeError as error:
        raise UsageError(f"{text!r} is no {name}: {error}") from None


def format_step(step: Step, *, clock: bool = False) -> str:
    """The line of a step that is at a whole number of ticks; :func:`parse_steps` reads it back."""
    line = f"{step.kind} {step.node}"
    match step.kind:
        case "deliver":
            place = f"{step.sent // TICK}.{step.nth + 1}" if step.nth else f"{step.sent // TICK}"
            line = f"deliver {step.peer}>{step.node} {step.what} #{place}{' again' if step.copy else ''}"
        case "timer":
            line += f" {step.what if isinstance(step.what, str) else repr(step.what)}"
        case "sync":
            line += f" #{step.sent // TICK}"
        case "crash" if step.kept:
            line += f" keep {step.kept}"
        case "lose":
            line += f" {step.what}"
        case "disconnect" | "fenced":
            line += f" {step.peer}"
        case "request":
            line += f" {format_request(step.request)}"
        case "admin":
            line += f" {type(step.request).__name__} {msgspec.json.encode(step.request).decode()}"
    if step.draws:
        line += f" draws {','.join(map(str, step.draws))}"
    return f"{line} clock {exact_duration(step.at + step.drift)}" if clock or step.drift else line


def parse_steps(lines: Iterable[str], family: Family) -> tuple[Step, ...]:
    """Read the lines of a schedule; empty ones are passed over.

    Raises:
        UsageError: with the number of the line that is malformed.
    """
    steps: list[Step] = []
    operations = 0
    for line in lines:
        text = re.sub(r"^\d+\.?\s+", "", " ".join(line.split()))
        if not text:
            continue
        number = len(steps) + 1
        try:
            step = _parse(text, number, family)
        except (ValueError, SyntaxError, UsageError) as error:
            reason = f": {error}" if isinstance(error, UsageError) else ""
            raise UsageError(f"step {number}, {text!r}, is malformed{reason}") from None
        if step.kind == "request":
            operations += 1
            step = msgspec.structs.replace(step, operation=operations)
        steps.append(step)
    return tuple(steps)


def _parse(text: str, number: int, family: Family) -> Step:
    at = number * TICK
    found = _CLOCK.search(text)
    drift = 0
    if found is not None:
        text = text[: found.start()]
        drift = parse_duration(found[1]) - at
    draws = _DRAWS.search(text)
    if draws is not None:
        text = text[: draws.start()]
    kind, _, rest = text.partition(" ")
    if kind not in KINDS:
        raise unknown_name("kind of step", kind, KINDS)
    node, _, rest = rest.partition(" ")
    fields: dict[str, Any] = {"kind": kind, "node": node, "at": at, "drift": drift}
    if draws is not None:
        fields["draws"] = tuple(map(int, draws[1].split(",")))
    match kind:
        case "deliver":
            peer, _, fields["node"] = node.partition(">")
            what, place, *more = rest.split()
            if more not in ([], ["again"]) or not place.startswith("#"):
                raise UsageError("write deliver n1>n2 Vote #7, and 'again' for a second time")
            sent, _, nth = place[1:].partition(".")
            fields |= {"peer": peer, "what": what, "sent": int(sent) * TICK, "nth": int(nth or 1) - 1}
            fields["copy"] = bool(more)
        case "timer":
            fields["what"] = ast.literal_eval(rest) if rest.startswith("(") else rest
        case "sync":
            fields["sent"] = int(rest.removeprefix("#")) * TICK
        case "crash" if rest:
            fields["kept"] = int(rest.removeprefix("keep "))
        case "lose":
            if rest not in ("lost", "corrupt"):
                raise UsageError("a disk is lost or corrupt")
            fields["what"] = rest
        case "disconnect" | "fenced":
            fields["peer"] = rest
        case "request":
            fields["request"] = parse_request(rest, family)
        case "admin":
            fields["request"] = _decode(rest, _ADMIN)
    if not fields["node"]:
        raise UsageError("it names no node")
    return Step(**fields)


def format_steps(steps: Sequence[Step]) -> str:
    """Numbered, a line each."""
    width = len(str(len(steps)))
    return "\n".join(f"{number:>{width}}  {format_step(step)}" for number, step in enumerate(steps, 1))
