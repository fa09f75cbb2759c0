"""The weaker models by their definitions: every order is tried. Shares nothing with the checkers.

A history is a list of transactions ``(session, outcome, [(kind, key, value)])`` in the order of each session; kind is
``r`` or ``w``, outcome ``ok``, ``fail`` or ``info``; a read of None saw the initial value.
"""

from __future__ import annotations

from itertools import combinations, permutations

Txn = tuple[int, str, list[tuple[str, int, int | None]]]


class Case:
    """What happened, if these transactions did."""

    def __init__(self, txns: list[Txn], happened: set[int]) -> None:
        self.nodes = sorted(happened)
        self.txns = txns
        self.last: dict[int, dict[int, int]] = {}
        for t in self.nodes:
            self.last[t] = {key: value for kind, key, value in txns[t][2] if kind == "w"}
        self.reads: dict[int, list[tuple[int, int | None]]] = {t: [] for t in self.nodes}  # (key, writer)
        self.consistent = all(self._external(t) for t in self.nodes if txns[t][1] == "ok")
        self.so = {
            (a, b) for a in self.nodes for b in self.nodes if a < b and txns[a][0] == txns[b][0] and txns[a][1] == "ok"
        }
        self.wr = {(w, t) for t in self.nodes for _, w in self.reads[t] if w is not None}
        self.co = closure(self.so | self.wr)

    def _external(self, t: int) -> bool:
        own: dict[int, int | None] = {}
        for kind, key, value in self.txns[t][2]:
            if kind == "w":
                own[key] = value
            elif key in own:
                if own[key] != value:
                    return False
            elif value is None:
                self.reads[t].append((key, None))
            else:
                by = [w for w in self.nodes if w != t and self.last[w].get(key) == value]
                if not by:
                    return False
                self.reads[t].append((key, by[0]))
        return True

    def writers(self, key: int) -> list[int]:
        return [t for t in self.nodes if key in self.last[t]]


def closure(pairs: set[tuple[int, int]]) -> set[tuple[int, int]]:
    out = set(pairs)
    while True:
        more = {(a, d) for a, b in out for c, d in out if b == c} - out
        if not more:
            return out
        out |= more


def orders(nodes: list[int], pairs: set[tuple[int, int]]):
    """All orders of the nodes that contain the pairs."""
    inside = [(a, b) for a, b in pairs if a in nodes and b in nodes]
    for order in permutations(nodes):
        at = {node: place for place, node in enumerate(order)}
        if all(at[a] < at[b] for a, b in inside):
            yield order, at


def newest(case: Case, at: dict[int, int], visible, key: int) -> int | None:
    some = [t for t in visible if key in case.last[t]]
    return max(some, key=at.__getitem__) if some else None


def acyclic(case: Case) -> bool:
    return all(a != b for a, b in case.co)


def past(case: Case, t: int) -> list[int]:
    return [a for a in case.nodes if (a, t) in case.co]


def sequential(case: Case) -> bool:
    return any(
        all(
            newest(case, at, [a for a in case.nodes if at[a] < at[t]], key) == w
            for t in case.nodes
            for key, w in case.reads[t]
        )
        for _, at in orders(case.nodes, case.so)
    )


def consistent_prefix(case: Case) -> bool:
    pairs = {(a, b) for a, b in case.so if case.last[a] and case.last[b]}
    return any(
        all(
            newest(case, at, [a for a in case.nodes if at[a] < at[t]], key) == w
            for t in case.nodes
            for key, w in case.reads[t]
        )
        for _, at in orders(case.nodes, pairs)
    )


def causal(case: Case) -> bool:
    return acyclic(case) and any(
        all(newest(case, at, past(case, t), key) == w for t in case.nodes for key, w in case.reads[t])
        for _, at in orders(case.nodes, case.co)
    )


def weak_causal(case: Case) -> bool:
    return acyclic(case) and all(
        any(
            all(newest(case, at, past(case, t), key) == w for key, w in case.reads[t])
            for _, at in orders(past(case, t), case.co)
        )
        for t in case.nodes
    )


def causal_memory(case: Case) -> bool:
    def explained(t: int) -> bool:
        known = [*past(case, t), t]
        mine = [a for a in known if a == t or (a, t) in case.so]
        return any(
            all(
                newest(case, at, [a for a in known if at[a] < at[b]], key) == w
                for b in mine
                for key, w in case.reads[b]
            )
            for _, at in orders(known, case.co)
        )

    return acyclic(case) and all(explained(t) for t in case.nodes)


def observers(case: Case) -> list[list[int]]:
    return [[a for a in case.nodes if a == t or (a, t) in case.so] for t in case.nodes]


def pram(case: Case) -> bool:
    def explained(mine: list[int]) -> bool:
        known = [t for t in case.nodes if case.last[t] or t in mine]
        return any(
            all(
                newest(case, at, [a for a in known if at[a] < at[b]], key) == w
                for b in mine
                for key, w in case.reads[b]
            )
            for _, at in orders(known, case.so)
        )

    return acyclic(case) and all(explained(mine) for mine in observers(case))


def read_committed(case: Case) -> bool:
    def visible(t: int, place: int) -> list[int]:
        return [w for _, w in case.reads[t][:place] if w is not None]

    return _committed(case, visible)


def read_atomic(case: Case) -> bool:
    def visible(t: int, place: int) -> list[int]:
        return [w for _, w in case.reads[t] if w is not None] + [a for a, b in case.so if b == t]

    return _committed(case, visible)


def _committed(case: Case, visible) -> bool:
    for _, at in orders(case.nodes, case.so | case.wr):
        fine = True
        for t in case.nodes:
            for place, (key, w) in enumerate(case.reads[t]):
                for v in visible(t, place):
                    if key in case.last[v] and v != w and (w is None or at[v] > at[w]):
                        fine = False
        if fine:
            return True
    return False


def _of_each_key(case: Case, mine: list[int]) -> set[tuple[int, int]]:
    """The order of one session, and of all others that of their writes to each key."""
    return {(a, b) for a, b in case.so if (a in mine and b in mine) or set(case.last[a]) & set(case.last[b])}


def _guarantee(case: Case, must, base: str) -> bool:
    """``must(mine, reads so far, reader)``: what has to be visible."""
    if not acyclic(case):
        return False

    def explained(mine: list[int]) -> bool:
        kept = _of_each_key(case, mine) if base == "key" else case.so
        order = case.co if base == "causality" else kept | {(w, t) for w, t in case.wr if t in mine}
        reads = [(t, key, w) for t in mine for key, w in case.reads[t]]
        for _, at in orders(case.nodes, order):
            fine = True
            for place, (t, key, w) in enumerate(reads):
                seen = set(must(mine, [x for _, _, x in reads[: place + 1] if x is not None], reads[:place], t))
                if w is not None:
                    seen.add(w)
                if newest(case, at, seen, key) != w:
                    fine = False
                    break
            if fine:
                return True
        return False

    return all(explained(mine) for mine in observers(case))


def read_your_writes(case: Case) -> bool:
    return _guarantee(case, lambda mine, sources, before, t: [a for a in mine if (a, t) in case.so], "key")


def monotonic_reads(case: Case) -> bool:
    # Versions of one key only: that a write of two keys is seen as a whole is another matter.
    if not acyclic(case):
        return False

    def explained(mine: list[int]) -> bool:
        base = _of_each_key(case, mine) | {(w, t) for w, t in case.wr if t in mine}
        reads = [(t, key, w) for t in mine for key, w in case.reads[t]]
        return any(
            all(
                newest(case, at, {x for _, k, x in reads[: place + 1] if k == key and x is not None}, key) == w
                for place, (_, key, w) in enumerate(reads)
            )
            for _, at in orders(case.nodes, base)
        )

    return all(explained(mine) for mine in observers(case))


def monotonic_writes(case: Case) -> bool:
    def must(mine, sources, before, t):
        return [a for a in case.nodes if any((a, w) in case.so for w in sources)]

    return _guarantee(case, must, "session")


def writes_follow_reads(case: Case) -> bool:
    if not acyclic(case):
        return False
    feeds = {
        (a, key, w)
        for w in case.nodes
        for b in case.nodes
        if b == w or (b, w) in case.so
        for key, a in case.reads[b]
        if a is not None
    }

    def known(w: int) -> set[tuple[int, int]]:
        """(version, key) read before w was written, and so on."""
        found: set[tuple[int, int]] = set()
        todo, done = [w], set()
        while todo:
            each = todo.pop()
            if each in done:
                continue
            done.add(each)
            for a, key, b in feeds:
                if b == each:
                    found.add((a, key))
                    todo.append(a)
        return found

    def explained(mine: list[int]) -> bool:
        reads = [(t, key, w) for t in mine for key, w in case.reads[t]]
        for _, at in orders(case.nodes, case.co):
            fine = True
            for place, (_, key, w) in enumerate(reads):
                seen = {a for _, _, x in reads[: place + 1] if x is not None for a, k in known(x) if k == key}
                if w is not None:
                    seen.add(w)
                if newest(case, at, seen, key) != w:
                    fine = False
                    break
            if fine:
                return True
        return False

    return all(explained(mine) for mine in observers(case))


MODELS = {
    "sequential": sequential,
    "causal-memory": causal_memory,
    "causal": causal,
    "weak-causal": weak_causal,
    "pram": pram,
    "consistent-prefix": consistent_prefix,
    "read-atomic": read_atomic,
    "read-committed": read_committed,
    "read-your-writes": read_your_writes,
    "monotonic-reads": monotonic_reads,
    "monotonic-writes": monotonic_writes,
    "writes-follow-reads": writes_follow_reads,
    "read-consistency": lambda case: True,
}


def satisfied(txns: list[Txn]) -> dict[str, bool]:
    """Which models some choice of the unanswered ones satisfies."""
    ok = {t for t, (_, outcome, _) in enumerate(txns) if outcome == "ok"}
    info = [t for t, (_, outcome, _) in enumerate(txns) if outcome == "info"]
    out = dict.fromkeys(MODELS, False)
    for many in range(len(info) + 1):
        for some in combinations(info, many):
            case = Case(txns, ok | set(some))
            if case.consistent:
                for name, holds in MODELS.items():
                    out[name] = out[name] or holds(case)
    return out
