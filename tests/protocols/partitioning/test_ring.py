"""The ring against its paper, against exhaustive counting, and its two implementations against each other."""

from __future__ import annotations

import numpy as np
import pytest

from bench.theory.hashing import load_deviation
from bench.theory.placement import load, moving, owners, random_tokens, tokens_of
from protocols.partitioning.ring import SPACE, Ring, natural, token

NODES = [f"n{number}" for number in range(1, 11)]
KEYS = [f"k{number}" for number in range(2000)]


def test_both_implementations_place_every_key_alike() -> None:
    zones = {node: "abc"[at % 3] for at, node in enumerate(NODES)}
    for ring in (Ring(NODES, 8), Ring(NODES, 1), Ring(NODES, 8, zones=zones), Ring(NODES, 8, {"n3": 2.5})):
        found = owners(ring, tokens_of(KEYS), 3)
        for at, key in enumerate(KEYS):
            assert [ring.nodes[index] for index in found[at]] == list(ring.replicas(key, 3))


def test_a_key_belongs_to_the_first_token_at_or_after_its_own() -> None:
    ring = Ring(NODES, 4)
    for key in KEYS[:200]:
        at = token(key)
        ahead = [(point - at) % SPACE for point in ring.tokens]
        assert ring.owner(key) == ring.owners[ahead.index(min(ahead))]


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
    assert moving(before, after, tokens_of(KEYS)) == len(gone)
    assert after.removing("n11").tokens == before.tokens


def test_shares_sum_to_the_copies_and_follow_weights() -> None:
    ring = Ring(NODES, 400, {"n1": 3.0})
    assert sum(ring.share(3).values()) == pytest.approx(3.0)
    shares = ring.share()
    assert shares["n1"] / np.mean([shares[node] for node in NODES[1:]]) == pytest.approx(3.0, rel=0.15)
    assert Ring(["only"], 1).share() == {"only": 1.0}


@pytest.mark.golden
@pytest.mark.parametrize(("vnodes", "published"), [(10, 0.315), (100, 0.0997)])
def test_the_published_spread_of_load(vnodes: int, published: float) -> None:
    """sqrt((n - 1) / (n v + 1)) (Lamping and Veach 2014), and 200,000 keys on a real ring."""
    assert load_deviation(1000, vnodes) == pytest.approx(published, abs=0.002)
    names = [f"node-{number}" for number in range(60)]
    loads = load(Ring(names, vnodes), random_tokens(200_000))
    assert loads.std() / loads.mean() == pytest.approx(load_deviation(60, vnodes), rel=0.25)


def test_what_cannot_be_is_said() -> None:
    with pytest.raises(ValueError, match="each once"):
        Ring(["a", "a"])
    with pytest.raises(ValueError, match="no virtual node"):
        Ring(["a", "b"], 1, {"b": 0.1})
    with pytest.raises(ValueError, match="not on the ring"):
        Ring(["a"]).removing("b")
    with pytest.raises(ValueError, match="replicas 4"):
        owners(Ring(["a", "b"]), random_tokens(3), 4)


def test_numbers_sort_as_numbers() -> None:
    assert sorted(["n10", "n9", "c1", "n1"], key=natural) == ["c1", "n1", "n9", "n10"]
