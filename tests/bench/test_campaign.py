"""Campaigns: what their figures say, and that one that was interrupted goes on where it ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from bench.campaign import Outcome, main

ALIKE = ("counted", "violations", "unknown", "ok_operations", "coverage", "faults")


def run(path: Path, *options: str) -> dict[str, Any]:
    done = CliRunner().invoke(main, ["raft", "--jobs", "1", "--json", str(path), *options])
    assert done.exit_code == 0, done.output
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])


def test_a_campaign_in_two_parts_has_the_figures_of_one(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole.json", "--seeds", "4")
    run(tmp_path / "parts.json", "--seeds", "1")
    parts = run(tmp_path / "parts.json", "--seeds", "3", "--resume")
    assert whole["seeds"] == parts["seeds"] == [1, 4]
    assert {name: whole[name] for name in ALIKE} == {name: parts[name] for name in ALIKE}
    assert abs(whole["events_a_seed"].pop("mean") - parts["events_a_seed"].pop("mean")) <= 1
    assert whole["events_a_seed"] == parts["events_a_seed"]
    assert [part["seeds"] for part in parts["parts"]] == [[1, 1], [2, 4]]


def test_only_a_campaign_of_the_same_protocol_can_go_on(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    for content, complaint in (
        (None, "--resume needs --json"),
        (b"[]", "does not hold a campaign"),
        (b'{"protocol": "null", "seeds": [1, 2]}', "holds a campaign of null, not of raft"),
    ):
        if content is not None:
            path.write_bytes(content)
        done = CliRunner().invoke(main, ["raft", "--seeds", "1", "--resume", "--json", str(path)])
        assert done.exit_code == 2 and complaint in done.output
        assert content is None or path.read_bytes() == content


def outcome(seed: int, **changes: Any) -> Outcome:
    fields: dict[str, Any] = {"failed": (), "unknown": (), "reason": "", "counts": True, "events": 10, "ok": 60}
    return Outcome(seed=seed, marks={}, faults={}, **(fields | changes))


CODES: tuple[tuple[dict[str, Any], int], ...] = (
    ({}, 0),
    ({"failed": ("linearizable",)}, 1),
    ({"unknown": ("linearizable",)}, 3),
    ({"counts": False}, 3),
    ({"failed": ("linearizable",), "counts": False}, 1),
)


@pytest.mark.parametrize(("changes", "code"), CODES)
def test_a_campaign_that_decided_nothing_does_not_pass(
    changes: dict[str, Any], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unknown verdicts, or no seed rich enough to count: 3. One seed that counts is enough to say that some did."""
    monkeypatch.setattr("bench.campaign.judge", lambda protocol, mutant, seed: outcome(seed, **changes))
    done = CliRunner().invoke(main, ["raft", "--jobs", "1", "--seeds", "2"])
    assert done.exit_code == code, done.output
    assert ("seed 2: linearizable: unknown" in done.output) == ("unknown" in changes)


@pytest.mark.parametrize(
    ("real", "caught", "code", "said"),
    [
        ({}, True, 0, "double-vote: election_safety (1 seeds"),
        ({}, False, 1, "NOT CAUGHT (2 seeds"),
        ({"failed": ("linearizable",)}, True, 1, "BUT THE REAL PROTOCOL IS INVALID THERE"),
        ({"unknown": ("linearizable",)}, True, 3, "BUT THE REAL PROTOCOL IS UNKNOWN THERE"),
    ],
)
def test_the_real_protocol_passes_a_seed_only_if_every_check_was_decided(
    real: dict[str, Any], caught: bool, code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judge(protocol: str, mutant: str | None, seed: int) -> Outcome:
        return outcome(seed, **(real if mutant is None else {"failed": ("election_safety",) if caught else ()}))

    monkeypatch.setattr("bench.campaign.judge", judge)
    path = tmp_path / "matrix.json"
    options = ["--matrix", "--mutant", "double-vote", "--limit", "2", "--jobs", "1", "--json", str(path)]
    done = CliRunner().invoke(main, ["raft", *options])
    assert done.exit_code == code, done.output
    assert said in done.output
    (row,) = msgspec.json.decode(path.read_bytes())["rows"]
    assert row["real_passes_that_seed"] == (not real)
