"""PySyncObj as a group on the loopback: Raft in one Python library, each member a process of its own."""

from __future__ import annotations

import asyncio
import importlib.metadata
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path

from .interface import Client, Group, Refused, Unsure
from .servers import LocalGroup, free_ports, settings_of

DEFAULTS = {"election_timeout_s": 1.0, "request_timeout_s": 5.0}
"""An election timeout is drawn from one to two times the first; the heartbeat is a tenth of it at most."""
MEMBER = Path(__file__).with_name("syncobj_member.py")


class PySyncObj:
    """See :class:`.interface.System`."""

    name = "pysyncobj"
    about = "Raft as a Python library, with a journal that is not synced (PyPI: pysyncobj)"
    promises = "cas-register"
    does_more = "log compaction by fork, batteries (replicated locks, queues, counters) and encryption"
    defaults: Mapping[str, float] = DEFAULTS

    def missing(self) -> str | None:
        """See :class:`.interface.System`."""
        if importlib.util.find_spec("pysyncobj") is None:
            return "PySyncObj is not installed: pip install 'quorumbench[systems]'"
        return None

    def version(self) -> str:
        """See :class:`.interface.System`."""
        return importlib.metadata.version("pysyncobj")

    async def start(self, nodes: int, settings: Mapping[str, float]) -> Group:
        """See :class:`.interface.System`."""
        group = PySyncObjGroup(nodes, settings_of(self.name, DEFAULTS, settings, self.missing()))
        await group.begin()
        return group


class PySyncObjGroup(LocalGroup):
    """See :class:`.interface.Group`."""

    def __init__(self, nodes: int, settings: Mapping[str, float]) -> None:
        super().__init__("pysyncobj", nodes)
        self.timeout_s = settings["request_timeout_s"]
        self._election_s = settings["election_timeout_s"]
        ports = free_ports(2 * nodes)
        self._peers = dict(zip(self.members, ports[:nodes], strict=True))
        self._ports = dict(zip(self.members, ports[nodes:], strict=True))
        self._connections: dict[str, Connection] = {}

    def command(self, member: str) -> list[str]:
        """See :class:`.servers.LocalGroup`."""
        others = [port for name, port in self._peers.items() if name != member]
        ports = ",".join(map(str, [self._peers[member], *others]))
        arguments = [member, str(self.servers.folder), ports, str(self._ports[member])]
        return [sys.executable, str(MEMBER), *arguments, str(self._election_s), str(2 * self._election_s)]

    async def serves(self, member: str) -> bool:
        """See :class:`.servers.LocalGroup`."""
        try:
            await (await self.connection(member)).ask("read k0", 1.0)
        except (OSError, Refused, Unsure):
            return False
        return True

    async def connection(self, member: str) -> Connection:
        """The connection to a member that clients share; a new one if the last one broke.

        Raises:
            OSError: the member does not listen.
        """
        known = self._connections.get(member)
        if known is None or known.broken:
            loop = asyncio.get_running_loop()
            _, known = await loop.create_connection(Connection, "127.0.0.1", self._ports[member])
            self._connections[member] = known
        return known

    async def client(self, number: int) -> Client:
        """See :class:`.interface.Group`."""
        return PySyncObjClient(self, number)

    async def leader(self) -> str | None:
        """See :class:`.interface.Group`."""
        names = {f"127.0.0.1:{port}": name for name, port in self._peers.items()}
        for member in self.members:
            if self.servers.alive(member):
                try:
                    told = await (await self.connection(member)).ask("leader", 1.0)
                except (OSError, Refused, Unsure):
                    continue
                if told in names:
                    return names[told]
        return None

    async def disconnect(self) -> None:
        """See :class:`.servers.LocalGroup`."""
        for connection in self._connections.values():
            connection.close()


class Connection(asyncio.Protocol):
    """Questions and answers of one member, by number."""

    def __init__(self) -> None:
        self.broken = False
        self._number = 0
        self._rest = b""
        self._open: dict[int, asyncio.Future[str]] = {}
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See :class:`asyncio.Protocol`."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        """See :class:`asyncio.Protocol`."""
        self.broken = True
        for waiting in self._open.values():
            if not waiting.done():
                waiting.set_exception(Unsure("the connection broke"))
        self._open.clear()

    def data_received(self, data: bytes) -> None:
        """See :class:`asyncio.Protocol`."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            number, word, rest = line.decode().split(" ", 2)
            waiting = self._open.pop(int(number), None)
            if waiting is None or waiting.done():
                continue
            if word == "ok":
                waiting.set_result(rest)
            else:
                waiting.set_exception((Refused if word == "refused" else Unsure)(f"PySyncObj's reason {rest}"))

    async def ask(self, question: str, within_s: float) -> str:
        """What the member answers.

        Raises:
            Refused, Unsure: see :class:`.interface.Client`.
        """
        if self.broken or self._transport is None:
            raise Refused("no connection")
        self._number += 1
        number = self._number
        self._open[number] = waiting = asyncio.get_running_loop().create_future()
        self._transport.write(f"{number} {question}\n".encode())
        try:
            return await asyncio.wait_for(waiting, within_s)
        except TimeoutError:
            raise Unsure(f"no answer within {within_s:g} s") from None
        finally:
            self._open.pop(number, None)

    def close(self) -> None:
        """Leave."""
        if self._transport is not None:
            self._transport.abort()


class PySyncObjClient:
    """See :class:`.interface.Client`: asks one member until that fails, then the next one."""

    def __init__(self, group: PySyncObjGroup, number: int) -> None:
        self._group = group
        self._at = number

    async def _ask(self, question: str) -> str:
        group = self._group
        try:
            connection = await group.connection(group.members[self._at % len(group.members)])
            return await connection.ask(question, group.timeout_s)
        except OSError as error:
            self._at += 1
            raise Refused(str(error)) from None
        except (Refused, Unsure):
            self._at += 1
            raise

    async def read(self, key: str) -> int | None:
        """See :class:`.interface.Client`."""
        try:
            told = await self._ask(f"read {key}")
        except Unsure as error:
            raise Refused(str(error)) from None  # a read without an answer changed nothing
        return None if told == "None" else int(told)

    async def write(self, key: str, value: int) -> None:
        """See :class:`.interface.Client`."""
        await self._ask(f"write {key} {value}")

    async def cas(self, key: str, expected: int, value: int) -> bool:
        """See :class:`.interface.Client`."""
        return await self._ask(f"cas {key} {expected} {value}") == "True"

    async def close(self) -> None:
        """Connections are the group's."""
