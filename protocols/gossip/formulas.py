"""What epidemics are expected to do. Pure functions.

A. Demers et al.: *Epidemic algorithms for replicated database maintenance*, PODC 1987, sections 1.3 and 1.4; B. Pittel:
*On spreading a rumor*, SIAM Journal on Applied Mathematics 47(1), 1987.
"""

from __future__ import annotations

from math import exp, log, log2


def rumor_residue(k: float) -> float:
    """Share of members that never hear of a rumor, as the differential equations have it: s = e^-(k+1)(1-s).

    (Section 1.4, for feedback and coin.) 0.203 for k = 1, 0.0595 for k = 2.
    """
    residue = 0.0
    for _ in range(200):
        residue = exp(-(k + 1.0) * (1.0 - residue))
    return residue


def residue_of_traffic(messages: float) -> float:
    """The residue of any push epidemic that sends so many updates a member: s = e^-m (section 1.4)."""
    return exp(-messages)


def push_rounds(members: int) -> float:
    """Rounds of pushing until everybody knows: log2 n + ln n, but for a constant (Pittel)."""
    return log2(members) + log(members)


def missing_after(push: bool, missing: float, members: int) -> float:
    """Expected share of members that still do not know after one more round of anti-entropy (section 1.3).

    Pull: p^2. Push: p (1 - 1/n)^(n (1 - p)), about p / e when few are missing.
    """
    if push:
        left: float = missing * (1.0 - 1.0 / members) ** (members * (1.0 - missing))
        return left
    return missing * missing
