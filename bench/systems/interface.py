"""What a real server needs to stand beside our protocols: started, hurt, asked, and judged in the same way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable


class Refused(Exception):
    """The operation certainly did not happen."""


class Unsure(Exception):
    """The operation may happen, may have happened, or never will: a timeout, a broken connection."""


class Client(Protocol):
    """One connection (or more) to a group; operations are on integers by key.

    Each operation returns when it is done, and raises :class:`Refused` or :class:`Unsure` where it is not.
    """

    async def read(self, key: str) -> int | None:
        """What the key holds, as of some moment between call and answer if the system can promise that."""
        ...

    async def write(self, key: str, value: int) -> None:
        """Put a value."""
        ...

    async def cas(self, key: str, expected: int, value: int) -> bool:
        """Put a value if the key holds the expected one; whether it did."""
        ...

    async def close(self) -> None:
        """Leave."""
        ...


class Group(Protocol):
    """Running members of a system."""

    members: tuple[str, ...]

    async def client(self, number: int) -> Client:
        """A client; numbers spread clients over members."""
        ...

    async def leader(self) -> str | None:
        """The member that leads, if it can be told."""
        ...

    def kill(self, member: str) -> None:
        """SIGKILL."""
        ...

    def pause(self, member: str) -> None:
        """SIGSTOP."""
        ...

    def resume(self, member: str) -> None:
        """SIGCONT."""
        ...

    async def restart(self, member: str) -> None:
        """Start a killed member again on what is left of its data, and wait until it answers."""
        ...

    def cpu_s(self) -> dict[str, float]:
        """CPU time of each member that runs, so far."""
        ...

    async def close(self) -> None:
        """End all members, stopped or not, and remove their data."""
        ...


@runtime_checkable
class System(Protocol):
    """A kind of server.

    Attributes:
        name: as it is registered.
        about: one line.
        promises: the model of :data:`bench.checkers.registry.MODELS` that its histories are judged by.
        does_more: what it does that ours does not, for whoever compares speeds.
    """

    name: str
    about: str
    promises: str
    does_more: str

    def missing(self) -> str | None:
        """Why it cannot be run here and what to install, in a sentence; None if it can."""
        ...

    def version(self) -> str:
        """Of the server that :meth:`start` would start."""
        ...

    async def start(self, nodes: int, settings: Mapping[str, float]) -> Group:
        """Start members on free ports of the loopback, with data in a folder of their own, and wait until they serve.

        Args:
            nodes: how many.
            settings: of :attr:`defaults`, what is to be otherwise.

        Raises:
            UsageError: there is no such setting, or :meth:`missing` has a reason.
            HarnessError: a member died, or did not serve in time; with the last lines of its log.
        """
        ...

    @property
    def defaults(self) -> Mapping[str, float]:
        """Settings and their values where nothing is said."""
        ...
