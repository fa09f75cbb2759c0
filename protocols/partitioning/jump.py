"""Jump consistent hash (Lamping and Veach, "A Fast, Minimal Memory, Consistent Hash Algorithm", 2014).

No memory at all, perfectly even, and from n to n + 1 buckets exactly 1/(n + 1) of the keys move. The price: buckets are
numbers, and only the last can be taken away. To remove another is to have it renamed.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .hashing import Hashes

_CHUNK = 1 << 15
"""Keys at once: what is worked on stays in the processor's cache."""


def jump(hashes: Hashes, buckets: int) -> npt.NDArray[np.int64]:
    """The bucket of each key, from 0 to below ``buckets``; figure 1 of the paper, over many keys at once.

    Raises:
        ValueError: there is no bucket.
    """
    if buckets < 1:
        raise ValueError(f"buckets {buckets} is out of range: at least 1")
    found = np.zeros(len(hashes), np.int64)
    for start in range(0, len(hashes), _CHUNK):
        found[start : start + _CHUNK] = _jump(hashes[start : start + _CHUNK], buckets)
    return found


def _jump(hashes: Hashes, buckets: int) -> npt.NDArray[np.int64]:
    last = np.zeros(len(hashes), np.int64)
    going = np.arange(len(hashes))
    state = hashes.copy()
    at = np.zeros(len(hashes), np.float64)
    with np.errstate(over="ignore"):
        while len(going):
            state = state * np.uint64(2862933555777941757) + np.uint64(1)
            draw = (state >> np.uint64(33)).astype(np.float64) + 1.0
            following = np.floor((at + 1.0) * ((1 << 31) / draw))
            stays = following < buckets
            going, state, at = going[stays], state[stays], following[stays]
            last[going] = at.astype(np.int64)
    return last
