"""The log of a Jepsen run, as Porcupine keeps those of etcd: ``INFO  jepsen.util - 0	:invoke	:write	3``.

One register with read, write and compare-and-set (``[expected new]``). Lines of ``:nemesis`` and of other loggers are
skipped.
"""

from __future__ import annotations

import re
from pathlib import Path

from ..operations import MISSING, Operation
from . import edn
from .events import Paired, refuse, shown, text_lines

FUNCTIONS = ("read", "write", "cas")
_LINE = re.compile(
    r"(?:.*\s)?INFO\s+jepsen\.util - (\d{1,18}|:nemesis)\s+:(invoke|ok|fail|info)\s+:(\S+)\s*(.*)", re.DOTALL
)
_OTHER = re.compile(r"(?:.*\s)?(?:TRACE|DEBUG|INFO|WARN|ERROR)\s+(?!jepsen\.util )\S+ - .*", re.DOTALL)


def read(path: Path) -> tuple[list[Operation], bool]:
    """The operations; they have no times.

    Raises:
        UsageError: a line is not one of such a log, or cannot follow those before it.
    """
    paired = Paired(path)
    for number, line in text_lines(path):
        match = _LINE.fullmatch(line)
        if match is None:
            if _OTHER.fullmatch(line):
                continue
            refuse(path, number, f"this is not a line of a Jepsen log (is the file cut off?): {shown(line)!r}")
        process, kind, function, told = match.groups()
        if process == ":nemesis":
            continue
        if function not in FUNCTIONS:
            refuse(path, number, f"unknown function {shown(function)!r} (allowed: {', '.join(FUNCTIONS)})")
        try:
            value = edn.parse(told)
        except edn.Malformed as error:
            refuse(path, number, f"the value {shown(told)!r} cannot be read: {error}")
        if isinstance(value, dict):
            refuse(path, number, f"the value {shown(told)!r} is a map")
        unknown = isinstance(value, str) and value.startswith(":")  # why nothing is known
        if kind == "invoke":
            if function == "cas" and not (isinstance(value, tuple) and len(value) == 2):
                refuse(path, number, f"a compare-and-set needs [expected new], not {shown(told)}")
            if function == "write" and (value is None or unknown):
                refuse(path, number, f"a write needs a value, not {shown(told)}")
            paired.invoke(number, int(process), function, None, value)
        else:
            if kind == "ok" and unknown:
                refuse(path, number, f"an ok needs a value, not {shown(told)}")
            paired.end(number, int(process), kind, function, MISSING if unknown else value)
    return paired.finish()
