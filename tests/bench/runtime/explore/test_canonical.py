"""Texts that are equal exactly where nothing differs, and copies that change alone."""

from __future__ import annotations

from collections import deque
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.runtime.explore.canonical import NotComparable, canonical, snapshot

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.binary(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=2), inner, max_size=3)
        | st.lists(inner, max_size=3).map(deque)
    ),
    max_leaves=8,
)


class Box:
    """An object of a protocol's own."""

    __slots__ = ("inside", "other")

    def __init__(self, inside: Any, other: Any = None) -> None:
        self.inside = inside
        self.other = other


class Message(msgspec.Struct, frozen=True):
    number: int
    names: frozenset[str]


@given(values)
def test_a_copy_is_written_alike_and_is_another(value: Any) -> None:
    copy = snapshot(value)
    assert canonical(copy) == canonical(value)
    if isinstance(value, list | dict | deque):
        assert copy is not value


@given(values, values)
def test_other_values_are_written_otherwise(one: Any, other: Any) -> None:
    if canonical(one) == canonical(other):
        assert type(one) is type(other)
        assert one == other


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, True), (1, 1.0), ([1], (1,)), ("1", 1), (b"a", "a"), ([[1], []], [[], [1]]), ({1: 1, 2: 2}, {2: 2, 1: 1}),
     (Box(1), Box(2)), (Message(1, frozenset("a")), Message(1, frozenset("b")))],
)  # fmt: skip
def test_what_only_looks_alike(one: Any, other: Any) -> None:
    assert canonical(one) != canonical(other)


def test_sharing_is_part_of_the_state() -> None:
    """Two lists that happen to be equal, and one list seen twice, go different ways when one is appended to."""
    shared: list[int] = []
    assert canonical(Box(shared, shared)) != canonical(Box([], []))
    copy = snapshot(Box(shared, shared))
    copy.inside.append(1)
    assert copy.other == [1]
    assert shared == []


def test_sets_and_sources_of_chance_do_not_matter() -> None:
    assert canonical({"a", "b", "c"}) == canonical({"c", "b", "a"})
    assert canonical(Random(1)) == canonical(Random(2))
    assert canonical(Random(1).random) == canonical(Random(2).random)


def test_what_cannot_be_told() -> None:
    with pytest.raises(NotComparable, match="generator"):
        canonical(each for each in ())


def test_cycles_end() -> None:
    box = Box(None)
    box.inside = box
    assert canonical(box) == canonical(snapshot(box))
