"""The parameters of the lease."""

from __future__ import annotations

import msgspec

from ...node import SECOND


class ServerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of a server.

    Attributes:
        term_s: seconds for which a grant holds.
        drift_bound: clocks are taken to run at 1 - bound to 1 + bound of true speed. A holder takes its term for that
            much shorter and a grantor for that much longer; if a clock is worse, two may hold the lease.
        renew_s: seconds between a holder's renewals; 0: a third of the term.
    """

    term_s: float = 0.5
    drift_bound: float = 0.01
    renew_s: float = 0.0

    def validate(self, nodes: int) -> None:
        """Raise ``ValueError`` with one sentence if a value cannot be."""
        if not 0.01 <= self.term_s <= 3600:
            raise ValueError(f"term_s {self.term_s:g} is out of range: 0.01 to 3600 seconds")
        if not 0 <= self.drift_bound <= 0.5:
            raise ValueError(f"drift_bound {self.drift_bound:g} is out of range: 0 to 0.5")
        if not 0 <= self.renew_s < self.term_s * (1 - self.drift_bound):
            raise ValueError(f"renew_s {self.renew_s:g} is out of range: 0 to below the term that a holder counts on")

    @property
    def renew(self) -> int:
        """Between renewals, in ns."""
        return round((self.renew_s or self.term_s / 3) * SECOND)

    @property
    def held(self) -> int:
        """How long a holder deems its lease good, by its own clock, in ns.

        While a clock that is at most this fast or slow counts held, no more than the term passes; while another one
        counts waited, no less does.
        """
        return int(self.term_s * (1 - self.drift_bound) * SECOND)

    @property
    def waited(self) -> int:
        """How long a grantor gives its grant to nobody else, by its own clock, in ns."""
        return int(self.term_s * (1 + self.drift_bound) * SECOND) + 1


class ClientConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of a client.

    Attributes:
        operation_timeout_s: seconds after which a client gives an operation up.
        retry_s: seconds without an answer after which it looks for the holder again.
        backoff_s: seconds (with jitter) before it asks the next server who holds the lease.
    """

    operation_timeout_s: float = 5.0
    retry_s: float = 0.1
    backoff_s: float = 0.01

    def validate(self, nodes: int) -> None:
        """Raise ``ValueError`` with one sentence if a value cannot be."""
        for name in ("operation_timeout_s", "retry_s", "backoff_s"):
            if not 0.0001 <= getattr(self, name) <= 3600:
                raise ValueError(f"{name} {getattr(self, name):g} is out of range: 0.0001 to 3600 seconds")
