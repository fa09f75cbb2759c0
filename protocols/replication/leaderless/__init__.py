"""A Dynamo-style replicated store (DeCandia et al., SOSP 2007), with Cassandra's levels and repairs."""

from ...family import Family
from . import levels
from .claims import claimed, converges
from .client import Client
from .config import ClientConfig, ServerConfig
from .invariants import differing, invariants
from .mutants import MUTANTS
from .replica import View
from .server import Server


def lives_partitioned(config: ServerConfig) -> bool:
    """Whether every level can be had with one server cut off.

    With session tokens not unless quorums intersect: what a session has seen may be on that server alone.
    """
    n = config.replicas
    counts = [levels.count(level, n) for level in (config.read_level, config.write_level)]
    one_less = all(count is not None and count <= max(1, n - 1) for count in counts) and n > 1
    return one_less and (not config.sessions or levels.strict(config.read_level, config.write_level, n))


family = Family(
    name="leaderless",
    summary="a Dynamo-style store: any server coordinates, R and W of N replicas, repair in the background",
    paper="DeCandia et al.: Dynamo: Amazon's Highly Available Key-value Store, SOSP 2007",
    server=Server,
    client=Client,
    server_config=ServerConfig,
    client_config=ClientConfig,
    invariants=invariants,
    mutants=MUTANTS,
    model=claimed,
    functions=("read", "write"),
    tolerates=lambda n: 1 if n >= 3 else 0,
    lives_partitioned=lives_partitioned,
    timescale=lambda config: config.request_timeout_s,
    converged=differing,
    converges=converges,
    variants=(
        {},
        {"read_repair": "background", "digests": True, "read_from": "quorum"},
        {"read_level": "ONE", "write_level": "ONE", "read_repair": "none"},
        {"read_level": "ONE", "write_level": "TWO", "sessions": True, "speculate_s": 0.05, "read_from": "quorum"},
        {"sessions": True, "digests": True, "grain_s": 0.001},
        {"sloppy": True, "request_timeout_s": 0.1, "max_hints": 40},
        {"conflict": "dvv", "digests": True},
        {"conflict": "vv", "read_repair": "background", "sloppy": True},
        {"conflict": "dvv", "cart": True, "read_level": "ONE", "write_level": "ONE"},
        {"deletes": 0.3, "zones": ("a", "b"), "tree_depth": 1, "hint_window_s": 0.5},
    ),
)

__all__ = ["Client", "ClientConfig", "Server", "ServerConfig", "View", "family"]
