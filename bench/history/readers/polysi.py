"""The two formats of PolySI: a line an operation, and DBCop's binary one.

Text: ``r(KEY,VALUE,SESSION,TRANSACTION)`` or ``w(...)``, in the order of each session; transaction -1 is one that was
aborted. Binary (``history.bincode``, Rust's bincode of DBCop's ``History``): little-endian; five 8-byte numbers (id,
nodes, variables, transactions, events), three strings (what, begin, end: an 8-byte length and bytes), then a list of
sessions, which are lists of transactions, which are a list of events (byte: is it a write; 8-byte variable and value;
byte: did it succeed) and a byte: did it commit. Lists begin with an 8-byte length.

In both every key holds 0 in the beginning, unless some transaction writes 0 to it. There is no clock.
"""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import NoReturn

import numpy as np

from ...errors import UsageError
from ..history import FAIL, OK
from ..transactions import READ, WRITE, Transactions
from .events import refuse, shown, text_lines
from .micro import Builder

_STEP = re.compile(r"([rw])\(\s*(\d{1,18})\s*,\s*(\d{1,18})\s*,\s*(\d{1,18})\s*,\s*(-1|\d{1,18})\s*\)")
_EVENT = np.dtype([("write", "u1"), ("key", "<u8"), ("value", "<u8"), ("success", "u1")])
_HEADER = struct.Struct("<5Q")
Step = tuple[bool, int, int]
"""Is it a write, key, value."""


def read(path: Path) -> Transactions:
    """The transactions, session by session.

    Raises:
        UsageError: it is neither of the two formats, or cut off.
    """
    with path.open("rb") as file:
        head = file.read(1 << 12)
    return _Binary(path).read() if b"\0" in head else _text(path)


def is_binary(head: bytes) -> bool:
    """Whether a file that begins so is a binary history."""
    if len(head) < _HEADER.size + 8:
        return False
    *counts, length = struct.unpack_from("<6Q", head)
    return all(count < 2**40 for count in counts) and length < 2**16 and b"\0" in head


def _build(transactions: list[tuple[int, int, int, list[Step]]]) -> Transactions:
    """From (session, outcome, line, steps) in the order of each session."""
    zeros = {key for _, _, _, steps in transactions for write, key, value in steps if write and value == 0}
    builder = Builder()
    for row, (session, outcome, line, steps) in enumerate(transactions):
        builder.begin(session, 2 * row, 2 * row + 1, outcome, line)
        for write, key, value in steps:
            initial = not write and value == 0 and key not in zeros
            builder.add(WRITE if write else READ, key, None if initial else value)
    return builder.build(realtime=False)


def _text(path: Path) -> Transactions:
    sessions: dict[int, list[tuple[int, int, int, list[Step]]]] = {}
    found: dict[int, tuple[int, list[Step]]] = {}
    for number, line in text_lines(path):
        match = _STEP.fullmatch(line)
        if match is None:
            words = f"{shown(line)!r} is neither 'r(KEY,VALUE,SESSION,TRANSACTION)' nor 'w(...)' (is the file cut off?)"
            refuse(path, number, words)
        key, value, session, transaction = map(int, match.groups()[1:])
        step = (match[1] == "w", key, value)
        own = sessions.setdefault(session, [])
        if transaction == -1:
            own.append((session, FAIL, number, [step]))
            continue
        if transaction not in found:
            found[transaction] = (session, [])
            own.append((session, OK, number, found[transaction][1]))
        elif found[transaction][0] != session:
            words = f"transaction {transaction} is in session {session}, and in session {found[transaction][0]} before"
            refuse(path, number, words)
        found[transaction][1].append(step)
    return _build([each for own in sessions.values() for each in own])


class _Binary:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = path.read_bytes()
        self.at = 0

    def wrong(self, reason: str) -> NoReturn:
        raise UsageError(f"{self.path}, byte {self.at}: {reason}")

    def number(self, what: str) -> int:
        if self.at + 8 > len(self.data):
            self.wrong(f"the file is cut off: {what} should follow")
        (found,) = struct.unpack_from("<Q", self.data, self.at)
        self.at += 8
        return int(found)

    def length(self, what: str, least: int) -> int:
        """Of a list whose elements take ``least`` bytes each."""
        found = self.number(f"the number of {what}")
        if found * least > len(self.data) - self.at:
            self.wrong(f"the file is cut off: {found} {what} should follow, in {len(self.data) - self.at} bytes")
        return found

    def truth(self, value: int, what: str) -> bool:
        if value > 1:
            self.wrong(f"{what} is {value}: it must be 0 or 1")
        return value == 1

    def read(self) -> Transactions:
        for what in ("an id", "nodes", "variables", "transactions", "events"):
            self.number(what)
        for what in ("bytes of what it is", "bytes of its begin", "bytes of its end"):
            count = self.length(what, 1)  # which moves on by itself
            self.at += count
        transactions = []
        for session in range(self.length("sessions", 8)):
            for _ in range(self.length("transactions", 9)):
                steps = self.steps()
                if self.at >= len(self.data):
                    self.wrong("the file is cut off: whether the transaction committed should follow")
                committed = self.truth(self.data[self.at], "whether the transaction committed")
                self.at += 1
                transactions.append((session, OK if committed else FAIL, steps))
        if self.at != len(self.data):
            self.wrong(f"{len(self.data) - self.at} bytes follow after the end")
        # There are no lines: what stands in their place are the numbers of the transactions.
        return _build([(session, outcome, row, steps) for row, (session, outcome, steps) in enumerate(transactions, 1)])

    def steps(self) -> list[Step]:
        count = self.length("events", _EVENT.itemsize)
        events = np.frombuffer(self.data, _EVENT, count, self.at)
        self.at += count * _EVENT.itemsize
        if count and max(int(events["write"].max()), int(events["success"].max())) > 1:
            self.wrong("an event before here is damaged: its flags must be 0 or 1")
        if count and max(int(events["key"].max()), int(events["value"].max())) >= 2**62:
            self.wrong("an event before here is damaged: its key or value is out of range")
        return [(bool(write), int(key), int(value)) for write, key, value, success in events.tolist() if success]
