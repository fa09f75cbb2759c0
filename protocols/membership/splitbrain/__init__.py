"""Split brain: which side of a partition survives, and what makes sure that the other does not act."""

from ...family import Family
from .client import Client
from .config import ClientConfig, ServerConfig
from .invariants import invariants
from .mutants import MUTANTS
from .server import Server, View

family = Family(
    name="splitbrain",
    summary="one server acts: strategies that choose the side that survives, with a fence before each takeover",
    paper="Gray, Cheriton, SOSP 1989 (leases); Akka split brain resolver (strategies); Davidson et al., ACM CSUR 1985",
    server=Server,
    client=Client,
    server_config=ServerConfig,
    client_config=ClientConfig,
    invariants=invariants,
    mutants=MUTANTS,
    model="none",
    functions=("read",),
    leader=lambda view: view.active,
    # With a fence two sides that overlap may kill each other.
    lives_partitioned=lambda config: config.strategy == "lease-majority",
    timescale=lambda config: min(config.timeout_s - config.period_s, config.term_s / 3),
    variants=(
        {"strategy": "static-quorum"},
        {"strategy": "keep-majority"},
        {"strategy": "keep-oldest"},
        {"strategy": "keep-referee"},
        {"strategy": "lease-majority"},
        {"strategy": "lease-majority", "timeout_s": 0.12, "stable_s": 0.02},
        {"strategy": "keep-majority", "timeout_s": 0.12, "stable_s": 0.02},
        {"strategy": "keep-majority", "fence": False},
    ),
)

__all__ = ["Client", "ClientConfig", "Server", "ServerConfig", "View", "family"]
