"""Transactions that read and write registers, each value written once: dependencies and anomalies of single reads.

After Elle's ``rw-register`` (Kingsbury and Alvaro 2020, section 4.4). A read tells who wrote what it saw; the order of
versions has to be inferred. Certain: the initial version (nil) comes before every other. By declared assumptions:

- ``writes-follow-reads``: a transaction that reads a version of a key and then writes the key made a later version. At
  read committed and above this is no assumption: the other order is a cycle of ww and wr (G1c).
- ``sequential-keys``: each key by itself is sequentially consistent: versions follow the order of each process.
- ``linearizable-keys``: each key by itself is linearizable: versions follow real time.

What these leave open, :mod:`.orders` decides by search.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from ...history.history import FAIL, INFO, OK
from ...history.transactions import APPEND, LIST, NIL, READ, WRITE, Transactions
from .graph import RW, WR, WW, Edges, Ints, components, ints
from .recovered import Columns, Recovered, Undecidable, look_up

ASSUMPTIONS = ("writes-follow-reads", "sequential-keys", "linearizable-keys")

_INITIAL = -1


def recover(transactions: Transactions, assumptions: Iterable[str] = ()) -> tuple[Columns, Recovered]:
    """Dependencies between committed transactions, and anomalies that show without a cycle.

    Raises:
        Undecidable: a value was written twice to one key, or something is neither write nor read of a single value.
    """
    return _Registers(transactions, frozenset(assumptions)).recover()


class _Registers:
    def __init__(self, transactions: Transactions, assumptions: frozenset[str]) -> None:
        self.t = transactions
        self.assumptions = assumptions
        c = self.c = Columns(transactions)
        if (c.kind == APPEND).any() or (c.value[c.reads] == LIST).any():
            raise Undecidable(
                "the history appends to or reads lists: rw-register knows only writes and reads of values"
            )
        self.identity, self.writer = c.writers(WRITE)
        self.out = Recovered(Edges(len(transactions)), c.outcome == OK)

    def recover(self) -> tuple[Columns, Recovered]:
        c = self.c
        reads = c.reads[c.value[c.reads] != NIL]
        source = look_up(self.identity, self.writer, c.key[reads] * c.width + c.value[reads])
        seen = np.zeros(len(self.t), bool)
        foreign = (source >= 0) & (c.of[source] != c.of[reads])
        seen[c.of[source[foreign]]] = True
        self.out.committed = (c.outcome == OK) | ((c.outcome == INFO) & seen)
        self.judge_reads(reads, source)
        self.judge_runs(reads, source)
        self.connect(reads, source)
        return self.c, self.out

    def judge_reads(self, reads: Ints, source: Ints) -> None:
        """Values nobody wrote, values of aborted transactions, values overwritten by their own writer."""
        c = self.c
        writes = np.flatnonzero(c.kind == WRITE)
        order, same = c.runs(writes)
        self.final = np.ones(len(c.kind), bool)
        self.final[order[:-1][same[1:]]] = False
        for anomaly, bad, tail in (
            ("garbage-read", source < 0, "which was never written"),
            ("G1a", (source >= 0) & (c.outcome[c.of[source]] == FAIL), "written by {}, which aborted"),
            (
                "G1b",
                (source >= 0) & (c.outcome[c.of[source]] != FAIL) & ~self.final[source] & (c.of[source] != c.of[reads]),
                "which is not the last that {} wrote to it",
            ),
        ):
            if bad.any():
                place = int(np.flatnonzero(bad)[0])
                mop, by = int(reads[place]), int(source[place])
                rows = [c.of[mop]] if by < 0 else [c.of[mop], c.of[by]]
                words = tail.format(c.name(c.of[by])) if by >= 0 else tail
                self.out.note(
                    anomaly,
                    f"{c.name(c.of[mop])} read {c.say_key(c.key[mop])} = {c.say(c.value[mop])}, {words}",
                    rows,
                    int(bad.sum()),
                )

    def judge_runs(self, reads: Ints, source: Ints) -> None:
        """A transaction against itself; lost updates. Leaves the external reads and final writes."""
        c = self.c
        known = np.zeros(len(c.kind), bool)
        known[c.reads] = True
        rows = np.flatnonzero(self.out.committed[c.of] & (known | (c.kind == WRITE)))
        order, same = c.runs(rows)
        read = c.kind[order] == READ
        wrong = np.zeros(len(order), bool)
        wrong[1:] = same[1:] & read[1:] & (c.value[order][1:] != c.value[order][:-1])
        if wrong.any():
            place = int(np.flatnonzero(wrong)[0])
            mop = int(order[place])
            self.out.note(
                "internal",
                f"{c.name(c.of[mop])} read {c.say_key(c.key[mop])} = {c.say(c.value[mop])}, but by what it did before "
                f"to this key it had to be {c.say(c.value[order[place - 1]])}",
                (c.of[mop],),
                int(wrong.sum()),
            )
        own = (source > reads) & (c.of[source] == c.of[reads])
        if own.any():
            mop = int(reads[np.flatnonzero(own)[0]])
            self.out.note(
                "future-read",
                f"{c.name(c.of[mop])} read {c.say_key(c.key[mop])} = {c.say(c.value[mop])} before it wrote that itself",
                (c.of[mop],),
                int(own.sum()),
            )
        self.external = order[~same & read]
        self.finals = np.flatnonzero((c.kind == WRITE) & self.final & self.out.committed[c.of])
        # A read followed by a write of the same key: (read, final write).
        run = np.cumsum(~same) - 1
        final_of = np.full(int(run[-1]) + 1 if len(run) else 0, -1, np.int64)
        is_final = ~read & self.final[order]
        final_of[run[is_final]] = order[is_final]
        updates = np.flatnonzero(~same & read & (final_of[run] >= 0)) if len(run) else np.empty(0, np.int64)
        self.updated, self.update = order[updates], final_of[run[updates]] if len(run) else np.empty(0, np.int64)
        code = c.key[self.updated] * (c.width + 1) + c.value[self.updated] + 1
        by = np.argsort(code, kind="stable")
        twice = np.flatnonzero(code[by][1:] == code[by][:-1])
        if len(twice):
            one, two = int(self.updated[by[twice[0]]]), int(self.updated[by[twice[0] + 1]])
            self.out.note(
                "lost-update",
                f"{c.name(c.of[one])} and {c.name(c.of[two])} both read {c.say_key(c.key[one])} = "
                f"{c.say(c.value[one])} and both overwrote it: one did not see the other",
                (c.of[one], c.of[two]),
                len(twice),
            )

    def connect(self, reads: Ints, source: Ints) -> None:
        """wr, what the initial version gives, what the assumptions give; and the versions left without an order."""
        c, edges = self.c, self.out.edges
        sure = (source >= 0) & (c.outcome[c.of[source]] != FAIL)
        rows, by = reads[sure], source[sure]
        edges.add(c.of[by], c.of[rows], WR, c.key[rows], c.value[rows], c.value[rows])

        finals = self.finals[np.argsort(c.key[self.finals], kind="stable")]
        initial = self.external[c.value[self.external] == NIL]
        edges.cross(c.key[initial], c.of[initial], c.value[initial], c.key[finals], c.of[finals], c.value[finals])

        # Versions by number: the final write that made each; readers of each.
        number = np.full(len(c.kind), -1, np.int64)
        number[finals] = np.arange(len(finals))
        outside = c.value[self.external] != NIL
        external = self.external[outside]
        saw = look_up(self.identity, self.writer, c.key[external] * c.width + c.value[external])
        version = np.where(saw >= 0, number[saw], -1)
        keep = (version >= 0) & (c.of[saw] != c.of[external])
        external, version = external[keep], version[keep]
        self.number, self.versions = number, finals
        self.readers: list[list[int]] = [[] for _ in finals]
        for which, row in zip(version.tolist(), c.of[external].tolist(), strict=True):
            self.readers[which].append(row)
        for which, mop in enumerate(finals.tolist()):
            self.out.readers[int(c.of[mop]), int(c.key[mop])] = self.readers[which]
        for mop in initial.tolist():
            self.out.readers.setdefault((_INITIAL, int(c.key[mop])), []).append(int(c.of[mop]))

        pairs: list[tuple[int, int]] = []
        for assumption, infer in (
            ("writes-follow-reads", self._updates),
            ("sequential-keys", self._sequential),
            ("linearizable-keys", self._linearizable),
        ):
            if assumption in self.assumptions:
                pairs = self._grown(pairs, infer, assumption)
        self._order(pairs)
        keys, counts = np.unique(c.key[finals], return_counts=True)
        split = np.split(c.of[finals], np.cumsum(counts)[:-1])
        self.out.unordered = {
            int(key): writers.tolist() for key, writers in zip(keys, split, strict=False) if len(writers) > 1
        }

    # Orders of versions.

    def _grown(
        self, pairs: list[tuple[int, int]], infer: Callable[[], list[tuple[int, int]]], name: str
    ) -> list[tuple[int, int]]:
        """With one more assumption, unless it makes an order circular: that is an anomaly, and it is left out."""
        more = [*pairs, *infer()]
        columns = ints(more).reshape(-1, 2)
        circles = components(len(self.versions), columns[:, 0], columns[:, 1])
        if not circles:
            return more
        c = self.c
        mops = [int(self.versions[which]) for which in circles[0]]
        self.out.note(
            "cyclic-versions",
            f"under {name}, the versions {', '.join(c.say(c.value[mop]) for mop in mops[:8])} of "
            f"{c.say_key(c.key[mops[0]])} would each come before the others",
            [c.of[mop] for mop in mops],
            len(circles),
        )
        return pairs

    def _order(self, pairs: list[tuple[int, int]]) -> None:
        c, edges = self.c, self.out.edges
        for one, two in dict.fromkeys(pairs):
            a, b = int(self.versions[one]), int(self.versions[two])
            edges.add(c.of[a], c.of[b], WW, c.key[a], c.value[a], c.value[b])
            if self.readers[one]:
                edges.add(ints(self.readers[one]), c.of[b], RW, c.key[a], c.value[a], c.value[b])

    def _updates(self) -> list[tuple[int, int]]:
        c = self.c
        values = c.value[self.updated] != NIL
        saw = look_up(self.identity, self.writer, c.key[self.updated[values]] * c.width + c.value[self.updated[values]])
        pairs = zip(
            np.where(saw >= 0, self.number[saw], -1).tolist(), self.number[self.update[values]].tolist(), strict=True
        )
        return [(one, two) for one, two in pairs if one >= 0 and two >= 0 and one != two]

    def _touches(self) -> dict[int, dict[int, tuple[int, int]]]:
        """For each key: transaction -> (first version it met, last version), by number; -1: the initial one."""
        c = self.c
        met: dict[int, dict[int, tuple[int, int]]] = {}
        values = c.value[self.external] != NIL
        saw = look_up(self.identity, self.writer, c.key[self.external] * c.width + c.value[self.external])
        version = np.where(values, np.where(saw >= 0, self.number[saw], -2), _INITIAL)
        for mop, which in zip(self.external.tolist(), version.tolist(), strict=True):
            if which != -2:
                met.setdefault(int(c.key[mop]), {})[int(c.of[mop])] = (which, which)
        for mop in self.finals.tolist():
            of, which = int(c.of[mop]), int(self.number[mop])
            known = met.setdefault(int(c.key[mop]), {})
            known[of] = (known[of][0] if of in known else which, which)
        return met

    def _sequential(self) -> list[tuple[int, int]]:
        pairs = []
        for met in self._touches().values():
            last: dict[int, int] = {}
            for row in sorted(met, key=lambda row: int(self.t.invoked[row])):
                process = int(self.t.process[row])
                if process in last:
                    pairs.append((last[process], met[row][0]))
                last[process] = met[row][1]
        return [(one, two) for one, two in pairs if one >= 0 and two >= 0 and one != two]

    def _linearizable(self) -> list[tuple[int, int]]:
        pairs = []
        for met in self._touches().values():
            done: list[tuple[int, int, int]] = []  # (completed, invoked, row)
            waiting = sorted(
                (int(self.t.completed[row]), int(self.t.invoked[row]), row)
                for row in met
                if int(self.t.outcome[row]) == OK
            )
            place = 0
            for row in sorted(met, key=lambda row: int(self.t.invoked[row])):
                began = int(self.t.invoked[row])
                while place < len(waiting) and waiting[place][0] < began:
                    done.append(waiting[place])
                    place += 1
                    newest = max(each[1] for each in done)
                    done = [each for each in done if each[0] >= newest]  # the others come before these anyway
                pairs += [(met[each[2]][1], met[row][0]) for each in done]
        return [(one, two) for one, two in pairs if one >= 0 and two >= 0 and one != two]
