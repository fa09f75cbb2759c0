"""How often votes split, and how long an election takes (Ongaro 2014, section 9.2 and appendix)."""

from __future__ import annotations

from math import comb

import numpy as np

from .sampling import Samples


def split_rate(alive: int, servers: int, ratio: float) -> float:
    """The probability that an election is split.

    All servers that are alive time out independently and uniformly over a range; whoever does so within one broadcast
    of the first, a share ``ratio`` of the range, stands too and votes for itself. No majority is left once that many
    have: P[Bin(alive, ratio) >= alive - floor(servers / 2)], as the dissertation approximates it.

    Args:
        alive: servers that are up; ``servers``: of how many.
        ratio: broadcast time / width of the timeout's range.

    Raises:
        ValueError: out of range.
    """
    if not 1 <= alive <= servers:
        raise ValueError(f"alive {alive} is out of range: from 1 to {servers}")
    if not 0 <= ratio <= 1:
        raise ValueError(f"ratio {ratio:g} is out of range: from 0 to 1")
    fewest = max(0, alive - servers // 2)
    return sum(comb(alive, k) * ratio**k * (1 - ratio) ** (alive - k) for k in range(fewest, alive + 1))


def first_timeout(followers: int, low_s: float, high_s: float, draws: int, rng: np.random.Generator) -> Samples:
    """Samples of when the first of the followers times out, in s."""
    drawn: Samples = rng.uniform(low_s, high_s, (draws, followers)).min(axis=1)
    return drawn


def outage(
    alive: int,
    timeout_s: tuple[float, float],
    rtt_s: float,
    heartbeat_s: float = 0.0,
    client_s: float = 0.0,
    draws: int = 100_000,
    seed: int = 1,
) -> Samples:
    """Samples of the time in s from a leader's crash until the next one has answered a client, without split votes.

    The leader's last message was sent at a random time before the crash and reset the timers; then the first of those
    alive times out, asks for votes (twice, with PreVote: two round trips) and commits an entry (another). Split votes
    come on top: see :func:`split_rate`.

    Args:
        alive: followers that are up.
        timeout_s: the range of the election timeout.
        rtt_s: round trip between servers.
        heartbeat_s: interval of the leader's messages; 0 if the timers were just reset.
        client_s: round trip of a client; its retries come on top.
    """
    rng = np.random.default_rng(seed)
    waited = rng.uniform(0.0, heartbeat_s, draws) if heartbeat_s else np.zeros(draws)
    first = first_timeout(alive, *timeout_s, draws, rng)
    found: Samples = np.maximum(0.0, first - waited) + 3 * rtt_s + client_s
    return found
