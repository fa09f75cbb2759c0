"""From micro-operations to sessions: who read from whom, what happened, and which reads nothing explains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...history.history import FAIL, INFO, OK
from ...history.transactions import NIL, WRITE
from .sessions import Ints, Problem, Sessions, Undecidable


@dataclass
class Raw:
    """Micro-operations of all rows, in the order of the program; see :class:`.sessions.Sessions` for the rest."""

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


def build(raw: Raw) -> Sessions:
    """The sessions of these micro-operations.

    Raises:
        Undecidable: a value was written twice to a key, or nil was written.
    """
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
    raw: Raw,
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
