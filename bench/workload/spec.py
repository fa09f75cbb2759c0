"""What load a trial is put under: how operations arrive, on which keys, in which mix."""

from __future__ import annotations

from typing import Literal

import msgspec

from ..errors import UsageError, unknown_name

PRESETS: dict[str, tuple[tuple[str, float], ...]] = {
    "register": (("read", 0.45), ("write", 0.35), ("cas", 0.2)),
    "write-only": (("write", 1.0),),
    "read-only": (("read", 1.0),),
    "cas-only": (("cas", 1.0),),
    "ycsb-a": (("read", 0.5), ("write", 0.5)),
    "ycsb-b": (("read", 0.95), ("write", 0.05)),
    "ycsb-c": (("read", 1.0),),
    "ycsb-d": (("read", 0.95), ("write", 0.05)),
    "ycsb-f": (("read", 0.5), ("cas", 0.5)),
}
FUNCTIONS = ("read", "write", "cas")
DISTRIBUTIONS = ("uniform", "zipfian", "hotspot", "latest", "sequential")


class Workload(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Open loop if ``rate`` is given, closed loop otherwise; never both.

    Attributes:
        clients: client nodes; in a closed loop each keeps one operation under way.
        rate: operations a second over all clients (open loop), None for a closed loop.
        arrival: ``poisson`` or ``constant`` spacing of the open loop.
        keys: number of keys.
        distribution: of keys: uniform, zipfian (skew), hotspot (20% of the keys get 80%), latest, sequential.
        skew: the exponent of ``zipfian``, in (0, 2).
        mix: function -> share; they sum to 1. See ``PRESETS``.
        value_bytes: size of a value, at least 8; every written value is unique in its trial.
    """

    clients: int = 8
    rate: float | None = None
    arrival: Literal["poisson", "constant"] = "poisson"
    keys: int = 16
    distribution: str = "uniform"
    skew: float = 0.99
    mix: tuple[tuple[str, float], ...] = PRESETS["register"]
    value_bytes: int = 16

    def validate(self) -> None:
        """Raise :class:`UsageError` naming the first field that is out of range."""
        if self.clients < 1:
            raise UsageError(f"clients {self.clients} is out of range: at least 1")
        if self.rate is not None and not 0 < self.rate < 1e7:
            raise UsageError(f"rate {self.rate:g} is out of range: operations a second, above 0")
        if self.keys < 1:
            raise UsageError(f"keys {self.keys} is out of range: at least 1")
        if self.distribution not in DISTRIBUTIONS:
            raise unknown_name("key distribution", self.distribution, DISTRIBUTIONS)
        if not 0 < self.skew < 2:
            raise UsageError(f"skew {self.skew:g} is out of range: above 0 and below 2")
        if self.value_bytes < 8:
            raise UsageError(f"value_bytes {self.value_bytes} is out of range: at least 8, to hold a unique number")
        for function, share in self.mix:
            if function not in FUNCTIONS:
                raise unknown_name("function", function, FUNCTIONS)
            if share < 0:
                raise UsageError(f"the share of {function}, {share:g}, is negative")
        if abs(sum(share for _, share in self.mix) - 1) > 1e-6:
            raise UsageError("the shares of the workload's mix must sum to 1")
