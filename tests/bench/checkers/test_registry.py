from __future__ import annotations

import pytest

from bench.checkers import linearizability
from bench.checkers.registry import checks_for
from bench.errors import UsageError


def test_models() -> None:
    (check,) = checks_for("register")
    assert check.__wrapped__ is linearizability.check  # type: ignore[attr-defined]
    assert checks_for("none") == ()


def test_unknown_model_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="unknown model 'registr': did you mean 'register'"):
        checks_for("registr")
