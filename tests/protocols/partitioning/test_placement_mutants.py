"""Classic mistakes of placement, each an edit of a line of the real source, and the check that finds it.

Placement has no messages, so no nemesis: what finds these are the definitions, on every key.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest

from protocols.partitioning.hashing import hash_keys
from protocols.partitioning.ring import token

NODES = [f"n{number}" for number in range(1, 8)]
KEYS = [f"user:{number}" for number in range(2000)]


def lookup(ring: Any) -> None:
    """The owner is that of the first token at or after the key's; past the last one, of the first."""
    placed = ring.Ring(NODES, 4)
    tokens, owners = placed.tokens.tolist(), placed.owners.tolist()
    for where in (*map(token, KEYS), 0, tokens[0], tokens[0] + 1, tokens[-1], tokens[-1] + 1, 2**64 - 1):
        expected = min((at for at, point in enumerate(tokens) if point >= where), default=0)
        assert placed.place_of(where) == expected
        assert owners[placed.place_of(where)] == owners[expected]


def distinct(ring: Any) -> None:
    """The replicas of a key are as many nodes as were asked for."""
    placed = ring.Ring(NODES, 16)
    for key in KEYS:
        assert len(set(placed.replicas(key, 3))) == 3


def apart(ring: Any) -> None:
    """No zone has a second replica while another has none."""
    zones = {node: "abc"[at % 3] for at, node in enumerate(NODES)}
    placed = ring.Ring(NODES, 16, zones=zones)
    for key in KEYS:
        assert len({zones[node] for node in placed.replicas(key, 3)}) == 3


def unbiased(modulo: Any) -> None:
    """Each of a hundred buckets gets its share of 200,000 keys, within five deviations."""
    counts = np.bincount(modulo.modulo(hash_keys([str(number) for number in range(200_000)]), 100), minlength=100)
    assert np.abs(counts - 2000).max() < 5 * np.sqrt(2000)


def due(modulo: Any) -> None:
    """A newcomer takes its due, and nothing else moves."""
    before = modulo.spread(64, 4)
    after = modulo.join(before, 4)
    assert (after == 4).sum() == 64 // 5
    assert ((after == before) | (after == 4)).all()
    assert np.ptp(np.bincount(after)) <= 2


def boundary(ranges: Any) -> None:
    """A split loses no key: each is in the half where it belongs, the boundary itself in the upper one."""
    whole = ranges.Ranges(("g", "p"), ("a", "b", "c"))
    halves = whole.split("k", "d")
    for key in ("a", "g", "h", "j", "k", "k0", "l", "p", "z"):
        inside = "k" <= key < "p"
        assert halves.owner(key) == ("d" if inside else whole.owner(key))
        assert halves.partition(key) == sum(bound <= key for bound in ("g", "k", "p"))
        assert halves.partition(key) in halves.span(key, key + "0")
    assert halves.merge(1) == whole


class Mistake(NamedTuple):
    """An edit of one place, and what finds it."""

    name: str
    module: str
    old: str
    new: str
    check: Callable[[Any], None]


MISTAKES = (
    Mistake(
        "off by one at the wrap",
        "ring",
        "else 0\n\n    def preference",
        "else len(self._points) - 1\n\n    def preference",
        lookup,
    ),
    Mistake(
        "a token's own key goes to the next",
        "ring",
        "bisect_left(self._points, where)",
        "bisect_right(self._points, where)",
        lookup,
    ),
    Mistake(
        "a node twice among the replicas",
        "ring",
        "for index in walk[np.sort(first)].tolist()]",
        "for index in walk.tolist()]",
        distinct,
    ),
    Mistake("zones not looked at", "ring", "        if not self.zones:\n", "        if True:\n", apart),
    Mistake(
        "modulo of a byte",
        "modulo",
        "(hashes % np.uint64(buckets))",
        "(hashes % np.uint64(256) % np.uint64(buckets))",
        unbiased,
    ),
    Mistake(
        "all moved to the newcomer's neighbour",
        "modulo",
        "(after == richest)[-1])] = nodes\n",
        "(after == richest)[-1])] = nodes - 1\n",
        due,
    ),
    Mistake(
        "the boundary stays below",
        "ranges",
        "return bisect_right(self.bounds, key)",
        "return bisect_left(self.bounds, key)",
        boundary,
    ),
    Mistake(
        "merged at the wrong owner",
        "ranges",
        "self.owners[: index + 1] + self.owners[index + 2 :]",
        "self.owners[:index] + self.owners[index + 1 :]",
        boundary,
    ),
)


def edited(mistake: Mistake) -> ModuleType:
    """The module with the mistake in it, beside the real one."""
    real = importlib.import_module(f"protocols.partitioning.{mistake.module}")
    assert real.__file__ is not None
    source = Path(real.__file__).read_text()
    assert source.count(mistake.old) == 1, (
        f"{mistake.name}: the text to replace occurs {source.count(mistake.old)} times"
    )
    wrong = ModuleType(f"{real.__name__}_wrong")
    wrong.__package__ = real.__package__
    sys.modules[wrong.__name__] = wrong  # dataclasses look their module up
    try:
        text = source.replace(mistake.old, mistake.new)
        text = text.replace("from bisect import bisect_left\n", "from bisect import bisect_left, bisect_right\n")
        text = text.replace("from bisect import bisect_right\n", "from bisect import bisect_left, bisect_right\n")
        exec(compile(text, real.__file__, "exec"), wrong.__dict__)
    finally:
        del sys.modules[wrong.__name__]
    return wrong


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_the_definition_finds_it(mistake: Mistake) -> None:
    with pytest.raises(AssertionError):
        mistake.check(edited(mistake))


@pytest.mark.parametrize("module", ["ring", "modulo", "ranges"])
def test_the_real_ones_agree_with_the_definition(module: str) -> None:
    for check in {mistake.check for mistake in MISTAKES if mistake.module == module}:
        check(importlib.import_module(f"protocols.partitioning.{module}"))
