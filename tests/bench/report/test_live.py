"""What a report says of live trials: floor, costs, projection, disturbances, machines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from bench.calibration import Calibration
from bench.report import live, mislead
from bench.report.model import Table
from bench.report.render import page, single
from bench.sweep import Description, Row, SweepResult
from bench.trial import Bias, DelayError, Floor, MachineBias, NodeCost, Projection, Result, ServiceTimes, Trial
from bench.workload import Workload

from ..sweep.fake import result
from .test_render import Outline, text

FLOOR = Floor(
    clients=8,
    link_rtt_s=8.1e-5,
    link_messages_s=128_000.0,
    link_windows=((64, 90_000.0), (256, 128_000.0)),
    null_messages_s=260.0,
    log_ops_s=21_000.0,
    delays=(DelayError(asked_s=0.0014, p50_s=71e-6, p99_s=190e-6),),
    timer_idle_p50_s=50e-6,
    timer_idle_p99_s=90e-6,
    timer_busy_p50_s=60e-6,
    timer_busy_p99_s=4.2e-3,
)
COSTS = {
    "n1": NodeCost(cpu_per_operation_s=20e-6, load_cpu=0.5, fsyncs_per_operation=0.1, fsync_p50_s=4e-4),
    "n2": NodeCost(cpu_per_operation_s=10e-6, load_cpu=0.25, fsyncs_per_operation=0.1, fsync_p50_s=3e-4),
}
DISK = MachineBias(name="10.0.0.1", nodes=("g1", "n1"), cores=8, steal=0.001, file_system="ext4", device="/dev/sda1")
MEMORY = MachineBias(name="10.0.0.2", nodes=("n2",), cores=8, throttled_periods=4, file_system="tmpfs", durable=False)


NULL = "null protocol messages/s"


def outcome(rate: float | None = 100.0, **changes: Any) -> Result:
    trial = Trial(protocol="raft", runtime="ray", seed=changes.pop("seed", 1), workload=Workload(rate=rate))
    fields: dict[str, Any] = {
        "floor": FLOOR,
        "costs": COSTS,
        "projection": Projection(node="n1", cpu_ops_s=50_000.0, sync_node="n1", sync_ops_s=25_000.0),
        "bias": Bias(generator_cpu=0.9, generator_lateness_p99_s=0.0031, machines=(MEMORY, DISK)),
    }
    return result(trial, **(fields | changes))


def sweep(*results: Result) -> SweepResult:
    rows = tuple(
        Row(key=f"k{i}", point={"nodes": 3}, code_version="c", sitting=1, finished=float(i), result=each)
        for i, each in enumerate(results)
    )
    return SweepResult(Path("run"), Description(name="t", question="?", points=({"nodes": 3},)), rows)


def texts(table: Table | None) -> list[list[str]]:
    assert table is not None
    return [[cell.text for cell in row] for row in table.rows]


def named(table: Table | None) -> dict[str, list[str]]:
    return {row[0]: row[1:] for row in texts(table)}


def test_the_floor_says_at_which_window_its_link_peaks() -> None:
    rows = sweep(outcome(), outcome(seed=2, harness_bound=True)).rows
    assert texts(live.floor_table(rows)) == [
        ["8", "81.0 µs", "128,000", "256", "260", "21,000", "–", "2", "1"],
    ]
    assert named(live.late_table(rows)) == {
        "injected delay of 1.40 ms": ["71.0 µs", "190 µs"],
        "timer of 5 ms, idle": ["50.0 µs", "90.0 µs"],
        "timer of 5 ms, every core busy": ["60.0 µs", "4.20 ms"],
    }


def test_bounded_trials_are_named_where_their_figures_are() -> None:
    assert live.bound_sentence(sweep(outcome()).rows) == ""
    found = sweep(outcome(), outcome(seed=2, harness_bound=True))
    assert live.bound_sentence(found.rows).startswith("1 of 2 live trials are bounded by the harness")
    words = text(page(single(outcome(harness_bound=True), Path("run")), _kept()))
    assert "The live trial is bounded by the harness" in words
    assert "101 ops/s ▲" in words, "at the figure in the row"


def _kept() -> Any:
    from bench.report.render import Kept

    return Kept("", (), ())


def test_one_trial_shows_each_node_and_several_the_busiest() -> None:
    assert [row[1:4] for row in texts(live.cost_table(sweep(outcome())))] == [
        ["n1", "20.0 µs", "50.0%"],
        ["n2", "10.0 µs", "25.0%"],
        ["all together", "30.0 µs", "75.0%"],
    ]
    slower = {"n1": NodeCost(cpu_per_operation_s=1e-6), "n2": NodeCost(cpu_per_operation_s=40e-6)}
    assert [row[1:3] for row in texts(live.cost_table(sweep(outcome(), outcome(seed=2, costs=slower))))] == [
        ["busiest", "30.0 µs"],
        ["all together", "35.5 µs"],
    ]


def test_void_and_simulated_trials_cost_nothing() -> None:
    void = outcome(trial="void", void_reason="x", verdict="unknown")
    simulated = result(Trial(protocol="raft"), costs={"n1": NodeCost(messages_sent=5)})
    assert live.cost_table(sweep(void, simulated)) is None
    assert live.projection_table(sweep(void, simulated)) is None


def test_the_projection_stands_beside_what_was_measured_and_says_what_it_is() -> None:
    assert texts(live.projection_table(sweep(outcome()))) == [["3", "101", "50,000", "25,000"]]
    idle = {"n1": NodeCost(cpu_per_operation_s=20e-6, load_cpu=0.01)}
    assert texts(live.projection_table(sweep(outcome(costs=idle))))[0][-1].startswith("too low: no node was busy")
    words = text(page(single(outcome(), Path("run")), _kept()))
    assert "A projection, not a measurement." in words
    assert "one core a node, the load generator elsewhere, and neither network nor disk in the way" in words


def test_what_is_beyond_its_threshold_is_marked() -> None:
    rows = sweep(outcome()).rows
    table = mislead.bias_table(rows)
    found = named(table)
    assert found["generator CPU"][:2] == ["90.0%", "▲ above 70% of a core"]
    assert found["generator lateness, p99"][:2] == ["3.10 ms", "▲ above 10% of the median response"]
    assert found["CPU steal"][:2] == ["0.1%", "above 2%"]
    assert found["CPU quota, time withheld"][0] == "not available"
    assert "▲ any" in found["CPU quota, time withheld"]
    assert table is not None
    assert {row[0].text for row in table.rows if "warn" in row[0].look} == {
        "generator CPU",
        "generator lateness, p99",
        "CPU quota, time withheld",
    }
    assert "the load generator used 90% of a core" in mislead.sentences(rows)


def test_many_trials_are_counted() -> None:
    calm = Bias(generator_cpu=0.1, machines=(DISK,))
    rows = sweep(outcome(), *(outcome(seed=seed, bias=calm) for seed in range(2, 6))).rows
    assert named(mislead.bias_table(rows))["generator CPU"][:3] == [
        "10.0%",
        "90.0%",
        "▲ above 70% of a core: 1 of 5 trials",
    ]
    assert mislead.sentences(rows) == []


def test_a_closed_loop_has_no_lateness() -> None:
    assert named(mislead.bias_table(sweep(outcome(rate=None)).rows))["generator lateness, p99"][0] == "closed loop"


def test_a_protocol_that_syncs_nothing_has_no_sync_times() -> None:
    dry = outcome(costs={"n1": NodeCost(load_cpu=0.5)})
    assert named(mislead.bias_table(sweep(dry).rows))["sync, p99"][0] == "nothing synced"


def test_trials_over_links_of_actor_calls_have_a_row_with_the_null_protocol_over_such_links() -> None:
    floor = msgspec.structs.replace(FLOOR, ray_null_messages_s=90.0, pinned=(0, 1, 0, 1))
    calls = msgspec.structs.replace(outcome(floor=floor), spec=Trial(protocol="raft", runtime="ray", link="ray"))
    rows = sweep(outcome(floor=floor), calls).rows
    table = live.floor_table(rows)
    assert table is not None
    links, null = ([column.name for column in table.columns].index(name) for name in ("links", NULL))
    assert [(row[links].text, row[null].text) for row in table.rows] == [("actor calls", "90.0"), ("TCP", "260")]
    assert live.pinned_text(rows) == "cores 0, 1"
    alone = live.floor_table(sweep(outcome()).rows)
    assert alone is not None and "links" not in [column.name for column in alone.columns]
    assert live.pinned_text(sweep(outcome()).rows) == ""


def test_each_machine_with_what_lies_under_its_logs() -> None:
    assert texts(mislead.machine_table(sweep(outcome(), outcome(seed=2)).rows)) == [
        ["10.0.0.1", "2", "8", "0.1%", "not available", "ext4", "/dev/sda1", "depends on what is below"],
        ["10.0.0.2", "1", "8", "not available", "4", "tmpfs", "–", "means nothing"],
    ]


def test_simulated_sweeps_say_whence_their_service_times_are() -> None:
    usual = sweep(result(Trial(protocol="raft")))
    assert live.service_text(usual).startswith("default: 15 µs of CPU a message")
    times = ServiceTimes(message=20_000, wakeup=0, fsync=400_000)
    changed = sweep(result(Trial(protocol="raft", service=times)))
    assert live.service_text(changed).startswith("not the default: 20 µs of CPU a message, 0 µs to wake up")
    measured = Calibration(machine="m", measured="2026-01-02T03:04:05+00:00", message=20_000, wakeup=0, fsync=400_000)
    description = Description(name="t", question="?", points=({"nodes": 3},), calibration=measured)
    calibrated = SweepResult(changed.folder, description, changed.rows)
    assert "calibrated from the floor of this machine, measured 2026-01-02" in live.service_text(calibrated)
    assert live.service_text(sweep(outcome())) == ""


def test_without_live_trials_there_is_nothing_of_all_this() -> None:
    rows = sweep(result(Trial(protocol="raft"))).rows
    for table in (live.floor_table, live.late_table, mislead.bias_table, mislead.machine_table):
        assert table(rows) is None


def test_the_page_is_well_formed() -> None:
    outline = Outline()
    outline.feed(page(sweep(outcome(), outcome(seed=2, harness_bound=True)), _kept()))
    assert outline.open == []


def test_cores_that_share_one_are_named_beside_floor_and_projection() -> None:
    def sentence(*together: float) -> str:
        return live.cores_sentence(
            sweep(*(outcome(floor=msgspec.structs.replace(FLOOR, two_cores=each)) for each in together)).rows
        )

    assert sentence(1.05, 1.1, 1.2).startswith("Two busy cores here do 1.10 times the work of one alone. They slow")
    assert sentence(1.96) == "Two busy cores here do 1.96 times the work of one alone."
    assert sentence(0.0) == "", "one core, or a floor of before this was measured"
