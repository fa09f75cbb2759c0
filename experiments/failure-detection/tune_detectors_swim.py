"""Which probe interval and suspicion multiplier should SWIM use where some members are slow?

A few members are slow for two minutes: what they send and get waits for seconds, and a hundredth of all messages is
lost. Then a healthy member crashes. A short interval and a small multiplier notice that sooner, and bury members that
are well. Compared with memberlist's defaults for a local network and for a wide one, all with Lifeguard's extensions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from bench.faults.spec import Crash, SlowLink
from bench.network import Exponential, Lognormal, Network
from bench.trial import Result, ServiceTimes, Trial
from bench.tune import Constraint, Default, Objective, Real, Study, Whole, main
from bench.units import nanoseconds
from bench.workload.spec import Workload
from protocols.membership.swim.formulas import suspicion_min

WARM_S, SLOW_S = 5.0, 120.0
CRASH_S = WARM_S + SLOW_S + 5.0


def params(
    probe_interval_s: float, timeout_share: float, suspicion_mult: int, suspicion_max_mult: int
) -> dict[str, Any]:
    """A candidate in SWIM's own parameters."""
    return {
        "probe_interval_s": probe_interval_s,
        "probe_timeout_s": probe_interval_s * timeout_share,
        "suspicion_mult": suspicion_mult,
        "suspicion_max_mult": suspicion_max_mult,
    }


def shown(
    probe_interval_s: float, timeout_share: float, suspicion_mult: int, suspicion_max_mult: int, **_: Any
) -> Mapping[str, Any]:
    """As memberlist's configuration has it."""
    return params(probe_interval_s, timeout_share, suspicion_mult, suspicion_max_mult)


def trial(
    nodes: int,
    slow: int,
    late_s: float,
    loss: float,
    probe_interval_s: float,
    timeout_share: float,
    suspicion_mult: int,
    suspicion_max_mult: int,
) -> Trial:
    """The last member crashes; the load goes on until a suspicion that half of the wanted confirm has run out."""
    least = suspicion_min(suspicion_mult, nodes, probe_interval_s)
    after_s = 10.0 + 4.0 * probe_interval_s + least * min(3, suspicion_max_mult)
    late = Exponential(nanoseconds(late_s))
    disturbed = tuple(
        SlowLink(at=nanoseconds(WARM_S), target=f"n{number + 1}", extra=late, length=nanoseconds(SLOW_S))
        for number in range(slow)
    )
    return Trial(
        protocol="swim",
        nodes=nodes,
        params={
            **params(probe_interval_s, timeout_share, suspicion_mult, suspicion_max_mult),
            "reconnect_s": 5.0,
        },
        duration=nanoseconds(CRASH_S + after_s),
        liveness=nanoseconds(10),
        invariants=False,
        network=Network(latency=Lognormal(nanoseconds(0.0005), 0.3), loss=loss),
        service=ServiceTimes(byte=0.0),
        workload=Workload(clients=1, rate=1.0),
        faults=(*disturbed, Crash(at=nanoseconds(CRASH_S), target=f"n{nodes}", down=None)),
    )


def known_s(result: Result) -> float | None:
    """From the crash until all others know; infinite if some did not by the end of the load."""
    found = result.detection
    if found is None:
        return None
    return max(found.spread) if found.spread and not found.undetected else math.inf


def messages(result: Result) -> float:
    """A member and second, healthy or not."""
    return result.messages.server / result.duration_s / result.spec.nodes


def buried(result: Result) -> float | None:
    """Times that a member that was neither slow nor dead was declared dead, at whomever."""
    if result.detection is None:
        return None
    slow = {fault.target for fault in result.spec.faults if isinstance(fault, SlowLink)}
    return float(sum(count for name, count in result.detection.mistaken.items() if name not in slow))


def default(probe_interval_s: float, timeout_share: float, suspicion_mult: int) -> dict[str, Any]:
    """memberlist's, whose longest suspicion is six times the shortest."""
    return {
        "probe_interval_s": probe_interval_s,
        "timeout_share": timeout_share,
        "suspicion_mult": suspicion_mult,
        "suspicion_max_mult": 6,
    }


study = Study(
    name="tune_detectors_swim",
    question="Which probe interval and suspicion multiplier should SWIM use where some members are slow?",
    parameters={
        "probe_interval_s": Real(0.1, 5.0, log=True),
        "timeout_share": Real(0.2, 0.8),
        "suspicion_mult": Whole(2, 8),
        "suspicion_max_mult": Whole(1, 8),
    },
    settings={"nodes": 24, "slow": 4, "late_s": 10.0, "loss": 0.01},
    trial=trial,
    shown=shown,
    objectives=[
        Objective("crash known to all", known_s),
        Objective("traffic of a member", messages, unit="messages/s"),
    ],
    constraints=[Constraint("a healthy member declared dead", buried, at_most=0.0, tolerated=0.1)],
    defaults=[
        Default("memberlist, LAN", default(1.0, 0.5, 4), "DefaultLANConfig (memberlist/config.go)"),
        Default("memberlist, WAN", default(5.0, 0.6, 6), "DefaultWANConfig: probing and suspicion; gossip as on a LAN"),
        Default("memberlist, local", default(1.0, 0.2, 3), "DefaultLocalConfig: probing and suspicion"),
    ],
    candidates=48,
    looks=(3, 10),
    confirm=40,
    finalists=6,
    biases=(
        "A slow member is one whose messages wait, each for itself; real starvation delays all of them together.",
        "Gossip (3 members every 0.2 s) and push-pull are memberlist's for a local network, for all candidates.",
        "Messages are far quicker than a probe's timeout unless a member is slow: on a wide network no timeout below "
        "the round trip can do.",
        "Messages are counted until the run has settled, and divided by the time until the load ends: a little high.",
    ),
)

if __name__ == "__main__":
    raise SystemExit(main(study))
