"""Campaigns: what their figures say, and that one that was interrupted goes on where it ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from click.testing import CliRunner

from bench.campaign import main

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
