"""The parameters of an epidemic, with their meaning and units."""

from __future__ import annotations

from typing import Literal

import msgspec

from ..node import SECOND


class GossipConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of a server.

    Attributes:
        rumors: ``push``, ``pull``, or ``off``: how news are spread while they are hot (rumor mongering, section 1.4).
        loses_interest: ``feedback``: after contacts that were of no use; ``blind``: after contacts of any kind.
        by: ``counter``: after k of them (a useful one starts the count again); ``coin``: with probability 1/k each.
        k: see ``by``.
        fanout: contacts a round: at most all the others.
        period_s: seconds a round.
        synchronised: all rounds begin together, as the analysis assumes, and what was learnt in a round counts from
            the next one on; else at random phases, and at once.
        anti_entropy: ``push``, ``pull``, ``push-pull`` or ``off``: exchanges of everything with a random replica
            (section 1.3), the only part that leaves nobody out.
        anti_entropy_s: seconds between them.
        certificate_s: seconds that a death certificate is kept; 0: for ever. Older ones are dropped, and what they
            kept dead may come back from a replica that was away for longer.
    """

    rumors: Literal["push", "pull", "off"] = "push"
    loses_interest: Literal["feedback", "blind"] = "feedback"
    by: Literal["counter", "coin"] = "counter"
    k: int = 2
    fanout: int = 1
    period_s: float = 0.05
    synchronised: bool = False
    anti_entropy: Literal["push", "pull", "push-pull", "off"] = "push-pull"
    anti_entropy_s: float = 0.5
    certificate_s: float = 0.0

    def validate(self, nodes: int) -> None:
        """Raise ``ValueError`` with one sentence if a value cannot be, alone or in a cluster of ``nodes``."""
        for name in ("period_s", "anti_entropy_s"):
            if not 0.0005 <= getattr(self, name) <= 86400:
                raise ValueError(f"{name} {getattr(self, name):g} is out of range: 0.0005 to 86400 seconds")
        if not 1 <= self.k <= 1000:
            raise ValueError(f"k {self.k} is out of range: 1 to 1000")
        if not 1 <= self.fanout <= max(nodes - 1, 1):
            raise ValueError(f"fanout {self.fanout} is out of range: 1 to the other servers, {nodes - 1}")
        if not 0 <= self.certificate_s <= 1e9:
            raise ValueError(f"certificate_s {self.certificate_s:g} is out of range: 0 to 1e9 seconds")
        if self.rumors == "off" and self.anti_entropy == "off":
            raise ValueError("rumors and anti_entropy are both off: nothing would ever spread")

    @property
    def period(self) -> int:
        """In ns."""
        return round(self.period_s * SECOND)
