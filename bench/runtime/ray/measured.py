"""From the reports of a live trial's processes to what an operation cost, and what may have falsified the run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ...history import OK, History
from ...trial import Bias, MachineBias, NodeCost
from .orders import HostReport, LoadReport, NodeReport
from .sensors import Disk, MachineReport


def quantile(times: Sequence[int], share: float) -> float:
    """A quantile of times in ns, in seconds; 0 without any."""
    return float(np.quantile(np.asarray(times), share)) / 1e9 if len(times) else 0.0


def acknowledged(history: History, length: int) -> int:
    """Operations that ended well in the ``length`` ns of the load."""
    ended = (history.outcome == OK) & (history.completed >= 0) & (history.completed < length)
    return int(np.count_nonzero(ended))


def node_costs(nodes: Iterable[NodeReport], operations: int, length: int) -> dict[str, NodeCost]:
    """What each of these nodes spent, and an operation cost it.

    Args:
        nodes: their reports.
        operations: acknowledged during the load.
        length: of the load, ns.
    """
    return {node.name: _cost(node, operations, length) for node in nodes}


def _cost(node: NodeReport, operations: int, length: int) -> NodeCost:
    spent = node.load
    cost = NodeCost(
        cpu_s=node.cpu / 1e9,
        messages_sent=node.to_servers + node.to_clients,
        bytes_sent=node.bytes_sent,
        fsyncs=node.fsyncs,
        fsync_p50_s=quantile(node.sync_times, 0.5),
        fsync_p99_s=quantile(node.sync_times, 0.99),
        load_cpu=None if spent is None else spent.cpu / length,
    )
    if spent is None or not operations:
        return cost
    return NodeCost(
        **{name: getattr(cost, name) for name in cost.__struct_fields__ if not name.endswith(_EACH)},
        cpu_per_operation_s=spent.cpu / 1e9 / operations,
        messages_per_operation=spent.messages / operations,
        bytes_per_operation=spent.bytes / operations,
        fsyncs_per_operation=spent.fsyncs / operations,
    )


_EACH = ("per_operation", "per_operation_s")


def bias_of(load: LoadReport, reports: Mapping[str, HostReport]) -> Bias:
    """What may have falsified a run; ``reports`` by host."""
    machines = machine_biases(reports)
    late = [ns for report in reports.values() for ns in report.timer_lateness]
    return Bias(
        generator_lateness_p50_s=quantile(load.lateness, 0.5),
        generator_lateness_p99_s=quantile(load.lateness, 0.99),
        generator_cpu=load.cpu,
        shed=load.shed,
        gc_pause_max_s=max((report.gc_pause for report in reports.values()), default=0) / 1e9,
        gc_pause_total_s=max((report.gc_total for report in reports.values()), default=0) / 1e9,
        timer_lateness_p50_s=quantile(late, 0.5),
        timer_lateness_p99_s=quantile(late, 0.99),
        timer_lateness_max_s=max((report.timer_latest for report in reports.values()), default=0) / 1e9,
        steal=max((machine.steal or 0.0 for machine in machines), default=0.0),
        machines=machines,
        refused=sum(report.refused for report in reports.values()),
        stale=sum(report.stale for report in reports.values()),
    )


def machine_biases(reports: Mapping[str, HostReport]) -> tuple[MachineBias, ...]:
    """One a machine. A process that was restarted has seen only a part: who saw most speaks for the machine."""
    found: dict[str, list[tuple[MachineReport, HostReport]]] = {}
    for _, report in sorted(reports.items()):
        if report.machine is not None:
            found.setdefault(report.machine.machine, []).append((report.machine, report))
    made = []
    for several in found.values():
        nodes = [name for _, report in several for name in _names(report)]
        seen = [machine for machine, _ in several]
        steal = max((each.steal for each in seen if each.steal is not None), key=lambda ticks: ticks[1], default=None)
        withheld = max((each.throttled for each in seen if each.throttled is not None), default=None)
        disk = next((each.disk for each in seen if each.disk is not None), Disk("", "", None))
        made.append(
            MachineBias(
                name=seen[0].ip,
                nodes=tuple(nodes),
                cores=min(each.cores for each in seen),
                steal=steal[0] / steal[1] if steal is not None and steal[1] > 0 else None,
                throttled_periods=None if withheld is None else withheld[0],
                throttled_s=None if withheld is None else withheld[1] / 1e9,
                file_system=disk.file_system,
                device=disk.device,
                durable=disk.durable,
            )
        )
    return tuple(made)


def _names(report: HostReport) -> list[str]:
    """Of the servers; all clients are one process."""
    return [report.host] if report.generates else [node.name for node in report.nodes]
