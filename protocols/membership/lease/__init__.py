"""Leases: leadership for a time, granted by a majority, that serves reads without asking anybody."""

from ...family import Family
from .client import Client
from .config import ClientConfig, ServerConfig
from .invariants import invariants
from .mutants import MUTANTS
from .server import Server, View

family = Family(
    name="lease",
    summary="leases granted by a majority: a holder serves reads by itself, for a term, by its own clock",
    paper="Gray, Cheriton: Leases, SOSP 1989; Trencseni et al.: PaxosLease, 2012",
    server=Server,
    client=Client,
    server_config=ServerConfig,
    client_config=ClientConfig,
    invariants=invariants,
    mutants=MUTANTS,
    leader=lambda view: view.holding,
    timescale=lambda config: config.term_s / 3,
    variants=(
        {},
        {"term_s": 0.2},
        {"term_s": 0.6, "drift_bound": 0.002},
        {"term_s": 0.3, "renew_s": 0.2, "operation_timeout_s": 0.5},
    ),
)

__all__ = ["Client", "ClientConfig", "Server", "ServerConfig", "View", "family"]
