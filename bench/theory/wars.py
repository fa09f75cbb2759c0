"""The WARS model of :mod:`.pbs` as a trial of the leaderless store: what is predicted there is measured here.

One client works on one key, an operation after the other, through coordinators that are no replicas of it; nothing but
the four messages takes time, and nothing repairs. ``Replicate`` is W, ``Replicated`` A, ``Query`` R, ``Answer`` S.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..history import OK, History
from ..history.history import READ, WRITE
from ..network.latency import Constant
from ..network.spec import Network, Regions
from ..trial import ServiceTimes, Trial
from ..workload.spec import Workload
from .pbs import Wars

IDLE = ServiceTimes(message=0, byte=0.0, fsync=0, wakeup=0)


def wars_trial(delays: Wars, read: int, write: int, *, replicas: int = 3, writes: float = 0.5, **changes: Any) -> Trial:
    """A simulated trial in which operations take as long, and reads are as stale, as the model says.

    With ``delays.remote`` there is a region a replica, each with a coordinator, which clients choose at random.

    Args:
        delays: of the messages.
        read, write: quorums; ``replicas``: N.
        writes: share of the operations; few of them let reads come long after one.
        changes: fields of the trial to set otherwise.
    """
    regions = None
    if delays.remote:
        here = range(replicas + 1)  # the last one holds the clients, and is as near as nothing to all others
        far = [[2 * delays.remote if a != b and replicas not in (a, b) else 0 for b in here] for a in here]
        regions = Regions(
            names=tuple(f"region {at}" for at in here),
            rtt=tuple(map(tuple, far)),
            place=(*range(replicas), *range(replicas), replicas),
        )
    params = {
        "replicas": replicas,
        "read_level": str(read),
        "write_level": str(write),
        "read_repair": "none",
        "hints": False,
        "anti_entropy_s": 0.0,
        "routing": "outside",
        "request_timeout_s": 60.0,
        "retry_s": 100.0,
        "operation_timeout_s": 100.0,
        "zones": tuple(f"region {at}" for at in range(replicas)) if delays.remote else (),
    }
    fields: dict[str, Any] = {
        "protocol": "leaderless",
        "nodes": 2 * replicas if delays.remote else replicas + 1,
        "params": params,
        "duration": 2_000_000_000,
        "network": Network(
            regions=regions,
            by_message=(
                ("Replicate", delays.write),
                ("Replicated", delays.acknowledge),
                ("Query", delays.read),
                ("Answer", delays.answer),
            ),
            latency=Constant(0),
        ),
        "workload": Workload(clients=1, keys=1, mix=(("read", 1 - writes), ("write", writes))),
        "service": IDLE,
        "invariants": False,
    }
    fields.update(changes)
    return Trial(**fields)


def freshness(history: History) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Of each read of one client on one key: s since the end of the last write before it, and whether it saw that."""
    age: list[float] = []
    fresh: list[bool] = []
    last = ended = -1
    for row in range(len(history)):
        if history.outcome[row] != OK:
            continue
        if history.function[row] == WRITE:
            last, ended = int(history.argument[row]), int(history.completed[row])
        elif history.function[row] == READ and ended >= 0:
            age.append((int(history.invoked[row]) - ended) / 1e9)
            fresh.append(int(history.result[row]) == last)
    return np.array(age), np.array(fresh, bool)
