"""Causal consistency and its variants, decided by bad patterns.

After Bouajjani, Enea, Guerraoui and Hamza ("On verifying causal consistency", POPL 2017, section 5), with transactions
instead of operations as in Zennou, Biswas, Bouajjani, Enea and Erradi ("Checking causal consistency of distributed
databases", 2020). Causality CO is the transitive closure of session order and reads-from. Common to all: ThinAirRead
(see :mod:`.sessions`), CyclicCO, and WriteCOInitRead (the initial value read although a write of the key is in the
past).

Four models, not to be confused:

- *weak-causal*, their CC: each transaction by itself is explained by *some* order of its past. Adds WriteCORead. Other
  transactions, and later ones, may be explained by other orders of concurrent writes.
- *causal*, their CCv, causal convergence: one order of all writes for everybody. Adds CyclicCF. This is what
  Biswas and Enea (2019) and AWDIT (Møldrup and Pavlogiannis, PLDI 2025) call causal consistency: their commit order
  is total and common. It is decided in O(n k) as in the latter.
- *causal-memory*, their CM (Ahamad et al. 1995): each session has one order of its past, which explains *all* its
  reads. Adds WriteHBInitRead and CyclicHB. Incomparable with causal convergence: AWDIT-style checks do not decide it.
- *pram* (Lipton and Sandberg 1988): as causal memory, without what others had read: each session has one order of all
  writes that keeps every session's order.
"""

from __future__ import annotations

from time import monotonic

import numpy as np

from .deciding import VALID, Found, circle, stale
from .order import Order, OutOfTime, causal_order, components, session_edges
from .overwritten import Overwritten, overwritten
from .sessions import Ints, Sessions, runs

CIRCULAR = "causality has no circles"


def circular(order: Order) -> Found | None:
    """CyclicCO, if there is one."""
    return circle(order, {}, order, "cyclic-co", CIRCULAR) if order.sequence is None else None


def reasons(found: Overwritten) -> dict[tuple[int, int], int]:
    """The read behind each pair."""
    return dict(zip(zip(found.earlier.tolist(), found.later.tolist(), strict=True), found.read.tolist(), strict=True))


def convergence(s: Sessions, deadline: float) -> Found:
    """Causal consistency with one order of all writes: causal convergence (CCv); what AWDIT calls causal consistency.

    There is a total order of all transactions that contains causality, and in which each transaction read, of the
    versions in its causal past, the last one.
    """
    # With *overwritten* edges added, acyclic is enough: any order that contains them all is a witness, since each read
    # saw the last of the versions in its causal past, which is fixed.
    order = causal_order(s, deadline)
    bad = circular(order)
    if bad:
        return bad
    found = overwritten(order, np.arange(len(s.read)))
    if found.initial:
        return stale(order, "write-co-init-read", *found.initial[0], "was in its causal past")
    whole = order.with_edges(found.earlier, found.later)
    if whole.sequence is None:
        what = "all see concurrent writes in one order that agrees with causality"
        return circle(whole, reasons(found), order, "cyclic-cf", what)
    return VALID


def weak(s: Sessions, deadline: float) -> Found:
    """Weak causal consistency (CC): each transaction is explained by some order of its causal past by itself.

    Nothing demands that two transactions, even of one session, agree on the order of concurrent writes.
    """
    order = causal_order(s, deadline)
    bad = circular(order)
    if bad:
        return bad
    found = overwritten(order, np.arange(len(s.read)))
    if found.initial:
        return stale(order, "write-co-init-read", *found.initial[0], "was in its causal past")
    against = np.flatnonzero(order.precedes(found.later, found.earlier))
    if len(against):
        at = int(against[0])
        return stale(order, "write-co-read", int(found.earlier[at]), int(found.read[at]), "was in its causal past")
    return _jointly(s, order, found, deadline)


def _jointly(s: Sessions, order: Order, found: Overwritten, deadline: float) -> Found:
    """A transaction's reads, each explained, may not be so together. With one read each they always are."""
    # The circle of a transaction is one of all transactions, so only components of that graph have to be looked at.
    label = components(
        order.size, np.concatenate([order.source, found.earlier]), np.concatenate([order.target, found.later])
    )
    sizes = np.bincount(label, minlength=1)
    tied = np.flatnonzero((s.read_from >= 0) & (sizes[label[np.maximum(s.read_from, 0)]] > 1))
    count = np.bincount(s.read[tied], minlength=len(s))
    for reader in np.flatnonzero(count > 1).tolist():
        if monotonic() > deadline:
            raise OutOfTime
        mine = tied[s.read[tied] == reader]
        edges = overwritten(order, mine)
        whole = order.with_edges(edges.earlier, edges.later)
        if whole.sequence is None:
            what = "a transaction is explained by one order of its past"
            return circle(whole, reasons(edges), order, "cyclic-past", what, frozenset({reader}))
    return VALID


def memory(s: Sessions, deadline: float) -> Found:
    """Causal memory (CM): each session has one order of its causal past that agrees with causality."""
    order = causal_order(s, deadline)
    bad = circular(order)
    if bad:
        return bad
    first = overwritten(order, np.arange(len(s.read)))
    if first.initial:
        return stale(order, "write-co-init-read", *first.initial[0], "was in its causal past")
    # If even the reads of all sessions together leave no circle, then those of each do not.
    if _saturate(order, np.arange(len(s.read)), order)[0].word == "valid":
        return VALID
    for reads in runs(s):
        found, _ = _saturate(order, reads, order)
        if found.word != "valid":
            return found
    return VALID


def pram(s: Sessions, deadline: float) -> Found:
    """PRAM: each session has one order of all writes that keeps every session's order and explains its reads."""
    source, target = session_edges(s)
    bad = circular(causal_order(s, deadline))
    if bad:
        return bad
    together = causal_order(s, deadline)
    if _saturate(together, np.arange(len(s.read)), together)[0].word == "valid":
        return VALID
    for reads in runs(s):
        some = reads[s.read_from[reads] >= 0]
        order = Order(
            s,
            len(s),
            np.concatenate([source, s.read_from[some]]),
            np.concatenate([target, s.read[some]]),
            deadline,
        )
        found, _ = _saturate(order, reads, order)
        if found.word != "valid":
            return found
    return VALID


def _saturate(order: Order, reads: Ints, base: Order) -> tuple[Found, Order]:
    """The least order in which a writer that comes before one of these reads comes before the version it read.

    That it is acyclic is enough, if the readers are ordered: place the past of the first one, it, the rest of the past
    of the second, it, and so on, each in an order that follows this one. A writer placed before a reader is in its
    past, so comes before the version it read (Bouajjani et al. 2017, lemma on CM; transactions change nothing).
    """
    why: dict[tuple[int, int], int] = {}
    while True:
        found = overwritten(order, reads)
        if found.initial:
            return _initial(order, why, found.initial[0]), order
        if not len(found.earlier):
            return VALID, order
        why |= reasons(found)
        larger = order.with_edges(found.earlier, found.later)
        if larger.sequence is None:
            what = "each session sees all writes in one order that agrees with what it read before"
            return _closed(circle(larger, why, order, "cyclic-hb", what), why, order), order
        order = larger


def _initial(order: Order, why: dict[tuple[int, int], int], pair: tuple[int, int]) -> Found:
    return _closed(stale(order, "write-hb-init-read", *pair, "had to be visible"), why, order)


def _closed(found: Found, why: dict[tuple[int, int], int], order: Order) -> Found:
    """With what shows the edges that the evidence itself passes along."""
    s = order.sessions
    nodes = set(found.nodes)
    lines = list(found.explanations)
    while True:
        more = {
            node
            for (one, two), read in why.items()
            if one in nodes and two in nodes and int(s.read[read]) not in nodes
            for node in (int(s.read[read]),)
        }
        if not more:
            break
        nodes |= more
    return Found(found.word, found.reason, tuple(sorted(nodes)), found.anomaly, tuple(lines))
