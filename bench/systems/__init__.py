"""Real servers beside our protocols: the same load and faults, judged by the same checkers.

Third parties register theirs through the entry points ``quorumbench.systems`` (:mod:`bench.plugins`).
"""

from __future__ import annotations

from ..errors import unknown_name
from ..plugins import names as plugged
from ..plugins import system as plugged_system
from .driving import Driven, drive
from .etcd import Etcd
from .interface import Client, Group, Refused, System, Unsure
from .syncobj import PySyncObj

OURS: dict[str, type[System]] = {"etcd": Etcd, "pysyncobj": PySyncObj}


def system_names() -> tuple[str, ...]:
    """All that are known, ours and others'."""
    return tuple(sorted({*OURS, *plugged("systems")}))


def system_named(name: str) -> System:
    """The adapter of that name.

    Raises:
        UsageError: there is none, or it is broken.
    """
    if name in OURS:
        return OURS[name]()
    found = plugged_system(name)
    if found is None:
        raise unknown_name("system", name, system_names())
    assert isinstance(found, System)
    return found


__all__ = [
    "Client",
    "Driven",
    "Group",
    "Refused",
    "System",
    "Unsure",
    "drive",
    "system_named",
    "system_names",
]
