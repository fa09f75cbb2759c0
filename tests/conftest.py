"""What tests share. The live ones share one Ray, because starting it takes seconds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="session")
def ray_session() -> Iterator[Any]:
    """The one live session of a test run; its processes are used by one trial after the other."""
    from bench.runtime.ray.session import RaySession

    # not quiet: pytest captures descriptor 2 itself, and two cannot own it
    with RaySession(quiet=False) as session:
        yield session
