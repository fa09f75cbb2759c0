"""The recorded histories of Elle, elle-cli and PolySI: verdicts as their projects state them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.checkers.transactions import check
from tests.bench.checkers.recorded import folder

from .build import dbcop, polysi, recorded

FOLDER = folder()
pytestmark = pytest.mark.skipif(FOLDER is None, reason="no folder of recorded histories (QUORUMBENCH_HISTORIES)")
HERE = FOLDER or Path()


@pytest.mark.parametrize("name", ["elle/paper-example", "elle-cli/elle/paper-example"])
def test_the_example_of_the_paper(name: str) -> None:
    verdict = check(recorded(HERE / f"{name}.jsonl"))
    assert verdict.verdict == "invalid"
    assert verdict.anomalies == ("G-single",)
    assert verdict.rows == (1, 2, 3)


def test_snapshot_isolation_without_g_single() -> None:
    t = recorded(HERE / "elle/si-without-g-single.jsonl")
    verdict = check(t, level="repeatable-read")
    assert verdict.verdict == "invalid"
    assert verdict.anomalies == ("G2-item",)
    assert "snapshot-isolation" not in verdict.violated
    assert check(t, level="snapshot-isolation").verdict == "valid"
    assert check(t, level="snapshot-isolation").anomalies == ("G2-item",)


def test_a_huge_component() -> None:
    verdict = check(recorded(HERE / "elle/huge-scc.jsonl"))
    assert verdict.verdict == "invalid"
    assert "G2-item-realtime" in verdict.anomalies
    assert verdict.violated == ("strong-snapshot-isolation",)
    assert verdict.took_s < 20


def test_elle_cli_30() -> None:
    verdict = check(recorded(HERE / "elle-cli/elle/list-append-gh-30.jsonl"), level="serializable")
    assert verdict.verdict == "invalid"
    assert verdict.anomalies == ("G2-item",)


def test_registers() -> None:
    verdict = check(recorded(HERE / "elle-cli/elle/rw-register.jsonl", lists=False), kind="rw-register")
    assert verdict.verdict == "valid"
    assert verdict.anomalies == ("garbage-read",)


@pytest.mark.parametrize("level", ["snapshot-isolation", "strong-session-snapshot-isolation"])
def test_polysi(level: str) -> None:
    for t in (polysi(HERE / "polysi/yugabyte/yugabyte.txt"), dbcop(HERE / "polysi/dgraph/history.bincode")):
        verdict = check(t, kind="rw-register", level=level)
        assert verdict.verdict == "invalid"
        assert level in verdict.violated or verdict.violated
        assert 0 < len(verdict.rows) < 12
