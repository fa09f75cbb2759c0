"""Transactions that append unique values to lists and read them whole: dependencies and anomalies of single reads.

After Elle (Kingsbury and Alvaro, "Elle: Inferring Isolation Anomalies from Experimental Observations", VLDB 2020,
sections 4.1 to 4.3): a read of a list tells the order of all versions up to the one it saw, so the longest read of a
key tells the order of all versions ever seen; every other read has to be a prefix of it. What was appended for certain
and never seen comes after all that was seen, in an unknown order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...history.history import FAIL, INFO, OK
from ...history.transactions import APPEND, LIST, NIL, READ, Transactions
from .graph import RW, WR, WW, Edges, Ints
from .recovered import Columns, Recovered, Undecidable, look_up, ranges

_CHUNK = 1 << 22


def recover(transactions: Transactions) -> tuple[Columns, Recovered]:
    """Dependencies between committed transactions, and anomalies that show without a cycle.

    Raises:
        Undecidable: an element was appended twice to one key, or something is neither append nor read of a list.
    """
    return _Lists(transactions).recover()


class _Lists:
    def __init__(self, transactions: Transactions) -> None:
        self.t = transactions
        c = self.c = Columns(transactions)
        if len(c.kind) and int((c.kind != READ).sum()) != int((c.kind == APPEND).sum()):
            raise Undecidable("the history writes registers: list-append knows only appends and reads")
        if (c.value[c.reads] >= 0).any():
            raise Undecidable("a read saw a single value: list-append knows only reads of whole lists")
        self.identity, self.writer = c.writers(APPEND)
        self.length: Ints = np.where(c.value == LIST, c.end - c.start, 0)
        self.out = Recovered(Edges(len(transactions)), c.outcome == OK)

    def recover(self) -> tuple[Columns, Recovered]:
        self.find_order()
        self.find_commits()
        self.judge_elements()
        self.judge_runs()
        self.judge_last_elements()
        self.connect()
        return self.c, self.out

    # The order of versions.

    def find_order(self) -> None:
        """The longest read of each key; which reads are prefixes of it; who wrote its elements."""
        c = self.c
        order = c.reads[np.lexsort((-c.reads, self.length[c.reads]))]
        longest = np.full(c.keys, -1, np.int64)
        longest[c.key[order]] = order
        self.longest = longest
        self.count: Ints = np.where(longest >= 0, self.length[longest], 0) if c.keys else np.empty(0, np.int64)
        self.base: Ints = np.cumsum(self.count) - self.count
        self.line = c.elements[ranges(c.start[longest[self.count > 0]], self.count[self.count > 0])]
        self.line_key = np.repeat(np.arange(c.keys), self.count)
        self.prefix = self._prefixes()
        self.line_mop = look_up(self.identity, self.writer, self.line_key * c.width + self.line)
        self.odd: Ints = c.reads[~self.prefix[c.reads]]
        odd_counts = self.length[self.odd]
        self.odd_of = np.repeat(self.odd, odd_counts)
        self.odd_line = c.elements[ranges(c.start[self.odd], odd_counts)]
        self.odd_mop = look_up(self.identity, self.writer, c.key[self.odd_of] * c.width + self.odd_line)
        if len(self.odd):
            mop = int(self.odd[0])
            other = int(longest[c.key[mop]])
            self.out.note(
                "incompatible-order",
                f"{c.name(c.of[mop])} read {c.say_key(c.key[mop])} = {c.seen(mop)}, which is no prefix of what "
                f"{c.name(c.of[other])} read: {c.seen(other)}; no one order of appends explains both",
                (c.of[mop], c.of[other]),
                len(self.odd),
            )

    def _prefixes(self) -> NDArray[np.bool_]:
        c = self.c
        prefix = np.ones(len(c.kind), bool)
        rows = c.reads[self.length[c.reads] > 0]
        rows = rows[self.longest[c.key[rows]] != rows]
        ends = np.cumsum(self.length[rows])
        first = 0
        while first < len(rows):
            last = max(first + 1, int(np.searchsorted(ends, ends[first] + _CHUNK)))
            some = rows[first:last]
            counts = self.length[some]
            differs = c.elements[ranges(c.start[some], counts)] != self.line[ranges(self.base[c.key[some]], counts)]
            prefix[some] = ~np.logical_or.reduceat(differs, np.cumsum(counts) - counts)
            first = last
        return prefix

    def find_commits(self) -> None:
        """An unanswered transaction committed iff something that it appended was seen."""
        c = self.c
        seen = np.zeros(len(self.t), bool)
        for mops in (self.line_mop, self.odd_mop):
            seen[c.of[mops[mops >= 0]]] = True
        self.out.committed = (c.outcome == OK) | ((c.outcome == INFO) & seen)
        self.in_line = np.zeros(len(c.kind), bool)
        self.in_line[self.line_mop[self.line_mop >= 0]] = True
        self.in_odd = np.zeros(len(c.kind), bool)
        self.in_odd[self.odd_mop[self.odd_mop >= 0]] = True
        # Position of each seen append in its key's order; the first, where an element is there more than once.
        self.position = np.full(len(c.kind), -1, np.int64)
        places = np.flatnonzero(self.line_mop >= 0)[::-1]
        self.position[self.line_mop[places]] = places - self.base[self.line_key[places]]

    # Anomalies of reads.

    def judge_elements(self) -> None:
        """Elements nobody appended, elements of aborted transactions, elements seen twice."""
        c = self.c
        failed = (self.line_mop >= 0) & (c.outcome[c.of[self.line_mop]] == FAIL)
        odd_failed = (self.odd_mop >= 0) & (c.outcome[c.of[self.odd_mop]] == FAIL)
        for anomaly, bad, odd_bad in (
            ("garbage-read", self.line_mop < 0, self.odd_mop < 0),
            ("G1a", failed, odd_failed),
        ):
            count = int(bad.sum() + odd_bad.sum())
            if not count:
                continue
            if bad.any():
                place = int(np.flatnonzero(bad)[0])
                key, element, mop = int(self.line_key[place]), self.line[place], int(self.line_mop[place])
                depth = place - int(self.base[key])
                readers = c.reads[(c.key[c.reads] == key) & (self.length[c.reads] > depth) & self.prefix[c.reads]]
                reader = int(readers[0])
            else:
                place = int(np.flatnonzero(odd_bad)[0])
                reader, element, mop = int(self.odd_of[place]), self.odd_line[place], int(self.odd_mop[place])
                key = int(c.key[reader])
            what = f"{c.name(c.of[reader])} read {c.say_key(key)} = {c.seen(reader)}: {c.say(element)} "
            if anomaly == "G1a":
                self.out.note(
                    anomaly,
                    what + f"was appended by {c.name(c.of[mop])}, which aborted",
                    (c.of[reader], c.of[mop]),
                    count,
                )
            else:
                self.out.note(anomaly, what + "was never appended", (c.of[reader],), count)
        self._judge_duplicates()
        if failed.any():
            self._judge_dirty_updates(failed)

    def _judge_duplicates(self) -> None:
        c = self.c
        reads = [
            (self.line_key, self.line, self.longest[self.line_key]),
            (c.key[self.odd_of], self.odd_line, self.odd_of),
        ]
        for _, line, reader in reads:
            if not len(line):
                continue
            code = reader * c.width + line
            order = np.argsort(code, kind="stable")
            twice = order[1:][code[order][1:] == code[order][:-1]]
            if len(twice):
                mop = int(reader[twice[0]])
                self.out.note(
                    "duplicate-elements",
                    f"{c.name(c.of[mop])} read {c.say_key(c.key[mop])} = {c.seen(mop)}, where "
                    f"{c.say(line[twice[0]])} occurs twice and was appended once",
                    (c.of[mop],),
                    len(twice),
                )
                return

    def _judge_dirty_updates(self, failed: NDArray[np.bool_]) -> None:
        c = self.c
        sure = (self.line_mop >= 0) & (c.outcome[c.of[self.line_mop]] == OK)
        for place in np.flatnonzero(failed)[:1000].tolist():
            key = int(self.line_key[place])
            later = np.flatnonzero(sure[place + 1 : int(self.base[key] + self.count[key])])
            if len(later):
                after = place + 1 + int(later[0])
                one, two = int(self.line_mop[place]), int(self.line_mop[after])
                self.out.note(
                    "dirty-update",
                    f"{c.name(c.of[one])} aborted, but what it appended to {c.say_key(key)}, {c.say(self.line[place])},"
                    f" lies before {c.say(self.line[after])}, which {c.name(c.of[two])} appended and committed",
                    (c.of[one], c.of[two]),
                )
                return

    def judge_last_elements(self) -> None:
        """G1b: a read that ends within what another transaction appended."""
        c = self.c
        appends = np.flatnonzero(c.kind == APPEND)
        order, same = c.runs(appends)
        final = np.ones(len(c.kind), bool)
        final[order[:-1][same[1:]]] = False
        rows = c.reads[self.length[c.reads] > 0]
        last = look_up(self.identity, self.writer, c.key[rows] * c.width + c.elements[c.end[rows] - 1])
        self.last_rows, self.last_mop = rows, last
        bad = (last >= 0) & ~final[last] & (c.of[last] != c.of[rows]) & (c.outcome[c.of[last]] != FAIL)
        if bad.any():
            place = int(np.flatnonzero(bad)[0])
            reader, mop = int(rows[place]), int(last[place])
            self.out.note(
                "G1b",
                f"{c.name(c.of[reader])} read {c.say_key(c.key[reader])} = {c.seen(reader)}, which ends with "
                f"{c.say(c.value[mop])}: not the last that {c.name(c.of[mop])} appended to it",
                (c.of[reader], c.of[mop]),
                int(bad.sum()),
            )

    def judge_runs(self) -> None:
        """What a transaction did to one key, against itself: internal, future reads, appends lost or out of order.

        On columns: after each micro-operation the list has a known length (a read's own; the position of an appended
        element, plus one). Neighbours that do not fit are handed to :meth:`_judge_run`, which decides exactly.
        """
        c = self.c
        present = self.out.committed[c.of]
        known = np.zeros(len(c.kind), bool)
        known[c.reads] = True
        rows = np.flatnonzero(present & (known | (c.kind == APPEND)))
        order, same = c.runs(rows)
        read = c.kind[order] == READ
        after = np.where(read, self.length[order], self.position[order] + 1)
        after[~read & (self.position[order] < 0)] = -1
        odd = read & ~self.prefix[order]
        run = np.cumsum(~same) - 1
        last_read = np.full(int(run[-1]) + 1 if len(run) else 0, -1, np.int64)
        np.maximum.at(last_read, run[read], np.flatnonzero(read))
        read_follows = last_read[run] > np.arange(len(run)) if len(run) else np.empty(0, bool)
        before = np.empty(len(order), np.int64)
        before[1:] = after[:-1]
        ours = np.where(read, after, self.position[order])
        wrong = same & np.where(
            read,
            before != ours,
            (ours >= 0) & ((before > ours) | (before < 0) | (read_follows & (before != ours))),
        )
        wrong |= same & odd
        wrong[:-1] |= same[1:] & odd[:-1]
        for number in np.unique(run[wrong]).tolist()[:10_000]:
            first, last = np.searchsorted(run, (number, number + 1)).tolist()
            self._judge_run(order[first:last].tolist())
        self._judge_updates(order, same, run, read)

    def _judge_run(self, mops: list[int]) -> None:
        c = self.c
        row = int(c.of[mops[0]])
        key = c.say_key(c.key[mops[0]])
        state: list[int] = []
        whole = False  # whether the state is the whole list, or only its end
        later = {int(c.value[mop]): mop for mop in mops if int(c.kind[mop]) == APPEND}
        for mop in mops:
            if int(c.kind[mop]) == APPEND:
                state = [*state, int(c.value[mop])]
                continue
            seen = c.elements[c.start[mop] : c.end[mop]].tolist() if int(c.value[mop]) != NIL else []
            future = next((each for each in seen if later.get(each, -1) > mop), None)
            if future is not None:
                self._once(
                    "future-read",
                    f"{c.name(row)} read {key} = {c.seen(mop)} before it appended {c.say(future)} itself",
                    row,
                )
            if seen != state if whole else seen[len(seen) - len(state) :] != state or len(seen) < len(state):
                expected = " ".join([*([] if whole else ["..."]), *(c.say(each) for each in state)])
                self._once(
                    "internal",
                    f"{c.name(row)} read {key} = {c.seen(mop)}, but by what it did before to this key "
                    f"it had to be [{expected}]",
                    row,
                )
            state, whole = seen, True
        places = [int(self.position[mop]) for mop in mops if int(c.kind[mop]) == APPEND]
        seen_places = [place for place in places if place >= 0]
        if seen_places != sorted(seen_places):
            self._once(
                "incompatible-order", f"{c.name(row)} appended to {key} in another order than the list shows", row
            )
        elif -1 in places and any(place >= 0 for place in places[places.index(-1) :]):
            mop = next(mop for mop in mops if int(c.kind[mop]) == APPEND and self.position[mop] < 0)
            if not self.in_odd[mop]:
                self._once(
                    "lost-append",
                    f"{c.name(row)} appended {c.say(c.value[mop])} to {key} before another element, "
                    "and only that other one is in the list",
                    row,
                )

    def _once(self, anomaly: str, words: str, row: int) -> None:
        for place, found in enumerate(self.out.evidence):
            if found.anomaly == anomaly:
                self.out.evidence[place] = type(found)(found.anomaly, found.words, found.rows, found.more + 1)
                return
        self.out.note(anomaly, words, (row,))

    def _judge_updates(self, order: Ints, same: NDArray[np.bool_], run: Ints, read: NDArray[np.bool_]) -> None:
        """Lost updates: two committed transactions read one version of a key and both appended to it."""
        c = self.c
        if not len(order):
            return
        appends = np.zeros(int(run[-1]) + 1, bool)
        appends[run[~read]] = True
        first = ~same & read & appends[run] & self.prefix[order] & (c.outcome[c.of[order]] == OK)
        mops = order[first]
        self._judge_cursors(order, run, read, mops, run[first])
        code = c.key[mops] * (int(self.length.max(initial=0)) + 1) + self.length[mops]
        by = np.argsort(code, kind="stable")
        twice = np.flatnonzero(code[by][1:] == code[by][:-1])
        if len(twice):
            one, two = int(mops[by[twice[0]]]), int(mops[by[twice[0] + 1]])
            self.out.note(
                "lost-update",
                f"{c.name(c.of[one])} and {c.name(c.of[two])} both read {c.say_key(c.key[one])} = {c.seen(one)} and "
                "both appended to it: one did not see the other",
                (c.of[one], c.of[two]),
                len(twice),
            )

    def _judge_cursors(self, order: Ints, run: Ints, read: NDArray[np.bool_], mops: Ints, runs: Ints) -> None:
        """Cursor stability: nobody else's append lies between what a transaction read of a key and its own append to it
        (G-cursor, Adya 1999, section 4.2.4). One that was never seen lies behind all that was."""
        c = self.c
        first_append = np.full(int(run[-1]) + 1, len(order), np.int64)
        np.minimum.at(first_append, run[~read], np.flatnonzero(~read))
        place = self.position[order[first_append[runs]]]
        key = c.key[mops]
        end = np.where(place >= 0, place, self.count[key])
        good = (self.line_mop >= 0) & (c.outcome[c.of[self.line_mop]] != FAIL)
        before = np.concatenate(([0], np.cumsum(good)))
        start = self.base[key] + self.length[mops]
        between = before[np.maximum(self.base[key] + end, start)] > before[start]
        if between.any():
            self.out.violated.add("cursor-stability")

    # Dependencies.

    def connect(self) -> None:
        """Edges of kind ww, wr and rw."""
        c, edges = self.c, self.out.edges
        good = (self.line_mop >= 0) & (c.outcome[c.of[self.line_mop]] != FAIL)
        good &= self.position[self.line_mop] == np.arange(len(self.line)) - self.base[self.line_key]
        place = np.flatnonzero(good)
        writer, key, element = c.of[self.line_mop[place]], self.line_key[place], self.line[place]
        same = key[1:] == key[:-1]
        edges.add(writer[:-1][same], writer[1:][same], WW, key[1:][same], element[:-1][same], element[1:][same])

        rows, last = self.last_rows, self.last_mop
        sure = (last >= 0) & (c.outcome[c.of[last]] != FAIL)
        rows, last = rows[sure], last[sure]
        edges.add(c.of[last], c.of[rows], WR, c.key[rows], c.value[last], c.value[last])

        reads = c.reads[self.prefix[c.reads]]
        ends = self.base[c.key[reads]] + self.length[reads]
        following = np.searchsorted(place, ends)
        inside = following < len(place)
        inside[inside] &= key[following[inside]] == c.key[reads][inside]
        saw = np.where(
            self.length[reads] > 0, c.elements[np.maximum(c.end[reads] - 1, 0)] if len(c.elements) else NIL, NIL
        )
        some = following[inside]
        edges.add(c.of[reads[inside]], writer[some], RW, c.key[reads[inside]], saw[inside], element[some])
        self._connect_unseen(reads[~inside], saw[~inside], writer, key, element)

    def _connect_unseen(self, reads: Ints, saw: Ints, writer: Ints, key: Ints, element: Ints) -> None:
        """What was appended for certain and never seen comes after all that was."""
        c, edges = self.c, self.out.edges
        appends, same = c.runs(np.flatnonzero((c.kind == APPEND) & self.out.committed[c.of]))
        run = np.cumsum(~same) - 1
        seen = self.in_line[appends] | self.in_odd[appends]
        last_seen = np.full(len(appends), -1, np.int64)
        np.maximum.at(last_seen, run[seen], np.flatnonzero(seen))
        # What is missing before something of the same transaction that was seen is lost, not late.
        late = ~seen & (last_seen[run] < np.arange(len(appends)))
        unseen, number = appends[late], run[late]
        if not len(unseen):
            return
        unseen = unseen[np.concatenate(([True], number[1:] != number[:-1]))]
        unseen = unseen[np.argsort(c.key[unseen], kind="stable")]
        last = np.full(c.keys, -1, np.int64)
        last[key] = np.arange(len(key))
        behind = last[c.key[unseen]]
        has = behind >= 0
        edges.add(
            writer[behind[has]], c.of[unseen[has]], WW, c.key[unseen[has]], element[behind[has]], c.value[unseen[has]]
        )
        edges.cross(c.key[reads], c.of[reads], saw, c.key[unseen], c.of[unseen], c.value[unseen])
        keys, counts = np.unique(c.key[unseen], return_counts=True)
        for each in keys[counts > 1].tolist():
            self.out.unordered[each] = c.of[unseen[c.key[unseen] == each]].tolist()
