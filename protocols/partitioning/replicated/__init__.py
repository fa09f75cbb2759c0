"""A key-value store in partitions, each replicated by a Raft group of its own (multi-Raft)."""

from ...family import Family
from .client import Client
from .config import ClientConfig, ServerConfig
from .invariants import invariants
from .mutants import MUTANTS
from .server import Server, View

family = Family(
    name="replicated",
    summary="a key-value store in partitions, each a Raft group on some of the servers",
    paper="Ongaro: Consensus: Bridging Theory and Practice, 2014; Huang et al.: TiDB, VLDB 2020, section 3",
    server=Server,
    client=Client,
    server_config=ServerConfig,
    client_config=ClientConfig,
    invariants=invariants,
    mutants=MUTANTS,
    tolerates=lambda n: (min(n, 3) - 1) // 2,  # any two servers may be two of a group's three
    lives_partitioned=lambda config: False,  # a majority of servers need not hold one of every group
    timescale=lambda config: config.election_timeout_s[0],
    variants=(
        {"groups": 3},
        {"groups": 2, "settle_s": 0.0},
        {"groups": 4, "settle_s": 0.1, "election_timeout_s": (0.05, 0.1), "reads": "lease"},
        {"groups": 3, "snapshot_entries": 20, "pre_vote": False, "reads": "follower"},
    ),
)

__all__ = ["Client", "ClientConfig", "Server", "ServerConfig", "View", "family"]
