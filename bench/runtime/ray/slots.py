"""A host's place in a trial, whichever process fills it, and where places go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from ...workload.generator import Part
from .seat import Seat


class Slot:
    """A host's place in the trial, whichever process fills it.

    Attributes:
        seat: the process; None while the place is empty.
        machine: the Ray node that has its disk: every process that fills the place is there. Empty if embedded.
        heir: the process that Ray is starting here, in place of one that was killed.
        life: how many processes have filled it so far.
        up: its nodes have been booted in this process.
        part: of the load that a generator drives.
        alone: one server has the process to itself, so crashes and pauses are signals.
        killed: nodes that died with the last process and wait for the next.
        orders: crashes of single nodes that the process has not carried out yet.
        pids: of all processes that have filled it, in order.
    """

    def __init__(self, name: str, nodes: tuple[str, ...], *, generator: bool, part: Part | None = None) -> None:
        self.name = name
        self.part = part
        self.nodes = nodes
        self.generator = generator
        self.alone = len(nodes) == 1 and not generator
        self.seat: Seat | None = None
        self.heir: Seat | None = None
        self.killed: set[str] = set()
        self.orders: list[Any] = []
        self.machine = ""
        self.life = 0
        self.up = False
        self.pids: list[int] = []
        self.prepared: Any = None
        self.watch: Any = None

    def within(self, nodes: Collection[str]) -> bool:
        """Whether a fault of these nodes is one of the process. The load's process is never hit."""
        return not self.generator and set(nodes).issuperset(self.nodes)


class Hit(NamedTuple):
    """Who was killed: with their processes, and as some of the nodes of a process that goes on."""

    processes: list[str]
    logical: list[str]

    @property
    def how(self) -> Literal["", "process", "logical", "mixed"]:
        """See :class:`bench.faults.spec.FaultRecord`."""
        return how(bool(self.processes), bool(self.logical))


def how(process: bool, logical: bool) -> Literal["", "process", "logical", "mixed"]:
    """In the word of a fault's record, if it hit processes, and nodes of processes that go on."""
    if process and logical:
        return "mixed"
    return "process" if process else "logical" if logical else ""


def zone_of(slot: Slot, zones: Mapping[str, Iterable[str]]) -> str | None:
    """The zone of all nodes of a server's place; None if they are of several, or of none. The load has no zone."""
    found = {zone for zone, members in zones.items() if not slot.generator and not set(members).isdisjoint(slot.nodes)}
    return found.pop() if len(found) == 1 else None


def enumeration(nodes: Sequence[str]) -> str:
    """Some of the names, and how many more there are."""
    shown = ", ".join(nodes[:8])
    return shown if len(nodes) <= 8 else f"{shown} and {len(nodes) - 8} more"


def apart(machines: Sequence[str], generators: int, places: Iterable[str]) -> list[str]:
    """Where each process goes, the last of them generators, which are to be on machines of their own if they can."""
    servers, last = list(machines[: len(machines) - generators]), list(machines[len(machines) - generators :])
    if len(set(last)) < generators:
        load = Counter(dict.fromkeys(places, 0))
        load.update(servers)
        order = sorted(load, key=lambda place: load[place])  # as they come, where these are equal
        last = [order[number % len(order)] for number in range(generators)]
    return servers + last
