"""How many virtual nodes should a consistent-hash ring give each node, and how should their tokens be chosen?

Many random tokens make shares even. They also make every node a neighbour of every other, so that any two that fail
together leave some keys without a majority of their replicas. The study looks for the compromise, and compares it with
Cassandra's 256 random tokens and, since version 4, 16 chosen ones. No trial is run: a ring is a pure function.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from bench.tune import Choice, Constraint, Default, Objective, Study, main
from protocols.partitioning.measures import spread_of
from protocols.partitioning.ring import Ring, even_tokens

COUNTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


def figures(nodes: int, replicas: int, vnodes: int, tokens: str, seed: int) -> Mapping[str, float | None]:
    """Of one ring, whose nodes' names the seed decides, and of the same with one node more."""
    allocate = even_tokens if tokens == "chosen" else None
    ring = Ring([f"ring{seed}-n{number}" for number in range(nodes)], vnodes, allocate=allocate)
    after = ring.adding(f"ring{seed}-n{nodes}")
    due = replicas / (nodes + 1)
    return {
        "peak": spread_of(ring.shares(replicas)).peak,
        "exposed": exposed(ring, replicas),
        "moved": ring.moved(after, replicas) / due,
        "newcomer": float(after.shares(replicas)[after.nodes.index(f"ring{seed}-n{nodes}")]) / due,
    }


def exposed(ring: Ring, replicas: int) -> float:
    """The share of all pairs of nodes whose joint failure leaves some key without a majority of its replicas.

    With two or three replicas that is any pair that shares a key; with more, no pair is enough.
    """
    if replicas - 2 > replicas // 2:
        return 0.0
    table = np.sort(ring.replica_table(replicas), axis=1)
    columns = combinations(range(replicas), 2)
    shared = np.concatenate([table[:, one] * len(ring.nodes) + table[:, other] for one, other in columns])
    return len(np.unique(shared)) / (len(ring.nodes) * (len(ring.nodes) - 1) / 2)


study = Study(
    name="tune_vnodes",
    question="How many virtual nodes should a consistent-hash ring give each node, and how should tokens be chosen?",
    parameters={"vnodes": Choice(COUNTS), "tokens": Choice(("random", "chosen"))},
    settings={"nodes": 30, "replicas": 3},
    function=figures,
    objectives=[
        Objective("fullest node over the mean", "peak", unit="times"),
        Objective("pairs of nodes that may not fail together", "exposed", unit="of all pairs"),
    ],
    constraints=[Constraint("a join moves more than twice its due", "moved", at_most=2.0, tolerated=0.05)],
    defaults=[
        Default("Cassandra 4", {"vnodes": 16, "tokens": "chosen"}, "num_tokens 16 with allocate_tokens_for_... (4.0)"),
        Default("Cassandra 3", {"vnodes": 256, "tokens": "random"}, "num_tokens 256 (cassandra.yaml until 3.11)"),
    ],
    candidates=2 * len(COUNTS),
    looks=(5, 20),
    confirm=60,
    biases=(
        "Load is the share of the key space: keys that are asked for more often than others are another matter.",
        "Tokens are chosen for one replica, as Cassandra's simpler allocator does; its other one weighs replicas too.",
        "All nodes are alike and in one zone.",
    ),
)

if __name__ == "__main__":
    raise SystemExit(main(study))
