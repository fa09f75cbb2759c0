"""The null protocol: one server answers at once, replicates nothing, stores nothing. What remains is the harness."""

from ..family import Family
from .nodes import Client, ClientConfig, Server, ServerConfig

family = Family(
    name="null",
    summary="no protocol at all: a server answers at once (the harness's own floor)",
    paper="none: it measures the runtime, not an algorithm",
    server=Server,
    client=Client,
    server_config=ServerConfig,
    client_config=ClientConfig,
    invariants=list,
    model="none",
)

__all__ = ["Client", "ClientConfig", "Server", "ServerConfig", "family"]
