"""Long fork: two reads that saw two independent writes in opposite orders.

The workload of Jepsen's ``long-fork`` test: each key is written at most once, by itself, and groups of keys are read
together. Under snapshot isolation (and anything with consistent prefix) the reads of a group are states of one growing
set: of any two, one contains the other. Parallel snapshot isolation (Sovran et al., "Transactional storage for
geo-replicated systems", SOSP 2011) allows them to fork.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import pairwise
from time import perf_counter
from typing import Any

from ...history.history import FAIL, OK
from ...history.operations import MISSING, Operation
from ...history.transactions import NIL, READ, UNKNOWN, Transactions
from ..verdict import Verdict

NAME = "long-fork"


class _Malformed(ValueError):
    """Not a history of this workload."""


def check(
    history: Sequence[Operation] | Transactions, budget_s: float = 20.0, *, group_size: int | None = None
) -> Verdict:
    """Whether no two reads of a group of keys are incomparable.

    Args:
        history: operations ``read``, whose result holds a value (or None) for each key of a group, as a mapping, as
            pairs or as micro-operations ``("r", key, value)``; or transactions. Whatever only writes is ignored, but no
            key may be written twice.
        budget_s: not needed: this is O(n log n).
        group_size: how many keys a read has to see; without it, reads of the same keys are a group.

    A history that is none of this workload is ``unknown``.
    """
    del budget_s
    began = perf_counter()
    groups: dict[frozenset[Hashable], list[tuple[int, frozenset[Hashable], dict[Hashable, Any]]]] = {}
    values: dict[Hashable, tuple[Any, int]] = {}
    count = 0
    try:
        _written_once(history)
        for row, seen in _reads(history):
            count += 1
            if group_size is not None and len(seen) != group_size:
                raise _Malformed(f"read {row + 1} saw {len(seen)} keys, not {group_size}")
            for key, value in seen.items():
                known, by = values.setdefault(key, (value, row)) if value is not None else (None, row)
                if value is not None and known != value:
                    raise _Malformed(
                        f"reads {by + 1} and {row + 1} saw different values of {key}: each is written once"
                    )
            present = frozenset(key for key, value in seen.items() if value is not None)
            groups.setdefault(frozenset(seen), []).append((row, present, seen))
    except _Malformed as error:
        return Verdict(name=NAME, verdict="unknown", reason=f"{error}", took_s=perf_counter() - began)

    explanations: list[str] = []
    rows: tuple[int, ...] = ()
    for reads in groups.values():
        # A family of sets is a chain iff, by size, each contains the one before.
        reads.sort(key=lambda each: len(each[1]))
        for (one, less, seen), (two, more, other) in pairwise(reads):
            if not less <= more:
                a, b = sorted(map(str, less - more))[0], sorted(map(str, more - less))[0]
                rows = rows or tuple(sorted((one, two)))
                explanations.append(
                    f"long-fork: read {one + 1} saw {_say(seen)} and read {two + 1} saw {_say(other)}: the first "
                    f"saw {a} written and {b} not yet, the second {b} written and {a} not yet"
                )
    figures = {"reads": float(count), "groups": float(len(groups)), "forks": float(len(explanations))}
    took = perf_counter() - began
    if not count:
        return Verdict(name=NAME, verdict="unknown", reason="nothing was read", took_s=took, figures=figures)
    if not explanations:
        return Verdict(
            name=NAME,
            verdict="valid",
            reason=f"the {count} reads of each group are states of one order",
            took_s=took,
            figures=figures,
        )
    return Verdict(
        name=NAME,
        verdict="invalid",
        reason=explanations[0].removeprefix("long-fork: "),
        rows=rows,
        took_s=took,
        anomalies=("long-fork",),
        explanations=tuple(explanations[:10]),
        violated=("snapshot-isolation",),
        figures=figures,
    )


def _say(seen: Mapping[Hashable, Any]) -> str:
    return "{" + ", ".join(f"{key}: {'nil' if value is None else value}" for key, value in seen.items()) + "}"


def _reads(history: Sequence[Operation] | Transactions) -> Iterator[tuple[int, dict[Hashable, Any]]]:
    if not isinstance(history, Transactions):
        for row, operation in enumerate(history):
            if operation.function not in ("read", "txn") or operation.outcome != OK:
                continue
            result = operation.result
            if result in (MISSING, None):
                continue
            if isinstance(result, Mapping):
                yield row, dict(result)
            elif all(len(each) < 3 or each[0] == "r" for each in result):
                yield row, {each[-2]: each[-1] for each in result}
        return
    t = history
    for row in range(len(t)):
        mops = range(int(t.first[row]), int(t.first[row + 1]))
        if int(t.outcome[row]) != OK or not mops or any(int(t.kind[mop]) != READ for mop in mops):
            continue
        if all(int(t.value[mop]) != UNKNOWN for mop in mops):
            yield row, {t.keys[int(t.key[mop])]: None if int(t.value[mop]) == NIL else _value(t, mop) for mop in mops}


def _value(t: Transactions, mop: int) -> Any:
    code = int(t.value[mop])
    return t.values[code] if 0 <= code < len(t.values) else code


def _written_once(history: Sequence[Operation] | Transactions) -> None:
    seen: set[Hashable] = set()

    def once(key: Hashable) -> None:
        if key in seen:
            raise _Malformed(f"{key} was written more than once")
        seen.add(key)

    if isinstance(history, Transactions):
        of = history.transaction_of()
        for mop in range(len(history.kind)):
            if int(history.kind[mop]) != READ and int(history.outcome[of[mop]]) != FAIL:
                once(history.keys[int(history.key[mop])])
        return
    for operation in history:
        if operation.outcome == FAIL or not isinstance(operation.argument, (tuple, list)):
            continue
        for mop in operation.argument:
            if isinstance(mop, (tuple, list)) and len(mop) == 3 and mop[0] == "w":
                once(mop[1])
