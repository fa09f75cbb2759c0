"""How old what was read was: in seconds and in versions; and whether it was no older than allowed.

*t-staleness*: Golab, Li and Shah ("Analyzing consistency properties for fun and profit", PODC 2011) call a history
Delta-atomic if it is linearizable once every read is taken to have begun Delta earlier. *k-staleness*: k-atomic, if
every read saw one of the last k versions in some linearization of the writes (Aiyer, Alvisi, Bazzi 2005; Bailis et al.
2012, "Probabilistically bounded staleness").

Both say what a whole history allows. Measured here is what is *certain* of each read by itself, with real time only. A
version *v* is in place from ``f(v)`` on, the first end of an operation that wrote or read it. Version *u* is certainly
later than *v* if its write began after ``f(v)``. A read of *v* that began at *s* is stale by ``s - f(u)``, for the
certainly later *u* that was in place first, and by as many versions as are certainly later than *v* and were in place
before *s*. So these are lower bounds: a linearizable history has staleness 0 throughout, and the writes' own duration
is never counted against the store.
"""

from __future__ import annotations

from time import monotonic, perf_counter

import msgspec
import numpy as np
from numpy.typing import NDArray

from .. import linearizability
from ..verdict import Verdict
from .reading import sessions
from .registers import as_registers, unexplained
from .sessions import Input, Ints, Sessions, Undecidable

NAME = "bounded-staleness"
_LONG_AGO = -(2**62)


class Staleness(msgspec.Struct, frozen=True):
    """What is certain of each read (in the order of :attr:`Sessions.read`).

    Attributes:
        ns: how long what it saw had been overwritten when it began; 0 if that is not certain.
        versions: how many versions had certainly replaced it; 0 as above.
        versions_at_most: how many there were in one way of ordering all writes that real time allows.
        by: the transaction that overwrote it first, -1 for none.
        unborn: reads (indices) that ended before the write of what they saw began.
    """

    ns: Ints
    versions: Ints
    versions_at_most: Ints
    by: Ints
    unborn: Ints


def measure(s: Sessions) -> Staleness:
    """The staleness of each read; O(n log n)."""
    width = len(s) + 1
    code = s.write_key * width + s.write
    seen = s.read_key * width + s.read_from
    known = s.read_from >= 0
    place = np.searchsorted(code, seen[known])
    ends = np.where(s.answered[s.write], s.completed[s.write], 2**62)
    np.minimum.at(ends, place, s.completed[s.read[known]])  # f
    begins = s.invoked[s.write]
    reader_begins = s.invoked[s.read]
    unborn = np.flatnonzero(known)[s.completed[s.read[known]] < begins[place]]

    own = np.full(len(s.read), _LONG_AGO)  # f of what each read saw; the initial value was always there
    own[known] = ends[place]

    # Writes of each key by when they began: certainly later ones are a suffix.
    order = np.lexsort((begins, s.write_key))
    keys, begins, f = s.write_key[order], begins[order], ends[order]
    stop = np.searchsorted(keys, s.read_key, "right")
    start = search(keys, begins, s.read_key, own, "right")
    first, first_at = _suffix_minimum(keys, f)
    some = start < stop
    earliest = np.where(some, first[np.minimum(start, max(len(f) - 1, 0))] if len(f) else 0, 2**62)
    ns = np.maximum(0, reader_begins - earliest)
    by = np.where(ns > 0, s.write[order][first_at[np.minimum(start, max(len(f) - 1, 0))]] if len(f) else -1, -1)

    rank = np.empty(len(f), np.int64)
    by_end = np.lexsort((np.arange(len(f)), f))
    rank[by_end] = np.arange(len(f))
    below = np.searchsorted(f[by_end], reader_begins, "left")
    versions = _count_below(rank, np.minimum(start, stop), stop, below)

    # One order of all writes that real time allows: by f. A read at its beginning sees what came between as missing.
    ordered = np.lexsort((np.arange(len(f)), f, keys))
    position = np.empty(len(f), np.int64)
    position[ordered] = np.arange(len(f))
    where = np.empty(len(order), np.int64)
    where[order] = np.arange(len(order))
    mine = np.searchsorted(keys, s.read_key, "left") - 1
    mine[known] = position[where[place]]
    until = search(keys[ordered], f[ordered], s.read_key, reader_begins, "right")
    at_most = np.maximum(0, until - 1 - mine)
    return Staleness(ns, versions, at_most, by, unborn)


def search(keys: Ints, values: Ints, key: Ints, value: Ints, side: str) -> Ints:
    """searchsorted by (key, value), where both are sorted so."""
    codes, code = np.unique(np.concatenate([values, value]), return_inverse=True)
    size = len(codes) + 1
    table, wanted = keys * size + code[: len(values)], key * size + code[len(values) :]
    return np.searchsorted(table, wanted, "right" if side == "right" else "left").astype(np.int64)


def _suffix_minimum(keys: Ints, f: Ints) -> tuple[Ints, Ints]:
    """For each place, the least f from there to the end of its key, and where it is."""
    if not len(f):
        return f, f
    by_end = np.lexsort((np.arange(len(f)), f))
    rank = np.empty(len(f), np.int64)
    rank[by_end] = np.arange(len(f))
    # Keys from the last to the first, so that a running minimum over (key, rank) starts anew with each.
    _, group = np.unique(keys, return_inverse=True)
    running = np.minimum.accumulate((group * len(f) + rank)[::-1])[::-1] - group * len(f)
    at = by_end[running]
    return f[at], at


def _count_below(rank: Ints, low: Ints, high: Ints, bound: Ints) -> Ints:
    """How many of rank[low:high] are below the bound, for many at once: a wavelet tree, bit by bit."""
    low, high = low.copy(), high.copy()
    total = np.zeros(len(low), np.int64)
    for bit in range(len(rank).bit_length(), -1, -1):
        zero = (rank >> bit) & 1 == 0
        zeros = np.concatenate([[0], np.cumsum(zero)])
        low0, high0 = zeros[low], zeros[high]
        one = (bound >> bit) & 1 == 1
        total += np.where(one, high0 - low0, 0)
        low = np.where(one, zeros[-1] + low - low0, low0)
        high = np.where(one, zeros[-1] + high - high0, high0)
        rank = np.concatenate([rank[zero], rank[~zero]])
    return total


def check(history: Input, budget_s: float = 20.0, *, t_s: float | None = None, k: int | None = None) -> Verdict:
    """How stale reads are, and whether one is staler than ``t_s`` seconds or sees none of the last ``k`` versions.

    Without a bound it only measures (``invalid`` then is a read that ended before its write began). With one, a single
    read that is certainly staler is a violation. ``t_s`` is exact: if no read by itself violates it, the history with
    its reads begun so much earlier is checked for linearizability. ``k`` is not: ``valid`` if the writes in one order
    that real time allows explain all reads; ``unknown`` between; but ``k=1`` is linearizability.

    Figures: of the certain staleness of all reads, ``staleness_s_p50``, ``_p90``, ``_p99``, ``_max``, and
    ``staleness_versions_...``; ``stale_share``; ``staleness_versions_at_most`` of the order by which ``k`` is valid;
    ``reads``.
    """
    began = perf_counter()
    deadline = monotonic() + budget_s

    def verdict(word: str, reason: str = "", nodes: Ints | None = None, **more: object) -> Verdict:
        rows = tuple(sorted({int(row) for row in s.row[nodes]})) if nodes is not None else ()
        return msgspec.convert(
            {"name": NAME, "verdict": word, "reason": reason, "rows": rows, "took_s": perf_counter() - began, **more},
            Verdict,
        )

    try:
        s = sessions(history)
    except Undecidable as error:
        return Verdict(name=NAME, verdict="unknown", reason=f"{error}", took_s=perf_counter() - began)
    if s.problems:
        first = s.problems[0]
        return Verdict(
            name=NAME, verdict="invalid", reason=f"{first.words}.", rows=first.rows, took_s=perf_counter() - began
        )
    if not s.realtime:
        return verdict("unknown", "the times of this history cannot be compared between processes.")
    found = measure(s)
    figures = _figures(found)
    if len(found.unborn):
        read = int(found.unborn[0])
        nodes = np.array([s.read[read], s.read_from[read]])
        words = f"{s.words(int(s.row[s.read[read]]))} ended before the write of what it saw had begun"
        return verdict("invalid", f"{words}.", nodes, figures=figures)
    if t_s is not None:
        over = np.flatnonzero(found.ns > t_s * 1e9)
        if len(over):
            worst = int(over[np.argmax(found.ns[over])])
            reason = f"{_words(s, found, worst)}, which is more than {t_s:g} s."
            return verdict("invalid", reason, _evidence(s, found, worst), figures=figures)
    if k is not None:
        over = np.flatnonzero(found.versions >= k)
        if len(over):
            worst = int(over[np.argmax(found.versions[over])])
            reason = f"{_words(s, found, worst)}; allowed is one of the last {k}."
            return verdict("invalid", reason, _evidence(s, found, worst), figures=figures)
    if k == 1:
        t_s = 0.0  # every read sees the last version: linearizable
    elif k is not None and (found.versions_at_most >= k).any():
        return verdict("unknown", f"whether some order of the writes makes all reads {k}-stale was not decided.",
                       figures=figures)  # fmt: skip
    if t_s is not None:
        shifted = as_registers(s, int(t_s * 1e9))
        if shifted is None:
            return verdict("unknown", "transactions of several operations are not judged by this bound.",
                           figures=figures)  # fmt: skip
        judged = linearizability.check(shifted[0], max(0.0, deadline - monotonic()))
        if judged.verdict != "valid":
            nodes = shifted[1][list(judged.rows)]
            why = unexplained(s, np.unique(s.row[nodes]).tolist()) if judged.verdict == "invalid" else judged.reason
            reason = f"with every read begun {t_s:g} s earlier, {why}"
            return verdict(judged.verdict, reason, nodes, figures=figures)
    if s.doubt:
        return verdict("unknown", f"{s.doubt}.", figures=figures)
    return verdict("valid", "" if t_s is not None or k is not None else "measured only: no bound was given.",
                   figures=figures)  # fmt: skip


def _figures(found: Staleness) -> dict[str, float]:
    figures = {"reads": float(len(found.ns))}
    if len(found.ns):
        for name, values in (("s", found.ns / 1e9), ("versions", found.versions.astype(float))):
            for label, share in (("p50", 50), ("p90", 90), ("p99", 99), ("max", 100)):
                figures[f"staleness_{name}_{label}"] = float(_percentile(values, share))
        figures["staleness_versions_at_most"] = float(found.versions_at_most.max())
        figures["stale_share"] = float((found.ns > 0).mean())
    return figures


def _percentile(values: NDArray[np.float64], share: float) -> float:
    """The least value that so many per cent do not exceed: a value that was measured."""
    return float(np.percentile(values, share, method="inverted_cdf"))


def _words(s: Sessions, found: Staleness, read: int) -> str:
    reader, newer = int(s.read[read]), int(found.by[read])
    return (
        f"{s.words(int(s.row[reader]))} saw what {s.words(int(s.row[newer]))} had overwritten "
        f"{found.ns[read] / 1e9:.3f} s before it began ({found.versions[read]} versions behind)"
    )


def _evidence(s: Sessions, found: Staleness, read: int) -> Ints:
    """The read, what it saw, what overwrote it, and of those that knew the latter two the ones that ended first."""
    nodes = [int(s.read[read]), int(found.by[read])]
    versions = [int(found.by[read])]
    if s.read_from[read] >= 0:
        nodes.append(int(s.read_from[read]))
        versions.append(int(s.read_from[read]))
    for version in versions:
        readers = s.read[(s.read_key == s.read_key[read]) & (s.read_from == version)]
        knew = np.append(readers, version)
        knew = knew[np.argsort(s.completed[knew], kind="stable")]
        nodes.append(int(knew[0]))
    return np.unique(np.array(nodes, np.int64))
