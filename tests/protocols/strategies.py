"""Hypothesis strategies built from annotations: any value a message may hold, without a line per message."""

from __future__ import annotations

import enum
import types
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from hypothesis import strategies as st

DEPTH = 3
"""Of recursive types."""


def values(annotation: Any, depth: int = DEPTH) -> st.SearchStrategy[Any]:
    """Values of that annotation, the awkward ones (empty, negative, 64 bits, non-ASCII) included.

    Raises:
        TypeError: it is none that a message may use.
    """
    simple: dict[Any, st.SearchStrategy[Any]] = {
        int: st.integers(-(2**63), 2**64 - 1),
        float: st.floats(allow_nan=False),
        str: st.text(st.characters(exclude_categories=("Cs",)), max_size=20),
        bytes: st.binary(max_size=20),
        bool: st.booleans(),
        type(None): st.none(),
    }
    if annotation in simple:
        return simple[annotation]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return st.one_of([values(part, depth) for part in arguments])
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is tuple and arguments and arguments[-1] is Ellipsis:
        if depth == 0:
            return st.just(())
        return st.lists(values(arguments[0], depth - 1), max_size=4).map(tuple)
    if origin is tuple:
        return st.tuples(*(values(part, depth) for part in arguments))
    if origin is frozenset:
        return st.frozensets(values(arguments[0], depth), max_size=4)
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return st.sampled_from(list(annotation))
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        hints = get_type_hints(annotation)
        return st.builds(annotation, **{name: values(hints[name], depth) for name in annotation.__struct_fields__})
    raise TypeError(f"no strategy for {annotation!r}")
