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


class Call(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One operation of a script.

    Attributes:
        at: ns from the start of the load.
        client: index of the client node; 0 is ``c1``.
        function: what is asked.
        key: index of the key; 0 is ``k0``.
        value: written, or to be swapped in; None for a read.
        expected: what a compare-and-set compares with; None: absent.
    """

    at: int
    client: int
    function: str
    key: int = 0
    value: int | None = None
    expected: int | None = None


class Workload(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Exactly the operations of ``script`` if there is one; else an open loop if ``rate`` is given, else a closed loop.

    Attributes:
        clients: client nodes; in a closed loop each keeps one operation under way.
        rate: operations a second over all clients (open loop), None for a closed loop.
        arrival: ``poisson`` or ``constant`` spacing of the open loop.
        keys: number of keys.
        distribution: of keys: uniform, zipfian (skew), hotspot (20% of the keys get 80%), latest, sequential.
        skew: the exponent of ``zipfian``, in (0, 2).
        mix: function -> share; they sum to 1. See ``PRESETS``.
        value_bytes: size of a value, at least 8; every written value is unique in its trial.
        script: operations at their times, in order of time; the mix is then only that of the liveness phase.
    """

    clients: int = 8
    rate: float | None = None
    arrival: Literal["poisson", "constant"] = "poisson"
    keys: int = 16
    distribution: str = "uniform"
    skew: float = 0.99
    mix: tuple[tuple[str, float], ...] = PRESETS["register"]
    value_bytes: int = 16
    script: tuple[Call, ...] = ()

    @property
    def closed(self) -> bool:
        """Whether each client waits for one operation to end before it begins the next."""
        return self.rate is None and not self.script

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
        self._validate_script()

    def _validate_script(self) -> None:
        if self.script and self.rate is not None:
            raise UsageError("a script says when operations come: leave the rate out")
        written: set[int] = set()
        before = 0
        for number, call in enumerate(self.script, 1):
            where = f"operation {number} of the script"
            if call.function not in FUNCTIONS:
                raise unknown_name("function", call.function, FUNCTIONS)
            if call.at < before:
                raise UsageError(f"{where} comes before the one above it: give them in order of time, from 0 on")
            before = call.at
            if not 0 <= call.client < self.clients:
                most = self.clients
                raise UsageError(f"{where}: there is no client c{call.client + 1}, the clients are c1 to c{most}")
            if not 0 <= call.key < self.keys:
                raise UsageError(f"{where}: there is no key k{call.key}, the keys are k0 to k{self.keys - 1}")
            if (call.value is None) != (call.function == "read"):
                raise UsageError(f"{where}: a {call.function} has {'no' if call.value is not None else 'a'} value")
            if call.value is not None:
                if not 0 <= call.value < 2**62:
                    raise UsageError(f"{where}: value {call.value} is out of range: 0 to below 2^62")
                if call.value in written:
                    raise UsageError(f"{where} writes {call.value} a second time: values are unique in a trial")
                written.add(call.value)
