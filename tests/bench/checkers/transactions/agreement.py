"""Whether the checker agrees with brute force on one small history."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from bench.checkers.transactions import checking, graph, lists
from bench.history.transactions import Transactions
from tests.bench.checkers.brute_transactions import graphs, serial, snapshot

from .databases import MODES, history

_HEAVY = ("stale-snapshot", "lost-update", "read-committed", "read-uncommitted", "random", "dirty", "torn")


def histories(seed: int, kind: str, count: int) -> Iterator[tuple[str, Transactions, bool]]:
    """(database, history, whether no transaction reads a key twice or after writing it), ``count`` of them."""
    rng = Random(seed)
    for number in range(count):
        mode = rng.choice(MODES if number % 2 else _HEAVY)
        simple = rng.random() < 0.5
        yield (
            mode,
            history(
                rng,
                mode,
                kind,
                count=rng.choice((2, 3, 4, 4, 5, 5)),
                keys=rng.choice((1, 2, 2, 3)),
                simple=simple,
                mops=rng.choice((1, 2, 3, 3, 4)),
                processes=rng.randint(2, 5),
                trouble=rng.choice((0, 0.1, 0.3)),
            ),
            simple,
        )


def small_thresholds(rng: Random) -> None:
    """Makes the ways meant for large histories serve small ones too."""
    graph.DIRECT = rng.choice((0, 2, 1024))
    lists._CHUNK = rng.choice((1, 3, 1 << 22))


def disagreement(mode: str, t: Transactions, kind: str, simple: bool) -> str:
    """What the checker and brute force say differently of it; empty if nothing."""
    found = checking.analyse(t, 20.0, kind=kind, level="strict-serializable", closed=True)
    truth = {
        "strict-serializable": serial(t, "realtime"),
        "strong-session-serializable": serial(t, "session"),
        "serializable": serial(t, "none"),
        "strong-snapshot-isolation": snapshot(t, "realtime"),
        "strong-session-snapshot-isolation": snapshot(t, "session"),
        "snapshot-isolation": snapshot(t, "none"),
    }
    if simple:
        cycles = graphs(t)
        for level in ("serializable", "snapshot-isolation"):
            assert cycles[level] == truth[level], f"two brute forces disagree on {level}"
        truth.update(cycles)
        truth["parallel-snapshot-isolation"] = cycles["consistent-view"]
        truth["repeatable-read"] = cycles["serializable"]
    if mode == "serial":
        assert truth["strict-serializable"], "the serial database is not"
    if mode == "snapshot":
        assert truth["strong-snapshot-isolation"], "the snapshot database is not"
    for level, holds in truth.items():
        if (holds and level in found.violated) or (not holds and level in found.satisfied):
            return f"{level}: {holds} by brute force, not by the checker"
        if level not in found.satisfied | found.violated and level != "cursor-stability":
            return f"{level}: {holds} by brute force, undecided by the checker ({found.undecided})"
    shown = {each.anomaly for each in found.evidence}
    if truth["strict-serializable"] and shown:
        return f"strictly serializable, and yet {shown}"
    if found.violated and not shown:
        return f"violates {found.violated} and shows nothing"
    return ""
