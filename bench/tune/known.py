"""What systems that users know are set to, with where it says so: points for the studies of their kind to compare with.

Looked up in November 2026. Seconds, unless the name says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Known:
    """Defaults of a system: ``values`` by name (ranges as tuples), and their ``source``."""

    values: Mapping[str, float | tuple[float, float]]
    source: str


ELECTIONS = {
    "etcd": Known(
        {"heartbeat_s": 0.1, "election_timeout_s": (1.0, 2.0)},
        "heartbeat-interval 100 ms, election-timeout 1000 ms (etcd.io/docs/v3.5/tuning), drawn from one to two times "
        "that (etcd-io/raft, raft.go, resetRandomizedElectionTimeout)",
    ),
    "Consul": Known(
        {"heartbeat_s": 0.75, "election_timeout_s": (5.0, 10.0)},
        "raft_multiplier 5 (hashicorp/consul, agent/consul/config.go) times hashicorp/raft's HeartbeatTimeout of 1 s; "
        "followers wait one to two times that, the leader beats after a tenth to a fifth of it (here: 0.15)",
    ),
    "Consul, production": Known(
        {"heartbeat_s": 0.15, "election_timeout_s": (1.0, 2.0)},
        "raft_multiplier 1, which Consul's documentation recommends for production "
        "(developer.hashicorp.com/consul/docs/reference/architecture/server)",
    ),
    "Raft paper": Known(
        {"heartbeat_s": 0.075, "election_timeout_s": (0.15, 0.3)},
        "election timeout 150-300 ms (Ongaro and Ousterhout 2014, section 9.3); heartbeats at half the minimum",
    ),
}
"""Leader election: when a leader says that it is there, and when its followers give it up."""

DETECTORS = {
    "memberlist": Known(
        {"probe_interval_s": 1.0, "probe_timeout_s": 0.5, "gossip_interval_s": 0.2, "indirect_probes": 3,
         "suspicion_multiplier": 4, "suspicion_max_multiplier": 6},
        "hashicorp/memberlist, config.go, DefaultLANConfig: what Consul and Serf use within a data centre",
    ),
    "Cassandra": Known(
        {"heartbeat_s": 1.0, "phi_threshold": 8.0, "window": 1000},
        "phi_convict_threshold 8 (cassandra.yaml); gossip every second, a window of 1000 intervals "
        "(apache/cassandra, gms/Gossiper and gms/FailureDetector)",
    ),
    "Akka": Known(
        {"heartbeat_s": 1.0, "acceptable_pause_s": 3.0, "min_deviation_s": 0.1, "phi_threshold": 8.0},
        "akka.cluster.failure-detector in akka-cluster's reference.conf",
    ),
}  # fmt: skip
"""Failure detectors: how often nodes are heard or probed, and when they are suspected."""
