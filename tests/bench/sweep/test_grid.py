"""Grids, labels and overrides."""

from __future__ import annotations

from typing import Any

import pytest

from bench.errors import UsageError
from bench.sweep.grid import describe, expand, frozen, override, show
from bench.trial import Trial

GRID: dict[str, list[Any]] = {
    "nodes": [3, 5],
    "rtt_s": [0.001, 0.02],
    "election_timeout_s": [(0.05, 0.1), (0.5, 1.0)],
    "pre_vote": [True],
}


def build(nodes: int, rtt_s: float, election_timeout_s: tuple[float, float], pre_vote: bool) -> Trial:
    return Trial(protocol="raft", nodes=nodes, params={"election_timeout_s": election_timeout_s})


def test_the_last_axis_varies_fastest_and_each_cell_gets_its_trial() -> None:
    cells = expand(GRID, build)
    assert len(cells) == 8
    assert [cell.point["election_timeout_s"][0] for cell in cells[:3]] == [0.05, 0.5, 0.05]
    assert [cell.template.nodes for cell in cells] == [3] * 4 + [5] * 4
    live = cells[1].trial("ray", 7)
    assert (live.runtime, live.seed, live.nodes) == ("ray", 7, 3)
    assert live.key("code") != cells[1].trial("ray", 8).key("code") != cells[1].trial("ray", 7).key("other code")


def test_values_are_shown_as_people_write_them() -> None:
    point = {"nodes": 3, "rtt_s": 0.02, "election_timeout_s": (0.05, 0.1)}
    assert describe(point) == "nodes 3, rtt 20 ms, election timeout 50-100 ms"
    assert show("election_timeout_s", (0.5, 1.0)) == "500-1000 ms"
    assert show("loss", 0.01) == "0.01"


def test_a_cell_that_cannot_be_is_named() -> None:
    with pytest.raises(UsageError, match=r"cell nodes 0: nodes 0 is out of range"):
        expand({"nodes": [3, 0]}, lambda nodes: Trial(protocol="raft", nodes=nodes))
    with pytest.raises(UsageError, match="axis nodes of the grid has no values"):
        expand({"nodes": []}, lambda nodes: Trial(protocol="raft", nodes=nodes))


def test_overrides_take_the_kind_of_the_axis() -> None:
    changed = override(GRID, ["nodes=7", "rtt_s=5ms,0.1", "election_timeout_s=0.1..0.2,1s..2s", "pre_vote=false"])
    assert changed == {
        "nodes": [7],
        "rtt_s": [0.005, 0.1],
        "election_timeout_s": [(0.1, 0.2), (1.0, 2.0)],
        "pre_vote": [False],
    }
    assert GRID["nodes"] == [3, 5]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("node=3", "did you mean 'nodes'"),
        ("nodes", "write AXIS=VALUE"),
        ("nodes=", "write AXIS=VALUE"),
        ("nodes=three", "not a value of that axis: write it like 3"),
        ("election_timeout_s=0.1", r"write it like 0.05\.\.0.1"),
        ("rtt_s=fast", "not a value of that axis"),
        ("pre_vote=maybe", "not a value of that axis"),
    ],
)
def test_bad_overrides_say_what_is_expected(text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        override(GRID, [text])


def test_lists_from_json_become_ranges_again() -> None:
    assert frozen([0.05, [1, 2]]) == (0.05, (1, 2))
