"""Raft (Ongaro and Ousterhout, USENIX ATC 2014; Ongaro's dissertation, Stanford 2014)."""

from ...family import Family
from .client import Client
from .config import ClientConfig, RaftConfig
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
)

__all__ = ["Client", "ClientConfig", "RaftConfig", "Server", "View", "family"]
