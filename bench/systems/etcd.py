"""etcd as a group on the loopback: Raft with a B-tree of versions on disk behind gRPC.

Reads are linearizable (etcd's default: the leader confirms that it leads). The client is aetcd, over grpcio, the
fastest of those for asyncio; its channels are shared by the clients that ask one member.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

from .interface import Client, Group, Refused, Unsure
from .servers import LocalGroup, free_ports, settings_of

DEFAULTS = {"election_timeout_s": 1.0, "heartbeat_s": 0.1, "request_timeout_s": 5.0}
"""etcd's own, and how long a client waits. An election timeout is drawn from one to two times the first."""


class Etcd:
    """See :class:`.interface.System`."""

    name = "etcd"
    about = "Raft, with versions in a B-tree on disk, behind gRPC (Debian: etcd-server)"
    promises = "cas-register"
    does_more = "gRPC, multi-version storage in a B-tree on disk, watches, leases and access control"
    defaults: Mapping[str, float] = DEFAULTS

    def missing(self) -> str | None:
        """See :class:`.interface.System`."""
        if shutil.which("etcd") is None:
            return "etcd is not installed: install Debian's package etcd-server, or put etcd on the PATH"
        if importlib.util.find_spec("aetcd") is None:
            return "etcd's client aetcd is not installed: pip install 'quorumbench[systems]'"
        return None

    def version(self) -> str:
        """See :class:`.interface.System`."""
        told = subprocess.run(["etcd", "--version"], capture_output=True, text=True, check=True).stdout
        return told.splitlines()[0].removeprefix("etcd Version: ").strip()

    async def start(self, nodes: int, settings: Mapping[str, float]) -> Group:
        """See :class:`.interface.System`."""
        group = EtcdGroup(nodes, settings_of(self.name, DEFAULTS, settings, self.missing()))
        await group.begin()
        return group


class EtcdGroup(LocalGroup):
    """See :class:`.interface.Group`."""

    def __init__(self, nodes: int, settings: Mapping[str, float]) -> None:
        super().__init__("etcd", nodes)
        self._settings = settings
        ports = free_ports(2 * nodes)
        self.ports = dict(zip(self.members, ports[:nodes], strict=True))
        self._peers = dict(zip(self.members, ports[nodes:], strict=True))
        self._channels: dict[str, Any] = {}

    def command(self, member: str) -> list[str]:
        """See :class:`.servers.LocalGroup`."""
        client, peer = (f"http://127.0.0.1:{ports[member]}" for ports in (self.ports, self._peers))
        others = ",".join(f"{name}=http://127.0.0.1:{port}" for name, port in self._peers.items())
        return [
            "etcd", "--name", member, "--data-dir", str(self.servers.folder / member),
            "--listen-client-urls", client, "--advertise-client-urls", client,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
            "--initial-cluster", others, "--initial-cluster-state", "new",
            "--election-timeout", f"{self._settings['election_timeout_s'] * 1e3:.0f}",
            "--heartbeat-interval", f"{self._settings['heartbeat_s'] * 1e3:.0f}",
        ]  # fmt: skip

    async def serves(self, member: str) -> bool:
        """See :class:`.servers.LocalGroup`."""
        import aetcd

        client = aetcd.Client(port=self.ports[member], timeout=1)
        try:
            await client.get(b"k")
        except aetcd.ClientError:
            return False
        else:
            return True
        finally:
            await client.close()

    def channel(self, member: str) -> Any:
        """The connection to a member that clients share."""
        import aetcd

        if member not in self._channels:
            self._channels[member] = aetcd.Client(
                port=self.ports[member],
                timeout=self._settings["request_timeout_s"],
                # after a member's death: try again soon, not after up to two minutes
                options={"grpc.max_reconnect_backoff_ms": 100, "grpc.initial_reconnect_backoff_ms": 20},
            )
        return self._channels[member]

    async def client(self, number: int) -> Client:
        """See :class:`.interface.Group`."""
        return EtcdClient(self, number)

    async def leader(self) -> str | None:
        """See :class:`.interface.Group`."""
        import aetcd

        for member in self.members:
            if self.servers.alive(member):
                try:
                    status = await self.channel(member).status()
                except aetcd.ClientError:
                    continue
                named = getattr(status.leader, "name", None)
                if named in self.members:
                    return str(named)
        return None

    async def disconnect(self) -> None:
        """See :class:`.servers.LocalGroup`."""
        for channel in self._channels.values():
            await channel.close()


class EtcdClient:
    """See :class:`.interface.Client`: asks one member until that fails, then the next one."""

    def __init__(self, group: EtcdGroup, number: int) -> None:
        self._group = group
        self._at = number

    async def _ask(self, operation: str, *arguments: Any) -> Any:
        import aetcd

        members = self._group.members
        try:
            return await getattr(self._group.channel(members[self._at % len(members)]), operation)(*arguments)
        except aetcd.ClientError as error:
            self._at += 1
            # whatever went wrong, the request may be on its way to a log
            raise Unsure(str(error)) from None

    async def read(self, key: str) -> int | None:
        """See :class:`.interface.Client`."""
        try:
            found = await self._ask("get", key.encode())
        except Unsure as error:
            raise Refused(str(error)) from None  # a read without an answer changed nothing
        return None if found is None else int(found.value)

    async def write(self, key: str, value: int) -> None:
        """See :class:`.interface.Client`."""
        await self._ask("put", key.encode(), b"%016d" % value)

    async def cas(self, key: str, expected: int, value: int) -> bool:
        """See :class:`.interface.Client`."""
        return bool(await self._ask("replace", key.encode(), b"%016d" % expected, b"%016d" % value))

    async def close(self) -> None:
        """Channels are the group's."""
