"""Sizes of messages on the wire, estimated without encoding them: what bandwidth and CPU time are charged for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_type_hints

import msgspec

_FRAME = 12
_NUMBER = 5

_sizers: dict[type, Callable[[Any], int]] = {
    int: lambda value: _NUMBER,
    float: lambda value: 9,
    bool: lambda value: 1,
    type(None): lambda value: 1,
    bytes: lambda value: len(value) + 2,
    str: lambda value: len(value) + 1,
    frozenset: lambda value: 3 + sum([size_of(item) for item in value]),
}


def size_of(value: Any) -> int:
    """About how many bytes msgpack needs for ``value``.

    >>> size_of(b"12345678")
    10
    """
    sizer = _sizers.get(type(value))
    return _learn(type(value))(value) if sizer is None else sizer(value)


def _size_of_tuple(value: tuple[Any, ...]) -> int:
    """Of a long one, by four of its items: the entries of one message are much alike, and this runs once a message."""
    count = len(value)
    if count <= 4:
        return 3 + sum([size_of(item) for item in value]) if value else 1
    some = size_of(value[0]) + size_of(value[count // 3]) + size_of(value[2 * count // 3]) + size_of(value[-1])
    return 3 + some * count // 4


_sizers[tuple] = _size_of_tuple


def _learn(kind: type) -> Callable[[Any], int]:
    """A sizer for one type of message: what never varies is added up once, the rest is asked of each."""
    if not issubclass(kind, msgspec.Struct):
        _sizers[kind] = lambda value: _NUMBER  # enumerations and the like
        return _sizers[kind]
    hints = get_type_hints(kind)
    fixed, varying = _FRAME, []
    for name in kind.__struct_fields__:
        if hints[name] in (int, float, bool):
            fixed += _NUMBER
        else:
            varying.append(name)
    if not varying:
        _sizers[kind] = lambda value: fixed
    else:
        _sizers[kind] = lambda value: fixed + sum([size_of(getattr(value, name)) for name in varying])
    return _sizers[kind]
