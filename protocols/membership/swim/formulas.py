"""The arithmetic of SWIM, of memberlist's defaults, and of Lifeguard. Pure functions: try other settings here.

A. Das, I. Gupta, A. Motivala: *SWIM: scalable weakly-consistent infection-style process group membership protocol*,
DSN 2002; A. Dadgar, J. Phillips, J. Currey: *Lifeguard: local health awareness for more accurate failure detection*,
DSN-W 2018; and HashiCorp's memberlist, whose names the parameters keep.
"""

from __future__ import annotations

from math import ceil, exp, log, log10

# --- how soon a crash is noticed ------------------------------------------------------------------------------------


def first_detection(members: int, alive: float = 1.0) -> float:
    """Expected protocol periods until some member first probes one that crashed, counted in whole rounds.

    Each of n - 1 others picks it with probability 1/(n - 1) a round (section 3.1, exact in n): 1.463 for 5, 1.530 for
    10. ``alive``: share of the members that probe.
    """
    others = members - 1
    missed: float = (1.0 - 1.0 / others) ** (others * alive)
    return 1.0 / (1.0 - missed)


def first_detection_limit(alive: float = 1.0) -> float:
    """The same for infinitely many members, 1 / (1 - e^-q): 1.582 periods."""
    return 1.0 / (1.0 - exp(-alive))


def first_probe(members: int) -> float:
    """Expected periods from a crash at a random time to the first probe of it, if members probe at random phases.

    After m + s periods (0 <= s < 1) each of the n - 1 others has probed m times, and once more with probability s; the
    integral of what survives is closed: (1 - r^n) / (n q (1 - r^(n-1))) with q = 1/(n - 1), r = 1 - q.
    """
    chance = 1.0 / (members - 1)
    spared = 1.0 - chance
    return (1.0 - spared**members) / (members * chance * (1.0 - spared ** (members - 1)))


def longest_wait(members: int) -> int:
    """Periods within which one prober, round robin and in a new order each round, probes everybody (4.3)."""
    return 2 * members - 1


def probe_messages(acked: bool, dead: bool, indirect: int) -> int:
    """Messages of one probe (section 3.1): 2; after a missed ack up to 4 more a helper, 2 if the target is dead."""
    if acked:
        return 2
    return 1 + 2 * indirect if dead else 2 + 4 * indirect


# --- how far and how fast news spreads ------------------------------------------------------------------------------


def retransmit_limit(multiplier: int, members: int) -> int:
    """How often one member passes on an update: mult * ceil(log10(n + 1)) (memberlist's ``retransmitLimit``)."""
    return multiplier * ceil(log10(members + 1))


def infected(members: int, rounds: float, contacts: float = 1.0) -> float:
    """Expected members that know an update after so many periods (section 4.1; Bailey's logistic epidemic)."""
    return members / (1.0 + (members - 1) * exp(-contacts * rounds))


# --- suspicion ------------------------------------------------------------------------------------------------------


def suspicion_min(multiplier: float, members: int, probe_interval: float) -> float:
    """Time until a suspect is declared dead: mult * max(1, log10 n) * interval (memberlist's ``suspicionTimeout``)."""
    return multiplier * max(1.0, log10(max(1, members))) * probe_interval


def confirmations_wanted(multiplier: int, members: int) -> int:
    """K: independent confirmations that bring the suspicion timeout down to its minimum; 0 where there are too few."""
    wanted = multiplier - 2
    return 0 if members - 2 < wanted else max(0, wanted)


def suspicion_timeout(confirmations: int, wanted: int, minimum: float, maximum: float) -> float:
    """Lifeguard's dynamic timeout: from the maximum down to the minimum, logarithmically (section IV-B).

    max(min, max - (max - min) * ln(C + 1) / ln(K + 1)); the minimum if nobody's confirmation is wanted.
    """
    if wanted < 1:
        return minimum
    return max(minimum, maximum - (maximum - minimum) * log(confirmations + 1.0) / log(wanted + 1.0))


# --- local health ---------------------------------------------------------------------------------------------------


def health(score: int, change: int, most: int) -> int:
    """The local health multiplier's counter after an event: within 0 .. ``most`` (section IV-A; most = 8)."""
    return min(max(score + change, 0), most)


def scaled(interval: int, score: int) -> int:
    """A probe interval or timeout as a member of that health uses it: (score + 1) times as long."""
    return interval * (score + 1)
