"""Placement: against definitions written out key by key, against the papers' figures, and against careless changes."""

from __future__ import annotations

import ast
from math import ceil
from pathlib import Path

import numpy as np
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

import protocols.partitioning
from bench.theory.hashing import load_deviation
from protocols.partitioning import maglev, modulo
from protocols.partitioning.bounded import bounded, capacity
from protocols.partitioning.directory import Directory
from protocols.partitioning.hashing import FUNCTIONS, hash_key, hash_keys
from protocols.partitioning.jump import jump
from protocols.partitioning.measures import balance, movement, spread_of
from protocols.partitioning.ranges import Ranges, even
from protocols.partitioning.rendezvous import rendezvous
from protocols.partitioning.ring import SPACE, Ring, even_tokens

KEYS = hash_keys(np.arange(20_000))
names = st.lists(st.sampled_from([f"n{i}" for i in range(12)]), min_size=1, max_size=12, unique=True)


def named(count: int, prefix: str = "n") -> list[str]:
    return [f"{prefix}{number}" for number in range(count)]


def test_nothing_random_beyond_the_keys() -> None:
    """The import linter lets numpy in here; numpy.random would make two runs differ."""
    for file in Path(protocols.partitioning.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            numpy = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "np"
            assert not (numpy and node.attr == "random"), file
            assert not (isinstance(node, ast.ImportFrom) and "random" in (node.module or "")), file


# --- hashing ---------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 2**64 - 1), max_size=20))
def test_numbers_are_hashed_as_their_bytes(numbers: list[int]) -> None:
    array = np.array(numbers, np.uint64)
    assert hash_keys(array).tolist() == [xxhash.xxh64_intdigest(each.to_bytes(8, "little")) for each in numbers]
    for function, one in FUNCTIONS.items():
        assert hash_keys(array, function).tolist() == [one(each.to_bytes(8, "little")) for each in numbers]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_key_alone_is_hashed_as_among_others(function: str) -> None:
    keys = ["", "a", "ключ", "k" * 100]
    assert hash_keys(keys, function).tolist() == [hash_key(key, function) for key in keys]


def test_an_unknown_function_is_named() -> None:
    with pytest.raises(ValueError, match="'sha' is unknown: xxhash, murmur3, md5, blake2b, sum"):
        hash_keys(["a"], "sha")


# --- the ring --------------------------------------------------------------------------------------------------------


def by_definition(ring: Ring, where: int, n: int) -> list[str]:
    """Walk all tokens from the key on, as Dynamo's section 4.3 says it; zones in rounds."""
    points = sorted(zip(ring.tokens.tolist(), ring.owners.tolist(), strict=True))
    start = next((at for at, (point, _) in enumerate(points) if point >= where), 0)
    walk = list(dict.fromkeys(ring.nodes[points[(start + step) % len(points)][1]] for step in range(len(points))))
    if not ring.zones:
        return walk[:n]
    chosen: list[str] = []
    zones = list(dict.fromkeys(ring.zones[node] for node in walk))
    while len(chosen) < min(n, len(walk)):
        for zone in zones:
            rest = [node for node in walk if ring.zones[node] == zone and node not in chosen]
            chosen += rest[:1]
    return chosen[:n]


@given(names, st.integers(1, 9), st.integers(1, 4), st.integers(1, 4), st.booleans())
def test_replicas_are_those_of_the_definition(nodes: list[str], vnodes: int, n: int, zones: int, few: bool) -> None:
    where = {node: f"z{int(node[1:]) % zones}" for node in nodes} if zones > 1 else None
    ring = Ring(nodes, vnodes, zones=where, allocate=even_tokens if few else None)
    n = min(n, len(nodes))
    keys = np.concatenate([KEYS[:20], ring.tokens[:3], np.array([0, SPACE - 1], np.uint64)])
    found = ring.replicas_of(keys, n).tolist()
    for key, indices in zip(keys.tolist(), found, strict=True):
        wanted = by_definition(ring, key, n)
        assert [ring.nodes[index] for index in indices] == wanted
        assert list(ring.order(ring.place_of(key))[:n]) == wanted
        assert len(set(indices)) == n
    assert [ring.nodes[owner] for owner in ring.owners_of(keys)] == [ring.nodes[row[0]] for row in found]


@given(names, st.integers(1, 9), st.integers(1, 3))
def test_shares_sum_to_the_replicas(nodes: list[str], vnodes: int, n: int) -> None:
    n = min(n, len(nodes))
    ring = Ring(nodes, vnodes)
    assert sum(ring.share(n).values()) == pytest.approx(n)
    assert sum((upto - after) % SPACE or SPACE for after, upto, _ in ring.ranges()) in (SPACE, SPACE * len(ring.tokens))


@pytest.mark.parametrize("few", [False, True])
def test_a_newcomer_only_takes_and_a_leaver_only_gives(few: bool) -> None:
    ring = Ring(named(10), 8, allocate=even_tokens if few else None)
    more = ring.adding("n10")
    before = np.array(ring.nodes)[ring.owners_of(KEYS)]
    after = np.array(more.nodes)[more.owners_of(KEYS)]
    assert set(after[before != after]) == {"n10"}
    assert movement(before, after).needless == 0
    back = more.removing("n10")
    assert (back.tokens == ring.tokens).all()
    assert (back.owners == ring.owners).all()
    assert ring.moved(more) == pytest.approx(more.share()["n10"])
    assert ring.moved(ring) == 0
    if not few:
        assert (Ring(named(11), 8).tokens == more.tokens).all(), "the order in which nodes came does not matter"


def test_a_change_moves_what_each_gained_replica_holds() -> None:
    ring = Ring(named(8), 8)
    more = ring.adding("n8")
    mine, theirs = (np.array(r.nodes)[r.replicas_of(KEYS, 3)] for r in (ring, more))
    gained = np.mean([len(set(b) - set(a)) for a, b in zip(mine.tolist(), theirs.tolist(), strict=True)])
    assert ring.moved(more, 3) == pytest.approx(float(gained), abs=0.02)


def test_weights_and_what_a_ring_refuses() -> None:
    ring = Ring(["a", "b"], 400, weights={"b": 3.0})
    assert ring.share()["b"] == pytest.approx(0.75, abs=0.06)
    for wrong in (lambda: Ring([]), lambda: Ring(["a", "a"]), lambda: Ring(["a"], 0), lambda: ring.adding("a"),
                  lambda: ring.removing("x"), lambda: Ring(["a"]).removing("a"),
                  lambda: Ring(["a"], 1, weights={"a": 0.2}), lambda: ring.replica_table(3)):  # fmt: skip
        with pytest.raises(ValueError):
            wrong()


# --- the papers' figures ---------------------------------------------------------------------------------------------


@pytest.mark.golden
@pytest.mark.parametrize(("vnodes", "published"), [(1, 0.998), (10, 0.315), (100, 0.0997)])
def test_deviation_of_load(vnodes: int, published: float) -> None:
    """Lamping and Veach 2014, table 1: a thousand nodes; over thirty rings, and sqrt((n - 1) / (n v + 1))."""
    found = [spread_of(Ring(named(1000, f"ring{run}/"), vnodes).shares()).deviation ** 2 for run in range(30)]
    ours = float(np.mean(found)) ** 0.5
    print(f"v={vnodes}: published {published}, ours {ours:.4f}")
    assert ours == pytest.approx(published, rel=0.02)
    assert load_deviation(1000, vnodes) == pytest.approx(published, rel=0.01)


@pytest.mark.golden
def test_interval_of_load() -> None:
    shares = np.concatenate([Ring(named(1000, f"{run}/"), 100).shares() * 1000 for run in range(5)])
    low, high = np.quantile(shares, [0.005, 0.995])
    assert (low, high) == (pytest.approx(0.76, abs=0.01), pytest.approx(1.28, abs=0.015))


@pytest.mark.golden
@pytest.mark.parametrize(
    ("nodes", "vnodes", "published", "within"), [(10, 100, 1.16, 0.05), (100, 16, 1.74, 0.15), (100, 256, 1.17, 0.03)]
)
def test_peak_over_average(nodes: int, vnodes: int, published: float, within: float) -> None:
    found = np.mean([spread_of(Ring(named(nodes, f"{run}/"), vnodes).shares()).peak for run in range(40)])
    print(f"n={nodes}, v={vnodes}: published {published}, ours {found:.3f}")
    assert found == pytest.approx(published, abs=within)


@pytest.mark.golden
def test_one_node_more_moves_its_due() -> None:
    """K/(n + 1) keys, on average over rings; exactly so many, but for chance, with jump."""
    moved = [Ring(named(10, f"{run}/"), 16).moved(Ring([*named(10, f"{run}/"), "new"], 16)) for run in range(60)]
    assert np.mean(moved) == pytest.approx(1 / 11, rel=0.1)
    keys = hash_keys(np.arange(200_000))
    assert (jump(keys, 10) != jump(keys, 11)).mean() == pytest.approx(1 / 11, rel=0.03)


@pytest.mark.golden
@pytest.mark.slow
def test_over_provision_of_a_thousand_backends() -> None:
    """Maglev's figure 12 counts a key an entry of the larger table: what the fullest needs above the mean."""
    nodes = named(1000)
    counts = np.bincount(maglev.table(nodes, maglev.LARGE))
    assert counts.max() - counts.min() <= 1
    keys = hash_keys(np.arange(maglev.LARGE))
    most = np.bincount(rendezvous(keys, nodes)).max() / (maglev.LARGE / 1000)
    print(f"rendezvous: published 12.3%, ours {most - 1:.1%}")
    assert most - 1 == pytest.approx(0.123, abs=0.02)


def test_a_large_table_is_within_a_hundredth() -> None:
    counts = np.bincount(maglev.table(named(20), 2003))
    assert counts.max() / counts.min() < 1.01 + 1e-9


# --- the others, by their definitions --------------------------------------------------------------------------------


def jump_by_definition(key: int, buckets: int) -> int:
    """Figure 1 of the paper."""
    last, following = -1, 0
    while following < buckets:
        last = following
        key = (key * 2862933555777941757 + 1) % SPACE
        following = int((last + 1) * (float(1 << 31) / float((key >> 33) + 1)))
    return last


@pytest.mark.parametrize("buckets", [1, 2, 3, 10, 1000, 100_000])
def test_jump(buckets: int) -> None:
    assert jump(KEYS[:500], buckets).tolist() == [jump_by_definition(key, buckets) for key in KEYS[:500].tolist()]


def maglev_by_definition(nodes: list[str], size: int) -> list[int]:
    """The pseudocode of section 3.4."""
    offset = [hash_key(f"{node}/offset") % size for node in nodes]
    skip = [hash_key(f"{node}/skip") % (size - 1) + 1 for node in nodes]
    entries, following, filled = [-1] * size, [0] * len(nodes), 0
    while True:
        for node in range(len(nodes)):
            at = (offset[node] + following[node] * skip[node]) % size
            while entries[at] >= 0:
                following[node] += 1
                at = (offset[node] + following[node] * skip[node]) % size
            entries[at] = node
            following[node] += 1
            filled += 1
            if filled == size:
                return entries


@pytest.mark.parametrize(("nodes", "size"), [(1, 2), (3, 7), (7, 1009), (50, 5003), (97, 97)])
def test_maglev(nodes: int, size: int) -> None:
    entries = maglev.table(named(nodes), size)
    assert entries.tolist() == maglev_by_definition(named(nodes), size)
    assert set(maglev.lookup(KEYS, entries).tolist()) <= set(range(nodes))


@pytest.mark.parametrize("size", [1, 4, 1001, 65536])
def test_a_table_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="a prime of at least the number of nodes, 3"):
        maglev.table(named(3), size)


def test_rendezvous_moves_only_the_keys_of_who_leaves() -> None:
    before = np.array(named(9))[rendezvous(KEYS, named(9))]
    after = np.array(named(8))[rendezvous(KEYS, named(8))]
    assert set(before[before != after]) == {"n8"}
    first = rendezvous(KEYS, named(9), replicas=3)
    assert (np.array(named(9))[first[:, 0]] == before).all()
    # who comes second is who would win without the first
    assert (np.array(named(9))[first[:, 1]] == after)[before == "n8"].all()
    assert balance(rendezvous(KEYS, named(9)), 9).deviation < 0.04


def test_rendezvous_by_weight() -> None:
    weights = [1.0, 2.0, 5.0]
    shares = np.bincount(rendezvous(KEYS, named(3), weights)) / len(KEYS)
    assert shares == pytest.approx(np.array(weights) / 8, abs=0.015)
    heavier = rendezvous(KEYS, named(3), [1.0, 2.0, 6.0])
    assert set(heavier[heavier != rendezvous(KEYS, named(3), weights)]) == {2}
    for wrong in ([1.0, 2.0], [1.0, 2.0, 0.0]):
        with pytest.raises(ValueError, match="weights"):
            rendezvous(KEYS, named(3), wrong)


@given(names, st.integers(1, 4), st.integers(0, 120), st.sampled_from([1.01, 1.25, 2.0, 50.0]))
def test_bounded_loads(nodes: list[str], vnodes: int, keys: int, c: float) -> None:
    """Key by key, as they arrive: the first node clockwise that has room."""
    ring = Ring(nodes, vnodes)
    room = capacity(keys, len(nodes), c)
    assert room == ceil(c * keys / len(nodes))
    load = dict.fromkeys(nodes, 0)
    wanted = []
    for key in KEYS[:keys].tolist():
        node = next(each for each in ring.order(ring.place_of(key)) if load[each] < room)
        load[node] += 1
        wanted.append(node)
    assert [ring.nodes[index] for index in bounded(ring, KEYS[:keys], c)] == wanted


def test_no_room_is_refused() -> None:
    with pytest.raises(ValueError, match="above 1"):
        bounded(Ring(["a"]), KEYS, 1.0)


# --- remainder, ranges, directory ------------------------------------------------------------------------------------


def test_mod_n_moves_nearly_everything_and_fixed_partitions_their_due() -> None:
    assert (modulo.modulo(KEYS, 10) != modulo.modulo(KEYS, 11)).mean() == pytest.approx(10 / 11, abs=0.01)
    owners = modulo.spread(1024, 10)
    joined = modulo.join(owners, 10)
    assert (joined == 10).sum() == 1024 // 11
    assert set(joined[joined != owners]) == {10}
    counts = np.bincount(joined)
    assert counts.max() - counts.min() <= 1
    left = modulo.leave(joined, 3, 11)
    assert (left == 3).sum() == 0
    assert (left[joined != 3] == joined[joined != 3]).all()


def test_what_remainders_refuse() -> None:
    for wrong in (lambda: modulo.modulo(KEYS, 0), lambda: modulo.spread(3, 4), lambda: modulo.join([3], 3),
                  lambda: modulo.leave([0], 0, 1), lambda: jump(KEYS, 0)):  # fmt: skip
        with pytest.raises(ValueError):
            wrong()


letters = st.text("abc", max_size=3)


@given(st.lists(letters, unique=True, max_size=6), st.lists(letters, max_size=20), letters, letters)
def test_ranges(bounds: list[str], keys: list[str], low: str, high: str) -> None:
    bounds = sorted(bounds)
    ranges = Ranges(tuple(bounds), tuple(named(len(bounds) + 1)))
    for key in keys:
        assert ranges.partition(key) == sum(bound <= key for bound in bounds)
    assert ranges.partitions(keys).tolist() == [ranges.partition(key) for key in keys]
    asked = set(ranges.span(low, high))
    assert {ranges.partition(key) for key in keys if low <= key < high} <= asked
    for index in asked:  # nobody is asked who cannot have one
        assert (index == 0 or bounds[index - 1] < high) and (index == len(bounds) or low < bounds[index])


@given(st.lists(letters, unique=True, max_size=5), letters)
def test_split_and_merge_undo_each_other(bounds: list[str], at: str) -> None:
    ranges = Ranges(tuple(sorted(bounds)), tuple(named(len(bounds) + 1)))
    if at in bounds:
        with pytest.raises(ValueError, match="a boundary already"):
            ranges.split(at)
        return
    index = ranges.partition(at)
    split = ranges.split(at, "new")
    assert split.owner(at) == "new"
    assert [split.owner(key) for key in bounds if key < at] == [ranges.owner(key) for key in bounds if key < at]
    assert split.merge(index) == ranges
    with pytest.raises(ValueError, match="none after it"):
        split.merge(len(split.bounds))


def test_even_ranges() -> None:
    sample = [f"k{number:04d}" for number in range(1000)]
    ranges = even(sample, named(3), 7)
    assert np.bincount(ranges.partitions(sample)).tolist() == [142, 143, 143, 143, 143, 143, 143]
    assert ranges.owners == ("n0", "n1", "n2", "n0", "n1", "n2", "n0")
    with pytest.raises(ValueError, match="distinct keys, 1"):
        even(["a", "a"], ["n0"], 2)


def test_a_directory_keeps_exceptions_only() -> None:
    directory = Directory(1, lambda key: "home")
    moved = directory.moving("a", "b")
    assert (moved.owner("a"), moved.owner("c"), moved.epoch) == ("b", "home", 2)
    assert moved.moving("a", "home").moved == {}
    assert directory.owner("a") == "home"


def test_measures() -> None:
    found = balance(np.array([0, 0, 0, 1]), 2)
    assert (found.deviation, found.peak, found.least) == (0.5, 1.5, 0.5)
    assert balance(np.array([0, 1]), 2, np.array([3.0, 1.0])).peak == 1.5
    moved = movement(np.array(["a", "a", "b", "b"]), np.array(["a", "c", "a", "b"]))
    assert (moved.moved, moved.needless) == (0.5, 0.25)
    with pytest.raises(ValueError, match="no load"):
        balance(np.array([], np.int64), 3)
    with pytest.raises(ValueError, match="same keys"):
        movement(np.array(["a"]), np.array(["a", "b"]))
