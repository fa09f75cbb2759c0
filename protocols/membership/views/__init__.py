"""A process group: views agreed by consensus, messages delivered in the view in which they were sent."""

from ...family import Family
from .client import Client
from .config import ClientConfig, ServerConfig
from .invariants import converged, invariants
from .mutants import MUTANTS
from .server import Server, View

family = Family(
    name="views",
    summary="virtual synchrony: agreed views, flushed before each change, and an order of messages within each",
    paper="Birman, Joseph, SOSP 1987; Guerraoui, Schiper, IEEE TSE 27(1), 2001; Chockler et al., ACM CSUR 33(4), 2001",
    server=Server,
    client=Client,
    server_config=ServerConfig,
    client_config=ClientConfig,
    invariants=invariants,
    mutants=MUTANTS,
    model=lambda server, client, nodes: ("register",) if server.delivery == "safe" else ("none",),
    leader=lambda view: view.orders,
    lives_partitioned=lambda config: False,  # members that do not hear each other throw each other out, again and again
    timescale=lambda config: config.timeout_s - config.period_s,
    converged=converged,
    variants=(
        {},
        {"snapshot_entries": 5},
        {"timeout_s": 0.15, "period_s": 0.03, "flush_s": 0.03, "rejoin_s": 0.05},
        {"timeout_s": 0.15, "period_s": 0.03, "flush_s": 0.001, "rejoin_s": 0.05, "snapshot_entries": 20},
        {"delivery": "agreed"},
    ),
)

__all__ = ["Client", "ClientConfig", "Server", "ServerConfig", "View", "family"]
