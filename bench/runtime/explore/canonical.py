"""States of nodes as text that is equal exactly if nothing in them differs; copies that share what cannot change."""

from __future__ import annotations

import enum
from collections import defaultdict, deque
from collections.abc import Callable
from random import Random
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

import msgspec

from protocols.node import Node

from ..child import Child
from ..engine import Engine

_PLAIN = (int, float, str, bytes, bool, type(None), complex)


class NotComparable(TypeError):
    """A node keeps something whose state cannot be told from outside."""


def canonical(*values: Any) -> str:
    """One text for all values together. Equal texts: equal values, with the same sharing of what can change.

    Random sources, contexts and methods are taken to be the same always. Dictionaries differ by the order of their
    keys, for a node may iterate them; sets do not, for it may not.

    Raises:
        NotComparable: there is something in them that is not plain data.
    """
    parts: list[str] = []
    seen: dict[int, int] = {}
    for value in values:
        _encode(value, parts.append, seen)
    return "".join(parts)


def _encode(value: Any, write: Callable[[str], None], seen: dict[int, int]) -> None:
    kind = type(value)
    if kind in _PLAIN:
        write(f"{value!r};")
    elif kind is tuple:
        write("(")
        for item in value:
            _encode(item, write, seen)
        write(")")
    elif isinstance(value, msgspec.Struct):
        if not kind.__struct_config__.frozen and _again(value, write, seen):
            return
        write(f"{kind.__qualname__}<")
        for name in kind.__struct_fields__:
            _encode(getattr(value, name), write, seen)
        write(">")
    elif isinstance(value, Random):
        write("rng;")
    elif isinstance(value, Engine | Child):
        write("ctx;")
    elif isinstance(value, MethodType | FunctionType | BuiltinFunctionType | type):
        write(f"{getattr(value, '__qualname__', value)};")
    elif isinstance(value, enum.Enum):
        write(f"{value};")
    elif isinstance(value, frozenset):
        write(f"f{sorted(canonical(item) for item in value)}")
    elif not _again(value, write, seen):
        _encode_mutable(value, write, seen)


def _again(value: Any, write: Callable[[str], None], seen: dict[int, int]) -> bool:
    """Whether this very object has been written before; then a reference to it is."""
    number = seen.get(id(value))
    if number is not None:
        write(f"@{number};")
        return True
    seen[id(value)] = len(seen)
    return False


def _encode_mutable(value: Any, write: Callable[[str], None], seen: dict[int, int]) -> None:
    if isinstance(value, list | deque):
        write("[" if isinstance(value, list) else "d[")
        for item in value:
            _encode(item, write, seen)
        write("]")
    elif isinstance(value, dict):
        write("{")
        for key, item in value.items():
            _encode(key, write, seen)
            _encode(item, write, seen)
        write("}")
    elif isinstance(value, set):
        write(f"s{sorted(canonical(item) for item in value)}")
    elif isinstance(value, bytearray):
        write(f"{bytes(value)!r};")
    else:
        write(f"{type(value).__qualname__}<")
        for name, item in fields_of(value):
            write(f"{name}=")
            _encode(item, write, seen)
        write(">")


def fields_of(value: Any) -> list[tuple[str, Any]]:
    """Names and values of an object's attributes.

    Raises:
        NotComparable: it has none that could be seen.
    """
    found: list[tuple[str, Any]] = []
    for base in type(value).__mro__:
        slots = base.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__") and hasattr(value, name):
                found += [(name, getattr(value, name))]
    found += sorted(getattr(value, "__dict__", {}).items())
    if not found and not isinstance(value, Node) and type(value).__module__ == "builtins":
        raise NotComparable(f"a {type(value).__name__} is not plain data")
    return found


def snapshot(value: Any, memo: dict[int, Any] | None = None) -> Any:
    """A copy whose changeable parts are its own, shared among each other as in the original."""
    memo = {} if memo is None else memo
    kind = type(value)
    if kind in _PLAIN or isinstance(value, enum.Enum | frozenset | FunctionType | BuiltinFunctionType | type):
        return value
    if isinstance(value, msgspec.Struct) and kind.__struct_config__.frozen:
        return value
    if id(value) in memo:
        return memo[id(value)]
    if kind is tuple:
        return tuple(snapshot(item, memo) for item in value)
    copy: Any
    if isinstance(value, list):
        copy = memo[id(value)] = []
        copy.extend(snapshot(item, memo) for item in value)
    elif isinstance(value, deque):
        copy = memo[id(value)] = deque(maxlen=value.maxlen)
        copy.extend(snapshot(item, memo) for item in value)
    elif isinstance(value, dict):
        copy = defaultdict(value.default_factory) if isinstance(value, defaultdict) else kind()
        memo[id(value)] = copy
        for key, item in value.items():
            copy[key] = snapshot(item, memo)
    elif isinstance(value, set):
        copy = memo[id(value)] = set(value)
    elif isinstance(value, msgspec.Struct):
        copy = memo[id(value)] = msgspec.structs.replace(value)
        for name in kind.__struct_fields__:
            setattr(copy, name, snapshot(getattr(value, name), memo))
    else:
        copy = memo[id(value)] = object.__new__(kind)
        for name, item in fields_of(value):
            object.__setattr__(copy, name, snapshot(item, memo))
    return copy
