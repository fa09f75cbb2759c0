"""The parameters of the register, and what they promise."""

from __future__ import annotations

import msgspec


class ServerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of a server; it only needs them to say what is promised.

    Attributes:
        read_quorum, write_quorum: servers whose answers end the first, and the second, phase of an operation; 0: a
            majority.
    """

    read_quorum: int = 0
    write_quorum: int = 0

    def validate(self, nodes: int) -> None:
        """Raise ``ValueError`` with one sentence if a value cannot be in a cluster of ``nodes``."""
        for name in ("read_quorum", "write_quorum"):
            if not 0 <= getattr(self, name) <= nodes:
                raise ValueError(
                    f"{name} {getattr(self, name)} is out of range: 1 to {nodes} servers, or 0 for a majority"
                )


class ClientConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of a client.

    Attributes:
        read_quorum, write_quorum: as the servers'.
        write_back: a read makes sure that a write quorum has what it returns, before it does. Without it registers are
            regular only: a read may return a value, and a later one its predecessor.
        fast_reads: skip the write-back where a write quorum among those that answered has the newest version already.
        operation_timeout_s: seconds after which a client gives an operation up.
        retry_s: seconds after which it asks those again that have not answered.
    """

    read_quorum: int = 0
    write_quorum: int = 0
    write_back: bool = True
    fast_reads: bool = True
    operation_timeout_s: float = 5.0
    retry_s: float = 0.15

    def validate(self, nodes: int) -> None:
        """Raise ``ValueError`` with one sentence if a value cannot be in a cluster of ``nodes``."""
        ServerConfig(read_quorum=self.read_quorum, write_quorum=self.write_quorum).validate(nodes)
        for name in ("operation_timeout_s", "retry_s"):
            if not 0.0001 <= getattr(self, name) <= 3600:
                raise ValueError(f"{name} {getattr(self, name):g} is out of range: 0.0001 to 3600 seconds")


def quorum(asked: int, n: int) -> int:
    """Of how many of n servers: as many as asked for, or a majority.

    >>> [quorum(0, n) for n in (1, 2, 3, 4, 5)]
    [1, 2, 2, 3, 3]
    """
    return asked or n // 2 + 1


def intersect(read: int, write: int, n: int) -> bool:
    """Whether every read quorum shares a server with every write quorum.

    >>> intersect(2, 2, 3), intersect(1, 2, 3)
    (True, False)
    """
    return read + write > n


def atomic(client: ClientConfig, n: int) -> bool:
    """Whether the register is atomic (linearizable): quorums that intersect, and reads that write back.

    The first phase of a write then meets every write completed before, so its version is larger; that of a read meets
    every write completed and, for the write-back, every value returned before it began.
    """
    return client.write_back and intersect(quorum(client.read_quorum, n), quorum(client.write_quorum, n), n)
