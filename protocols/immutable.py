"""Which annotations describe values that can be shared between nodes: immutable and hashable all the way down.

In the simulator a message is delivered as the very object that was sent. Were it mutable, one node could change
another's memory, and the simulation would not be of a distributed system.
"""

from __future__ import annotations

import enum
import types
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

SCALARS = (int, float, str, bytes, bool, type(None))
MUTABLE = {list: "tuple", dict: "tuple of pairs", set: "frozenset", bytearray: "bytes"}


def union_members(annotation: Any) -> tuple[type, ...]:
    """The members of a union (``A | B``), or the single type itself."""
    if get_origin(annotation) in (Union, types.UnionType):
        return get_args(annotation)
    return (annotation,)


def explain_mutability(annotation: Any, _seen: tuple[Any, ...] = ()) -> str:
    """Why values of this annotation could change or not be hashed; empty if they cannot.

    >>> explain_mutability(tuple[int, ...])
    ''
    >>> explain_mutability(list[int])
    'list is mutable: use tuple'
    """
    if annotation in SCALARS or annotation in _seen or get_origin(annotation) is Literal:
        return ""
    origin = get_origin(annotation) or annotation
    if origin in MUTABLE:
        return f"{origin.__name__} is mutable: use {MUTABLE[origin]}"
    if annotation in (tuple, frozenset):
        return f"{annotation.__name__} does not say of what: write {annotation.__name__}[...]"
    if origin in (Union, types.UnionType, tuple, frozenset):
        for part in get_args(annotation):
            problem = "" if part is Ellipsis else explain_mutability(part, _seen)
            if problem:
                return problem
        return ""
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return ""
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        if not annotation.__struct_config__.frozen:
            return f"{annotation.__name__} is not frozen: declare it with frozen=True"
        for name, hint in get_type_hints(annotation).items():
            if name.startswith("__") or name not in annotation.__struct_fields__:
                continue
            problem = explain_mutability(hint, (*_seen, annotation))
            if problem:
                return f"field {name}: {problem}"
        return ""
    return f"{annotation!r} is not known to be immutable"
