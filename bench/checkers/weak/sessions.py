"""What every check of a weaker model needs to know of a history: transactions in sessions, and who read from whom.

A single operation is a transaction with one micro-operation (a compare-and-set that swapped has two). Written values
must differ on each key; then a read tells which transaction it read from. Read once, in columns, for all models.

**Sessions.** In :class:`Transactions` and in a sequence of :class:`Operation` a session is a process. In our own
:class:`History`, processes are renumbered after an ``info`` and ``client`` says who it was: a session is a client if no
two of its answered operations overlap, else (open-loop clients) a process.

**Info.** What was not answered may take effect at any time after its call, or never. If nobody saw what it wrote, then
it is left out: a witness of any model here stays one without it. If somebody did, then it happened, after what its
session did before; what its session did later is *not* after it.

**Read consistency** (Møldrup and Pavlogiannis 2025, section 2; Biswas and Enea 2019). Demanded by all models, whatever
the order: no read of a value nobody wrote (thin air), that only a failed write would have written (aborted), that its
writer itself overwrote (intermediate), or that the reader writes only later (future); and a transaction that wrote a
key reads its own last write of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ...errors import UsageError
from ...history.history import CAS, FAIL, INFO, NOTHING, OK, History
from ...history.history import NIL as H_NIL
from ...history.history import READ as H_READ
from ...history.operations import MISSING, Operation
from ...history.transactions import APPEND, LIST, NIL, READ, UNKNOWN, WRITE, Transactions
from ..linearizability import describe

Ints = NDArray[np.int64]
Input = History | Transactions | Sequence[Operation]

_FUNCTIONS = {"read": READ, "get": READ, "r": READ, "write": WRITE, "put": WRITE, "w": WRITE, "cas": CAS}


class Undecidable(Exception):
    """The history is not one of registers with unique values; the message says why."""


@dataclass(frozen=True)
class Problem:
    """A read that no model explains.

    Attributes:
        name: thin-air-read, aborted-read, intermediate-read, future-read or internal.
        rows: of the input.
        words: one sentence.
    """

    name: str
    rows: tuple[int, ...]
    words: str


@dataclass(frozen=True)
class Sessions:
    """The transactions that happened, numbered session by session in the order of each; no two have one number.

    Attributes:
        row: of each transaction in the input.
        session: a session's number; an observed ``info`` that is not the last of its session is one by itself.
        position: within the session.
        first: session *s* has the transactions ``first[s]`` to ``first[s + 1]``.
        before: the transaction that came before in the session, -1 for none.
        read, read_key, read_from: the reads from other transactions, in the order of the program, each by the
            transaction that did it, its key and the transaction it read from; -1: the initial value.
        write, write_key: who wrote which key, each once, sorted by key and then by transaction.
        answered: whether it was.
        problems: reads that violate read consistency; left out of ``read``.
        doubt: why ``valid`` cannot be said, if so.
        words: describes a row of the input.
        key_name: describes a key.
        invoked, completed: of each transaction, ns.
        realtime: whether these can be compared between sessions.
        memory: what several models derive from the history.
    """

    row: Ints
    session: Ints
    position: Ints
    first: Ints
    before: Ints
    read: Ints
    read_key: Ints
    read_from: Ints
    write: Ints
    write_key: Ints
    answered: NDArray[np.bool_]
    problems: tuple[Problem, ...]
    doubt: str
    words: Callable[[int], str]
    key_name: Callable[[int], str]
    invoked: Ints
    completed: Ints
    realtime: bool
    memory: dict[str, object] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.row)

    @property
    def count(self) -> int:
        """How many sessions there are."""
        return len(self.first) - 1

    def keep(self, nodes: Ints) -> Sessions:
        """These transactions (sorted) by themselves; reads from others are forgotten.

        What satisfies a model here satisfies it with fewer transactions and fewer reads.
        """
        number = np.full(len(self) + 1, -1)  # the last entry: of -1
        number[nodes] = np.arange(len(nodes))
        sessions, session = np.unique(self.session[nodes], return_inverse=True)
        first = np.searchsorted(session, np.arange(len(sessions) + 1))
        before = np.arange(len(nodes), dtype=np.int64) - 1
        before[first[:-1]] = -1
        for each, begin in zip(sessions.tolist(), first[:-1].tolist(), strict=True):
            parent = int(self.before[self.first[each]])
            if parent >= 0:
                place = int(np.searchsorted(nodes, parent, "right")) - 1
                if place >= 0 and self.session[nodes[place]] == self.session[parent]:
                    before[begin] = place
        reads = (number[self.read] >= 0) & ((self.read_from < 0) | (number[self.read_from] >= 0))
        writes = number[self.write] >= 0
        return replace(
            self,
            row=self.row[nodes],
            session=session.astype(np.int64),
            position=np.arange(len(nodes)) - first[session],
            first=first.astype(np.int64),
            before=before,
            read=number[self.read[reads]],
            read_key=self.read_key[reads],
            read_from=number[self.read_from[reads]],
            write=number[self.write[writes]],
            write_key=self.write_key[writes],
            answered=self.answered[nodes],
            problems=(),
            invoked=self.invoked[nodes],
            completed=self.completed[nodes],
            memory={},
        )


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


def runs(s: Sessions) -> list[Ints]:
    """The reads (indices) of each session, in its order.

    An observed ``info`` that is a session by itself has those of what its session did before, too.
    """
    session = s.session[s.read]
    arranged = np.argsort(session, kind="stable")
    bounds = np.searchsorted(session[arranged], np.arange(s.count + 1)).tolist()
    every = [arranged[begin:end] for begin, end in itertools.pairwise(bounds)]
    out = []
    for each in np.unique(session).tolist():
        reads, before = every[each], int(s.before[s.first[each]])
        if before >= 0:
            earlier = every[int(s.session[before])]
            reads = np.concatenate([earlier[s.read[earlier] <= before], reads])
        out.append(reads)
    return out


# --- readers --------------------------------------------------------------------------------------------------------


@dataclass
class _Raw:
    """Micro-operations of all rows, in the order of the program."""

    group: Ints
    outcome: Ints
    of: Ints
    kind: Ints
    key: Ints
    value: Ints
    binding: NDArray[np.bool_]  # reads that hold if their transaction happened at all, answered or not
    doubt: str
    words: Callable[[int], str]
    key_name: Callable[[int], str]
    invoked: Ints
    completed: Ints
    realtime: bool = True


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

    raw = _Raw(
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
    return _build(raw)


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
    raw = _Raw(
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
    return _build(raw)


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
    raw = _Raw(
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
    return _build(raw)


# --- what they have in common ---------------------------------------------------------------------------------------


def _build(raw: _Raw) -> Sessions:
    of, kind, outcome = raw.of, raw.kind, raw.outcome
    codes, code = np.unique(raw.value, return_inverse=True)
    width = len(codes) + 1
    identity = raw.key * width + code
    is_write = kind == WRITE

    writes = np.flatnonzero(is_write & (outcome[of] != FAIL))
    refused = np.flatnonzero(is_write & (outcome[of] == FAIL))
    known, first, times = np.unique(identity[writes], return_index=True, return_counts=True)
    if (times > 1).any():
        twice = int(known[times > 1][0])
        raise Undecidable(
            f"the value {int(codes[twice % width])} was written to key {raw.key_name(twice // width)} more than once; "
            "this model needs unique values"
        )
    if (raw.value[writes] == NIL).any():
        raise Undecidable("nil, the initial value, was written; this model needs unique values")

    reads = np.flatnonzero(~is_write & ((outcome[of] == OK) | ((outcome[of] == INFO) & raw.binding)))
    place = np.searchsorted(known, identity[reads])
    found = (place < len(known)) & (known[np.minimum(place, max(len(known) - 1, 0))] == identity[reads]) \
        if len(known) else np.zeros(len(reads), bool)  # fmt: skip
    source = np.full(len(reads), -2)  # a micro-operation; -1: the initial value; -2: nobody
    source[found] = writes[first[place[found]]]
    source[raw.value[reads] == NIL] = -1

    last_own = _last_own_write(of, raw.key, is_write)[reads]
    final = _final_writes(of, raw.key, is_write)
    own = np.where(source >= 0, of[np.maximum(source, 0)], -1) == of[reads]
    internal = last_own >= 0
    external = ~internal & (source >= -1) & ~own

    happened = outcome == OK
    while True:  # a compare-and-set that was seen to have happened saw what it expected, so that was written too
        seen = of[source[external & (source >= 0) & happened[of[reads]]]]
        if happened[seen].all():
            break
        happened = happened.copy()
        happened[seen] = True

    judged = happened[of[reads]]
    problems = _problems(raw, reads, source, internal & (source != last_own), own & ~internal, final, refused, judged,
                         identity)  # fmt: skip
    good = external & judged
    good[good] = (source[good] < 0) | final[source[good]]

    # Transactions with nothing to say are left out, and the others numbered session by session.
    used = np.zeros(len(outcome), bool)
    used[of[is_write]] = True
    used[of[reads[good]]] = True
    rows = np.flatnonzero(used & happened)
    rows = rows[np.argsort(raw.group[rows], kind="stable")]
    group = raw.group[rows]
    answered = outcome[rows] == OK
    last = np.append(group[1:] != group[:-1], True) if len(rows) else np.empty(0, bool)
    leaf = ~answered & ~last
    chain = np.flatnonzero(~leaf)
    leaves = np.flatnonzero(leaf)
    starts = np.flatnonzero(np.append(True, group[chain][1:] != group[chain][:-1])) if len(chain) else np.empty(0, int)
    first_of = np.concatenate([starts, len(chain) + np.arange(len(leaves) + 1)]).astype(np.int64)
    order = np.concatenate([chain, leaves]).astype(np.int64)  # node -> index into rows
    node = np.empty(len(rows), np.int64)
    node[order] = np.arange(len(rows))
    before = np.arange(len(rows), dtype=np.int64) - 1
    before[first_of[:-1]] = -1
    if len(leaves):  # what its session had been answered before
        previous = np.maximum.accumulate(np.where(leaf, -1, np.arange(len(rows))))[leaves]
        inside = (previous >= 0) & (group[np.maximum(previous, 0)] == group[leaves])
        before[node[leaves[inside]]] = node[previous[inside]]
    session = np.repeat(np.arange(len(first_of) - 1), np.diff(first_of))
    number = np.full(len(outcome), -1)
    number[rows[order]] = np.arange(len(rows))

    by = number[of[reads[good]]]
    arranged = np.argsort(by, kind="stable")
    from_ = np.where(source[good] >= 0, number[of[np.maximum(source[good], 0)]], -1)
    finals = np.flatnonzero(final & happened[of])
    pairs = np.unique(raw.key[finals] * (len(rows) + 1) + number[of[finals]])
    return Sessions(
        row=rows[order],
        session=session,
        position=np.arange(len(rows)) - first_of[session] if len(rows) else np.empty(0, np.int64),
        first=first_of,
        before=before,
        read=by[arranged],
        read_key=raw.key[reads[good]][arranged],
        read_from=from_[arranged],
        write=pairs % (len(rows) + 1),
        write_key=pairs // (len(rows) + 1),
        answered=answered[order],
        problems=problems,
        doubt=raw.doubt,
        words=raw.words,
        key_name=raw.key_name,
        invoked=raw.invoked[rows[order]],
        completed=raw.completed[rows[order]],
        realtime=raw.realtime,
    )


def _last_own_write(of: Ints, key: Ints, is_write: NDArray[np.bool_]) -> Ints:
    """For each micro-operation, the last earlier write of the same key by the same transaction; -1 for none."""
    order = np.lexsort((np.arange(len(of)), key, of))
    starts = np.ones(len(of), bool)
    starts[1:] = (of[order[1:]] != of[order[:-1]]) | (key[order[1:]] != key[order[:-1]])
    begin = np.maximum.accumulate(np.where(starts, np.arange(len(of)), 0))
    newest = np.maximum.accumulate(np.where(is_write[order], np.arange(len(of)), -1))
    newest = np.append(-1, newest[:-1]) if len(of) else newest
    out = np.full(len(of), -1)
    out[order] = np.where(newest >= begin, order[np.maximum(newest, 0)], -1)
    return out


def _final_writes(of: Ints, key: Ints, is_write: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which micro-operations are the last write of their key in their transaction."""
    writes = np.flatnonzero(is_write)
    order = writes[np.lexsort((writes, key[writes], of[writes]))]
    last = np.ones(len(order), bool)
    last[:-1] = (of[order[1:]] != of[order[:-1]]) | (key[order[1:]] != key[order[:-1]])
    out = np.zeros(len(of), bool)
    out[order[last]] = True
    return out


def _problems(
    raw: _Raw,
    reads: Ints,
    source: Ints,
    internal: NDArray[np.bool_],
    future: NDArray[np.bool_],
    final: NDArray[np.bool_],
    refused: Ints,
    judged: NDArray[np.bool_],
    identity: Ints,
) -> tuple[Problem, ...]:
    known = dict(zip(identity[refused].tolist(), raw.of[refused].tolist(), strict=True))
    other = (source >= 0) & (raw.of[np.maximum(source, 0)] != raw.of[reads])
    intermediate = other & ~final[np.maximum(source, 0)] & ~internal
    wrong = judged & (internal | future | intermediate | (source == -2))
    problems = []
    for at in np.flatnonzero(wrong).tolist():
        read, writer = int(reads[at]), int(source[at])
        row = int(raw.of[read])
        what = f"{raw.words(row)} read key {raw.key_name(int(raw.key[read]))}"
        if internal[at]:
            problems.append(Problem("internal", (row,), f"{what}, but not as it had written it itself"))
        elif writer == -2 and int(identity[read]) in known:
            refusal = known[int(identity[read])]
            problems.append(
                Problem(
                    "aborted-read", (row, refusal), f"{what} as {raw.words(refusal)} would have left it, which failed"
                )
            )
        elif writer == -2:
            problems.append(Problem("thin-air-read", (row,), f"{what}, a value that nobody wrote"))
        elif future[at]:
            problems.append(Problem("future-read", (row,), f"{what}, a value that it wrote only later"))
        else:
            by = int(raw.of[writer])
            problems.append(Problem("intermediate-read", (row, by), f"{what}, a value that {raw.words(by)} overwrote"))
    return tuple(problems)
