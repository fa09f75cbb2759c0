"""When a live result must be looked at twice, and where separate machines would saturate."""

from __future__ import annotations

from typing import Any

import pytest

from bench.bias import doubts, project, rough
from bench.trial import Bias, Latency, MachineBias, NodeCost, Result, Trial

from .sweep.fake import result

LIVE = Trial(protocol="raft", runtime="ray")


def live(bias: Bias | None = None, **changes: Any) -> Result:
    return result(LIVE, bias=bias or Bias(), latency_s=Latency(p50=0.002), **changes)


def subjects(found: Result) -> list[str]:
    return [doubt.subject for doubt in doubts(found)]


def machine(**changes: Any) -> MachineBias:
    fields = {"name": "10.0.0.1", "cores": 2, "file_system": "ext4", "device": "/dev/sda", "durable": True}
    return MachineBias(**(fields | changes))


@pytest.mark.parametrize(
    ("field", "fine", "doubtful"),
    [
        ("generator_cpu", 0.69, 0.71),
        ("generator_lateness_p99_s", 0.00019, 0.00021),
        ("shed", 0, 1),
        ("gc_pause_max_s", 0.0099, 0.0101),
        ("gc_pause_total_s", 0.049, 0.051),
        ("timer_lateness_p99_s", 0.0049, 0.0051),
        ("steal", 0.019, 0.021),
    ],
)
def test_each_threshold(field: str, fine: float, doubtful: float) -> None:
    assert subjects(live(Bias(**{field: fine}))) == []
    assert subjects(live(Bias(**{field: doubtful}))) == [field]


def test_what_the_machine_does() -> None:
    assert subjects(live(Bias(machines=(machine(), machine(throttled_periods=0, throttled_s=0.0))))) == []
    found = doubts(live(Bias(machines=(machine(throttled_periods=3, throttled_s=0.25),))))
    assert found[0].text == "a CPU quota stopped 10.0.0.1 3 times, for 0.25 s"
    memory = doubts(live(Bias(machines=(machine(file_system="tmpfs", durable=False),))))
    assert memory[0].text == "the logs of 10.0.0.1 lie on tmpfs: a sync means nothing there"
    assert subjects(live(Bias(machines=(machine(file_system="overlay", durable=None),)))) == ["durable"]


def test_a_machine_is_the_limit_when_its_cores_are_used_up_together() -> None:
    bias = Bias(generator_cpu=0.5, machines=(machine(cores=2),))
    assert subjects(live(bias, costs={name: NodeCost(load_cpu=0.35) for name in ("n1", "n2", "n3")})) == []
    assert subjects(live(bias, costs={name: NodeCost(load_cpu=0.4) for name in ("n1", "n2", "n3")})) == ["cpu"]


def test_simulated_results_have_no_doubts() -> None:
    assert doubts(result(Trial(protocol="raft"))) == []


def test_the_projection_is_of_the_busiest_node_and_of_the_busiest_disk() -> None:
    costs = {
        "n1": NodeCost(cpu_per_operation_s=20e-6, fsyncs_per_operation=0.1, fsync_p50_s=1e-3, load_cpu=0.1),
        "n2": NodeCost(cpu_per_operation_s=40e-6, fsyncs_per_operation=0.1, fsync_p50_s=4e-4, load_cpu=0.5),
        "n3": NodeCost(cpu_per_operation_s=10e-6, fsync_p50_s=9.0, load_cpu=0.1),
    }
    found = project(costs)
    assert found is not None
    assert (found.node, found.sync_node) == ("n2", "n1")
    assert found.cpu_ops_s == pytest.approx(25_000)
    assert found.sync_ops_s == pytest.approx(10_000)
    assert not rough(live(costs=costs, projection=found))
    idle = {**costs, "n2": NodeCost(cpu_per_operation_s=40e-6, load_cpu=0.19)}
    assert rough(live(costs=idle, projection=found))


def test_nothing_is_projected_from_nothing() -> None:
    assert project({}) is None
    assert project({"n1": NodeCost(messages_sent=7)}) is None
    found = project({"n1": NodeCost(cpu_per_operation_s=1e-6)})
    assert found is not None and found.sync_ops_s is None
