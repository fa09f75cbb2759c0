from itertools import permutations
from random import Random

import pytest

from bench.errors import UsageError
from bench.faults.targets import SHAPES, partition_groups, resolve, zones_of
from bench.network.spec import Network, Regions

SERVERS = ["n1", "n2", "n3", "n4", "n5"]
CLIENTS = ["c1", "c2", "c3"]
ZONES = {"eu": ("n1", "n3", "c1"), "us": ("n2", "n4", "n5")}


def resolved(target, seed=1, servers=SERVERS, up=None, leader="n2"):
    return resolve(
        target,
        rng=Random(seed),
        servers=servers,
        clients=CLIENTS,
        up=[*servers, *CLIENTS] if up is None else up,
        leader=leader,
        zones=ZONES,
    )


class TestResolve:
    def test_names_and_groups(self):
        assert resolved("n3") == ("n3",)
        assert resolved("c2") == ("c2",)
        assert resolved("servers") == tuple(SERVERS)
        assert resolved("clients") == tuple(CLIENTS)
        assert resolved("leader") == ("n2",)

    def test_a_name_is_hit_whether_it_is_up_or_not(self):
        assert resolved("n3", up=[]) == ("n3",)

    def test_zones_are_their_servers(self):
        assert resolved("zone:eu") == ("n1", "n3")

    def test_one_at_random_is_up(self):
        drawn = {resolved("random", seed, up=["n2", "n5", "c1"]) for seed in range(50)}
        assert drawn == {("n2",), ("n5",)}

    def test_one_at_random_even_if_none_is_up(self):
        assert {resolved("random", seed, up=[]) for seed in range(100)} == {(name,) for name in SERVERS}

    def test_a_follower_is_not_the_leader(self):
        assert {resolved("follower", seed) for seed in range(60)} == {("n1",), ("n3",), ("n4",), ("n5",)}
        assert resolved("follower", up=["n2"]) == ("n2",), "there is nobody else"

    def test_no_leader_is_a_random_server(self):
        assert {resolved("leader", seed, leader=None) for seed in range(100)} == {(name,) for name in SERVERS}

    def test_one_client(self):
        assert {resolved("client", seed) for seed in range(40)} == {("c1",), ("c2",), ("c3",)}

    @pytest.mark.parametrize(("count", "minority", "majority"), [(1, 0, 1), (2, 0, 2), (3, 1, 2), (4, 1, 3), (5, 2, 3)])
    def test_sizes(self, count, minority, majority):
        for seed in range(20):
            few = resolved("minority", seed, SERVERS[:count])
            many = resolved("majority", seed, SERVERS[:count])
            assert (len(few), len(many)) == (minority, majority)
            assert list(few) == sorted(set(few)) and list(many) == sorted(set(many))

    def test_the_order_of_the_arguments_does_not_matter(self):
        for target in ("random", "minority", "majority", "follower", "client"):
            assert resolved(target, 3) == resolved(target, 3, SERVERS[::-1], up=["c2", *SERVERS[::-1]])

    @pytest.mark.parametrize(("target", "sentence"), [("n9", "the servers are n1 to n5"), ("zone:xx", "unknown zone")])
    def test_unknown(self, target, sentence):
        with pytest.raises(UsageError, match=sentence):
            resolved(target)


def test_zones_place_servers_first_and_wrap_around():
    regions = Regions(names=("a", "b"), rtt=((0, 1), (1, 0)), place=(0, 0, 1))
    zones = zones_of(Network(regions=regions), ["n1", "n2", "n3"], ["c1", "c2"])
    assert zones == {"a": ("n1", "n2", "c1", "c2"), "b": ("n3",)}
    assert zones_of(Network(), SERVERS, CLIENTS) == {}


def reachable(pairs, names):
    """Undirected components of what still hears each other both ways."""
    groups = []
    for name in names:
        joined = [
            group
            for group in groups
            if any((name, other) not in pairs and (other, name) not in pairs for other in group)
        ]
        groups = [group for group in groups if group not in joined] + [{name}.union(*joined)]
    return sorted(map(sorted, groups))


def cut(shape, target=(), seed=1, servers=SERVERS, clients=CLIENTS):
    return partition_groups(shape, target, servers, clients, Random(seed))


def hears(pairs, name, servers=SERVERS):
    return {other for other in servers if other == name or (other, name) not in pairs}


class TestPartitions:
    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 7])
    def test_every_shape_names_only_links_that_exist(self, shape, count):
        servers = [f"n{i}" for i in range(1, count + 1)]
        for seed in range(10):
            for source, target in cut(shape, ["n1"], seed, servers):
                assert source != target
                assert {source, target} <= {*servers, *CLIENTS}
                assert source in servers or target in servers, "clients do not talk to each other"

    @pytest.mark.parametrize("shape", SHAPES)
    def test_the_same_seed_cuts_the_same(self, shape):
        assert cut(shape, ["n2"], 5) == cut(shape, ["n2"], 5, SERVERS[::-1], CLIENTS[::-1])

    def test_halves(self):
        sides = set()
        for seed in range(200):
            pairs = cut("halves", (), seed)
            assert all((b, a) in pairs for a, b in pairs), "both ways"
            groups = reachable({pair for pair in pairs if pair[0][0] == pair[1][0] == "n"}, SERVERS)
            assert sorted(map(len, groups)) == [2, 3]
            sides.add(tuple(map(tuple, groups)))
        assert len(sides) == 10, "every pair of servers is the smaller half sometimes"

    def test_halves_put_the_target_in_the_smaller_half(self):
        for seed in range(20):
            assert len(hears(cut("halves", ["n4"], seed), "n4")) == 2

    def test_clients_fall_on_random_sides(self):
        seen = set()
        for seed in range(60):
            pairs = cut("isolate", ["n1"], seed)
            seen.add(("c1", "n1") in pairs)
            assert (("c1", "n1") in pairs) != (("c1", "n2") in pairs), "a client is on one side"
        assert seen == {True, False}

    def test_isolate_cuts_a_server_from_all_others(self):
        for seed in range(20):
            pairs = cut("isolate", ["n1"], seed)
            assert hears(pairs, "n1") == {"n1"}
            assert all(("n1", other) in pairs for other in SERVERS[1:])
            assert hears(pairs, "n2") == set(SERVERS) - {"n1"}

    def test_isolated_together_they_hear_each_other(self):
        assert hears(cut("isolate", ["n1", "n2"]), "n1") == {"n1", "n2"}

    def test_isolating_clients_leaves_the_others_alone(self):
        for seed in range(20):
            pairs = cut("isolate", ["c1"], seed)
            assert pairs == {("c1", name) for name in SERVERS} | {(name, "c1") for name in SERVERS}

    def test_one_way_loses_what_is_sent_to_the_target_only(self):
        for seed in range(20):
            pairs = cut("one-way", ["n1"], seed)
            assert {target for _, target in pairs} == {"n1"}
            assert {source for source, _ in pairs} >= set(SERVERS[1:])

    @pytest.mark.parametrize("count", [3, 4, 5, 6, 7, 9])
    def test_majority_ring_shows_everybody_another_majority(self, count):
        servers = [f"n{i}" for i in range(1, count + 1)]
        pairs = cut("majority-ring", (), 1, servers)
        views = [frozenset(hears(pairs, name, servers)) for name in servers]
        assert {len(view) for view in views} == {count // 2 + 1}
        assert len(set(views)) == count
        assert all(name in view for name, view in zip(servers, views, strict=True))

    def test_bridge_joins_two_halves_that_do_not_hear_each_other(self):
        for seed in range(20):
            pairs = cut("bridge", ["n3"], seed)
            assert hears(pairs, "n3") == set(SERVERS)
            others = [name for name in SERVERS if name != "n3"]
            server_pairs = {pair for pair in pairs if pair[0][0] == pair[1][0] == "n"}
            groups = reachable(server_pairs, others)
            assert sorted(map(len, groups)) == [2, 2]
            assert {a for a, b in permutations(others, 2) if (a, b) in pairs} == set(others)

    def test_bridge_without_a_target_is_any_server(self):
        middles = set()
        for seed in range(100):
            pairs = cut("bridge", (), seed)
            middles |= {name for name in SERVERS if len(hears(pairs, name)) == 5}
        assert middles == set(SERVERS)

    def test_an_unknown_shape(self):
        with pytest.raises(UsageError, match="did you mean 'halves'"):
            cut("halvs")
