"""Operations as people write them: ``c1 write k0 7 at 10ms``, ``c2 read k0 at 12ms``, ``c1 cas k0 7->8 at 1s``."""

from __future__ import annotations

import re

from ..errors import UsageError
from ..faults.notation import exact_duration
from ..units import parse_duration
from .spec import Call

FORM = "'c1 write k0 7 at 10ms', 'c1 cas k0 7->8 at 10ms' (nil->8: if absent) or 'c1 read k0 at 10ms'"
_CALL = re.compile(r"c(\d+) ([a-z-]+) k(\d+)(?: (\d+|nil)->(\d+)| (\d+))? at (\S+)")


def parse_call(text: str) -> Call:
    """Read one operation.

    Raises:
        UsageError: it is malformed.
    """
    match = _CALL.fullmatch(" ".join(text.split()))
    if match is None or match[1] == "0":
        raise UsageError(f"operation {text!r} is malformed: write {FORM}")
    client, function, key, expected, new, value, at = match.groups()
    if (function == "cas") != (new is not None):
        raise UsageError(f"operation {text!r} is malformed: write {FORM}")
    written = new or value
    return Call(
        at=parse_duration(at),
        client=int(client) - 1,
        function=function,
        key=int(key),
        value=None if written is None else int(written),
        expected=None if expected in (None, "nil") else int(expected),
    )


def format_call(call: Call) -> str:
    """The notation of an operation; :func:`parse_call` reads it back."""
    what = f"c{call.client + 1} {call.function} k{call.key}"
    if call.function == "cas":
        what += f" {'nil' if call.expected is None else call.expected}->{call.value}"
    elif call.value is not None:
        what += f" {call.value}"
    return f"{what} at {exact_duration(call.at)}"
