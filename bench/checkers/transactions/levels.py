"""Isolation levels: which implies which, and which anomaly rules out which.

After Adya (1999, "Weak Consistency", chapters 3 and 4), Adya, Liskov, O'Neil (2000), Bailis et al. (2013, "Highly
Available Transactions"), Cerone and Gotsman (2016, "Analysing Snapshot Isolation", theorems 9 and 21), Daudjee and
Salem (2006, session variants) and Elle (Kingsbury and Alvaro 2020, section 2). There are no predicates here, so
*repeatable read* and *serializable* forbid the same cycles; *snapshot isolation* is generalised (a snapshot may be
old): its ``strong-session`` form adds the order of each process (and is what Cerone and Gotsman, and PolySI, call
snapshot isolation), its ``strong`` form real time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

IMPLIES: Final[dict[str, tuple[str, ...]]] = {
    "strict-serializable": ("strong-session-serializable", "strong-snapshot-isolation"),
    "strong-session-serializable": ("serializable", "strong-session-snapshot-isolation"),
    "serializable": ("repeatable-read", "snapshot-isolation"),
    "strong-snapshot-isolation": ("strong-session-snapshot-isolation", "strong-read-committed"),
    "strong-session-snapshot-isolation": ("snapshot-isolation", "strong-session-read-committed"),
    "snapshot-isolation": ("parallel-snapshot-isolation",),
    "parallel-snapshot-isolation": ("consistent-view",),
    "repeatable-read": ("cursor-stability",),
    "consistent-view": ("cursor-stability",),
    "cursor-stability": ("read-committed",),
    "strong-read-committed": ("strong-session-read-committed", "strong-read-uncommitted"),
    "strong-session-read-committed": ("read-committed", "strong-session-read-uncommitted"),
    "strong-read-uncommitted": ("strong-session-read-uncommitted",),
    "strong-session-read-uncommitted": ("read-uncommitted",),
    "read-committed": ("read-uncommitted",),
    "read-uncommitted": (),
}
"""Each level and the next weaker ones."""

ALIASES: Final = {
    "strong-serializable": "strict-serializable",
    "strict-serializability": "strict-serializable",
    "serializability": "serializable",
    "si": "snapshot-isolation",
    "psi": "parallel-snapshot-isolation",
}

NEEDS_REALTIME: Final = frozenset(
    level for level in IMPLIES if level.startswith(("strict", "strong-")) and not level.startswith("strong-session")
)

FORBIDDEN: Final[dict[str, tuple[str, ...]]] = {
    # anomaly: the weakest levels that forbid it
    "G0": ("read-uncommitted",),
    "G0-process": ("strong-session-read-uncommitted",),
    "G0-realtime": ("strong-read-uncommitted",),
    "duplicate-elements": ("read-uncommitted",),
    "garbage-read": ("read-uncommitted",),
    "lost-append": ("read-uncommitted",),
    "cyclic-versions": ("read-uncommitted",),
    "G1a": ("read-committed",),
    "G1b": ("read-committed",),
    "G1c": ("read-committed",),
    "G1c-process": ("strong-session-read-committed",),
    "G1c-realtime": ("strong-read-committed",),
    "dirty-update": ("read-committed",),
    "incompatible-order": ("read-committed",),
    "future-read": ("read-committed",),
    "internal": ("parallel-snapshot-isolation", "repeatable-read"),
    "lost-update": ("cursor-stability",),
    "G-single": ("consistent-view", "repeatable-read"),
    "G-single-process": ("strong-session-snapshot-isolation",),
    "G-single-realtime": ("strong-snapshot-isolation",),
    "G-nonadjacent": ("snapshot-isolation", "repeatable-read"),
    "G-nonadjacent-process": ("strong-session-snapshot-isolation",),
    "G-nonadjacent-realtime": ("strong-snapshot-isolation",),
    "G2-item": ("repeatable-read",),
    "G2-item-process": ("strong-session-serializable",),
    "G2-item-realtime": ("strict-serializable",),
    "no-version-order": (),  # the level it was found for is added by hand
}


def _reach(graph: dict[str, tuple[str, ...]], level: str) -> frozenset[str]:
    seen, stack = {level}, [level]
    while stack:
        for each in graph[stack.pop()]:
            if each not in seen:
                seen.add(each)
                stack.append(each)
    return frozenset(seen)


WEAKER: Final = {level: _reach(IMPLIES, level) for level in IMPLIES}
"""Each level with all that it implies, itself among them."""
STRONGER: Final = {level: frozenset(each for each in IMPLIES if level in WEAKER[each]) for level in IMPLIES}
"""Each level with all that imply it, itself among them."""


def closed_up(levels: Iterable[str]) -> set[str]:
    """What is violated if these are."""
    return {each for level in levels for each in STRONGER[level]}


def closed_down(levels: Iterable[str]) -> set[str]:
    """What is satisfied if these are."""
    return {each for level in levels for each in WEAKER[level]}


def weakest(levels: Iterable[str]) -> tuple[str, ...]:
    """Those of them that imply no other of them."""
    chosen = set(levels)
    return tuple(level for level in IMPLIES if level in chosen and not (WEAKER[level] - {level}) & chosen)


def strongest(levels: Iterable[str]) -> tuple[str, ...]:
    """Those of them that no other of them implies."""
    chosen = set(levels)
    return tuple(level for level in IMPLIES if level in chosen and not (STRONGER[level] - {level}) & chosen)


def ruled_out(anomalies: Iterable[str]) -> set[str]:
    """All levels that these anomalies violate."""
    return closed_up(level for anomaly in anomalies for level in FORBIDDEN[anomaly])
