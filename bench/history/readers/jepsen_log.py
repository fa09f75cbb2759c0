"""The log of a Jepsen run, as Porcupine keeps those of etcd: ``INFO  jepsen.util - 0	:invoke	:write	3``.

Newer ones say ``INFO [jepsen worker 0] jepsen.util: 0 :invoke :write 3``, and ``history.txt`` only what follows that;
after the value of one that did not end ok there may be an error. Lines of ``:nemesis`` and of other
loggers are skipped.
"""

from __future__ import annotations

import re
from pathlib import Path

from ..operations import MISSING, Operation
from . import edn
from .events import Paired, refuse, shown, text_lines

FUNCTIONS = (
    "read", "write", "cas", "txn", "transfer", "add", "fetch-add", "remove", "contains", "enqueue", "dequeue", "push",
    "pop", "acquire", "release",
)  # fmt: skip
_LOGGED = r"(?:.*\s)?INFO\s+(?:jepsen\.util - |(?:\[[^\]]*\]\s+)?jepsen\.util: )"
_LINE = re.compile(rf"(?:{_LOGGED})?(\d{{1,18}}|:nemesis)\s+:(invoke|ok|fail|info)\s+:(\S+)\s*(.*)", re.DOTALL)
_OTHER = re.compile(
    r"(?:.*\s)?(?:TRACE|DEBUG|INFO|WARN|ERROR)\s+(?!jepsen\.util )(?:\S+ - |\[[^\]]*\]\s+(?!jepsen\.util: )\S+: ).*",
    re.DOTALL,
)


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
            if kind in ("fail", "info"):  # after the value there may be a reason
                value, *_ = [each for _, each in edn.forms(told)] or [None]
            else:
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
