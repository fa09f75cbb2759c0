"""Porcupine's histories of a key-value store: ``{:process 0, :type :invoke, :f :append, :key "0", :value "x"}``.

Functions get, put and append, on strings; what was never put is the empty string.
"""

from __future__ import annotations

import re
from pathlib import Path

from ..operations import MISSING, Operation
from . import edn
from .events import Paired, refuse, shown, text_lines

FUNCTIONS = ("get", "put", "append")
_KINDS = ("invoke", "ok", "fail", "info")
_USUAL = re.compile(
    r"\{:process (\d{1,18}), :type :(invoke|ok|fail|info), :f :(get|put|append), "
    r':key "([^"\\]*)", :value (?:nil|"([^"\\]*)")\}'
)


def read(path: Path) -> tuple[list[Operation], bool]:
    """The operations; they have no times.

    Raises:
        UsageError: a line is not such an operation, or cannot follow those before it.
    """
    paired = Paired(path)
    for number, line in text_lines(path):
        match = _USUAL.fullmatch(line)
        process, kind, function, key, value = match.groups() if match else _fields(path, number, line)
        if kind == "invoke":
            if function != "get" and value is None:
                refuse(path, number, f"{function} needs a string, not nil")
            paired.invoke(number, int(process), function, key, None if function == "get" else value)
        else:
            told = MISSING if value is None and kind != "ok" else value
            paired.end(number, int(process), kind, function, told)
    return paired.finish()


def _fields(path: Path, number: int, line: str) -> tuple[int, str, str, str, str | None]:
    """The same from anything that is a map, or a refusal that says what is wrong with it."""
    try:
        found = edn.parse(line)
    except edn.Malformed as error:
        refuse(path, number, f"this is not a map in EDN: {error}")
    if not isinstance(found, dict):
        refuse(path, number, f"this is not a map: {shown(line)!r}")
    for name in (":process", ":type", ":f", ":key"):
        if name not in found:
            refuse(path, number, f"{name} is missing")
    process, kind, function = found[":process"], found[":type"], found[":f"]
    if isinstance(process, bool) or not isinstance(process, int) or not 0 <= process < 2**62:
        refuse(path, number, f":process {shown(process)} is not a number, 0 or more")
    if kind not in [f":{each}" for each in _KINDS]:
        refuse(path, number, f"unknown :type {shown(kind)!r} (allowed: {', '.join(_KINDS)})")
    if function not in [f":{each}" for each in FUNCTIONS]:
        refuse(path, number, f"unknown function {shown(function)!r} (allowed: {', '.join(FUNCTIONS)})")
    key, value = found[":key"], found.get(":value")
    if not isinstance(key, str):
        refuse(path, number, f":key {shown(key)} is not a string")
    if value is not None and not isinstance(value, str):
        refuse(path, number, f":value {shown(value)} is neither a string nor nil")
    return process, kind[1:], function[1:], key, value
