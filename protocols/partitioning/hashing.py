"""Hash functions for placing keys, over many keys at once: 64 bits a key, as an array.

What placement asks of one is that keys which people choose (numbered, dated, alike but for a digit) come out as if
drawn at random. All but one of these do that; ``sum``, the sum of a key's bytes, is here to show what happens when one
does not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b, md5
from typing import Any

import mmh3
import numpy as np
import numpy.typing as npt
import xxhash

Hashes = npt.NDArray[np.uint64]
"""One hash a key."""
Keys = Sequence[str] | npt.NDArray[Any]
"""Strings; or an array of integers, each of which stands for its 8 bytes, least significant first."""


def mix(values: Hashes) -> Hashes:
    """Spread 64-bit values over 64 bits, one to one (SplitMix's finalizer; Steele, Lea, Flood, OOPSLA 2014)."""
    with np.errstate(over="ignore"):
        z = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed: Hashes = z ^ (z >> np.uint64(31))
    return mixed


def _blake2b(key: bytes) -> int:
    return int.from_bytes(blake2b(key, digest_size=8).digest(), "big")


def _md5(key: bytes) -> int:
    return int.from_bytes(md5(key, usedforsecurity=False).digest()[:8], "big")


def _murmur3(key: bytes) -> int:
    return mmh3.hash64(key, signed=False)[0]


FUNCTIONS: dict[str, Callable[[bytes], int]] = {
    "xxhash": xxhash.xxh64_intdigest,
    "murmur3": _murmur3,
    "md5": _md5,
    "blake2b": _blake2b,
    "sum": sum,
}
"""Of one key's bytes: xxHash64, half of MurmurHash3 x64 128 (Cassandra's) and of MD5, 64 bits of BLAKE2b; a bad one."""


def hash_key(key: str, function: str = "xxhash") -> int:
    """The hash of one key, as :func:`hash_keys` has it.

    >>> hash_key("k1") == int(hash_keys(["k1"])[0])
    True
    """
    return FUNCTIONS[function](key.encode())


def hash_keys(keys: Keys, function: str = "xxhash") -> Hashes:
    """Hash every key.

    Args:
        keys: strings, or integers.
        function: a name of :data:`FUNCTIONS`.

    Raises:
        ValueError: there is no such function.
    """
    if function not in FUNCTIONS:
        raise ValueError(f"hash function {function!r} is unknown: {', '.join(FUNCTIONS)}")
    hashed = FUNCTIONS[function]
    if isinstance(keys, np.ndarray) and keys.dtype.kind in "iu":
        numbers = keys.astype("<u8")
        if function == "xxhash":
            return _xxh64(numbers)
        whole = numbers.tobytes()
        return np.fromiter((hashed(whole[at : at + 8]) for at in range(0, len(whole), 8)), np.uint64, len(numbers))
    return np.fromiter((hashed(key.encode()) for key in keys), np.uint64, len(keys))


def _xxh64(numbers: Hashes) -> Hashes:
    """xxHash64 of 8 bytes each, of which the specification leaves four steps (a test compares it with the library)."""
    one, two, three, four, five = (
        np.uint64(prime)
        for prime in (
            0x9E3779B185EBCA87,
            0xC2B2AE3D27D4EB4F,
            0x165667B19E3779F9,
            0x85EBCA77C2B2AE63,
            0x27D4EB2F165667C5,
        )
    )
    with np.errstate(over="ignore"):
        lane = _rotate(numbers * two, 31) * one
        h = _rotate((five + np.uint64(8)) ^ lane, 27) * one + four
        h = (h ^ (h >> np.uint64(33))) * two
        h = (h ^ (h >> np.uint64(29))) * three
        hashes: Hashes = h ^ (h >> np.uint64(32))
    return hashes


def _rotate(values: Hashes, left: int) -> Hashes:
    rotated: Hashes = (values << np.uint64(left)) | (values >> np.uint64(64 - left))
    return rotated
