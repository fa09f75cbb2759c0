"""Which server has which record and which entry of the index: what clients and servers agree on beforehand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..hashing import hash_key
from ..ring import natural
from .config import ClientConfig, TableConfig

SALT = "#"
"""Between a key and the number of the piece: ``k7#2``."""


def number_of(key: str) -> int:
    """The number of a key, whatever its salt: 7 of ``k7`` and of ``k7#2``."""
    digits = key.partition(SALT)[0].lstrip("abcdefghijklmnopqrstuvwxyz")
    return int(digits) if digits.isdigit() else hash_key(key) % (1 << 31)


def salted(key: str, salts: int, hot: int = 0) -> tuple[str, ...]:
    """The pieces of a key, if it is among the first ``hot``, or all are to be cut (0).

    >>> salted("k7", 2)
    ('k7#0', 'k7#1')
    >>> salted("k7", 2, hot=5)
    ('k7',)
    """
    whole = salts == 1 or (hot and number_of(key) >= hot)
    return (key,) if whole else tuple(f"{key}{SALT}{salt}" for salt in range(salts))


class Placing:
    """Records by hash or in ranges, index entries by the hash of their attribute; partitions in turns on servers."""

    __slots__ = ("_config", "_known", "_terms", "servers")

    def __init__(self, config: TableConfig | ClientConfig, servers: Sequence[str]) -> None:
        self._config = config
        self._known: dict[str, str] = {}
        self.servers = tuple(sorted(servers, key=natural))
        self._terms = [self._on(hash_key(f"attribute {at}") % config.partitions) for at in range(config.attributes)]

    def _on(self, partition: int) -> str:
        return self.servers[partition % len(self.servers)]

    def partition(self, key: str) -> int:
        """Of a record. In a ranged table the pieces of a key are in so many partitions, one after the other."""
        config = self._config
        if config.placement == "hash":
            return hash_key(key) % config.partitions
        salt = key.partition(SALT)[2]
        return (self._range(number_of(key)) + (int(salt) if salt else 0)) % config.partitions

    def _range(self, number: int) -> int:
        return min(number, self._config.span - 1) * self._config.partitions // self._config.span

    def owner(self, key: str) -> str:
        """Who has the record of that key."""
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._on(self.partition(key))
        return known

    def attribute(self, value: bytes) -> int:
        """The indexed attribute of a record with that value."""
        return int.from_bytes(value[:8], "big") % self._config.attributes

    def owner_of_term(self, attribute: int) -> str:
        """Who has all entries of that attribute, of a global index."""
        return self._terms[attribute]

    def with_range(self, first: int, last: int) -> tuple[str, ...]:
        """Who may have keys with numbers from ``first`` to ``last``."""
        if self._config.placement == "hash":
            return self.servers[: self._config.partitions]
        found = {self._on(at): None for at in range(self._range(first), self._range(last) + 1)}
        return tuple(found)

    def by_owner(self, keys: Iterable[str]) -> dict[str, list[str]]:
        """The keys that each server has."""
        found: dict[str, list[str]] = {}
        for key in keys:
            found.setdefault(self.owner(key), []).append(key)
        return found
