"""Deliberate faults in the checker: the fuzzing finds each."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from random import Random

import pytest

from bench.checkers.transactions import graph, lists

from .agreement import disagreement, histories, small_thresholds
from .test_orders import choice_disagreement, witness_disagreement

PACKAGE = "bench.checkers.transactions"
L, R = "list-append", "rw-register"

MUTANTS: dict[str, tuple[str, str, str, str]] = {
    # name: (kind, module, what the source says, what it should not)
    "real time off by one": (L, "graph", 'side="left") - 1', 'side="left")'),
    "no anti-dependencies": (L, "graph", "keep = source != target\n", "keep = (source != target) & (kind != RW)\n"),
    "a hub reaches its own reader": (L, "graph", "prefix[np.maximum(own - 1, 0)]", "prefix[np.maximum(own, 0)]"),
    "half a hub": (L, "graph", "((own >= 0) & (own < count - 1),", "((own >= 0) & (own < 0),"),
    "adjacent anti-dependencies count as one": (
        L,
        "graph",
        "graph.source[normal] + n, graph.source[anti],",
        "graph.source[normal] + n, graph.source[anti] + n,",
    ),
    "sessions by number, not time": (
        L,
        "graph",
        "ints(transactions.invoked)[rows], ints(transactions.process)[rows]",
        "-ints(transactions.invoked)[rows], ints(transactions.process)[rows]",
    ),
    "info never committed": (L, "lists", "| ((c.outcome == INFO) & seen)", ""),
    "any read is a prefix": (L, "lists", "prefix[some] = ~np", "prefix[some] = True | ~np"),
    "unseen appends come from nowhere": (L, "lists", "if not len(unseen):\n            return", "return"),
    "aborted elements are fine": (
        L,
        "lists",
        '("G1a", failed, odd_failed)',
        '("G1a", failed & False, odd_failed & False)',
    ),
    "garbage is fine": (
        L,
        "lists",
        '("garbage-read", self.line_mop < 0, self.odd_mop < 0)',
        '("garbage-read", self.line_mop < -1, self.odd_mop < -1)',
    ),
    "reads within a transaction are not compared": (L, "lists", " before != ours,\n", " before < -1,\n"),
    "a lost append is fine": (
        L,
        "lists",
        "(ours >= 0) & ((before > ours) | (before < 0) |",
        "(ours >= 0) & ((before > ours) |",
    ),
    "intermediate reads are fine": (L, "lists", "bad = (last >= 0) & ~final[last]", "bad = (last < 0) & ~final[last]"),
    "nobody reads the initial version": (
        R,
        "registers",
        "c.value[self.external] == NIL]",
        "c.value[self.external] < NIL]",
    ),
    "aborted values are fine": (R, "registers", '("G1a", (source >= 0)', '("G1a", (source < -1)'),
    "intermediate values are fine": (R, "registers", "& ~self.final[source]", "& ~self.final[source] & False"),
    "values of a transaction are not compared": (
        R,
        "registers",
        "(c.value[order][1:] != c.value[order][:-1])",
        "False",
    ),
}


ORDERS: dict[str, tuple[str, str, str]] = {
    "readers do not restrict the order": (
        "orders",
        "for reader in self.readers.get((one, key), ()) if reader != two)",
        "for reader in ())",
    ),
    "one choice is enough": (
        "orders",
        "left = self.saturate(left) if self.settle(key, two, one) else None",
        "left = None",
    ),
    "an anti-dependency is a dependency": (
        "orders",
        "return self._link(source, target + n)",
        "return self._link(source, target) and self._link(source + n, target)",
    ),
    "reachability is not closed": ("orders", "below = reach[b] | 1 << b", "below = 1 << b"),
    "what came straight is believed": (
        "orders",
        "            if not self.settle(key, first, second):\n                return False\n        return True",
        "            self.settle(key, first, second)\n        return True",
    ),
    "what may not be reached is": ("orders", "reach[x] & forbidden[x]", "reach[x] & forbidden[b]"),
    "a choice is not undone": (
        "orders",
        "saved = stack.pop()\n                self._restore(saved)",
        "saved = stack.pop()",
    ),
}
WITNESS: dict[str, tuple[str, str, str]] = {
    "what was learned is not heeded": ("witness", "if not run.learned:", "if True:"),
    "what is certain is not waited for": ("witness", "if not self.left[each]:", "if self.left[each] >= 0:"),
}


@contextmanager
def mutated(module: str, old: str, new: str) -> Iterator[None]:
    """The package with that source instead; as it was afterwards."""
    loaded = {name: each for name, each in sys.modules.items() if name.startswith(PACKAGE + ".")}
    kept = {name: dict(vars(each)) for name, each in loaded.items()}
    target = import_module(f"{PACKAGE}.{module}")
    source = Path(str(target.__file__)).read_text()
    assert source.count(old) == 1, f"{module}.py says this {source.count(old)} times: {old}"
    before = dict(vars(target))
    try:
        exec(compile(source.replace(old, new), str(target.__file__), "exec"), vars(target))
        for each in loaded.values():
            for name, thing in list(vars(each).items()):
                if each is not target and name in before and thing is before[name]:
                    setattr(each, name, getattr(target, name))
        yield
    finally:
        for name, each in loaded.items():
            vars(each).clear()
            vars(each).update(kept[name])


@pytest.mark.parametrize("name", MUTANTS)
def test_the_fuzzing_finds(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, module, old, new = MUTANTS[name]
    monkeypatch.setattr(graph, "DIRECT", graph.DIRECT)
    monkeypatch.setattr(lists, "_CHUNK", lists._CHUNK)
    rng = Random(7)
    with mutated(module, old, new):
        for mode, t, simple in histories(20, kind, 6000):
            small_thresholds(rng)
            try:
                if disagreement(mode, t, kind, simple):
                    return
            except (IndexError, KeyError, ValueError):
                return  # found too, the hard way
    pytest.fail("not found in 6,000 histories")


@pytest.mark.parametrize("name", ORDERS)
def test_the_fuzzing_of_orders_finds(name: str) -> None:
    with mutated(*ORDERS[name]):
        assert any(choice_disagreement(Random(seed)) for seed in range(4000))


@pytest.mark.parametrize("name", WITNESS)
def test_the_fuzzing_of_witnesses_finds(name: str) -> None:
    with mutated(*WITNESS[name]):
        assert any(witness_disagreement(Random(seed))[0] for seed in range(4000))
