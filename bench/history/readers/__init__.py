"""Readers of histories that others recorded, and of our own.

Each is a function from a path to operations or transactions; it goes through the file line by line, and refuses what it
cannot have been meant to read with the number of the line and the reason.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ...errors import UsageError, unknown_name
from ..history import History
from ..operations import Operation
from ..transactions import Transactions

Read = History | Sequence[Operation] | Transactions

FORMATS: Final[dict[str, str]] = {
    "parquet": "what a run here recorded: read, write and cas of integers",
    "jsonl": "Jepsen's operations, a JSON object a line or all in an array: type, process, f, value, time, index",
    "edn": "Jepsen's history.edn: {:type :invoke, :process 0, :f :read, :value nil, ...}, by itself or in a vector",
    "jepsen-log": "lines of a Jepsen log: process, :invoke/:ok/:fail/:info, :read/:write/:cas, value",
    "porcupine-kv": 'Porcupine\'s key-value histories: {:process 0, :type :ok, :f :get, :key "0", :value "x"}',
    "awdit": "AWDIT's transactions: 'r|w KEY VALUE', ----- between transactions, ===== between sessions",
    "polysi": "PolySI's transactions: 'r|w(KEY,VALUE,SESSION,TRANSACTION)', or DBCop's history.bincode",
}
"""Name -> one line of help."""

_SNIFFED = 1 << 16
_BLANK = rb"(?:\s|;[^\n]*\n)*"
_EDN: Final = re.compile(_BLANK + rb"[\[(]?" + _BLANK + rb"(?:#[\w.]+\s*)?\{" + _BLANK + rb":|\s*;|\s*\(\s*\)")
_SUFFIXES: Final = {".jsonl": "jsonl", ".json": "jsonl", ".edn": "edn", ".log": "jepsen-log", ".bincode": "polysi"}


@dataclass(frozen=True)
class Recorded:
    """A history that was read.

    Attributes:
        history: what was read; rows are in the order of invocation.
        format: which reader read it.
        path: from where.
        clock: whether its times are ns; else they are positions in the source.
    """

    history: Read
    format: str
    path: Path
    clock: bool = True

    def transactions(self) -> Recorded:
        """The same with its operations as transactions.

        Raises:
            UsageError: they are none.
        """
        if isinstance(self.history, (Transactions, History)):
            return self
        from .micro import transactions_of

        return replace(self, history=transactions_of(self.history, self.path))


def read(path: str | os.PathLike[str], format: str | None = None) -> Recorded:
    """Read a history.

    Args:
        path: a file.
        format: one of :data:`FORMATS`; None: guessed from the content.

    Raises:
        UsageError: there is no such file or format, or it is not a history in that format.
    """
    source = Path(path)
    if format is not None and format not in FORMATS:
        raise unknown_name("format", format, FORMATS)
    from ..storage import read_history

    try:
        if not source.is_file():
            read_history(source)  # which says what is missing
        if not source.stat().st_size:
            raise UsageError(f"{source}, line 1: the file is empty")
        chosen = format or guess(source)
        if chosen == "parquet":
            return Recorded(read_history(source), chosen, source)
        found = importlib.import_module(f"{__name__}.{chosen.replace('-', '_')}").read(source)
    except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
        if isinstance(error, OSError) and error.strerror:
            raise UsageError(f"{source} cannot be read: {error.strerror}") from None
        raise UsageError(f"{source} cannot be read: {error}") from None
    if isinstance(found, tuple):
        operations, clock = found
        return Recorded(operations, chosen, source, clock)
    return Recorded(found, chosen, source, clock=False)


def guess(path: Path) -> str:
    """The format of a file, by its first lines, and by its name where these do not tell.

    Raises:
        UsageError: it is none that is known.
    """
    from .polysi import is_binary

    with path.open("rb") as file:
        head = file.read(_SNIFFED)
    if head.startswith((b"PAR1", b"\xff\xff\xff\xff")) or path.suffix in (".parquet", ".unfinished"):
        return "parquet"
    if is_binary(head):
        return "polysi"
    head = head.removeprefix(b"\xef\xbb\xbf")
    first = next((line.strip() for line in head.splitlines() if line.strip()), b"")
    if re.match(rb"\{\s*:", first) and re.search(rb":key\s", first):
        return "porcupine-kv"
    if _EDN.match(head):
        return "edn"
    if re.match(rb"\s*\[?\s*\{|\s*\[\s*\]", head):
        return "jsonl"
    if re.match(rb"[rw]\s*\(", first):
        return "polysi"
    if re.match(rb"[rw]\s+\d|-+$|=+$", first):
        return "awdit"
    if b"jepsen." in head or re.match(rb"(?:\d{1,18}|:nemesis)\s+:(?:invoke|info)\s+:", first):
        return "jepsen-log"
    if path.suffix in _SUFFIXES:
        return _SUFFIXES[path.suffix]
    words = f"{path}, line 1: this is in no known format; give --format ({', '.join(FORMATS)}) to hear what is wrong"
    raise UsageError(words)
