"""The full nemesis: trials that differ in everything a seed can vary, to look for violations rather than to measure.

One seed fixes the cluster's size, its network, load, disks, clocks, the protocol's parameters (out of the family's
``variants``) and a dense schedule of faults. The same trials serve the real protocol and its mutants.
"""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec

from .faults.nemesis import GENERAL
from .faults.spec import Nemesis
from .mutation import find_mutant, load_family
from .network.latency import Constant, Exponential, Latency, Lognormal, Mixture
from .network.spec import Network
from .params import build_configs
from .trial import ServiceTimes, Trial
from .workload.spec import Workload

MS = 1_000_000
LIVENESS = 30_000 * MS
"""ns to serve again. Disks that take 15 ms as a rule and 500 ms at times, lost messages, one entry a message and a
backlog of retries can take a sound cluster more than ten seconds (Raft, seed 8198: eleven)."""


def _latency(rng: Random, scale: float) -> Latency:
    """From calm to rough, for a protocol whose shortest timeout is ``scale`` ns: none outlasts it as a rule."""
    base = int(scale / rng.choice((150, 40, 12)))
    return rng.choice(
        (
            Constant(base),
            Lognormal(base, 0.5),
            Exponential(base),
            Mixture(((0.9, Constant(base)), (0.1, Exponential(int(scale / 4))))),
        )
    )


def _nemesis(rng: Random) -> Nemesis:
    """Swarm testing (Groce et al., ISSTA 2012): most seeds leave most kinds of faults out, because faults of one kind
    hide the effects of another; a third of the seeds has them all."""
    weights = GENERAL["sim"]
    kinds: set[str] = set()
    wanted = rng.randint(1, 3) if rng.random() < 0.67 else 0
    while len(kinds) < wanted:
        kinds.add(rng.choices(sorted(weights), [weights[kind] for kind in sorted(weights)])[0])
    return Nemesis(
        kinds=tuple(sorted(kinds)),
        interval=rng.choice((20, 60, 150, 300)) * MS,
        length=rng.choice((50, 250, 800)) * MS,
        quiet=100 * MS,
    )


def _operated(nemesis: Nemesis, seed: int) -> Nemesis:
    """Every third seed has an operator, too, who adds and removes servers."""
    if Random(f"{seed}/operated").random() >= 0.33:
        return nemesis
    return msgspec.structs.replace(nemesis, kinds=(*(nemesis.kinds or sorted(GENERAL["sim"])), "membership"))


def torture(protocol: str, seed: int, mutant: str | None = None, *, trace: bool = False, **changes: Any) -> Trial:
    """The trial of that seed.

    Args:
        protocol: name in the registry.
        seed: of everything.
        mutant: a classic mistake; its own parameters come on top of the variant's.
        trace: record every step, for diagrams.
        changes: fields of the trial to set otherwise.
    """
    family = load_family(protocol)
    rng = Random(f"{seed}/torture")
    params = dict(rng.choice(family.variants))
    if mutant is not None:
        params.update(find_mutant(family, mutant).params)
    scale = family.timescale(build_configs(family, params, 3)[0]) * 1e9
    fields: dict[str, Any] = {
        "protocol": protocol,
        "runtime": "sim",
        "nodes": rng.choice((3, 3, 4, 5, 5)),
        "seed": seed,
        "params": params,
        "mutant": mutant,
        "duration": 4000 * MS,
        "liveness": LIVENESS,
        "network": Network(
            latency=_latency(rng, scale),
            loss=rng.choice((0.0, 0.0, 0.02)),
            duplication=rng.choice((0.0, 0.0, 0.05)),
            fifo=rng.random() < 0.3,
        ),
        "workload": Workload(clients=rng.randint(3, 6), keys=rng.randint(2, 5), rate=float(rng.randint(50, 120))),
        "nemesis": _operated(_nemesis(rng), seed) if family.reconfigures else _nemesis(rng),
        "service": ServiceTimes(
            fsync=min(rng.choice((20_000, 250_000, 4 * MS, 15 * MS)), int(scale / 10)),
            fsync_sigma=rng.choice((0.0, 1.2)),
            byte=0.0,
            fence=Random(f"{seed}/fence").choice((0, 100 * MS, 1000 * MS)),  # apart, so that other draws stay
        ),
        "clock_offset": 50 * MS,
        "clock_drift_ppm": 200.0,
        "trace": trace,
    }
    fields.update(changes)
    return Trial(**fields)
