"""SWIM (Das, Gupta, Motivala, DSN 2002) with Lifeguard's extensions (Dadgar, Phillips, Currey, DSN-W 2018)."""

from ...family import Family, Opinions
from ..asking import ClientConfig
from .client import Client
from .config import SwimConfig
from .invariants import invariants
from .lies import LIES
from .mutants import MUTANTS, QUICK
from .server import Server, View

family = Family(
    name="swim",
    summary="membership by random probes and infection-style news, with Lifeguard",
    paper="Das, Gupta, Motivala: SWIM, DSN 2002; Dadgar, Phillips, Currey: Lifeguard, DSN-W 2018",
    server=Server,
    client=Client,
    server_config=SwimConfig,
    client_config=ClientConfig,
    invariants=invariants,
    mutants=MUTANTS,
    model="none",
    functions=("read",),
    tolerates=lambda n: n - 1,
    timescale=lambda config: config.probe_timeout_s,
    opinions=Opinions(down=lambda view: view.down, settles=lambda config, nodes: config.settles(nodes)),
    lies=LIES,
    variants=(
        {},
        QUICK,
        {**QUICK, "probe_order": "random", "synchronised": True},
        {**QUICK, "lifeguard_probe": False, "lifeguard_suspicion": False, "lifeguard_buddy": False},
        {**QUICK, "gossip_nodes": 0, "piggyback_max": 2},
        {**QUICK, "suspicion": False},
        {**QUICK, "indirect_checks": 0, "suspicion_mult": 2},
        {**QUICK, "push_pull_s": 0.0, "lifeguard_buddy": False, "piggyback_max": 1},
        {**QUICK, "seeds": 1},
    ),
)

__all__ = ["Client", "ClientConfig", "Server", "SwimConfig", "View", "family"]
