"""A "system" of one register in this process, to test that the harness finds and drives what others bring."""

from __future__ import annotations

from collections.abc import Mapping

from bench.systems import Client, Group


class MyRegister:
    """See :class:`bench.systems.System`."""

    name = "my-register"
    about = "a dictionary"
    promises = "cas-register"
    does_more = "nothing"
    defaults: Mapping[str, float] = {}

    def missing(self) -> str | None:
        return None

    def version(self) -> str:
        return "1"

    async def start(self, nodes: int, settings: Mapping[str, float]) -> Group:
        return MyGroup()


class MyGroup:
    """See :class:`bench.systems.Group`."""

    members = ("n1",)

    def __init__(self) -> None:
        self.data: dict[str, int] = {}

    async def client(self, number: int) -> Client:
        return MyClient(self.data)

    async def leader(self) -> str | None:
        return "n1"

    def kill(self, member: str) -> None:
        self.data.clear()

    def pause(self, member: str) -> None:
        raise NotImplementedError

    def resume(self, member: str) -> None:
        raise NotImplementedError

    async def restart(self, member: str) -> None:
        """It has forgotten everything: its checker must say so."""

    def cpu_s(self) -> dict[str, float]:
        return {}

    async def close(self) -> None:
        """Nothing is left."""


class MyClient:
    """See :class:`bench.systems.Client`."""

    def __init__(self, data: dict[str, int]) -> None:
        self.data = data

    async def read(self, key: str) -> int | None:
        import asyncio

        await asyncio.sleep(0.0005)
        return self.data.get(key)

    async def write(self, key: str, value: int) -> None:
        self.data[key] = value

    async def cas(self, key: str, expected: int, value: int) -> bool:
        if self.data.get(key) != expected:
            return False
        self.data[key] = value
        return True

    async def close(self) -> None:
        """Nothing to do."""
