"""Which heartbeat detector, with which parameters, is wrong at most once a month and quick otherwise?

Whole months of heartbeats are drawn (delays, losses, and senders that stand still now and then) and replayed through a
detector at once; no trial is run. Compared with what Akka and Cassandra are set to. The networks are those of
``docs/adr/0012-failure-detection.md``; for all of them in one table see ``tune_detectors_table.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from bench.theory.mistakes import NETWORKS, Pauses, Stream, replay, stream
from bench.tune import Choice, Constraint, Default, Objective, Real, Study, main
from protocols.membership.heartbeat.config import DetectorConfig
from protocols.membership.heartbeat.phi import timeout_exponential


def exponential(margin_s: float, period_s: float) -> float:
    """The threshold of the exponential form that waits so much longer than a period, if gaps are one on average."""
    return (period_s + margin_s) / timeout_exponential(1.0, period_s)


def config_of(
    detector: str, margin_s: float, threshold: float, window: int, period_s: float, floor_s: float
) -> DetectorConfig:
    """A candidate: ``margin_s`` is waited beyond the next heartbeat, in each detector's own words.

    Chen's alpha; Akka's acceptable pause, with ``threshold`` deviations on top; in the exponential form, Cassandra's,
    the threshold follows from it. Cassandra assumes two periods before it has measured any, and leaves out gaps above
    that.
    """
    fields: dict[str, Any] = {"detector": detector, "window": window, "period_s": period_s, "floor_s": floor_s}
    if detector == "chen":
        fields["alpha_s"] = margin_s
    elif detector == "phi-akka":
        fields |= {"threshold": threshold, "pause_s": margin_s}
    else:
        fields |= {"threshold": exponential(margin_s, period_s), "cap_s": 2 * period_s, "first_gap_s": 2 * period_s}
    return DetectorConfig(**fields)


def shown(detector: str, margin_s: float, threshold: float, window: int, period_s: float) -> Mapping[str, Any]:
    """A candidate as a user would set it: what its detector does not look at is left out."""
    own: dict[str, dict[str, Any]] = {
        "phi-akka": {"threshold": threshold, "acceptable_pause_s": margin_s},
        "phi-exponential": {"threshold": exponential(margin_s, period_s)},
        "chen": {"alpha_s": margin_s},
    }
    return {"detector": detector, **own[detector], "window": window, "period_s": period_s}


@lru_cache(maxsize=2)
def heard(network: str, pauses: Pauses, period_s: float, days: float, seed: int) -> Stream:
    """The same month for all candidates of a seed and period."""
    return stream(NETWORKS[network], pauses, period_s, days, seed)


def figures(
    network: str,
    pauses_a_day: float,
    pause_median_s: float,
    pause_sigma: float,
    floor_s: float,
    days: float,
    detector: str,
    margin_s: float,
    threshold: float,
    window: int,
    period_s: float,
    seed: int,
) -> Mapping[str, float | None]:
    """Of one observer of one node, over so many days."""
    pauses = Pauses(pauses_a_day, pause_median_s, pause_sigma)
    config = config_of(detector, margin_s, threshold, window, period_s, floor_s)
    found = replay(config, heard(network, pauses, period_s, days, seed), seed=seed)
    return {
        "median_s": float(np.median(found.detection_s)),
        "p99_s": float(np.quantile(found.detection_s, 0.99)),
        "mistakes_month": found.mistakes * 30.0 / days,
        "heartbeats_s": 1.0 / period_s,
    }


def default(detector: str, threshold: float) -> dict[str, Any]:
    """As both systems have it: a second between heartbeats, a thousand gaps; Akka accepts pauses of 3 s."""
    margin_s = 3.0 if detector == "phi-akka" else timeout_exponential(threshold, 1.0) - 1.0
    return {"detector": detector, "threshold": threshold, "margin_s": margin_s, "window": 1000, "period_s": 1.0}


study = Study(
    name="tune_detectors",
    question="Which heartbeat detector, with which parameters, is wrong at most once a month and quick otherwise?",
    parameters={
        "detector": Choice(("phi-akka", "phi-exponential", "chen")),
        "margin_s": Real(0.2, 10.0, log=True),
        "threshold": Choice((1.0, 3.0, 8.0, 12.0)),
        "window": Choice((10, 100, 1000)),
        "period_s": Choice((0.5, 1.0, 2.0)),
    },
    settings={
        "network": "cloud region",
        "pauses_a_day": 4.0,
        "pause_median_s": 0.2,
        "pause_sigma": 1.0,
        "floor_s": 0.1,
        "days": 30.0,
    },
    function=figures,
    shown=shown,
    objectives=[
        Objective("crash noticed, 99 of 100", "p99_s"),
        Objective("heartbeats a second", "heartbeats_s", unit="/s"),
    ],
    constraints=[Constraint("more than one mistake a month", "mistakes_month", at_most=1.0, tolerated=0.1)],
    defaults=[
        Default("Akka", default("phi-akka", 8.0), "akka.cluster.failure-detector (reference.conf)"),
        Default("Akka, cloud", default("phi-akka", 12.0), "threshold = 12 as advised for EC2"),
        Default("Cassandra", default("phi-exponential", 8.0), "phi_convict_threshold 8 (cassandra.yaml)"),
        Default("Cassandra, cloud", default("phi-exponential", 12.0), "phi_convict_threshold 12 (cassandra.yaml)"),
    ],
    candidates=72,
    looks=(4, 24),
    confirm=60,
    biases=(
        "Delays and losses are independent of each other; what comes in bursts is in the pauses alone.",
        "How long and how often nodes stand still is assumed (pauses_a_day, pause_median_s, pause_sigma) and decides: "
        "measure your own.",
        "The observer never stands still: its own pauses are another source of mistakes, unless it notices them.",
        "Cassandra's heartbeats come by gossip, over several hops; here they come directly, once a period.",
    ),
)

if __name__ == "__main__":
    raise SystemExit(main(study))
