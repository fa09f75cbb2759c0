"""Raft (Ongaro and Ousterhout, USENIX ATC 2014; Ongaro's dissertation, Stanford 2014)."""

from ...family import Family
from .client import Client
from .config import ClientConfig, RaftConfig
from .core import glance
from .invariants import invariants
from .mutants import MUTANTS
from .server import Server, View, leads

family = Family(
    name="raft",
    summary="a replicated log by a strong, elected leader",
    paper="Ongaro, Ousterhout: In Search of an Understandable Consensus Algorithm, USENIX ATC 2014",
    server=Server,
    client=Client,
    server_config=RaftConfig,
    client_config=ClientConfig,
    invariants=invariants,
    mutants=MUTANTS,
    leader=leads,
    glance=glance,
    reconfigures=True,
    # Without PreVote a server that hears nobody deposes one leader after the other, by ever higher terms.
    lives_partitioned=lambda config: config.pre_vote and config.check_quorum,
    timescale=lambda config: config.election_timeout_s[0],
    # Few sessions never come with few entries a message: every command opens a session first and retries of both are
    # entries too, which one entry a message cannot carry at the load of the torture.
    variants=(
        {},
        {"pre_vote": False, "election_timeout_s": (0.06, 0.12), "max_sessions": 4},
        {"pre_vote": False, "election_timeout_s": (0.05, 0.06), "max_sessions": 2},
        {"pre_vote": False, "election_timeout_s": (0.02, 0.03)},
        {"max_entries": 1, "max_in_flight": 64},
        {"pre_vote": False, "max_entries": 2, "election_timeout_s": (0.08, 0.16), "operation_timeout_s": 0.4},
        {"snapshot_entries": 20, "snapshot_trailing": 5, "snapshot_chunk": 150, "membership_change": "single"},
        {"snapshot_entries": 1, "snapshot_trailing": 0, "max_entries": 4, "reads": "lease"},
        {"reads": "lease", "sticky": True, "pre_vote": False, "membership_change": "single"},
        {
            "reads": "follower",
            "snapshot_entries": 40,
            "snapshot_trailing": 10,
            "membership_change": "single",
            "max_sessions": 8,
        },
        {"pre_vote": False, "membership_change": "single", "election_timeout_s": (0.02, 0.03), "snapshot_entries": 50},
    ),
)

__all__ = ["Client", "ClientConfig", "RaftConfig", "Server", "View", "family"]
