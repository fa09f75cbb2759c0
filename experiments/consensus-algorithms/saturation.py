"""How much load does a Raft cluster carry, and does a queue at its leader explain it?

Throughput against latency under an open load, for two cluster sizes, and the highest rate at which the p99 stays within
a bound. Two models say what to expect: a leader that does everything for each operation alone, and one that takes what
waits together. The simulator's service times are known, so neither model has a free parameter.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from bench.network.presets import network as named
from bench.sweep import Conclusion, Model, Saturation, Sweep, SweepResult, curve_panel, knees, overlay
from bench.sweep.grid import listed
from bench.sweep.presets import open_loop
from bench.theory.queueing import batches, waits
from bench.theory.quorums import quorum_round_trip
from bench.theory.sampling import draw
from bench.trial import ServiceTimes, Trial

BOUND_S = 0.005
NETWORK = "lan"
SERVICE = ServiceTimes(byte=0.0)  # values of 16 bytes: beside a message, copying them costs nothing
DRAWS = 10_000

Samples = np.ndarray[Any, np.dtype[np.float64]]


def trial(nodes: int, rate: float) -> Trial:
    """Compare-and-sets only: each goes through the log, and both reads and writes, so that it can be judged."""
    return open_loop(
        "raft",
        rate,
        nodes=nodes,
        network=NETWORK,
        load_s=0.3,
        clients=32,
        keys=256,
        mix="cas-only",
        service=SERVICE,
    )


# --- the models -----------------------------------------------------------------------------------------------------

MESSAGE, WAKEUP, SYNC = SERVICE.message / 1e9, SERVICE.wakeup / 1e9, SERVICE.fsync / 1e9


@cache
def outside(nodes: int) -> Samples:
    """What an operation spends elsewhere than in a queue: two ways to the client, a quorum, and whoever is woken up.

    The client wakes to send (a request, a message) and to take the answer; followers wake, handle and answer.
    """
    where = named(NETWORK)
    rng = np.random.default_rng(7)
    client = sum(draw(where.latency, DRAWS, rng) for _ in range(2)) / 1e9 + 2 * WAKEUP + 3 * MESSAGE
    quorum = quorum_round_trip(where, nodes, nodes // 2 + 1, draws=DRAWS, seed=8) + WAKEUP + 2 * MESSAGE
    return rng.permutation(client) + quorum


@cache
def alone(nodes: int, rate: float) -> Samples | None:
    """Seconds an operation takes if the leader works on one at a time: M/D/1. None past its saturation.

    It handles the request and n - 1 answers, and sends n - 1 entries and the result: 2 n messages, in two turns.
    """
    service = np.full(DRAWS, 2 * nodes * MESSAGE + 2 * WAKEUP)
    if rate * service[0] >= 1:
        return None
    return outside(nodes) + waits(rate, service) + service + SYNC


@cache
def together(nodes: int, rate: float) -> Samples | None:
    """The same if whatever waits is taken together, by the leader's CPU and by the disks. None past its saturation.

    An operation is at the leader twice, to be proposed and to be answered, for one message each time; the turn it
    shares costs a wake-up and a message to or from each follower. A sync takes all that came since the last. The answer
    leaves once all that the leader has written by then is durable, later operations included (prefix durability); for
    one that had to wait for that, the simulator charges no CPU.
    """
    proposed = batches(rate, SYNC, 0.0, DRAWS, 3)
    held = float((proposed.pending_s > 0).mean())
    visits = rate * (2 - held)
    if visits * MESSAGE >= 1:
        return None
    turns = [batches(visits, WAKEUP + (nodes - 1) * MESSAGE, MESSAGE, DRAWS, seed).response_s for seed in (1, 2)]
    rng = np.random.default_rng(9)
    stages = (*turns, batches(rate, SYNC, 0.0, DRAWS, 4).response_s, proposed.pending_s)
    total: Samples = outside(nodes) + sum(rng.permutation(each) for each in stages)
    return total


def median(samples: Samples | None) -> float | None:
    return None if samples is None else float(np.median(samples))


ALONE = Model("One operation at a time (M/D/1)", "p50_s", lambda nodes, rate: median(alone(nodes, rate)))
TOGETHER = Model("Batches at the leader and the disks", "p50_s", lambda nodes, rate: median(together(nodes, rate)))


# --- the report -----------------------------------------------------------------------------------------------------


def conclude(result: SweepResult) -> Conclusion:
    """The knees in words, how far the models are, and the curves."""
    found = knees(result)
    if not found:
        return Conclusion(answer="No trial finished.")
    broken = sum(each.violated for _, each in found)
    lines = [f"{setting['nodes']} servers: {each.sentence('p99')}." for setting, each in found]
    carried = [each.rate for _, each in found if each.rate is not None]
    limits = [1 / (2 * setting["nodes"] * MESSAGE + 2 * WAKEUP) for setting, _ in found]
    head = ""
    if len(carried) == len(found):
        beyond = [rate / limit for rate, limit in zip(carried, limits, strict=True)]
        head = (
            f"Raft carries {listed([f'{rate:,.0f}' for rate in carried])} operations/s on "
            f"{listed([str(setting['nodes']) for setting, _ in found])} servers within a p99 of {BOUND_S * 1e3:g} ms: "
            f"{min(beyond):.1f} to {max(beyond):.1f} times what a leader could do for one operation at a time."
        )
    if broken:
        head = f"{broken} trials broke a property that must hold, so trust no figure here yet."
    grouped, single = overlay(result, TOGETHER), overlay(result, ALONE)
    return Conclusion(
        answer="\n".join([head, *lines] if head else lines),
        details=[grouped.sentence(), single.sentence()],
        panels=[
            curve_panel(
                result,
                title="Latency by throughput, and where it saturates",
                predict=lambda setting, rate: median(together(setting["nodes"], rate)) or float("inf"),
                label=lambda setting: f"{setting['nodes']} servers",
            ),
            grouped.panel("rate", y_label="median latency [s]", log=True),
        ],
    )


sweep = Sweep(
    name="saturation",
    question="How much load does a Raft cluster carry, and does a queue at its leader explain it?",
    grid={"nodes": [3, 5], "rate": [1000.0, 4000.0, 8000.0, 16000.0, 24000.0]},
    trial=trial,
    seeds=5,
    metric="p99_s",
    saturation=Saturation(at_most=BOUND_S, seeds=5),
    conclude=conclude,
    biases=(
        "Simulated: a message costs the leader 15 us and a sync 250 us, whatever the machine; --service calibrated "
        "takes them from its floor, and then the models, which keep the defaults, do not apply.",
        "The simulator charges no CPU for messages that wait for a sync before they leave, as nearly every answer does "
        "under load: a real leader saturates earlier.",
        "A load lasts 0.3 s: a rate just above saturation has little time to show it, so the knee is a little high.",
        "The models take stages for independent; at the leader they share one CPU.",
    ),
)

if __name__ == "__main__":
    raise SystemExit(sweep.main())
