"""Range partitioning: keys keep their order, and a partition is all keys from one boundary to below the next.

Scans touch few partitions, and partitions can be split where they are large or hot and merged where they are small
(Bigtable, OSDI 2006, section 5; CockroachDB; MongoDB's chunks). The price: keys that arrive in order, all arrive in the
same partition.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt


class Ranges(msgspec.Struct, frozen=True):
    """Who has which range. Partition i holds the keys from ``bounds[i - 1]`` to below ``bounds[i]``.

    Attributes:
        bounds: ascending; one fewer than partitions.
        owners: of each partition.
    """

    bounds: tuple[str, ...]
    owners: tuple[str, ...]

    def partition(self, key: str) -> int:
        """The partition of a key: a boundary belongs to the range that it begins."""
        return bisect_right(self.bounds, key)

    def owner(self, key: str) -> str:
        """Whose the key is."""
        return self.owners[self.partition(key)]

    def partitions(self, keys: Sequence[str] | npt.NDArray[np.str_]) -> npt.NDArray[np.int64]:
        """The partition of every key."""
        return np.searchsorted(np.array(self.bounds, dtype=np.str_), np.asarray(keys, dtype=np.str_), side="right")

    def span(self, low: str, high: str) -> range:
        """The partitions that hold keys from ``low`` to below ``high``: whom a scan has to ask."""
        if high <= low:
            return range(0)
        last = self.partition(high)
        if last and self.bounds[last - 1] == high:  # the range that begins at high has none of them
            last -= 1
        return range(self.partition(low), last + 1)

    def split(self, at: str, owner: str | None = None) -> Ranges:
        """The partition of key ``at`` in two; the upper, from ``at`` on, goes to ``owner`` (None: stays).

        Raises:
            ValueError: there is a boundary already.
        """
        index = self.partition(at)
        if index and self.bounds[index - 1] == at:
            raise ValueError(f"{at!r} is a boundary already")
        return Ranges(
            (*self.bounds[:index], at, *self.bounds[index:]),
            (*self.owners[: index + 1], self.owners[index] if owner is None else owner, *self.owners[index + 1 :]),
        )

    def merge(self, index: int) -> Ranges:
        """Partition ``index`` with the next, at the owner of the first.

        Raises:
            ValueError: there is no next one.
        """
        if not 0 <= index < len(self.bounds):
            raise ValueError(f"partition {index} has none after it")
        return Ranges(
            self.bounds[:index] + self.bounds[index + 1 :], self.owners[: index + 1] + self.owners[index + 2 :]
        )


def even(sample: Sequence[str], owners: Sequence[str], partitions: int) -> Ranges:
    """Boundaries at the quantiles of a sample of keys, so that each range gets as many; owners are dealt in turns.

    Raises:
        ValueError: the sample has fewer distinct keys than partitions, or there is no owner.
    """
    keys = sorted(set(sample))
    if not owners or not 1 <= partitions <= len(keys):
        raise ValueError(f"partitions {partitions} is out of range: 1 to the number of distinct keys, {len(keys)}")
    bounds = tuple(keys[len(keys) * number // partitions] for number in range(1, partitions))
    return Ranges(bounds, tuple(owners[number % len(owners)] for number in range(partitions)))
