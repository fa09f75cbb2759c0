"""What a configuration promises: no more than this is a violation when it does not hold.

| configuration | claimed of every history | claimed of global state (invariants, convergence) |
|---|---|---|
| any | no read of what nobody wrote, or before it was written | versions rise, one value each; acknowledged is kept |
| sessions | and read-your-writes, monotonic reads | |
| R + W > N, no sloppy quorums | | a read sees the version of every write acknowledged before it began |
| anti-entropy, no grace shorter than outages | | servers converge once healed |
| vv, dvv | | nothing is lost that no later write had seen |

Linearizability is not among them, R + W > N or not: timestamps of skewed clocks order writes otherwise than real time
does, and reads of two clients may see a write that is still under way in one order and its predecessor in the other.
That takes two phases, versions above all that a quorum has seen and write-back: ``protocols/replication/abd``.
"""

from __future__ import annotations

from .config import ClientConfig, ServerConfig


def claimed(server: ServerConfig, client: ClientConfig, nodes: int) -> tuple[str, ...]:
    """The models that every history satisfies.

    A deleted key reads as if it had never been written, so nothing is said of sessions that may see deletes.
    """
    base = ("read-consistency", "bounded-staleness")
    if client.sessions and not client.deletes:
        return (*base, "read-your-writes", "monotonic-reads")
    return base


def converges(server: ServerConfig) -> bool:
    """Whether servers that are all up and connected become equal without any further operation."""
    return server.anti_entropy_s > 0 and (server.grace_s == 0 or server.grace_s >= 600)
