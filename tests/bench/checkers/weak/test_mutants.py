"""Deliberate faults in the checkers, each found by the fuzzing."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from random import Random
from time import monotonic
from typing import Any

import pytest

from bench.checkers.weak import MODELS
from tests.bench.checkers.brute_weak import satisfied
from tests.bench.checkers.weak.drawn import columns, draw
from tests.bench.checkers.weak.test_models import history

PACKAGE = "bench.checkers.weak"
SEEDS = 1_000

MUTANTS = {
    # name: (module, what stands there, what stands there instead)
    "a transaction sees itself": ("overwritten", " - (s.session[node] == session)", ""),
    "initial reads are always fine": ("overwritten", "np.flatnonzero(later < 0)[:8]", "np.flatnonzero(later < 0)[:0]"),
    "only the first session that wrote the key": ("overwritten", "many = np.searchsorted(key, keys, \"right\") - left",
                                                  "many = np.minimum(1, np.searchsorted(key, keys, \"right\") - left)"),
    "reads of a transaction are judged singly": ("causal", "    return _jointly(s, order, found, deadline)",
                                                 "    return VALID"),
    "only one session's reads": ("causal", "for reads in runs(s):", "for reads in runs(s)[:1]:"),
    "convergence without reads-from": ("causal", "whole = order.with_edges(found.earlier, found.later)",
                                       "whole = order.with_edges(found.earlier[:1], found.later[:1])"),
    "read committed looks back": ("isolation", "later[bisect_right(later, at) :]", "later"),
    "read atomic forgets the session": ("isolation", "    return own_writes(s, edges)", "    return None"),
    "monotonic reads of all keys": ("guarantees", "same = s.read_key[order[1:]] == s.read_key[order[:-1]]",
                                    "same = s.read_key[order[1:]] >= 0"),
    "what follows an info is after it": ("building", "leaf = ~answered & ~last", "leaf = answered & False"),
    "own writes may be unseen": ("building", "internal & (source != last_own)", "internal & (source < -9)"),
    "intermediate versions may be read": ("building", "good[good] = (source[good] < 0) | final[source[good]]",
                                          "problems = tuple(p for p in problems if p.name != 'intermediate-read')"),
}  # fmt: skip
RARE = {
    # faults that take larger histories than most that are drawn: (fault, a history that shows it, its model)
    "monotonic writes of one source only": (
        ("guarantees", "np.maximum.accumulate(much[sources[order[begin:end]]])", "much[sources[order[begin:end]]]"),
        ("w x 1 | w y 2 | w z 3", "r z 3 | r x 1 | r y nil"),
        "monotonic-writes",
    ),
    "what was read after a version is not before it": (
        ("guarantees", "self._cover(key, session, own + 1, at)", "[]"),
        ("w x 1", "w x 2", "r x 1 | r x 2 | w y 3", "r y 3 | r x 1 | r x 2"),
        "writes-follow-reads",
    ),
}


class _Loader(SourceFileLoader):
    def __init__(self, fullname: str, path: str, old: str, new: str) -> None:
        super().__init__(fullname, path)
        self.old, self.new = old, new

    def get_code(self, fullname: str) -> Any:
        source = self.get_source(fullname)
        assert source is not None
        assert self.old in source, f"{fullname} has no {self.old!r}"
        return compile(source.replace(self.old, self.new), self.path, "exec")


class _Finder(MetaPathFinder):
    def __init__(self, module: str, old: str, new: str) -> None:
        self.name, self.old, self.new = f"{PACKAGE}.{module}", old, new

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if fullname != self.name:
            return None
        spec = PathFinder.find_spec(fullname, path)
        assert spec is not None and spec.origin is not None
        spec.loader = _Loader(fullname, spec.origin, self.old, self.new)
        return spec


@contextmanager
def faulty(module: str, old: str, new: str) -> Iterator[Any]:
    """The package with one line changed; the true one is there again afterwards."""
    parent = sys.modules["bench.checkers"]
    true = {name: sys.modules.pop(name) for name in list(sys.modules) if name.startswith(PACKAGE)}
    finder = _Finder(module, old, new)
    sys.meta_path.insert(0, finder)
    try:
        yield importlib.import_module(PACKAGE)
    finally:
        sys.meta_path.remove(finder)
        for name in list(sys.modules):
            if name.startswith(PACKAGE):
                del sys.modules[name]
        sys.modules.update(true)
        if PACKAGE in true:
            parent.weak = true[PACKAGE]  # type: ignore[attr-defined]


def _wrong(package: Any, seed: int) -> bool:
    txns = draw(Random(seed), 6)
    try:
        some = sys.modules[f"{PACKAGE}.reading"].sessions(columns(txns))
        found = {
            name: "invalid" if some.problems else decide(some, monotonic() + 10).word
            for name, decide in package.DECISIONS.items()
        }
    except (AssertionError, IndexError, KeyError, ValueError):
        return True
    return any(found[name] != ("valid" if holds else "invalid") for name, holds in satisfied(txns).items())


def test_the_true_checkers_are_not_faulty() -> None:
    with faulty("causal", "return VALID\n", "return VALID\n") as package:
        assert not any(_wrong(package, seed) for seed in range(40))


@pytest.mark.parametrize("name", MUTANTS)
def test_fuzzing_finds(name: str) -> None:
    with faulty(*MUTANTS[name]) as package:
        assert any(_wrong(package, seed) for seed in range(SEEDS)), f"{name}: not found in {SEEDS} histories"


@pytest.mark.parametrize("name", RARE)
def test_an_example_finds(name: str) -> None:
    fault, lines, model = RARE[name]
    txns = history(*lines)
    assert satisfied(txns)[model] is False
    with faulty(*fault) as package:
        assert package.MODELS[model](columns(txns)).verdict == "valid"
    assert MODELS[model](columns(txns)).verdict == "invalid"
