"""Failure detectors by heartbeats: push or pull; a fixed timeout, Chen's, Bertier's, or phi in three forms."""

from ...family import Family, Opinions
from ..asking import ClientConfig
from .client import Client
from .config import DetectorConfig
from .invariants import invariants
from .lies import LIES
from .mutants import MUTANTS
from .server import Server, View

family = Family(
    name="heartbeat",
    summary="failure detectors by heartbeats: fixed timeout, Chen, Bertier, phi accrual",
    paper="Hayashibara et al.: The phi accrual failure detector, SRDS 2004; Chen et al., IEEE ToC 51(5), 2002",
    server=Server,
    client=Client,
    server_config=DetectorConfig,
    client_config=ClientConfig,
    invariants=invariants,
    mutants=MUTANTS,
    model="none",
    functions=("read",),
    tolerates=lambda n: n - 1,
    timescale=lambda config: max(0.02, config.quickest()),
    opinions=Opinions(
        down=lambda view: view.down,
        # a period until the next sign of life, its way, and the longest wait after the last one
        settles=lambda config, nodes: config.longest() + 2 * config.period_s + 2.0,
    ),
    lies=LIES,
    variants=(
        {},
        {"detector": "fixed"},
        {"detector": "chen", "window": 20},
        {"detector": "bertier", "window": 20, "floor_s": 0.05},
        {"detector": "phi-normal", "window": 30, "threshold": 5.0},
        {"detector": "phi-exponential", "threshold": 2.0},
        {"style": "pull", "detector": "fixed", "timeout_s": 0.3},
        {"style": "pull", "detector": "phi-akka", "threshold": 3.0, "window": 10},
    ),
)

__all__ = ["Client", "ClientConfig", "DetectorConfig", "Server", "View", "family"]
