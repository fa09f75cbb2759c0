"""What an engine needs of the world it runs in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from .root import Root

TimerId = Any
"""A root timer without key is its name; any other is (path, name, key)."""


class World(Protocol):
    """See the module."""

    def monotonic_of(self, node: str) -> int:
        """That node's monotonic clock, ns."""
        ...

    def wall_of(self, node: str) -> int:
        """That node's wall clock, ns."""
        ...

    def interval_of(self, node: str) -> tuple[int, int]:
        """That node's TrueTime interval, ns."""
        ...

    def arm(self, engine: Root, timer: TimerId, delay: int) -> None:
        """Call ``engine.fire(timer)`` after ``delay`` ns of its monotonic clock; replaces a pending one."""
        ...

    def disarm(self, engine: Root, timer: TimerId) -> None:
        """Forget a timer."""
        ...

    def mark(self, node: str, name: str, fields: dict[str, Any]) -> None:
        """Record a mark."""
        ...

    def sign(self, node: str, payload: bytes) -> bytes:
        """That node's signature."""
        ...

    def verify(self, node: str, payload: bytes, signature: bytes) -> bool:
        """Whether the signature is that node's."""
        ...
