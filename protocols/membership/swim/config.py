"""The parameters of SWIM, with their meaning and units; memberlist's names and defaults (for a local network)."""

from __future__ import annotations

from typing import Literal

import msgspec

from ...node import SECOND
from .formulas import suspicion_min

CONTACTS = 3
"""Members that are asked or told at once, if nobody says otherwise (memberlist's)."""


class SwimConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of a server.

    Attributes:
        probe_interval_s: seconds between two probes of a member, the protocol period T'.
        probe_timeout_s: seconds to wait for an answer before others are asked to ping too.
        indirect_checks: how many others (k), at most all but the two concerned, of whom fewer than five servers have
            less than the usual three; 0: none.
        probe_order: ``round-robin`` through all members, in a new order each round (section 4.3), or ``random``.
        synchronised: all members begin their periods together, as the analysis assumes; else at random phases.
        suspicion: whether a missed probe makes a suspect first (section 4.2); else the target is declared dead.
        suspicion_mult: multiplier of the suspicion timeout.
        suspicion_max_mult: (lifeguard_suspicion) the longest timeout in multiples of the shortest.
        retransmit_mult: multiplier of how often a member passes on an update.
        piggyback_max: updates a message at most.
        gossip_interval_s: seconds between messages that carry news alone, while there are any (memberlist).
        gossip_nodes: to how many, at most all others, of whom fewer than four servers have less than the usual three;
            0: news only ride on probes (the paper).
        push_pull_s: seconds between exchanges of all that is known with a random member; 0: never.
        reconnect_s: seconds between attempts to reach a member that is deemed dead (serf); 0: never, so that a
            partition in which both sides declared each other dead never heals.
        lifeguard_probe: slow down by how well this member itself does (Lifeguard, IV-A).
        lifeguard_suspicion: begin with a long suspicion timeout, which confirmations shorten (IV-B).
        lifeguard_buddy: a suspect is told so by whoever pings it (IV-C).
        awareness_max: upper bound of the local health score.
        seeds: 0: everybody of the initial servers is known from the start; else only the first so many, and the
            others join through them.
        leave_s: seconds after which a member that left, and still runs, joins again.
    """

    probe_interval_s: float = 1.0
    probe_timeout_s: float = 0.5
    indirect_checks: int = CONTACTS
    probe_order: Literal["round-robin", "random"] = "round-robin"
    synchronised: bool = False
    suspicion: bool = True
    suspicion_mult: int = 4
    suspicion_max_mult: int = 6
    retransmit_mult: int = 4
    piggyback_max: int = 16
    gossip_interval_s: float = 0.2
    gossip_nodes: int = CONTACTS
    push_pull_s: float = 30.0
    reconnect_s: float = 30.0
    lifeguard_probe: bool = True
    lifeguard_suspicion: bool = True
    lifeguard_buddy: bool = True
    awareness_max: int = 8
    seeds: int = 0
    leave_s: float = 5.0

    def validate(self, nodes: int) -> None:
        """Raise ``ValueError`` with one sentence if a value cannot be, alone or in a cluster of ``nodes``."""
        for name in ("probe_interval_s", "probe_timeout_s", "gossip_interval_s", "leave_s"):
            if not 0.0005 <= getattr(self, name) <= 86400:
                raise ValueError(f"{name} {getattr(self, name):g} is out of range: 0.0005 to 86400 seconds")
        for name in ("push_pull_s", "reconnect_s"):
            if getattr(self, name) and not 0.001 <= getattr(self, name) <= 86400:
                raise ValueError(f"{name} {getattr(self, name):g} is out of range: 0.001 to 86400 seconds, or 0")
        if self.probe_timeout_s >= self.probe_interval_s:
            raise ValueError(
                f"probe_timeout_s {self.probe_timeout_s:g} is out of range: below the probe interval "
                f"{self.probe_interval_s:g}, or nothing is left of the period for indirect probes"
            )
        if not 0 <= self.awareness_max <= 1000:
            raise ValueError(f"awareness_max {self.awareness_max} is out of range: 0 to 1000")
        # the defaults hold for small clusters, too: more than there are was asked for
        for name, others, what in (
            ("indirect_checks", nodes - 2, "other than the prober and its target"),
            ("gossip_nodes", nodes - 1, "other than the sender"),
        ):
            if not 0 <= getattr(self, name) <= max(others, CONTACTS):
                raise ValueError(
                    f"{name} {getattr(self, name)} is out of range: 0 to the servers {what}, {max(others, 0)}"
                )
        if not 0 <= self.seeds <= nodes:
            raise ValueError(f"seeds {self.seeds} is out of range: 1 to the servers, {nodes}, or 0 for all")
        for name in ("suspicion_mult", "suspicion_max_mult", "retransmit_mult", "piggyback_max"):
            if not 1 <= getattr(self, name) <= 1000:
                raise ValueError(f"{name} {getattr(self, name)} is out of range: 1 to 1000")

    @property
    def probe_interval(self) -> int:
        """In ns."""
        return round(self.probe_interval_s * SECOND)

    @property
    def probe_timeout(self) -> int:
        """In ns."""
        return round(self.probe_timeout_s * SECOND)

    def settles(self, nodes: int) -> float:
        """Seconds after the last fault within which everybody is to know who is up.

        Each member is probed within 2n - 1 periods, which an unhealthy prober stretches until successes have healed
        it; a suspicion lasts its longest timeout; what is then wrong (two sides that deem each other dead) is found by
        attempts to reconnect, of which each reaches one of the dead at random.
        """
        longest = suspicion_min(self.suspicion_mult, nodes, self.probe_interval_s)
        longest *= self.suspicion_max_mult if self.lifeguard_suspicion else 1
        probes = 3 * (2 * nodes - 1) * self.probe_interval_s
        exchanges = (6 + nodes) * (self.reconnect_s + self.push_pull_s)
        return probes + 2 * longest + exchanges + self.leave_s + 3.0
