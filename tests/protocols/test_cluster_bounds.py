"""Parameters that cannot mean anything with so few servers are refused in one sentence, by every family.

The defaults hold for every number of servers, so that a small cluster needs no parameter.
"""

from __future__ import annotations

from typing import Any

import pytest

from bench import plugins
from bench.errors import UsageError
from bench.mutation import load_family
from bench.params import build_configs


def built(family: str, nodes: int, **params: Any) -> None:
    build_configs(load_family(family, None), params, nodes)


@pytest.mark.parametrize(
    ("family", "nodes", "params", "sentence"),
    [
        ("leaderless", 3, {"replicas": 9}, "replicas 9 is out of range: 1 to the servers, 3"),
        ("leaderless", 3, {"replicas": 0}, "replicas 0 is out of range: 1 to the servers, 3"),
        ("leaderless", 5, {"write_level": "5"}, "write_level 5 is out of range: it waits for 5 of 3 replicas"),
        ("leaderless", 2, {"read_level": "THREE"}, "read_level THREE is out of range: it waits for 3 of 2 replicas"),
        ("leaderless", 2, {"write_level": "3"}, "write_level 3 is out of range: it waits for 3 of 2 replicas"),
        (
            "leaderless",
            2,
            {"zones": ("a", "b", "c")},
            "zones a,b,c is out of range: at most a zone for each of the servers, 2",
        ),
        ("replicated", 3, {"replicas": 4}, "replicas 4 is out of range: 1 to the servers, 3, and to 9"),
        ("replicated", 12, {"replicas": 10}, "replicas 10 is out of range: 1 to the servers, 12, and to 9"),
        ("gossip", 3, {"fanout": 3}, "fanout 3 is out of range: 1 to the other servers, 2"),
        ("gossip", 1, {"fanout": 2}, "fanout 2 is out of range: 1 to the other servers, 0"),
        ("swim", 3, {"seeds": 9}, "seeds 9 is out of range: 1 to the servers, 3, or 0 for all"),
        (
            "swim",
            7,
            {"indirect_checks": 6},
            "indirect_checks 6 is out of range: 0 to the servers other than the prober and its target, 5",
        ),
        ("swim", 3, {"gossip_nodes": 4}, "gossip_nodes 4 is out of range: 0 to the servers other than the sender, 2"),
        ("abd", 3, {"read_quorum": 4}, "read_quorum 4 is out of range: 1 to 3 servers"),
        ("views", 3, {"least": 3}, "least 3 is out of range: 0 to 2"),
        ("splitbrain", 3, {"quorum": 4}, "quorum 4 is out of range: 2 to 3"),
        ("splitbrain", 3, {"referee": 4}, "referee 4 is out of range: 1 to 3"),
        ("partitioned", 3, {"initial": 4}, "initial 4 is out of range: 1 to the servers, 3"),
        ("partitioned", 3, {"partitions": 2}, "partitions 2 is out of range: the number of servers, 3, to 65536"),
        ("indexed", 3, {"partitions": 2}, "partitions 2 is out of range: the number of servers, 3, to 65536"),
        ("raft", 3, {"initial_servers": 4}, "initial_servers 4 is out of range"),
    ],
)
def test_more_than_there_are_servers_is_refused(family: str, nodes: int, params: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        built(family, nodes, **params)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("family", "nodes", "params"),
    [
        ("leaderless", 9, {"replicas": 9, "write_level": "9"}),
        ("leaderless", 3, {"zones": ("a", "b", "c")}),
        ("leaderless", 2, {"zones": ("a", "b", "a")}),
        ("replicated", 9, {"replicas": 9}),
        ("gossip", 3, {"fanout": 2}),
        ("swim", 3, {"seeds": 3}),
        ("swim", 7, {"indirect_checks": 5, "gossip_nodes": 6}),
    ],
)
def test_as_many_as_there_are_servers_is_accepted(family: str, nodes: int, params: dict[str, Any]) -> None:
    built(family, nodes, **params)


@pytest.mark.parametrize("nodes", [1, 2, 3, 4, 5, 50])
@pytest.mark.parametrize("family", plugins.protocol_names())
def test_the_defaults_hold_for_every_number_of_servers(family: str, nodes: int) -> None:
    built(family, nodes)
