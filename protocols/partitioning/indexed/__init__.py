"""A partitioned table with a secondary index: local, or global and maintained synchronously or asynchronously."""

from ...family import Family
from .client import Client
from .config import ClientConfig, TableConfig
from .invariants import differing, invariants
from .mutants import MUTANTS
from .server import Server, View


def model(server: TableConfig, client: ClientConfig, nodes: int) -> tuple[str, ...]:
    """Reads of records are linearizable, also if they were found by the index; pieces and caches are not."""
    if client.reads in ("query", "scan"):
        return ()
    return ("register",) if client.salts == 1 and not client.cache_ttl_s else ("read-consistency",)


family = Family(
    name="indexed",
    summary="a partitioned table with a secondary index, local or global, maintained at once or later",
    paper="Kleppmann: Designing Data-Intensive Applications, 2017, chapter 6; Tan et al.: Diff-Index, EDBT 2014",
    server=Server,
    client=Client,
    server_config=TableConfig,
    client_config=ClientConfig,
    invariants=invariants,
    mutants=MUTANTS,
    model=model,
    tolerates=lambda n: 0,  # one copy
    lives_partitioned=lambda config: False,
    timescale=lambda config: config.retry_s,
    converged=differing,
    variants=(
        {},
        {"index": "async"},
        {"index": "local"},
        {"index": "async", "flush_s": 0.05, "batch": 2},
        {"index": "sync", "attributes": 2, "batch": 1},
        {"index": "sync", "placement": "range", "span": 4, "partitions": 8},
        {"index": "async", "attributes": 2, "retry_s": 0.05},
    ),
)

__all__ = ["Client", "ClientConfig", "Server", "TableConfig", "View", "family"]
