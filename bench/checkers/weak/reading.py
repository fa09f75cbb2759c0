"""Reads transactions, our own histories, and sequences of operations into sessions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...errors import UsageError
from ...history.history import CAS, FAIL, INFO, NOTHING, OK, History
from ...history.history import NIL as H_NIL
from ...history.history import READ as H_READ
from ...history.operations import MISSING, Operation
from ...history.transactions import APPEND, LIST, NIL, READ, UNKNOWN, WRITE, Transactions
from ..linearizability import describe
from .building import Raw, build
from .sessions import Input, Ints, Sessions, Undecidable

_FUNCTIONS = {"read": READ, "get": READ, "r": READ, "write": WRITE, "put": WRITE, "w": WRITE, "cas": CAS}


def sessions(history: Input) -> Sessions:
    """The history in sessions.

    Raises:
        Undecidable: a value was written twice to a key, or nil was written, or it appends to lists.
        UsageError: an operation is neither read nor write nor compare-and-set.
    """
    if isinstance(history, Transactions):
        return _of_transactions(history)
    if isinstance(history, History):
        return _of_history(history)
    return _of_operations(history)


def _of_transactions(t: Transactions) -> Sessions:
    if (t.kind == APPEND).any() or (t.value[t.kind == READ] == LIST).any():
        raise Undecidable("the history appends to or reads lists; this model is of registers")
    of = t.transaction_of()
    outcome = np.asarray(t.outcome, np.int64)
    keep = (t.kind == WRITE) | ((t.value != UNKNOWN) & (outcome[of] == OK))

    def key_name(key: int) -> str:
        return str(t.keys[key]) if 0 <= key < len(t.keys) else str(key)

    def value_name(value: int) -> str:
        return "nil" if value == NIL else str(t.values[value]) if 0 <= value < len(t.values) else str(value)

    def words(row: int) -> str:
        mops = range(int(t.first[row]), int(t.first[row + 1]))
        shown = [
            f"{'wrote' if t.kind[m] == WRITE else 'read'} {key_name(int(t.key[m]))}={value_name(int(t.value[m]))}"
            for m in mops
            if t.value[m] != UNKNOWN
        ]
        if len(shown) > 6:
            shown = [*shown[:5], f"and {len(shown) - 5} more"]
        line = f", line {int(t.line[row])}" if t.line[row] else ""
        return f"T{row} (process {int(t.process[row])}{line}: {', '.join(shown)})"

    raw = Raw(
        group=np.asarray(t.process, np.int64),
        outcome=outcome,
        of=of[keep],
        kind=np.asarray(t.kind, np.int64)[keep],
        key=np.asarray(t.key, np.int64)[keep],
        value=np.asarray(t.value, np.int64)[keep],
        binding=np.zeros(int(keep.sum()), bool),
        doubt="",
        words=words,
        key_name=key_name,
        invoked=np.asarray(t.invoked, np.int64),
        completed=np.asarray(t.completed, np.int64),
        realtime=t.realtime,
    )
    return build(raw)


def _of_history(h: History) -> Sessions:
    rows = np.arange(len(h))
    function, outcome, result = h.function, h.outcome, h.result
    swapped = (function == CAS) & ((outcome == INFO) | ((outcome == OK) & (result == h.expected)))
    witnessed = (function == CAS) & (outcome == OK) & (result != h.expected) & (result != NOTHING)
    silent = int(((function == CAS) & (outcome == OK) & (result == NOTHING) & (h.expected != NOTHING)).sum())
    reads = ((function == H_READ) & (outcome == OK) & (result != NOTHING)) | witnessed
    writes = ((function != H_READ) & (function != CAS)) | swapped | ((function == CAS) & (outcome == FAIL))
    of = np.concatenate([rows[reads], rows[swapped], rows[writes]])
    kind = np.concatenate([np.full(int(reads.sum() + swapped.sum()), READ), np.full(int(writes.sum()), WRITE)])
    value = np.concatenate([result[reads], h.expected[swapped], h.argument[writes]]).astype(np.int64)
    binding = np.concatenate([np.zeros(int(reads.sum()), bool), np.ones(int(swapped.sum()), bool),
                              np.zeros(int(writes.sum()), bool)])  # fmt: skip
    value[value == H_NIL] = NIL
    order = np.argsort(of * 2 + kind, kind="stable")
    doubt = f"{silent} failed compare-and-sets do not say what they saw" if silent else ""
    raw = Raw(
        group=_clients(h),
        outcome=outcome.astype(np.int64),
        of=of[order],
        kind=kind[order].astype(np.int64),
        key=h.key[of[order]].astype(np.int64),
        value=value[order],
        binding=binding[order],
        doubt=doubt,
        words=lambda row: f"{describe(h, row)} on key {int(h.key[row])}",
        key_name=str,
        invoked=h.invoked.astype(np.int64),
        completed=h.completed.astype(np.int64),
    )
    return build(raw)


def _clients(h: History) -> Ints:
    """The session of each row: its client, or its process where the client had several operations open at once."""
    ok = np.flatnonzero(h.outcome == OK)
    order = ok[np.lexsort((h.invoked[ok], h.client[ok]))]
    same = h.client[order[1:]] == h.client[order[:-1]]
    overlap = same & (h.invoked[order[1:]] < h.completed[order[:-1]])
    busy = np.unique(h.client[order[1:]][overlap])
    client = h.client.astype(np.int64)
    _, process = np.unique(h.process, return_inverse=True)
    top = int(client.max(initial=0)) + 1
    return np.where(np.isin(client, busy), top + process, client)


def _of_operations(operations: Sequence[Operation]) -> Sessions:
    keys: dict[object, int] = {}
    values: dict[object, int] = {}
    of: list[int] = []
    kinds: list[int] = []
    key: list[int] = []
    value: list[int] = []
    binding: list[bool] = []
    silent = 0

    def add(row: int, kind: int, what: object, binds: bool = False) -> None:
        of.append(row)
        kinds.append(kind)
        key.append(keys.setdefault(operations[row].key, len(keys)))
        value.append(NIL if what is None else values.setdefault(what, len(values)))
        binding.append(binds)

    for row, operation in enumerate(operations):
        kind = _FUNCTIONS.get(operation.function)
        if kind is None:
            raise UsageError(
                f"function {operation.function!r} is none of this model's; it knows {', '.join(_FUNCTIONS)}"
            )
        if kind == CAS:
            expected, new = operation.argument
            if operation.outcome == OK and operation.result is not MISSING and operation.result != expected:
                add(row, READ, operation.result)
            elif operation.outcome == FAIL:
                silent += 1
                add(row, WRITE, new)
            else:
                add(row, READ, expected, True)
                add(row, WRITE, new)
        elif kind == READ:
            if operation.outcome == OK and operation.result is not MISSING:
                add(row, READ, operation.result)
        else:
            add(row, WRITE, operation.argument)

    def words(row: int) -> str:
        operation = operations[row]
        told = operation.result if _FUNCTIONS[operation.function] == READ else operation.argument
        line = f", line {operation.line}" if operation.line else ""
        on = "" if operation.key is None else f" on {operation.key}"
        return f"process {operation.process}'s {operation.function} of {told!r}{on} (row {row}{line})"

    names = list(keys)
    raw = Raw(
        group=np.array([operation.process for operation in operations], np.int64),
        outcome=np.array([operation.outcome for operation in operations], np.int64),
        of=np.array(of, np.int64),
        kind=np.array(kinds, np.int64),
        key=np.array(key, np.int64),
        value=np.array(value, np.int64),
        binding=np.array(binding, bool),
        doubt=f"{silent} failed compare-and-sets do not say what they saw" if silent else "",
        words=words,
        key_name=lambda k: str(names[k]),
        invoked=np.array([operation.invoked for operation in operations], np.int64),
        completed=np.array([operation.completed for operation in operations], np.int64),
    )
    return build(raw)
