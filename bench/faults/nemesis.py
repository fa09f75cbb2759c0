"""The seeded nemesis: a schedule of faults that nobody would have written by hand.

Gaps and lengths are exponential, faults overlap, and all of them are over when the load ends. A schedule follows from
its arguments alone, in any process.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from random import Random

from ..errors import UsageError, unknown_name
from ..network.latency import Constant, Exponential
from .spec import (
    SIM_ONLY,
    ClockDrift,
    ClockJump,
    Crash,
    CrashAtWrite,
    DrainRestart,
    Fault,
    FullDisk,
    LoseDisk,
    LossyLink,
    Membership,
    Nemesis,
    Partition,
    Pause,
    PowerLoss,
    RetryStorm,
    RollingRestart,
    SlowDisk,
    SlowLink,
    SlowNode,
    Stall,
)
from .targets import SHAPES, largest_minority

GENERAL: dict[str, dict[str, float]] = {
    "sim": {
        "crash": 5,
        "crash-at-write": 4,
        "partition": 5,
        "pause": 2,
        "stall": 2,
        "slow-link": 2,
        "lossy-link": 2,
        "slow-node": 1,
        "slow-disk": 1,
        "clock-jump": 1,
        "clock-drift": 1,
        "power-loss": 1,
        "retry-storm": 0.5,
        "rolling-restart": 0.5,
        "drain": 0.25,
        "full-disk": 0.25,
        "lose-disk": 0.25,
    },
    "ray": {
        "crash": 4,
        "partition": 4,
        "pause": 3,
        "slow-link": 2,
        "lossy-link": 2,
        "slow-disk": 1,
        "slow-node": 0.5,
        "clock-jump": 1,
        "clock-drift": 1,
        "power-loss": 0.5,
        "retry-storm": 0.5,
    },
}
"""The general set of each runtime, with weights."""

QUICK = 20_000_000
"""ns: the mean of quick restarts, and of the gap between faults that come together."""
BLINK = 200_000
"""ns: a process that is back before anybody has noticed."""
SHORTEST = 1_000_000
"""ns: no fault is shorter; the load's last such stretch stays free of new ones."""
GRAIN = 10_000
"""ns to which times are rounded, so that a schedule can be read."""
CUT = 4
"""Lengths end at this many times their mean."""
LOOPS = 0.25
"""Share of the crashes that are crash loops, where a process starts fast enough (the simulator)."""
MOST_ROLLED = 9
"""Servers above which a rolling restart would fill the run."""


class _Draw:
    """The random source of one schedule, with what its faults have used up."""

    def __init__(
        self, seed: int, nemesis: Nemesis, duration: int, servers: Sequence[str], runtime: str, kinds: Sequence[str]
    ) -> None:
        self.rng = Random(f"{seed}/nemesis")
        self.simulated = runtime == "sim"
        self.mean = nemesis.length
        self.duration = duration
        self.servers = len(servers)
        # at most a minority ever forgets, and nobody twice: more would break what no protocol promises
        self.names = sorted(servers)
        self.forgetful = self.rng.sample(self.names, largest_minority(len(servers)))
        # Of those who stay members whatever happens, a majority must remember, and one must stay.
        self.operator = Random(f"{seed}/operator")
        some = self.operator.sample(self.names, self.operator.randint(1, max(1, len(servers) - 1)))
        self.mobile = list(self.forgetful) if "lose-disk" in kinds else some[: len(servers) - 1]
        self.away: list[str] = []
        self.cuts = "partition" in kinds

    def exponential(self, mean: float) -> int:
        return round(self.rng.expovariate(1.0) * mean / GRAIN) * GRAIN

    def length(self, at: int, parts: int = 1) -> int:
        """How long: exponential, cut, and over by the end of the load, ``parts`` times in a row."""
        drawn = min(self.exponential(self.mean), CUT * self.mean, (self.duration - at) // parts)
        return max(SHORTEST // parts, drawn // GRAIN * GRAIN)

    def outage(self, at: int) -> int:
        """How long a process is down: half of the restarts are quick, within one election or one round of messages."""
        if self.rng.random() < 0.5:
            return self.length(at)
        return max(SHORTEST, min(self.exponential(QUICK), self.duration - at) // GRAIN * GRAIN)

    def gap(self, mean: float) -> int:
        """Time to the next fault: a third of them come on the heels of the last, for troubles seldom come alone."""
        return max(GRAIN, self.exponential(mean if self.rng.random() < 0.67 else QUICK))

    def pick(self, *choices: tuple[str, float]) -> str:
        """One of the names, by weight."""
        bounds = list(accumulate(weight for _, weight in choices))
        return choices[bisect_right(bounds, self.rng.random() * bounds[-1], hi=len(choices) - 1)][0]

    def share(self, low: float, high: float) -> float:
        return round(self.rng.uniform(low, high), 3)

    def one(self) -> str:
        return self.pick(("random", 2), ("leader", 3), ("follower", 1))

    def some(self) -> str:
        return self.pick(("random", 3), ("leader", 3), ("minority", 1), ("majority", 1), ("client", 0.5))


def _crash(draw: _Draw, at: int) -> Fault | list[Fault]:
    if draw.simulated and draw.rng.random() < LOOPS:
        return _crash_loop(draw, at)
    target = draw.pick(("random", 4), ("leader", 4), ("minority", 2), ("majority", 1))
    return Crash(at=at, target=target, down=draw.outage(at))


def _crash_loop(draw: _Draw, at: int) -> list[Fault]:
    """A server dies again and again, back at once each time: between two messages of one election, too."""
    victim = draw.rng.choice(draw.names)
    end = at + draw.length(at)
    down = draw.rng.choice((SHORTEST // 10, SHORTEST))
    crashes: list[Fault] = []
    while at + down <= end:
        crashes.append(Crash(at=at, target=victim, down=down))
        at += down + max(GRAIN, draw.exponential(QUICK / 2))
    return crashes


def _partition(draw: _Draw, at: int) -> Fault:
    shape = draw.pick(*((shape, 1) for shape in SHAPES))
    target = draw.pick(("random", 1), ("leader", 1))
    return Partition(at=at, shape=shape, target=target, length=draw.length(at))  # type: ignore[arg-type]


def _pause(draw: _Draw, at: int) -> Fault:
    target = draw.pick(("random", 3), ("leader", 4), ("minority", 1), ("client", 0.5))
    return Pause(at=at, target=target, length=draw.length(at))


def _slow_link(draw: _Draw, at: int) -> Fault:
    mean = draw.rng.randint(5, 100) * 1_000_000
    extra = draw.rng.choice((Constant(mean), Exponential(mean)))
    return SlowLink(at=at, target=draw.some(), extra=extra, length=draw.length(at))


def _lossy_link(draw: _Draw, at: int) -> Fault:
    loss, duplication = draw.share(0.05, 0.5), draw.share(0.0, 0.3)
    return LossyLink(at=at, target=draw.some(), loss=loss, duplication=duplication, length=draw.length(at))


def _clock_jump(draw: _Draw, at: int) -> Fault:
    size = max(SHORTEST, draw.exponential(1e9))
    return ClockJump(at=at, target=draw.one(), offset=size if draw.rng.random() < 0.5 else -size)


def _rolling_restart(draw: _Draw, at: int) -> Fault | None:
    parts = 2 * draw.servers
    if draw.servers > MOST_ROLLED or draw.duration - at < parts * SHORTEST:
        return None
    return RollingRestart(at=at, down=draw.length(at, parts), gap=draw.length(at, parts))


def _lose_disk(draw: _Draw, at: int) -> Fault | None:
    if not draw.forgetful:
        return None
    return LoseDisk(at=at, target=draw.forgetful.pop(), down=draw.length(at))


def _drain(draw: _Draw, at: int) -> Fault:
    grace, down = draw.length(at, 2), draw.length(at, 2)
    return DrainRestart(at=at, target=draw.one(), grace=grace, down=down)


def _membership(draw: _Draw, at: int) -> list[Fault]:
    """The operator has the leader remove servers, and take others back: one, or several together.

    It does not look whether the last change is through, nor whether there is a leader: some of this comes to nothing.
    Where links are cut at all, some changes come with a cut: then the old members and the new may both go on.
    """
    changes = [_change(draw, at) for _ in range(draw.operator.choice((1, 1, 2, 3, 4)))]
    faults: list[Fault] = [change for change in changes if change is not None]
    if draw.cuts and faults and draw.operator.random() < 0.4:
        when = max(GRAIN, at + draw.operator.randint(-2, 2) * 1_000_000)
        faults.append(Partition(at=when, shape="halves", target="leader", length=draw.length(max(at, when))))
    return faults


def _change(draw: _Draw, at: int) -> Fault | None:
    present = [server for server in draw.mobile if server not in draw.away]
    if draw.away and (not present or draw.operator.random() < 0.5):
        node = draw.operator.choice(draw.away)
        draw.away.remove(node)
        return Membership(at=at, target="leader", action="add", node=node)
    if not present:
        return None
    node = draw.operator.choice(present)
    draw.away.append(node)
    return Membership(at=at, target="leader", action="remove", node=node)


_MAKERS: dict[str, Callable[[_Draw, int], Fault | list[Fault] | None]] = {
    "crash": _crash,
    "crash-at-write": lambda draw, at: CrashAtWrite(at=at, down=draw.outage(at) if draw.rng.random() < 0.2 else BLINK),
    "power-loss": lambda draw, at: PowerLoss(at=at, down=draw.outage(at)),
    "rolling-restart": _rolling_restart,
    "drain": _drain,
    "lose-disk": _lose_disk,
    "membership": _membership,
    "pause": _pause,
    "stall": lambda draw, at: Stall(at=at, target=draw.one(), length=draw.outage(at)),
    "partition": _partition,
    "slow-node": lambda draw, at: SlowNode(
        at=at, target=draw.one(), factor=float(draw.rng.randint(2, 20)), length=draw.length(at)
    ),
    "slow-link": _slow_link,
    "lossy-link": _lossy_link,
    "slow-disk": lambda draw, at: SlowDisk(
        at=at, target=draw.some(), extra=draw.rng.randint(1, 50) * 1_000_000, length=draw.length(at)
    ),
    "full-disk": lambda draw, at: FullDisk(at=at, target=draw.one(), length=draw.length(at)),
    "clock-jump": _clock_jump,
    "clock-drift": lambda draw, at: ClockDrift(
        at=at, target=draw.one(), ppm=float(draw.rng.randint(-500, 500)), length=draw.length(at)
    ),
    "retry-storm": lambda draw, at: RetryStorm(at=at, length=draw.length(at)),
}

KINDS: tuple[str, ...] = tuple(_MAKERS)
"""What a nemesis can draw. ``membership`` is in no general set: few protocols change theirs. ``zone-loss`` names a part
of one cluster: it is scheduled by hand."""
SCHEDULED = ("zone-loss", "send-omission", "receive-omission", "byzantine")
"""What it cannot: the first names a part of one cluster, the others belong to a failure model (see :mod:`.presets`)."""


def check_kinds(kinds: Sequence[str], runtime: str) -> None:
    """Raise :class:`UsageError` unless a nemesis can draw all these kinds in that runtime."""
    only_sim = [fault.__struct_config__.tag for fault in SIM_ONLY]
    for kind in kinds:
        if kind not in _MAKERS and kind in SCHEDULED:
            raise UsageError(f"a nemesis cannot draw {kind}: schedule it with --fault")
        if kind not in _MAKERS:
            raise unknown_name("fault kind", kind, _MAKERS)
        if runtime != "sim" and kind in only_sim:
            raise UsageError(f"fault kind {kind!r} exists in the simulator only: use --runtime sim")


def generate(nemesis: Nemesis, seed: int, duration: int, servers: Sequence[str], runtime: str) -> tuple[Fault, ...]:
    """The faults of one trial, in order of time; each is over by ``duration``.

    Args:
        nemesis: kinds, mean gap, mean length, quiet start.
        seed: of the schedule.
        duration: ns of load.
        servers: names.
        runtime: whose general set to draw from if the nemesis names no kinds.

    Raises:
        UsageError: a kind that does not exist, or not in that runtime.
    """
    check_kinds(nemesis.kinds, runtime)
    weights = dict.fromkeys(nemesis.kinds, 1.0) or GENERAL[runtime]
    choices = tuple(weights.items())
    draw = _Draw(seed, nemesis, duration, servers, runtime, tuple(weights))
    faults: list[Fault] = []
    at = nemesis.quiet // GRAIN * GRAIN
    while True:
        at += draw.gap(nemesis.interval)
        if at > duration - SHORTEST:
            return tuple(sorted(faults, key=lambda fault: fault.at))
        drawn = _MAKERS[draw.pick(*choices)](draw, at)
        if drawn is not None:
            faults += drawn if isinstance(drawn, list) else [drawn]
