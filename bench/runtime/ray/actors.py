"""The one place where classes become Ray actors, so that everything else can be typed."""

from __future__ import annotations

from typing import Any

from .host import Host
from .shipping import shell

NO_RESTART: dict[str, Any] = {"max_restarts": 0, "max_task_retries": 0, "max_concurrency": 1000}
"""The supervisor restarts nodes, at the times the schedule says; Ray must neither restart nor repeat anything."""
RESTART: dict[str, Any] = {**NO_RESTART, "max_restarts": -1}
"""Ray starts a process that died again, at once and where it was; it still must not repeat any order."""


def create_host(ip: str, *, code: str = "", restarts: bool = False, **options: Any) -> Any:
    """A new host actor.

    Args:
        ip: where it listens; empty: the address its cluster knows it by.
        code: the folder there with the code that was brought (:mod:`.shipping`); empty: what the worker imports.
        restarts: Ray restarts the process whenever it dies.
        options: of Ray (resources, placement).
    """
    import ray

    settings = {**(RESTART if restarts else NO_RESTART), **options}
    if code:
        return ray.remote(**settings)(shell()).remote(code, ip)
    return ray.remote(**settings)(Host).remote(ip)
