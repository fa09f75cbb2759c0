"""The parameters of split-brain resolution."""

from __future__ import annotations

import msgspec

from ...node import SECOND
from ..heartbeat.config import DetectorConfig
from .strategy import Strategy


class ServerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of a server.

    Attributes:
        strategy: which side survives; see :mod:`protocols.membership.splitbrain.strategy`.
        quorum: (static-quorum) servers that a side needs; 0: a majority of the initial ones.
        referee: (keep-referee) number of the referee among the initial servers, sorted; from 1.
        fence: whoever takes over first kills those whose consent it cannot get. False: it waits ``takeover_s`` instead
            and hopes that they have stopped by themselves, so nothing is promised.
        period_s: seconds between heartbeats.
        timeout_s: seconds without a heartbeat after which a server is deemed down.
        stable_s: seconds without a change of who is deemed down, after which the strategy decides.
        takeover_s: (without fence) seconds from the decision until the survivors take over.
        act_s: seconds between two acts of the server that has the duty.
        term_s: (lease-majority) seconds for which a grant holds.
        drift_bound: (lease-majority) clocks are taken to run at 1 - bound to 1 + bound of true speed.
    """

    strategy: Strategy = "keep-majority"
    quorum: int = 0
    referee: int = 1
    fence: bool = True
    period_s: float = 0.05
    timeout_s: float = 0.3
    stable_s: float = 0.2
    takeover_s: float = 0.3
    act_s: float = 0.02
    term_s: float = 0.5
    drift_bound: float = 0.01

    def validate(self, nodes: int) -> None:
        """Raise ``ValueError`` with one sentence if a value cannot be, alone or in a cluster of ``nodes``."""
        for name in ("period_s", "timeout_s", "stable_s", "takeover_s", "act_s", "term_s"):
            if not 0.001 <= getattr(self, name) <= 3600:
                raise ValueError(f"{name} {getattr(self, name):g} is out of range: 0.001 to 3600 seconds")
        if self.timeout_s <= self.period_s:
            raise ValueError(f"timeout_s {self.timeout_s:g} is out of range: above the period {self.period_s:g}")
        if not 0 <= self.drift_bound <= 0.5:
            raise ValueError(f"drift_bound {self.drift_bound:g} is out of range: 0 to 0.5")
        if not 1 <= self.referee <= nodes:
            raise ValueError(f"referee {self.referee} is out of range: 1 to {nodes}")
        if self.quorum and not nodes // 2 < self.quorum <= nodes:
            raise ValueError(
                f"quorum {self.quorum} is out of range: {nodes // 2 + 1} to {nodes}, or two sides may both have one"
            )

    @property
    def detector(self) -> DetectorConfig:
        """Of the failure detector below."""
        return DetectorConfig(
            detector="fixed", period_s=self.period_s, timeout_s=self.timeout_s, grace_s=2 * self.timeout_s
        )

    @property
    def promises(self) -> bool:
        """Whether at most one server acts, whatever happens."""
        return self.fence or self.strategy == "lease-majority"

    @property
    def held(self) -> int:
        """How long a holder counts on its lease, by its own clock, in ns."""
        return int(self.term_s * (1 - self.drift_bound) * SECOND)

    @property
    def waited(self) -> int:
        """How long a grantor keeps its grant, by its own clock, in ns."""
        return int(self.term_s * (1 + self.drift_bound) * SECOND) + 1


class ClientConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of a client.

    Attributes:
        operation_timeout_s: seconds after which a client gives an operation up.
        retry_s: seconds without an answer after which it asks another server.
        backoff_s: seconds before it asks another one after a server said that it has not got the duty.
    """

    operation_timeout_s: float = 5.0
    retry_s: float = 0.1
    backoff_s: float = 0.01

    def validate(self, nodes: int) -> None:
        """Raise ``ValueError`` with one sentence if a value cannot be."""
        for name in ("operation_timeout_s", "retry_s", "backoff_s"):
            if not 0.0001 <= getattr(self, name) <= 3600:
                raise ValueError(f"{name} {getattr(self, name):g} is out of range: 0.0001 to 3600 seconds")
