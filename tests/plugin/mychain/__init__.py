"""One server decides everything and keeps it on its disk; the others stand by, and nobody takes over from it."""

from protocols.family import Family, Mutant

from .nodes import Client, ClientConfig, Server, ServerConfig

family = Family(
    name="mychain",
    summary="one server keeps everything on its disk",
    paper="none: no replication at all",
    server=Server,
    client=Client,
    server_config=ServerConfig,
    client_config=ClientConfig,
    invariants=list,
    mutants=(
        Mutant(
            name="kept-in-memory",
            why="The primary answers a write that is not on its disk, and forgets it in a crash.",
            file="nodes",
            edits=(
                (
                    '            ctx.persist("data", self.data)\n',
                    "            pass\n",
                ),
            ),
            caught_by=("linearizable",),
        ),
    ),
    tolerates=lambda n: 0,
    lives_partitioned=lambda config: False,
)
