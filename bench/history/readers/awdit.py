"""AWDIT's test histories: ``w KEY VALUE`` and ``r KEY VALUE`` a line, ``-----`` between transactions, ``=====`` between
sessions.

All transactions committed, sessions ran side by side, and there is no clock. Nothing is written in the beginning: a
value that was read and never written came out of thin air. (AWDIT's own reader, ``src/formats.rs``, adds no initial
transaction to this format either.)
"""

from __future__ import annotations

import re
from pathlib import Path

from ..history import OK
from ..transactions import READ, WRITE, Transactions
from .events import refuse, shown, text_lines
from .micro import Builder

_STEP = re.compile(r"([rw])\s+(\d{1,18})\s+(\d{1,18})")
_RULE = re.compile(r"-+|=+")


def read(path: Path) -> Transactions:
    """The transactions, session by session.

    Raises:
        UsageError: a line is neither a step nor a rule.
    """
    builder = Builder()
    session = count = 0
    fresh, started = True, False
    for number, line in text_lines(path):
        if _RULE.fullmatch(line):
            fresh = True
            if line[0] == "=" and started:
                session, started = session + 1, False
            continue
        match = _STEP.fullmatch(line)
        if match is None:
            words = f"{shown(line)!r} is neither 'r KEY VALUE', 'w KEY VALUE' nor a rule (is the file cut off?)"
            refuse(path, number, words)
        if fresh:
            builder.begin(session, 2 * count, 2 * count + 1, OK, number)
            fresh, started, count = False, True, count + 1
        builder.add(READ if match[1] == "r" else WRITE, int(match[2]), int(match[3]))
    return builder.build(realtime=False)
