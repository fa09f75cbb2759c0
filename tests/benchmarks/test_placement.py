"""Placement of many keys at once, and of one, beside ``uhashring`` (PyPI) in the same run."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np
import pytest

from protocols.partitioning import maglev
from protocols.partitioning.hashing import hash_keys
from protocols.partitioning.jump import jump
from protocols.partitioning.ring import Ring

NODES = [f"n{number}" for number in range(1000)]
VNODES = 256
KEYS = 1_000_000
BARS = {"ring": 0.3, "jump": 0.3, "maglev": 0.3, "join": 0.2, "leave": 0.2}
"""Seconds: for a million keys on a thousand nodes of 256 virtual nodes, and for a change of that ring."""


@pytest.mark.parametrize("what", BARS)
def test_bar(benchmark: Any, what: str) -> None:
    ring = Ring(NODES, VNODES)
    hashes = hash_keys(np.arange(KEYS))
    entries = maglev.table(NODES) if what == "maglev" else np.empty(0, np.int64)
    work: dict[str, Callable[[], Any]] = {
        "ring": lambda: ring.owners_of(hashes),
        "jump": lambda: jump(hashes, len(NODES)),
        "maglev": lambda: maglev.lookup(hashes, entries),
        "join": lambda: ring.adding("newcomer"),
        "leave": lambda: ring.removing("n7"),
    }
    benchmark.extra_info["bar_s"] = BARS[what]
    benchmark.pedantic(work[what], rounds=5, warmup_rounds=1)


@pytest.mark.parametrize("what", ["one key at a time", "all at once"])
def test_beside_uhashring(benchmark: Any, what: str) -> None:
    """``uhashring`` has no bulk look-up: its loop over the keys is what a user would write."""
    uhashring = pytest.importorskip("uhashring", reason="pip install uhashring, to compare with it")
    keys = [f"key{number}" for number in range(20_000)]
    ours = Ring(NODES[:100], 160)
    theirs = uhashring.HashRing(nodes=NODES[:100], hash_fn="ketama")
    ours.owner("warm"), theirs.get_node("warm")
    began = perf_counter()
    for key in keys:
        theirs.get_node(key)
    took = perf_counter() - began
    work: Callable[[], Any] = (
        (lambda: [ours.owner(key) for key in keys])
        if what == "one key at a time"
        else lambda: ours.owners_of(hash_keys(keys))
    )
    benchmark.pedantic(work, rounds=5, warmup_rounds=1)
    if benchmark.stats is not None:
        benchmark.extra_info["times_as_fast"] = took / benchmark.stats.stats.median
        print(f"{what}: {took / benchmark.stats.stats.median:.1f} times as fast as uhashring")
