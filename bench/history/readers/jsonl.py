"""Jepsen's operations as JSON, one a line, or all in one array.

``{"type": "invoke", "process": 0, "f": "write", "value": 1, "time": 5, "index": 0}``: ``type`` is invoke, ok, fail or
info; ``time`` (ns), ``index`` and ``key`` may be missing, ``f`` too where values are lists of micro-operations, and
``process`` where there is only one. Lines of the nemesis say nothing about the clients and are skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from ..operations import MISSING, Operation
from .events import Paired, lines, refuse, shown


class Line(msgspec.Struct, gc=False):
    """One event of an operation, as it is written down."""

    type: Literal["invoke", "ok", "fail", "info"]
    f: str | None = None
    process: int | str | None = None
    value: Any = UNSET
    key: Any = None
    time: int | None = None
    index: int | None = None


def frozen(value: Any) -> Any:
    """The value as one that can be hashed: lists become tuples, objects tuples of pairs."""
    kind = type(value)
    if kind is list:
        return tuple([frozen(each) for each in value])
    if kind is dict:
        return tuple([(key, frozen(each)) for key, each in value.items()])
    return value


def _is_nemesis(process: str) -> bool:
    return process.removeprefix(":") == "nemesis"


def read(path: Path) -> tuple[list[Operation], bool]:
    """The operations, and whether they have times.

    Raises:
        UsageError: a line is not such an operation, or cannot follow those before it.
    """
    paired = Paired(path)
    decode = msgspec.json.Decoder(Line).decode
    index = -1
    for number, text in _objects(path):
        try:
            line = decode(text)
            if not isinstance(line.value, UnsetType):
                line.value = frozen(line.value)
            if line.key is not None:
                line.key = frozen(line.key)
        except RecursionError:
            refuse(path, number, "it is nested too deeply")
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            refuse(path, number, _why(error, text))
        index = note(paired, number, line, index)
    return paired.finish()


def note(paired: Paired, number: int, line: Line, index: int) -> int:
    """Take note of the event of that line, the index of the one before being ``index``; the index of this one.

    Raises:
        UsageError: it cannot follow those before it.
    """
    path = paired.path
    if line.index is not None:
        if line.index < index:
            refuse(path, number, f"index {line.index} after {index}: the lines are not in order")
        index = line.index
    process = -1 if line.process is None else line.process
    if isinstance(process, str):
        if not _is_nemesis(process):
            refuse(path, number, f"process {shown(process)!r} is neither a number nor the nemesis")
        return index
    if line.process is not None and process < 0:
        refuse(path, number, f"process {process} is out of range: 0 or more")
    function = "txn" if line.f is None else line.f.removeprefix(":")
    value: Any = line.value
    if line.type == "invoke":
        paired.invoke(number, process, function, line.key, None if value is UNSET else value, line.time)
    else:
        paired.end(number, process, line.type, function, MISSING if value is UNSET else value, line.time)
    return index


def _objects(path: Path) -> Iterator[tuple[int, bytes]]:
    """(number of the line, text) of each object: a line, or an element of the array that the file is."""
    found = lines(path)
    first = next(found, None)
    if first is None or not first[1].startswith(b"["):
        yield from chain([first] if first else [], found)
        return
    data = path.read_bytes()
    try:
        elements = msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"), type=list[msgspec.Raw])
    except RecursionError:
        refuse(path, first[0], "it is nested too deeply")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        where = re.search(r"\(byte (\d+)\)", str(error))
        line = data.count(b"\n", 0, int(where[1])) + 1 if where else max(1, len(data.splitlines()))
        refuse(path, line, _why(error, data.rstrip()).replace("this is not JSON", "this is not an array in JSON"))
    number, at = 1, 0
    for element in elements:
        text = bytes(element)
        begin = data.index(text, at)
        number += data.count(b"\n", at, begin)
        yield number, text
        number, at = number + text.count(b"\n"), begin + len(text)


def _why(error: Exception, text: bytes) -> str:
    if isinstance(error, msgspec.ValidationError):
        return f"this is not an operation: {error}"
    if isinstance(error, UnicodeDecodeError):
        return "this is not text in UTF-8"
    cut = " (is the file cut off?)" if "truncated" in str(error) or not text.endswith((b"}", b"]")) else ""
    return f"this is not JSON: {error}{cut}"
