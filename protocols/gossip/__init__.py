"""Epidemics: anti-entropy and rumor mongering (Demers et al., PODC 1987)."""

from ..family import Family
from .client import Client, ClientConfig
from .config import GossipConfig
from .invariants import invariants
from .mutants import MUTANTS
from .server import Server, View, differing

family = Family(
    name="gossip",
    summary="a replicated table spread by epidemics: anti-entropy and rumor mongering",
    paper="Demers et al.: Epidemic algorithms for replicated database maintenance, PODC 1987",
    server=Server,
    client=Client,
    server_config=GossipConfig,
    client_config=ClientConfig,
    invariants=invariants,
    mutants=MUTANTS,
    model="none",
    functions=("read", "write"),
    tolerates=lambda n: n - 1,
    timescale=lambda config: config.anti_entropy_s,
    converged=differing,
    converges=lambda config: config.anti_entropy != "off",
    variants=(
        {},
        {"rumors": "pull", "by": "coin"},
        {"loses_interest": "blind", "k": 1, "anti_entropy": "pull"},
        {"rumors": "off", "anti_entropy": "push", "anti_entropy_s": 0.2},
        {"synchronised": True, "fanout": 2, "anti_entropy": "push-pull"},
        {"rumors": "pull", "synchronised": True, "k": 3},
    ),
)

__all__ = ["Client", "ClientConfig", "GossipConfig", "Server", "View", "family"]
