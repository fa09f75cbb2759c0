"""Failure models as ready schedules: ``bench run heartbeat --faults timing``, or :func:`schedule` from a script.

The classes are those of the literature, each wider than the one before: crash (Schlichting and Schneider 1983),
omission of sends and receives (Hadzilacos 1984; Perry and Toueg 1986), timing (Cristian et al. 1985), and Byzantine
(Lamport, Shostak and Pease 1982). Times are shares of the load, so a longer run has longer faults.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from protocols.family import Family

from ..errors import UsageError, unknown_name
from .notation import exact_duration, parse_fault
from .spec import Byzantine, Fault

GRAIN = 1_000_000
"""ns to which times are rounded, so that a schedule can be read."""


@dataclass(frozen=True)
class Preset:
    """A failure model.

    Attributes:
        about: what processes may do in it.
        lines: faults in their notation; ``{30%}`` stands for that share of the load, ``{one}`` and ``{two}`` for the
            second and the last server.
    """

    about: str
    lines: tuple[str, ...]


PRESETS: dict[str, Preset] = {
    "crash": Preset("A process stops for good, and was correct until then.", ("crash {one} at {30%}",)),
    "crash-recovery": Preset(
        "Processes stop, and come back with what their disks kept.",
        ("crash {one} at {15%} for {20%}", "crash {two} at {50%} for {20%}"),
    ),
    "send-omission": Preset(
        "A process is up, and what it sends is lost: half of it, then all.",
        ("send-omission {one} by 0.5 at {15%} for {25%}", "send-omission {one} by 1 at {55%} for {25%}"),
    ),
    "receive-omission": Preset(
        "A process is up, and what is sent to it is lost: half of it, then all.",
        ("receive-omission {one} by 0.5 at {15%} for {25%}", "receive-omission {one} by 1 at {55%} for {25%}"),
    ),
    "omission": Preset(
        "One process omits to send, then another to receive, then the first both.",
        (
            "send-omission {one} by 0.7 at {10%} for {20%}",
            "receive-omission {two} by 0.7 at {40%} for {20%}",
            "lossy-link {one} by 0.7 at {70%} for {20%}",
        ),
    ),
    "timing": Preset(
        "Nothing is lost, and nothing keeps its bounds: a slow CPU, late messages, a standstill, clocks that are fast "
        "or slow by 30%, and one that jumps.",
        (
            "slow-node {one} by 20x at {5%} for {15%}",
            "slow-link {two} by exponential({3%}) at {25%} for {15%}",
            "pause {one} at {45%} for {10%}",
            "clock-drift {two} by 300000ppm at {60%} for {15%}",
            "clock-drift {one} by -300000ppm at {75%} for {15%}",
            "clock-jump {one} by -60s at {85%}",
        ),
    ),
    "byzantine": Preset("A process says anything: one lie of its protocol after the other.", ()),
}


def schedule(name: str, duration: int, servers: Sequence[str], family: Family, runtime: str = "sim") -> list[Fault]:
    """The faults of a model.

    Args:
        name: of the preset.
        duration: ns of load.
        servers: names; two at least.
        family: of the protocol, whose lies a Byzantine process tells.
        runtime: live, nobody can speak in another's name, and such lies are left out.

    Raises:
        UsageError: there is no such preset, or it cannot be here.
    """
    if name not in PRESETS:
        raise unknown_name("failure model", name, PRESETS)
    if len(servers) < 2:
        raise UsageError(f"failure model {name!r} needs two servers, there is {len(servers)}")
    one, two = servers[1], servers[-1]
    if name == "byzantine":
        return _byzantine(family, duration, one, runtime)
    faults = []
    for line in PRESETS[name].lines:
        text = line.replace("{one}", one).replace("{two}", two)
        while "{" in text:
            before, rest = text.split("{", 1)
            share, after = rest.split("%}", 1)
            text = before + exact_duration(duration * int(share) // 100 // GRAIN * GRAIN or GRAIN) + after
        faults.append(parse_fault(text))
    return faults


def _byzantine(family: Family, duration: int, liar: str, runtime: str) -> list[Fault]:
    lies = [lie for lie in family.lies if runtime == "sim" or not lie.in_anothers_name]
    if not lies:
        raise UsageError(f"failure model 'byzantine': {family.name} has no Byzantine behaviours")
    slot = duration * 8 // 10 // len(lies) // GRAIN * GRAIN
    return [
        Byzantine(at=duration // 10 + place * slot, target=liar, behaviour=lie.name, length=max(GRAIN, slot * 3 // 4))
        for place, lie in enumerate(lies)
    ]
