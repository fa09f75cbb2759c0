"""Void or complete, and how verdicts merge into a result."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bench.assess import assess, failed, with_floor
from bench.checkers import Verdict
from bench.errors import EXIT_HARNESS, EXIT_UNKNOWN, EXIT_VALID, EXIT_VIOLATION
from bench.faults.notation import parse_fault
from bench.faults.spec import FaultRecord
from bench.history import FAIL, INFO, NEVER, NOTHING, History
from bench.history.history import CAS, READ, WRITE
from bench.runtime.record import Mark, RunRecord
from bench.trial import Floor, Result, Trial
from bench.workload.spec import Workload
from protocols.family import Family
from protocols.node import Node

from .histories import MS, S, history, steady

TRIAL = Trial(protocol="raft", duration=4 * S, workload=Workload(rate=100.0))


def family(model: str = "register") -> Family:
    return Family(
        name="raft",
        summary="",
        paper="",
        server=Node,
        client=Node,
        server_config=msgspec.Struct,
        client_config=msgspec.Struct,
        invariants=list,
        model=model,
    )


def saying(word: Any, name: str = "linearizable") -> Any:
    return lambda history, budget: Verdict(name=name, verdict=word, reason="because")


def judge(record: RunRecord, trial: Trial = TRIAL, word: str = "valid", model: str = "register") -> Result:
    return assess(trial, record, family(model), {"code_version": "x"}, checks=[saying(word)])


def run(operations: History | None = None, **fields: Any) -> RunRecord:
    operations = history(steady(0, 4 * S, 10 * MS)) if operations is None else operations
    return RunRecord(**({"history": operations, "offered": 400, "load_end": 4 * S} | fields))


def test_a_good_run_is_complete_and_valid_with_every_figure() -> None:
    marks = [Mark(at=0, node="n1", name="elected", fields={}), Mark(at=1, node="n1", name="elected", fields={})]
    record = run(marks=marks, leaders=[(0, "n1"), (5, "n2")], messages_server=1200, messages_client=800, trace_hash="h")
    result = judge(record)
    assert (result.trial, result.verdict, result.exit_code()) == ("complete", "valid", EXIT_VALID)
    assert result.throughput_ops_s == pytest.approx(100)
    assert result.messages_per_operation == 3
    assert result.coverage == {"elected": 2}
    assert result.leader_changes == 1
    assert result.time_series[0] == (0.0, 100, 0.0)
    assert result.provenance == {"code_version": "x"}
    assert msgspec.json.decode(msgspec.json.encode(result), type=Result) == result


def test_verdicts_of_the_runtime_and_of_the_checks_merge() -> None:
    record = run(
        verdicts=[
            Verdict(name="liveness", verdict="unknown"),
            Verdict(name="log_matching", verdict="valid"),
            Verdict(name="log_matching", verdict="invalid", reason="terms differ"),
        ]
    )
    result = judge(record)
    assert result.checks == {"linearizable": "valid", "liveness": "unknown", "log_matching": "invalid"}
    assert result.verdict == "invalid"
    assert [violation.reason for violation in result.violations] == ["terms differ"]
    assert result.exit_code() == EXIT_VIOLATION


def test_too_few_operations_are_void_and_never_valid_while_a_violation_remains_one() -> None:
    record = run(history(steady(0, 190 * MS, 10 * MS)), load_end=200 * MS)
    result = judge(record)
    assert result.trial == "void"
    assert "only 19 operations were asked for" in (result.void_reason or "")
    assert (result.verdict, result.exit_code()) == ("unknown", EXIT_UNKNOWN)
    assert judge(record, word="invalid").verdict == "invalid"


def test_a_slow_system_that_served_to_the_end_gives_too_few_operations_to_say_anything() -> None:
    closed = msgspec.structs.replace(TRIAL, workload=Workload())
    assert "only 19 operations were acknowledged" in (
        judge(run(history(steady(0, 3800 * MS, 200 * MS)), offered=0), closed).void_reason or ""
    )


def unanswered(start: int, end: int, step: int) -> list[dict[str, int]]:
    return [{"intended": at, "invoked": at, "completed": NEVER, "outcome": INFO} for at in range(start, end, step)]


@pytest.mark.parametrize("workload", [Workload(rate=100.0), Workload(clients=8)])
def test_a_system_that_never_served_is_complete_with_an_outage_as_long_as_the_window(workload: Workload) -> None:
    """Left out as void, only trials would remain in which the system lives. That nothing was wrong is not known."""
    trial = msgspec.structs.replace(TRIAL, workload=workload, warmup=S)
    rows = unanswered(0, 4 * S, 10 * MS) if workload.rate else unanswered(0, 8, 1)
    result = judge(run(history(rows)), trial)
    assert (result.trial, result.void_reason) == ("complete", None)
    assert (result.unavailable_s, result.unavailable_censored, result.operations.ok) == (3.0, True, 0)
    assert (result.verdict, result.exit_code()) == ("unknown", EXIT_UNKNOWN)
    assert judge(run(history(rows)), trial, word="invalid").exit_code() == EXIT_VIOLATION
    assert judge(run(history(rows)), trial, model="none").exit_code() == EXIT_VALID
    if workload.rate:
        assert (result.latency_s.p50, result.latency_s.censored) == (None, 1.0)


def test_a_load_that_was_never_sent_is_void() -> None:
    assert "only 0 operations were asked for" in (judge(run(history([]), offered=0)).void_reason or "")


@pytest.mark.parametrize("served", [100 * MS, S])
def test_a_system_that_did_not_recover_is_complete_and_its_outage_is_censored(served: int) -> None:
    """Also if it served only a few operations before the fault."""
    rows = steady(0, served, 10 * MS) + unanswered(served, 4 * S, 10 * MS)
    fault = FaultRecord(kind="crash", targets=("n1",), start=served, end=2 * S)
    result = judge(run(history(rows), faults=[fault]))
    assert (result.trial, result.verdict, result.unavailable_censored) == ("complete", "valid", True)
    assert result.unavailable_s == pytest.approx((4 * S - served) / S, abs=0.02)
    assert result.latency_s.p99 is None


def test_a_system_that_is_slow_after_the_fault_is_complete() -> None:
    rows = steady(0, S, 10 * MS) + steady(2 * S, 4 * S, 40 * MS)
    fault = FaultRecord(kind="crash", targets=("n1",), start=S, end=1500 * MS)
    assert judge(run(history(rows), faults=[fault])).trial == "complete"


def test_a_fault_scheduled_by_hand_that_did_not_fire_makes_the_run_void() -> None:
    faults = (parse_fault("crash leader at 1s for 1s"), parse_fault("pause n2 at 2s for 10ms"))
    trial = msgspec.structs.replace(TRIAL, faults=faults)
    crash = FaultRecord(kind="crash", targets=("n1",), start=S, end=2 * S, detail="crash leader at 1s for 1s")
    pause = FaultRecord(kind="pause", targets=("n2",), start=2 * S, end=2 * S, detail="pause n2 at 2s for 10ms")
    rows = history(steady(0, 4 * S, 10 * MS))
    assert judge(run(rows, faults=[crash, pause]), trial).trial == "complete"
    result = judge(run(rows, faults=[crash]), trial)
    assert (result.trial, result.verdict) == ("void", "unknown")
    assert result.void_reason == "a scheduled fault did not fire: pause n2 at 2s for 10ms"
    nobody = msgspec.structs.replace(pause, targets=())
    assert judge(run(rows, faults=[crash, nobody]), trial).void_reason == result.void_reason
    twice = msgspec.structs.replace(trial, faults=(faults[0], faults[0]))
    assert judge(run(rows, faults=[crash]), twice).trial == "void"


def test_a_run_that_stopped_at_a_violation_owes_no_later_fault() -> None:
    trial = msgspec.structs.replace(TRIAL, faults=(parse_fault("crash leader at 3s for 1s"),))
    stopped = run(history(steady(0, 2 * S, 10 * MS)), load_end=2 * S, offered=200)
    assert judge(stopped, trial, word="invalid").trial == "complete"


def test_an_unanswered_and_a_shed_operation_are_in_the_tail_of_the_latency() -> None:
    rows = steady(0, 4 * S, 10 * MS, latency=MS) + unanswered(0, 4 * S, 400 * MS)
    result = judge(run(history(rows)))
    assert (result.latency_s.p90, result.latency_s.p99) == (0.001, None)
    assert result.latency_s.censored == pytest.approx(10 / 409)
    assert judge(run(history(steady(0, 4 * S, 10 * MS)), shed=8)).latency_s.censored == pytest.approx(8 / 408)


def test_whether_the_leader_was_hit_is_in_the_result() -> None:
    crash = FaultRecord(kind="crash", targets=("n1",), start=S, end=2 * S, detail="crash leader at 1s for 1s")
    rows = history(steady(0, 4 * S, 10 * MS))
    assert judge(run(rows, faults=[crash], leaders=[(-S, "n1")])).leader_hit is True
    assert judge(run(rows, faults=[crash], leaders=[(-S, "n2")])).leader_hit is False
    assert judge(run(rows)).leader_hit is None


def test_twenty_operations_are_enough_in_a_closed_loop() -> None:
    closed = msgspec.structs.replace(TRIAL, workload=Workload())
    assert judge(run(history(steady(0, 200 * MS, 10 * MS)), offered=0), closed).trial == "complete"


@pytest.mark.parametrize(
    ("function", "outcome", "reason"),
    [(READ, 0, "no write"), (WRITE, 0, "nothing was read"), (CAS, 0, None)],
)
def test_a_workload_that_could_not_have_failed_is_void(function: int, outcome: int, reason: str | None) -> None:
    rows = [row | {"function": function, "outcome": outcome, "argument": NOTHING} for row in steady(0, 4 * S, 10 * MS)]
    result = judge(run(history(rows)))
    assert (result.void_reason or "").startswith(reason or "")
    assert (result.trial == "void") == (reason is not None)
    assert judge(run(history(rows)), model="none").trial == "complete"


def test_a_write_that_failed_is_not_a_write() -> None:
    rows = [row | {"function": READ} for row in steady(0, 4 * S, 10 * MS)]
    rows += [row | {"function": WRITE, "outcome": FAIL} for row in steady(0, 4 * S, 20 * MS)]
    assert "no write" in (judge(run(history(rows), offered=600)).void_reason or "")


def test_a_generator_that_could_not_keep_up_makes_the_run_void() -> None:
    result = judge(run(bound_by_generator="its CPU was busy 97% of the time"))
    assert "generator" in (result.void_reason or "")
    assert "97%" in (result.void_reason or "")


def test_a_load_that_fell_short_is_void() -> None:
    result = judge(run(offered=800))
    assert result.trial == "void"
    assert "fell short" in (result.void_reason or "")


def test_an_outage_and_its_fault_are_not_a_shortfall() -> None:
    rows = steady(0, S, 10 * MS) + steady(2500 * MS, 4 * S, 10 * MS)
    fault = FaultRecord(kind="crash", targets=("n1",), start=S, end=2 * S)
    assert judge(run(history(rows), faults=[fault])).trial == "complete"
    # The same loss spread over the whole run is one.
    assert judge(run(history(steady(0, 4 * S, 16 * MS)))).trial == "void"


def test_the_shortfall_is_not_judged_under_a_fault_that_never_ends() -> None:
    fault = FaultRecord(kind="crash", targets=("n1",), start=100 * MS, end=None)
    assert judge(run(offered=800, faults=[fault])).trial == "complete"


@pytest.mark.parametrize(("null_rate", "bound"), [(330.0, True), (340.0, False)])
def test_a_result_near_the_null_protocol_is_bound_by_the_harness(null_rate: float, bound: bool) -> None:
    floor = Floor(link_rtt_s=1e-4, link_messages_s=1e5, null_messages_s=null_rate, log_ops_s=1e4)
    assert judge(run(messages_server=1200, floor=floor)).harness_bound is bound


@pytest.mark.parametrize(("rate", "bound"), [(0.0, False), (330.0, True), (340.0, False)])
def test_a_link_by_actor_calls_is_compared_with_the_null_protocol_over_such_a_link(rate: float, bound: bool) -> None:
    trial = msgspec.structs.replace(TRIAL, link="ray")
    floor = Floor(link_rtt_s=1e-4, link_messages_s=1e5, null_messages_s=330.0, log_ops_s=1e4, ray_null_messages_s=rate)
    assert judge(run(messages_server=1200, floor=floor), trial).harness_bound is bound
    without = judge(run(messages_server=1200), trial)
    assert with_floor(without, floor).harness_bound is bound


def test_a_trial_the_harness_could_not_finish_keeps_its_error() -> None:
    result = failed(TRIAL, "worker died", {})
    assert (result.verdict, result.trial, result.error) == ("unknown", "void", "worker died")
    assert result.exit_code() == EXIT_HARNESS
