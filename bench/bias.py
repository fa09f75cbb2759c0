"""When to look twice at a live trial: thresholds on what was measured of the harness and its machines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .trial import Bias, NodeCost, Projection, Result

GENERATOR_CPU = 0.7
"""Share of one core: beyond it the generator begins to wait for itself."""
LATE_SHARE = 0.1
"""Of the median response time, that operations may be sent late."""
STEAL = 0.02
TIMER_S = 0.005
PAUSE_S = 0.01
PAUSED = 0.01
"""Share of the load that may go into garbage collection."""
SATURATED = 0.8
"""Share of the cores of all machines, used by the trial's own processes."""
ROUGH = 0.2
"""Share of a core: of a node that was less busy, the fixed costs weigh so much that a projection is too low."""


class Doubt(NamedTuple):
    """A reason to look twice: the field of :class:`bench.trial.Bias` (or a word like it), and a sentence."""

    subject: str
    text: str


def doubts(result: Result) -> list[Doubt]:
    """Everything about a live result's measurement that should make a person look twice; in the order of weight."""
    found = []
    if result.harness_bound:
        found.append(Doubt("harness_bound", "the floor bounds it: its rate is the harness', not the protocol's"))
    if result.bias is not None:
        found += _of_bias(result, result.bias)
        found += _of_machines(result, result.bias)
    return found


def _of_bias(result: Result, bias: Bias) -> Iterator[Doubt]:
    p50, length = result.latency_s.p50, result.duration_s
    if bias.generator_cpu > GENERATOR_CPU:
        yield Doubt("generator_cpu", f"the load generator used {bias.generator_cpu:.0%} of a core")
    if p50 is not None and bias.generator_lateness_p99_s > LATE_SHARE * p50:
        share = f"{bias.generator_lateness_p99_s / p50:.0%}" if p50 > 0 else "more than all"
        text = f"one operation in a hundred was sent late by {share} of the median response time, or more"
        yield Doubt("generator_lateness_p99_s", text)
    if bias.shed:
        yield Doubt("shed", f"{bias.shed} operations were not started, because too many were under way")
    if bias.gc_pause_max_s > PAUSE_S:
        yield Doubt("gc_pause_max_s", f"garbage collection stopped a process for {bias.gc_pause_max_s * 1e3:.0f} ms")
    if length > 0 and bias.gc_pause_total_s > PAUSED * length:
        yield Doubt("gc_pause_total_s", f"garbage collection took {bias.gc_pause_total_s / length:.1%} of a process")
    if bias.timer_lateness_p99_s > TIMER_S:
        yield Doubt("timer_lateness_p99_s", f"one timer in a hundred was {bias.timer_lateness_p99_s * 1e3:.1f} ms late")


def _of_machines(result: Result, bias: Bias) -> Iterator[Doubt]:
    if bias.steal > STEAL:
        yield Doubt("steal", f"the hypervisor took {bias.steal:.1%} of a machine's time")
    for machine in bias.machines:
        if machine.throttled_periods:
            text = f"a CPU quota stopped {machine.name} {machine.throttled_periods} times"
            yield Doubt("throttled", f"{text}, for {machine.throttled_s or 0.0:.2f} s")
        if machine.file_system and machine.durable is not True:
            means = "means nothing there" if machine.durable is False else "means what the layer below makes of it"
            yield Doubt("durable", f"the logs of {machine.name} lie on {machine.file_system}: a sync {means}")
    used, cores = cpu_used(result), sum(machine.cores for machine in bias.machines)
    if used is not None and cores and used > SATURATED * cores:
        yield Doubt("cpu", f"nodes and generator together used {used:.2f} of {cores} cores: the machine was the limit")


def cpu_used(result: Result) -> float | None:
    """Cores that the nodes and the generator used during the load, together; None where that was not measured."""
    shares = [cost.load_cpu for cost in result.costs.values() if cost.load_cpu is not None]
    return sum(shares) + result.bias.generator_cpu if shares and result.bias is not None else None


def project(costs: dict[str, NodeCost]) -> Projection | None:
    """See :class:`bench.trial.Projection`; None where the CPU time of an operation was not measured."""
    cpu = {name: cost.cpu_per_operation_s for name, cost in costs.items() if cost.cpu_per_operation_s}
    if not cpu:
        return None
    busiest = max(cpu, key=lambda name: (cpu[name] or 0.0, name))
    disk = {
        name: cost.fsyncs_per_operation * cost.fsync_p50_s
        for name, cost in costs.items()
        if cost.fsyncs_per_operation and cost.fsync_p50_s
    }
    slowest = max(disk, key=lambda name: (disk[name], name), default="")
    return Projection(
        node=busiest,
        cpu_ops_s=1 / (cpu[busiest] or 1.0),
        sync_node=slowest,
        sync_ops_s=1 / disk[slowest] if slowest else None,
    )


def rough(result: Result) -> bool:
    """Whether the projection of a result rests on a node that was hardly busy."""
    found = result.projection
    cost = result.costs.get(found.node) if found is not None else None
    return cost is not None and (cost.load_cpu or 0.0) < ROUGH
