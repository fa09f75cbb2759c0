"""The one place where classes become Ray actors, so that everything else can be typed."""

from __future__ import annotations

from typing import Any

from .host import Host
from .shipping import shell

NO_RESTART: dict[str, Any] = {"max_restarts": 0, "max_task_retries": 0, "max_concurrency": 1000}
"""The supervisor restarts nodes, at the times the schedule says; Ray must neither restart nor repeat anything."""


def create_host(ip: str, *, code: str = "", **options: Any) -> Any:
    """A new host actor.

    Args:
        ip: where it listens; empty: the address its cluster knows it by.
        code: the folder there with the code that was brought (:mod:`.shipping`); empty: what the worker imports.
        options: of Ray (resources, placement).
    """
    import ray

    if code:
        return ray.remote(**NO_RESTART, **options)(shell()).remote(code, ip)
    return ray.remote(**NO_RESTART, **options)(Host).remote(ip)
