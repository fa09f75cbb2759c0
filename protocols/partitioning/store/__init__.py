"""A partitioned key-value store, one copy of each partition, which moves partitions while it serves them."""

from ...family import Family
from .client import Client
from .config import ClientConfig, StoreConfig
from .invariants import invariants
from .mutants import MUTANTS
from .server import Server, View

family = Family(
    name="partitioned",
    summary="a key-value store in partitions that move, split and merge while they are served",
    paper="DeCandia et al.: Dynamo, SOSP 2007, section 6.2 (fixed partitions); Chang et al.: Bigtable, OSDI 2006, 5",
    server=Server,
    client=Client,
    server_config=StoreConfig,
    client_config=ClientConfig,
    invariants=invariants,
    mutants=MUTANTS,
    tolerates=lambda n: 0,  # one copy: whatever a server has is gone with it, until it is back
    lives_partitioned=lambda config: False,
    reconfigures=True,
    timescale=lambda config: config.retry_s,
    variants=(
        {},
        {"move_every_s": 0.05},
        {"move_every_s": 0.02, "catch_up": 0, "chunk": 1, "moves": 4},
        {"initial": 1, "join_at_s": 0.5},
        {"initial": 2, "join_at_s": 1.0, "pause_s": 0.005, "chunk": 2, "catch_up": 1},
        {"routing": "any", "move_every_s": 0.05},
        {"routing": "proxy", "partitions": 8, "move_every_s": 0.1},
        {"placement": "range", "report_s": 0.05, "reshape_every_s": 0.05, "move_every_s": 0.15},
        {"placement": "range", "report_s": 0.1, "split_keys": 1, "merge_keys": 0, "even": "keys", "chunk": 1},
        {"placement": "hash", "partitions": 8, "report_s": 0.1, "split_rate": 20.0, "merge_keys": 100, "even": "rate"},
        {"placement": "range", "routing": "any", "report_s": 0.05, "initial": 1, "join_at_s": 0.5, "per_node": 2},
    ),
)

__all__ = ["Client", "ClientConfig", "Server", "StoreConfig", "View", "family"]
