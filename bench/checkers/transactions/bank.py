"""Bank accounts: transfers move money, so every read of all accounts sees the same total.

The workload of Jepsen's ``bank`` test. A total that changes shows that a read saw half of a transfer (read skew: not
snapshot isolation), or that two transfers lost one another's updates; which of these, it does not say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from time import perf_counter
from typing import Any

from ...history.history import OK
from ...history.operations import MISSING, Operation
from ...history.transactions import NIL, READ, UNKNOWN, Transactions
from ..verdict import Verdict

NAME = "bank"
_SHOWN = 5


def check(
    history: Sequence[Operation] | Transactions,
    budget_s: float = 20.0,
    *,
    total: int | None = None,
    accounts: Collection[Hashable] | None = None,
    negative_balances: bool = False,
) -> Verdict:
    """Whether all reads see the same total, and no balance below zero.

    Args:
        history: operations ``read``, whose result holds a balance for each account (a mapping, or pairs), and others,
            which are ignored; or transactions, of which those count that only read.
        budget_s: not needed: this is linear.
        total: what the balances sum up to; without it, reads are only compared with each other, and the total that
            most of them saw is taken for the right one.
        accounts: which there are; a read of others, or of fewer, is an anomaly. Without it: whatever is read, but every
            read must be of the same.
        negative_balances: whether they are allowed.
    """
    del budget_s
    began = perf_counter()
    reads = list(_reads(history))
    wrong: dict[str, list[tuple[int, str]]] = {}

    def note(anomaly: str, row: int, words: str) -> None:
        wrong.setdefault(anomaly, []).append((row, words))

    expected = frozenset(accounts) if accounts is not None else None
    if expected is None and reads:
        expected = Counter(frozenset(balances) for _, balances in reads).most_common(1)[0][0]
    sums: list[tuple[int, dict[Hashable, Any], Any]] = []
    for row, balances in reads:
        label = f"read {row + 1} saw {_say(balances)}"
        if any(not isinstance(each, (int, float)) for each in balances.values()):
            note("nil-balance", row, f"{label}: not every account has a balance")
        elif expected is not None and frozenset(balances) != expected:
            odd = sorted(map(str, frozenset(balances) ^ expected))
            note("unexpected-account", row, f"{label}: other accounts than the rest ({', '.join(odd)})")
        else:
            sums.append((row, balances, sum(balances.values())))
    right: int | float | None = total
    witness: tuple[int, ...] = ()
    if right is None and sums:
        right = Counter(each for _, _, each in sums).most_common(1)[0][0]
        witness = (next(row for row, _, each in sums if each == right),)
    for row, balances, each in sums:
        if each != right:
            note("wrong-total", row, f"read {row + 1} saw {_say(balances)}: a total of {each}, not {right}")
        low = [account for account, balance in balances.items() if balance < 0]
        if low and not negative_balances:
            note("negative-balance", row, f"read {row + 1} saw {_say(balances)}: {low[0]} is below zero")
    figures = {
        "reads": float(len(reads)),
        "wrong_reads": float(len({row for found in wrong.values() for row, _ in found})),
    }
    if sums:
        figures["least_total"] = float(min(each for _, _, each in sums))
        figures["greatest_total"] = float(max(each for _, _, each in sums))
    took = perf_counter() - began
    if not reads:
        return Verdict(name=NAME, verdict="unknown", reason="nothing was read", took_s=took, figures=figures)
    if not wrong:
        return Verdict(
            name=NAME,
            verdict="valid",
            reason=f"all {len(reads)} reads saw a total of {right}",
            took_s=took,
            figures=figures,
        )
    anomaly = "wrong-total" if "wrong-total" in wrong else min(wrong)
    row, words = wrong[anomaly][0]
    rows = (row, *(witness if anomaly == "wrong-total" else ()))
    return Verdict(
        name=NAME,
        verdict="invalid",
        reason=f"{int(figures['wrong_reads'])} of {len(reads)} reads are wrong; first: {words}",
        rows=tuple(sorted(rows)),
        took_s=took,
        anomalies=tuple(sorted(wrong)),
        explanations=tuple(f"{name}: {said}" for name, found in wrong.items() for _, said in found[:_SHOWN]),
        figures=figures,
    )


def _say(balances: Mapping[Hashable, Any], limit: int = 12) -> str:
    said = [f"{account}: {balance}" for account, balance in list(balances.items())[:limit]]
    return "{" + ", ".join([*said, *(["..."] if len(balances) > limit else [])]) + "}"


def _reads(history: Sequence[Operation] | Transactions) -> Iterator[tuple[int, dict[Hashable, Any]]]:
    """(row, account -> balance) of each read that ended ok."""
    if isinstance(history, Transactions):
        yield from _transactions(history)
        return
    for row, operation in enumerate(history):
        if operation.function != "read" or operation.outcome != OK or operation.result in (MISSING, None):
            continue
        result = operation.result
        pairs = result.items() if isinstance(result, Mapping) else result
        # pairs (account, balance), or micro-operations ("r", account, balance)
        yield row, {pair[-2]: pair[-1] for pair in pairs}


def _transactions(t: Transactions) -> Iterator[tuple[int, dict[Hashable, Any]]]:
    for row in range(len(t)):
        mops = range(int(t.first[row]), int(t.first[row + 1]))
        if int(t.outcome[row]) != OK or not mops or any(int(t.kind[mop]) != READ for mop in mops):
            continue
        if any(int(t.value[mop]) == UNKNOWN for mop in mops):
            continue
        yield (
            row,
            {
                t.keys[int(t.key[mop])]: None if int(t.value[mop]) == NIL else t.values[int(t.value[mop])]
                for mop in mops
            },
        )
