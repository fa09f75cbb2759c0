"""Axes and settings by name, so that no script repeats the numbers of another.

A grid takes the values of an axis by name, ``{"network": "@lan-to-wan"}``, and so does the command line,
``network=@lan-to-wan``. Networks themselves have names too (:mod:`bench.network.presets`). The functions below are the
settings that most questions are asked in; whatever a script needs otherwise it passes to them.
"""

from __future__ import annotations

from typing import Any

from ..errors import UsageError, unknown_name
from ..faults.spec import Crash
from ..network import Network
from ..network.presets import NETWORKS, network
from ..trial import Trial
from ..units import nanoseconds
from ..workload.spec import PRESETS as MIXES
from ..workload.spec import Workload

IDLE = Network()
"""No delay but the machine's own."""
AXES: dict[str, tuple[tuple[Any, ...], str]] = {
    "small": ((3, 5), "servers: what most clusters have"),
    "odd": ((3, 5, 7, 9), "servers: odd numbers, as an even one tolerates no more"),
    "lan-to-wan": (("lan", "zones", "continent", "wan"), "networks: round trips of 0.25 ms to 70 ms"),
    "networks": (tuple(NETWORKS), "networks: all that have a name"),
    "clients": ((1, 4, 16, 64), "clients of a closed loop"),
    "rates": ((1000.0, 2000.0, 4000.0, 8000.0, 16000.0), "operations/s of an open loop"),
    "timeouts": (((0.05, 0.1), (0.15, 0.3), (0.5, 1.0)), "ranges of an election timeout, in seconds"),
    "loss": ((0.0, 0.001, 0.01, 0.05), "share of messages that are lost"),
    "mixes": (("register", "ycsb-a", "ycsb-b", "ycsb-f"), "mixes of operations: some that read and write"),
}
"""Name -> (values, what they are)."""


def axis_preset(name: str, like: Any = None) -> tuple[Any, ...]:
    """The values of a preset, ``@NAME``.

    Args:
        name: with its ``@``.
        like: a value of the axis that they are for; None: any kind will do.

    Raises:
        UsageError: there is none of that name (the nearest is named), or its values are of another kind.
    """
    if not name.startswith("@"):
        raise UsageError(f"{name!r} is not a list of values; a preset begins with '@', as in '@small'")
    if name[1:] not in AXES:
        raise unknown_name("preset", name[1:], AXES)
    values, about = AXES[name[1:]]
    kind = float if isinstance(like, float) else type(like)
    if like is not None and not isinstance(values[0], (kind, int) if kind is float else kind):
        raise UsageError(f"the preset {name[1:]} ({about}) is not for an axis with values like {like!r}")
    return values


def place(name: str | Network) -> Network:
    """A network by its name; one that is given as such stays as it is."""
    return network(name) if isinstance(name, str) else name


def open_loop(
    protocol: str,
    rate: float,
    *,
    network: str | Network = "lan",
    load_s: float = 1.0,
    warmup_s: float = 0.1,
    clients: int = 16,
    keys: int = 64,
    mix: str = "register",
    **changes: Any,
) -> Trial:
    """So many operations a second arriving at random, and nothing goes wrong.

    Args:
        protocol: its name.
        rate: operations/s over all clients.
        network: or its name.
        load_s: how long; operations of the first ``warmup_s`` are not measured.
        clients, keys, mix: of the load; ``mix`` by name.
        changes: other fields of :class:`bench.trial.Trial`.

    Raises:
        UsageError: there is no network or mix of that name.
    """
    load = Workload(clients=clients, rate=rate, keys=keys, mix=_mix(mix))
    return _trial(protocol, network, load, load_s, warmup_s, changes)


def closed_loop(
    protocol: str,
    clients: int,
    *,
    network: str | Network = IDLE,
    load_s: float = 1.0,
    warmup_s: float = 0.2,
    keys: int = 64,
    mix: str = "register",
    **changes: Any,
) -> Trial:
    """So many clients, each with one operation under way, and nothing goes wrong; see :func:`open_loop`."""
    return _trial(protocol, network, Workload(clients=clients, keys=keys, mix=_mix(mix)), load_s, warmup_s, changes)


def leader_crash(
    protocol: str,
    rate: float,
    *,
    network: str | Network = "lan",
    at_s: float = 0.4,
    down_s: float = 1.3,
    load_s: float = 2.2,
    clients: int = 8,
    **changes: Any,
) -> Trial:
    """The leader is killed under an open load, and is back later; see :func:`open_loop`.

    Args:
        protocol, rate, network, load_s, clients, changes: as there.
        at_s: when it dies.
        down_s: after how long it is started again.
    """
    crash = Crash(at=nanoseconds(at_s), target="leader", down=nanoseconds(down_s))
    load = Workload(clients=clients, rate=rate)
    return _trial(protocol, network, load, load_s, 0.0, {"faults": (crash,)} | changes)


def _mix(name: str) -> tuple[tuple[str, float], ...]:
    if name not in MIXES:
        raise unknown_name("mix", name, MIXES)
    return MIXES[name]


def _trial(
    protocol: str, where: str | Network, load: Workload, load_s: float, warmup_s: float, changes: dict[str, Any]
) -> Trial:
    fields: dict[str, Any] = {
        "protocol": protocol,
        "network": place(where),
        "workload": load,
        "duration": nanoseconds(load_s),
        "warmup": nanoseconds(warmup_s),
        "liveness": nanoseconds(5),
    }
    return Trial(**(fields | changes))
