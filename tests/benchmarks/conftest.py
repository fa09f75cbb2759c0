"""What the benchmarks of checkers share: each prints what it took beside its bar (``-s`` shows it)."""

from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.fixture
def bar(request: pytest.FixtureRequest) -> Callable[[float, float], None]:
    """Prints seconds of CPU beside the bar, and holds them to it where benchmarks are measured (--benchmark-enable).

    Beside other tests, whose work empties the caches, three times the bar is allowed.
    """
    slack = 3.0 if request.config.getoption("--benchmark-disable") else 1.0

    def hold(took_s: float, bar_s: float) -> None:
        verdict = "held" if took_s < bar_s else "MISSED"
        print(f"\n{request.node.name}: {took_s * 1e3:,.1f} ms of CPU, bar {bar_s * 1e3:,.0f} ms: {verdict}")
        assert took_s < slack * bar_s

    return hold
