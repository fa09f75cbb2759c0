"""The ring against its paper, against exhaustive counting, and one key at a time against many at once."""

from __future__ import annotations

import numpy as np
import pytest

from protocols.partitioning.ring import SPACE, Ring, natural, token, tokens_of

NODES = [f"n{number}" for number in range(1, 11)]
KEYS = [f"k{number}" for number in range(2000)]


def test_one_key_and_many_are_placed_alike() -> None:
    zones = {node: "abc"[at % 3] for at, node in enumerate(NODES)}
    for ring in (Ring(NODES, 8), Ring(NODES, 1), Ring(NODES, 8, zones=zones), Ring(NODES, 8, {"n3": 2.5})):
        found = ring.replicas_of(tokens_of(KEYS), 3)
        for at, key in enumerate(KEYS):
            assert [ring.nodes[index] for index in found[at]] == list(ring.replicas(key, 3))


def test_a_key_belongs_to_the_first_token_at_or_after_its_own() -> None:
    ring = Ring(NODES, 4)
    for key in KEYS[:200]:
        at = token(key)
        ahead = [(point - at) % SPACE for point in ring.tokens.tolist()]
        assert ring.owner(key) == ring.nodes[ring.owners[ahead.index(min(ahead))]]


def test_replicas_are_distinct_and_begin_the_preference_list() -> None:
    ring = Ring(NODES, 16)
    for key in KEYS[:200]:
        order = ring.preference(key)
        assert sorted(order) == sorted(NODES)
        assert ring.replicas(key, 3) == order[:3]
        assert order[0] == ring.owner(key)


def test_no_zone_has_a_second_replica_while_another_has_none() -> None:
    zones = {node: "abc"[at % 3] for at, node in enumerate(NODES)}
    ring = Ring(NODES, 16, zones=zones)
    for key in KEYS[:300]:
        assert {zones[node] for node in ring.replicas(key, 3)} == {"a", "b", "c"}
        six = [zones[node] for node in ring.replicas(key, 6)]
        assert all(six.count(zone) == 2 for zone in "abc")


def test_a_new_node_takes_its_share_and_nothing_else_moves() -> None:
    before = Ring(NODES, 64)
    after = before.adding("n11")
    gone = [key for key in KEYS if before.owner(key) != after.owner(key)]
    assert {after.owner(key) for key in gone} == {"n11"}
    share = after.share()["n11"]
    assert before.moved(after) == pytest.approx(share)
    assert len(gone) / len(KEYS) == pytest.approx(share, abs=0.02)
    assert after.removing("n11").tokens.tolist() == before.tokens.tolist()


def test_shares_sum_to_the_copies_and_follow_weights() -> None:
    ring = Ring(NODES, 400, {"n1": 3.0})
    assert sum(ring.share(3).values()) == pytest.approx(3.0)
    shares = ring.share()
    assert shares["n1"] / np.mean([shares[node] for node in NODES[1:]]) == pytest.approx(3.0, rel=0.15)
    assert Ring(["only"], 1).share() == {"only": 1.0}


def test_what_cannot_be_is_said() -> None:
    with pytest.raises(ValueError, match="each once"):
        Ring(["a", "a"])
    with pytest.raises(ValueError, match="no virtual node"):
        Ring(["a", "b"], 1, {"b": 0.1})
    with pytest.raises(ValueError, match="not on the ring"):
        Ring(["a"]).removing("b")
    with pytest.raises(ValueError, match="replicas 4"):
        Ring(["a", "b"]).replicas_of(tokens_of(["k"]), 4)


def test_numbers_sort_as_numbers() -> None:
    assert sorted(["n10", "n9", "c1", "n1"], key=natural) == ["c1", "n1", "n9", "n10"]
