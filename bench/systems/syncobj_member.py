"""One PySyncObj peer that clients can ask: ``python syncobj_member.py NAME FOLDER PORTS CLIENT_PORT LOW HIGH``.

Mine is the first of the ports. A client sends lines ``NUMBER function key value...`` and is answered ``NUMBER ok
result``, ``NUMBER refused why`` or ``NUMBER unsure why``. Reads are commands of the log as well: PySyncObj's own reads
are of the member's copy, and stale. The journal is written, and not synced, at every entry.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from pysyncobj import FAIL_REASON, SyncObj, SyncObjConf, replicated

CERTAIN = (FAIL_REASON.QUEUE_FULL,)
"""Failures before a command left the member that was asked; of any other it may be in a log already."""


class Store(SyncObj):  # type: ignore[misc]
    """A replicated dictionary of integers."""

    def __init__(self, me: str, others: list[str], journal: str, low: float, high: float) -> None:
        super().__init__(
            me,
            others,
            SyncObjConf(
                autoTick=True,
                autoTickPeriod=0.001,  # a command waits for the next tick: at the default of 50 ms, nothing else counts
                journalFile=journal,
                appendEntriesPeriod=0.002,
                raftMinTimeout=low,
                raftMaxTimeout=high,
                logCompactionMinEntries=10**9,
                logCompactionMinTime=10**9,
            ),
        )
        self.data: dict[str, int] = {}

    @replicated  # type: ignore[untyped-decorator]
    def write(self, key: str, value: int) -> None:
        """Put a value."""
        self.data[key] = value

    @replicated  # type: ignore[untyped-decorator]
    def read(self, key: str) -> int | None:
        """What the key holds."""
        return self.data.get(key)

    @replicated  # type: ignore[untyped-decorator]
    def cas(self, key: str, expected: int, value: int) -> bool:
        """Put a value if the key holds the expected one."""
        if self.data.get(key) != expected:
            return False
        self.data[key] = value
        return True


class Asked(asyncio.Protocol):
    """A client's connection."""

    def __init__(self, store: Store, loop: asyncio.AbstractEventLoop) -> None:
        self.store, self.loop = store, loop
        self.rest = b""
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See :class:`asyncio.Protocol`."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """See :class:`asyncio.Protocol`."""
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            number, function, *arguments = line.decode().split()
            if function == "leader":
                # no public way tells whether there is one
                self.answer(number, f"ok {self.store._getLeader()}")
                continue
            key, *values = arguments
            command = getattr(self.store, function)
            command(
                key, *map(int, values), callback=lambda result, error, number=number: self.done(number, result, error)
            )

    def done(self, number: str, result: Any, error: int) -> None:
        """In PySyncObj's thread."""
        if not error:
            text = f"ok {result}"
        else:
            text = f"{'refused' if error in CERTAIN else 'unsure'} {error}"
        self.loop.call_soon_threadsafe(self.answer, number, text)

    def answer(self, number: str, text: str) -> None:
        """Send an answer."""
        if not self.transport.is_closing():
            self.transport.write(f"{number} {text}\n".encode())


async def main() -> None:
    """See the module."""
    name, folder, ports, client_port, low, high = sys.argv[1:]
    me, *others = [f"127.0.0.1:{port}" for port in ports.split(",")]
    store = Store(me, others, f"{folder}/{name}.journal", float(low), float(high))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Asked(store, loop), "127.0.0.1", int(client_port))
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
