"""ABD: an atomic register of several writers on servers of which a minority may fail (Attiya et al. 1995)."""

from ...family import Family
from .client import Client
from .config import ClientConfig, ServerConfig, atomic
from .invariants import invariants
from .mutants import MUTANTS
from .server import Server, View


def claimed(server: ServerConfig, client: ClientConfig, nodes: int) -> tuple[str, ...]:
    """Linearizability, where quorums intersect and reads write back; else no more than that reads are of writes."""
    return ("register",) if atomic(client, nodes) else ("read-consistency", "bounded-staleness")


def lives_partitioned(config: ServerConfig) -> bool:
    """With majorities. Where a larger quorum is asked for, one server cut off may be one too many."""
    return not config.read_quorum and not config.write_quorum


family = Family(
    name="abd",
    summary="an atomic register by quorums in two phases, without order, leader or log",
    paper="Attiya, Bar-Noy, Dolev: Sharing Memory Robustly in Message-Passing Systems, JACM 42(1), 1995",
    server=Server,
    client=Client,
    server_config=ServerConfig,
    client_config=ClientConfig,
    invariants=invariants,
    mutants=MUTANTS,
    model=claimed,
    functions=("read", "write"),
    lives_partitioned=lives_partitioned,
    variants=({}, {"fast_reads": False}, {"write_back": False}, {"operation_timeout_s": 0.4}),
)

__all__ = ["Client", "ClientConfig", "Server", "ServerConfig", "View", "family"]
