"""Faults that make conditions worse, and are undone by making them better: of links, disks and clocks."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ...faults import spec
from ...faults.spec import Fault
from ...faults.targets import partition_groups
from .hostclock import monotonic_ns
from .schedule import Schedule
from .troubles import Pair


class ConditionFaults(Schedule):
    """See the module; hosts are told of each change at once (:meth:`.supervisor.Supervisor.impose`)."""

    # --- links -------------------------------------------------------------------------------------------------------

    def _cut(self, fault: Fault, names: list[str], pairs: list[Pair], length: int) -> None:
        start = monotonic_ns()
        self.troubles.cuts.update(pairs)
        self.supervisor.impose()

        def undo() -> None:
            self.troubles.cuts.subtract(pairs)
            self.supervisor.impose()

        self._record(fault, names, length, undo, start, links=tuple(pairs))

    def _fire_cut(self, fault: spec.Cut) -> None:
        self._cut(fault, [], list(fault.links), fault.length)

    def _fire_partition(self, fault: spec.Partition) -> None:
        self._split(fault, self.supervisor.clients)

    def split_servers(self, fault: spec.Partition) -> None:
        """A partition among the servers only; clients still reach all of them."""
        self._split(fault, ())

    def _split(self, fault: spec.Partition, clients: tuple[str, ...]) -> None:
        names = self._names(fault.target)
        pairs = partition_groups(fault.shape, names, list(self.supervisor.servers), list(clients), self.rng)
        self._cut(fault, names, sorted(pairs), fault.length)

    def _fire_retry_storm(self, fault: spec.RetryStorm) -> None:
        clients, servers = self.supervisor.clients, self.supervisor.servers
        pairs = [pair for client in clients for server in servers for pair in ((client, server), (server, client))]
        self._cut(fault, list(clients), pairs, fault.length)

    def _links_of(self, names: list[str]) -> list[Pair]:
        servers = set(self.supervisor.servers)
        everybody = (*self.supervisor.servers, *self.supervisor.clients)
        return [
            pair
            for name in names
            for other in everybody
            if other != name and (name in servers or other in servers)
            for pair in ((name, other), (other, name))
        ]

    def _fire_slow_link(self, fault: spec.SlowLink) -> None:
        names = self._names(fault.target)
        self._trouble_links(fault, names, self.troubles.extra, fault.extra, fault.length)

    def _fire_lossy_link(self, fault: spec.LossyLink) -> None:
        names = self._names(fault.target)
        self._trouble_links(fault, names, self.troubles.lossy, fault, fault.length)

    def _trouble_links(
        self,
        fault: Fault,
        names: list[str],
        table: dict[Pair, list[Any]],
        what: Any,
        length: int,
        pairs: list[Pair] | None = None,
    ) -> None:
        start = monotonic_ns()
        pairs = self._links_of(names) if pairs is None else list(dict.fromkeys(pairs))
        for pair in pairs:
            table.setdefault(pair, []).append(what)
        self.supervisor.impose()

        def undo() -> None:
            for pair in pairs:
                table[pair].remove(what)
            self.supervisor.impose()

        self._record(fault, names, length, undo, start)

    def _fire_send_omission(self, fault: spec.SendOmission) -> None:
        names = self._names(fault.target)
        pairs = [pair for pair in self._links_of(names) if pair[0] in names]
        self._trouble_links(fault, names, self.troubles.omitted, fault.loss, fault.length, pairs)

    def _fire_receive_omission(self, fault: spec.ReceiveOmission) -> None:
        names = self._names(fault.target)
        pairs = [pair for pair in self._links_of(names) if pair[1] in names]
        self._trouble_links(fault, names, self.troubles.omitted, fault.loss, fault.length, pairs)

    def _fire_byzantine(self, fault: spec.Byzantine) -> None:
        """The nodes' own hosts carry the lie out."""
        names = [name for name in self._names(fault.target) if name in self.supervisor.servers]
        start = monotonic_ns()
        for name in names:
            self.troubles.lies.setdefault(name, []).append(fault.behaviour)
        self.supervisor.impose()

        def undo() -> None:
            for name in names:
                self.troubles.lies[name].remove(fault.behaviour)
            self.supervisor.impose()

        self._record(fault, names, fault.length, undo, start)

    # --- disks and clocks --------------------------------------------------------------------------------------------

    def _counted(self, fault: Fault, names: list[str], table: Counter[str], amount: int, length: int) -> None:
        start = monotonic_ns()
        for name in names:
            table[name] += amount
        self.supervisor.impose()

        def undo() -> None:
            for name in names:
                table[name] -= amount
            self.supervisor.impose()
            if table is self.troubles.full:
                where = self.supervisor.where  # those that died of it, in processes that live
                self.supervisor.boot([name for name in names if name not in self.owner and where[name].up])

        self._record(fault, names, length, undo, start)

    def _fire_slow_disk(self, fault: spec.SlowDisk) -> None:
        self._counted(fault, self._names(fault.target), self.troubles.slow_disk, fault.extra, fault.length)

    def _fire_full_disk(self, fault: spec.FullDisk) -> None:
        self._counted(fault, self._up(self._names(fault.target)), self.troubles.full, 1, fault.length)

    def _fire_clock_jump(self, fault: spec.ClockJump) -> None:
        names = self._names(fault.target)
        for name in names:
            self.troubles.offset[name] += fault.offset
        self.supervisor.impose()
        self._record(fault, names, 0, lambda: None)

    def _fire_clock_drift(self, fault: spec.ClockDrift) -> None:
        names = self._names(fault.target)
        for name in names:
            self.troubles.ppm.setdefault(name, []).append(fault.ppm)
        self.supervisor.impose()

        def undo() -> None:
            for name in names:
                self.troubles.ppm[name].remove(fault.ppm)
            self.supervisor.impose()

        self._record(fault, names, fault.length, undo)
