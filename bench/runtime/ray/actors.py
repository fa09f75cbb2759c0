"""The one place where classes become Ray actors, so that everything else can be typed."""

from __future__ import annotations

from typing import Any

from .host import Host

NO_RESTART: dict[str, Any] = {"max_restarts": 0, "max_task_retries": 0, "max_concurrency": 1000}
"""The supervisor restarts nodes, at the times the schedule says; Ray must neither restart nor repeat anything."""


def create_host(ip: str, **options: Any) -> Any:
    """A new host actor that listens at ``ip``; ``options`` are those of Ray (resources, placement)."""
    import ray

    return ray.remote(**NO_RESTART, **options)(Host).remote(ip)
