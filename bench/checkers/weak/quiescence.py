"""Eventual convergence: some time after the last write, all agree.

Vogels (2009, "Eventually consistent"); as *strong convergence* after quiescence it can be tested on a finite history.
"""

from __future__ import annotations

from time import perf_counter

import numpy as np

from ..verdict import Verdict
from .reading import sessions
from .sessions import Input, Undecidable
from .staleness import measure

NAME = "convergence"


def check(history: Input, budget_s: float = 20.0, *, quiescence_s: float = 0.0) -> Verdict:
    """Whether, ``quiescence_s`` after the last write of a key, all reads of it agree, and none sees an old version.

    Real time counts. A write ends with its answer; one that was not answered, with the end of the first read that saw
    it, if there was one. *Old* is a version if another one's write began after the former was certainly in place. A key
    that nobody read so late is not judged; if none was, the verdict is ``unknown``.

    Figures: ``keys_judged``, ``keys``, ``reads_judged``; ``converged_after_s``: the longest time from the last write of
    a key to the beginning of its last read of something else than its last read saw.
    """
    began = perf_counter()
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
        reason = "the times of this history cannot be compared between processes."
        return Verdict(name=NAME, verdict="unknown", reason=reason, took_s=perf_counter() - began)
    stale = measure(s)
    _, index = np.unique(np.concatenate([s.write_key, s.read_key]), return_inverse=True)
    write_key, read_key = index[: len(s.write)], index[len(s.write) :]
    count = int(index.max(initial=-1)) + 1
    ends = np.where(s.answered[s.write], s.completed[s.write], -(2**62))
    quiet = np.full(count, -(2**62))
    np.maximum.at(quiet, write_key, ends)
    # An unanswered write: when the first read that saw it ended.
    width = len(s) + 1
    place = np.searchsorted(s.write_key * width + s.write, s.read_key * width + s.read_from)
    late = np.flatnonzero((s.read_from >= 0) & ~s.answered[np.maximum(s.read_from, 0)])
    first_seen = np.full(len(s.write), 2**62)
    np.minimum.at(first_seen, place[late], s.completed[s.read[late]])
    seen = first_seen < 2**62
    np.maximum.at(quiet, write_key[seen], first_seen[seen])

    begins = s.invoked[s.read]
    judged = np.flatnonzero(begins >= quiet[read_key] + int(quiescence_s * 1e9))
    order = judged[np.lexsort((begins[judged], read_key[judged]))]
    last = np.full(count, -2)
    last[read_key[order]] = s.read_from[order]
    differing = np.flatnonzero((last[read_key] != s.read_from) & (last[read_key] > -2))
    after = (begins - quiet[read_key])[differing] / 1e9
    figures = {
        "keys": float(count),
        "keys_judged": float(len(np.unique(read_key[judged]))),
        "reads_judged": float(len(judged)),
        "converged_after_s": float(max(0.0, after.max(initial=0.0))),
    }

    def verdict(word: str, reason: str, nodes: list[int]) -> Verdict:
        rows = tuple(sorted({int(s.row[node]) for node in nodes if node >= 0}))
        return Verdict(
            name=NAME,
            verdict="valid" if word == "valid" else "invalid" if word == "invalid" else "unknown",
            reason=reason,
            rows=rows,
            took_s=perf_counter() - began,
            figures=figures,
        )

    if len(stale.unborn):
        read = int(stale.unborn[0])
        words = f"{s.words(int(s.row[s.read[read]]))} ended before the write of what it saw had begun"
        return verdict("invalid", f"{words}.", [int(s.read[read]), int(s.read_from[read])])
    same = read_key[order[1:]] == read_key[order[:-1]]
    apart = np.flatnonzero(same & (s.read_from[order[1:]] != s.read_from[order[:-1]]))
    if len(apart):
        one, two = int(order[apart[0]]), int(order[apart[0] + 1])
        key = s.key_name(int(s.read_key[one]))
        reason = (
            f"{quiescence_s:g} s and more after the last write of key {key}, {s.words(int(s.row[s.read[one]]))} and "
            f"{s.words(int(s.row[s.read[two]]))} saw different versions."
        )
        nodes = [int(s.read[one]), int(s.read[two]), int(s.read_from[one]), int(s.read_from[two])]
        return verdict("invalid", reason, nodes)
    old = judged[stale.by[judged] >= 0]
    if len(old):
        read, newer = int(old[0]), int(stale.by[old[0]])
        reason = (
            f"{quiescence_s:g} s and more after the last write, {s.words(int(s.row[s.read[read]]))} still saw what "
            f"{s.words(int(s.row[newer]))} had overwritten."
        )
        return verdict("invalid", reason, [int(s.read[read]), newer, int(s.read_from[read])])
    if not len(judged):
        return verdict("unknown", f"nothing was read {quiescence_s:g} s after the last write of its key.", [])
    if s.doubt:
        return verdict("unknown", f"{s.doubt}.", [])
    return verdict("valid", "", [])
