"""Merging items: the laws of a join, by random items of random writers, and what each rule keeps."""

from __future__ import annotations

from random import Random

import pytest

from protocols.replication.leaderless import items
from protocols.replication.leaderless.items import Item, Sibling, Version

RULES = ("lww", "vv", "dvv")


def history(how: str, seed: int, writes: int = 12) -> list[Item]:
    """Items that three replicas went through: writes with contexts read somewhere, and merges between them."""
    rng = Random(seed)
    replicas: list[Item | None] = [None, None, None]
    seen: list[Item] = []
    for number in range(writes):
        at = rng.randrange(3)
        read = rng.choice([*replicas, None])
        context = read.context if read is not None else ()
        written = Sibling(Version(number, f"c{number}"), b"%d" % number, False, number)
        item = items.merge(how, replicas[at], items.write(how, replicas[at], written, context, f"n{at}"))
        if rng.random() < 0.6:
            item = items.merge(how, item, replicas[rng.randrange(3)])
        assert item is not None
        replicas[at] = item
        seen.append(item)
    return seen


@pytest.mark.parametrize("how", RULES)
def test_a_merge_is_a_join(how: str) -> None:
    for seed in range(60):
        seen = history(how, seed)
        rng = Random(seed)
        for _ in range(30):
            one, two, three = (rng.choice(seen) for _ in range(3))
            merge = items.MERGE[how]
            assert merge(one, one) == one
            assert merge(one, two) == merge(two, one)
            assert items.descends(merge(one, two).context, one.context)
            if how != "vv":
                assert merge(one, merge(two, three)) == merge(merge(one, two), three)


def test_one_vector_for_all_siblings_brings_replaced_ones_back() -> None:
    """Why ``vv`` is no join: which siblings are left depends on who met whom first."""
    for seed in range(60):
        seen, rng = history("vv", seed), Random(seed)
        for _ in range(30):
            one, two, three = (rng.choice(seen) for _ in range(3))
            merge = items.merge_vv
            if merge(one, merge(two, three)) != merge(merge(one, two), three):
                return
    raise AssertionError("merges by vv were associative throughout")


def test_last_write_wins_by_time_then_writer() -> None:
    def item(time: int, writer: str) -> Item:
        return Item((), (Sibling(Version(time, writer), writer.encode(), False, 0),))

    assert items.merge_lww(item(2, "a"), item(1, "z")) == item(2, "a")
    assert items.merge_lww(item(2, "a"), item(2, "b")) == items.merge_lww(item(2, "b"), item(2, "a")) == item(2, "b")


def test_a_dotted_write_removes_what_its_context_covers_and_nothing_else() -> None:
    def put(item: Item | None, value: bytes, context: items.Context) -> Item:
        return items.write("dvv", item, Sibling(items.NEVER, value, False, 0), context, "n1")

    first = put(None, b"x", ())
    beside = put(first, b"y", ())
    assert [each.value for each in beside.siblings] == [b"x", b"y"]
    after_x = put(beside, b"z", first.context)
    assert [each.value for each in after_x.siblings] == [b"y", b"z"]
    after_all = put(after_x, b"w", after_x.context)
    assert [each.value for each in after_all.siblings] == [b"w"]


def test_digests_tell_items_apart() -> None:
    for how in RULES:
        seen = history(how, 5)
        assert len({items.digest(item) for item in seen}) == len(set(seen))
    assert items.digest(None) == 0
