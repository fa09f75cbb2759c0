"""Networks by name: what a sweep or ``bench run --network`` starts from, instead of numbers typed anew each time.

Medians are facts about real networks at some time, named with each; the spread around them is an assumption, the same
for all: one-way delays are lognormal with ``SIGMA``, for which the 99.9th percentile is 2.5 times the median.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from ..errors import UsageError, unknown_name
from ..units import NS_PER
from .latency import Lognormal, Uniform
from .spec import Network, Regions

SIGMA = 0.3
MS = NS_PER["ms"]


def regions(rtt_ms: Mapping[tuple[str, str], float], within_ms: float, sigma: float = SIGMA) -> Regions:
    """A symmetric matrix from the median round trips of all pairs, in ms; nodes are placed in the regions in turn.

    Raises:
        ValueError: the round trip of a pair is missing.
    """
    names = tuple(dict.fromkeys(name for pair in rtt_ms for name in pair))

    def rtt(one: str, other: str) -> int:
        if one == other:
            return round(within_ms * MS)
        found = rtt_ms.get((one, other), rtt_ms.get((other, one)))
        if found is None:
            raise ValueError(f"there is no round trip between {one} and {other}")
        return round(found * MS)

    matrix = tuple(tuple(rtt(a, b) for b in names) for a in names)
    return Regions(names=names, rtt=matrix, sigma=sigma, place=tuple(range(len(names))))


EC2_2013 = {
    ("VA", "OR"): 80.9,
    ("VA", "CA"): 83.8,
    ("VA", "EU"): 109.0,
    ("VA", "JP"): 203.0,
    ("OR", "CA"): 21.6,
    ("OR", "EU"): 169.0,
    ("OR", "JP"): 130.0,
    ("CA", "EU"): 169.0,
    ("CA", "JP"): 134.0,
    ("EU", "JP"): 275.0,
}
"""Median round trips between five EC2 regions in 2013, in ms: those of the EPaxos measurements (Moraru et al. 2013)."""

NETWORKS: dict[str, Network] = {
    "lan": Network(latency=Lognormal(MS // 8, SIGMA)),
    "zones": Network(latency=Lognormal(MS // 2, SIGMA)),
    "continent": Network(latency=Lognormal(10 * MS, SIGMA)),
    "wan": Network(latency=Uniform(30 * MS, 40 * MS)),
    "ec2-2013": Network(regions=regions(EC2_2013, 0.6)),
}
ABOUT: dict[str, str] = {
    "lan": "one rack: round trips of 0.25 ms",
    "zones": "availability zones of one region: round trips of 1 ms",
    "continent": "regions of one continent: round trips of 20 ms",
    "wan": "one-way delays of 30 to 40 ms, as in Raft's WAN experiment (Ongaro 2014, section 9.4)",
    "ec2-2013": "VA, OR, CA, EU and JP with the median round trips of 2013, 21.6 to 275 ms; nodes in turn",
}


def network(name: str) -> Network:
    """The network of that name; ``ec2-2013:VA+OR+CA`` is one with only these of its regions, in that order.

    Raises:
        UsageError: there is none; the nearest is named.
    """
    known, colon, chosen = name.partition(":")
    if known not in NETWORKS:
        raise unknown_name("network", known, NETWORKS)
    found = NETWORKS[known]
    return msgspec.structs.replace(found, regions=only(found, known, chosen.split("+"))) if colon else found


def only(found: Network, name: str, chosen: Sequence[str]) -> Regions:
    """Some regions of a network; nodes are placed in them in turn.

    Raises:
        UsageError: it has no regions, or not this one (the nearest is named), or one is given twice.
    """
    regions = found.regions
    if regions is None:
        raise UsageError(f"the network {name} has no regions to choose from")
    for place, region in enumerate(chosen):
        if region not in regions.names:
            raise unknown_name("region", region, regions.names)
        if region in chosen[:place]:
            raise UsageError(f"the region {region} is given twice")
    at = [regions.names.index(region) for region in chosen]
    matrix = tuple(tuple(regions.rtt[here][there] for there in at) for here in at)
    return Regions(names=tuple(chosen), rtt=matrix, sigma=regions.sigma, place=tuple(range(len(at))))
