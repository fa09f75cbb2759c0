"""Several processes drive one load, and their histories are one."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bench.checkers.registry import checks_for
from bench.errors import HarnessError
from bench.faults.spec import Crash
from bench.history import NEVER, OK
from bench.history.clocks import views
from bench.history.history import COLUMNS, READ
from bench.history.storage import finish_history
from bench.run import run_trial
from bench.runtime.ray.clocks import Clocks
from bench.runtime.ray.liverun import bound_by_generator, whole_load
from bench.runtime.ray.offsets import DRIFT, Exchange
from bench.runtime.ray.orders import Greeting, LoadReport
from bench.runtime.ray.recorders import Recorders
from bench.runtime.ray.session import RaySession
from bench.trial import Trial
from bench.workload.generator import Load
from bench.workload.spec import Workload

MS = 1_000_000
S = 1_000_000_000


def trial(**fields: Any) -> Trial:
    defaults: dict[str, Any] = {
        "protocol": "raft",
        "runtime": "ray",
        "seed": 7,
        "duration": 1200 * MS,
        "generators": 2,
        "workload": Workload(clients=5),
        "params": {"election_timeout_s": (0.1, 0.2)},
    }
    return Trial(**(defaults | fields))


@pytest.mark.live
def test_two_generators_make_one_history(ray_session: RaySession) -> None:
    crash = Crash(at=300 * MS, target="leader", down=200 * MS)
    result, record = run_trial(trial(faults=(crash,)), session=ray_session)
    history = record.history
    assert result.verdict == "valid" and result.clock is None, "one machine, one clock"
    assert history.clock is None
    assert np.all(np.diff(history.invoked) >= 0)
    by_client = {client: set(history.process[history.client == client].tolist()) for client in range(5)}
    assert all(by_client.values()), "all clients have worked"
    assert not (by_client[0] | by_client[1]) & (by_client[2] | by_client[3] | by_client[4])
    written = history.argument[history.function != READ]
    assert len(set(written.tolist())) == len(written), "every written value is unique"
    assert len(ray_session.pids["c1"]) == len(ray_session.pids["c5"]) == 1
    assert ray_session.pids["c1"] == ray_session.pids["c2"] != ray_session.pids["c3"] == ray_session.pids["c5"]
    assert result.checks["liveness"] == "valid"


@pytest.mark.live
def test_an_open_loop_is_offered_exactly_as_by_one(ray_session: RaySession) -> None:
    workload = Workload(clients=4, rate=300.0)
    asked = list(iter(Load(workload, 7, 1200 * MS).next_arrival, None))
    record = ray_session.run(trial(workload=workload, generators=3))
    assert record.offered == len(asked)
    history = record.history
    loaded = history.intended < 1200 * MS
    found = zip(history.intended[loaded].tolist(), history.client[loaded].tolist(), strict=True)
    assert sorted(found) == sorted(asked)
    assert record.bias is not None and record.bias.generator_lateness_p99_s > 0


@pytest.mark.live
def test_a_dead_generator_is_reported_and_what_was_seen_is_kept(ray_session: RaySession, tmp_path: Path) -> None:
    killed = []

    def kill(text: str) -> None:
        if text.startswith("load, 1") and not killed:
            (second,) = [slot for slot in run_slots if slot.name == "g2"]
            killed.append(second.seat.pid)
            os.kill(second.seat.pid, signal.SIGKILL)

    run_slots: list[Any] = []
    from bench.runtime.ray import session as session_module

    made = session_module.Supervisor

    def make(*arguments: Any, **named: Any) -> Any:
        found = made(*arguments, **named)
        run_slots.extend(found.generators)
        return found

    session_module.Supervisor = make  # type: ignore[assignment, misc]
    try:
        with pytest.raises(HarnessError, match=r"the process of c3, c4, c5 \(g2, one of 2 load generators\) died"):
            ray_session.run(trial(duration=30 * S), kill, history=tmp_path / "h.parquet")
    finally:
        session_module.Supervisor = made  # type: ignore[misc]
    assert killed
    kept = ray_session.partial_history
    assert kept is not None and len(kept) > 100
    streamed = finish_history(tmp_path / "h.parquet")
    assert streamed is not None and len(streamed) > 100
    for history in (kept, streamed):
        assert set(history.client.tolist()) == {0, 1, 2, 3, 4}
        (check,) = checks_for("register")
        assert check(history, 20.0).verdict == "valid"


# --- from their reports to one history ------------------------------------------------------------------------------


def seat_of(machine: str) -> Any:
    greeting = Greeting(1, machine, 1, machine, "", "", 0)
    return SimpleNamespace(greeting=greeting, asked_at=0, alive=True, stopped=False, offset=0)


def slots_of(*machines: str) -> list[Any]:
    return [
        SimpleNamespace(name=f"g{number + 1}", seat=seat_of(machine), nodes=(f"c{number + 1}",), generator=True)
        for number, machine in enumerate(machines)
    ]


def report_of(client: int, invoked: list[int], completed: list[int]) -> LoadReport:
    size = len(invoked)
    columns = {
        name: np.zeros(size, dtype={"q": np.int64, "i": np.int32, "b": np.int8}[code]) for name, code in COLUMNS.items()
    }
    columns["process"][:] = client
    columns["client"][:] = client
    columns["outcome"][:] = OK
    columns["invoked"][:] = columns["intended"][:] = invoked
    columns["completed"][:] = completed
    raw = {name: column.tobytes() for name, column in columns.items()}
    return LoadReport(columns=raw, offered=size, shed=1, lateness=(client,), cpu=0.1 * client, abandoned=0)


def clocks_with(offsets: dict[str, int], start: int) -> Clocks:
    """Machines that are so far ahead, each known to 50 us over the 10 s after the start."""
    clocks = Clocks(b"secret")
    for machine, ahead in offsets.items():
        clocks._exchanges[machine] = [
            Exchange(at, at + 50_000 + ahead, at + 100_000) for at in range(start - S, start + 11 * S, 100 * MS)
        ]
    return clocks


def test_times_of_each_clock_are_moved_to_ours_and_its_bound_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    start = 10**15
    monkeypatch.setattr("bench.runtime.ray.recorders.monotonic_ns", lambda: start + 10 * S)
    monkeypatch.setattr("bench.runtime.ray.clocks.clock_id", lambda: "here")
    monkeypatch.setattr("bench.runtime.ray.clocks.monotonic_ns", lambda: start + 10 * S)
    clocks = clocks_with({"there": 3 * S}, start)
    clocks._ours = "here"
    slots = slots_of("here", "there")
    slots[1].seat.offset = 3 * S + 30_000  # the order was given by an estimate that was a little off
    recorders = Recorders(slots, clocks)
    assert recorders.several and recorders.clocks == 2
    starts = recorders.begin(start)
    assert starts == {"g1": start, "g2": start + 3 * S + 30_000}
    merged = recorders.merge({"g1": report_of(0, [0, 500], [100, 600]), "g2": report_of(1, [0, 7 * S], [200, NEVER])})
    assert merged.client.tolist() == [0, 0, 1, 1]
    assert merged.invoked.tolist() == pytest.approx([0, 500, 30_000, 7 * S + 30_000], abs=2)
    assert merged.completed.tolist() == pytest.approx([100, 600, 30_200, NEVER], abs=2)
    assert merged.clock is not None and merged.slack is not None
    assert merged.clock.tolist() == [0, 0, 1, 1]
    bound = int(merged.slack[2])
    assert merged.slack.tolist() == [0, 0, bound, bound] and 50_000 < bound < 50_000 + DRIFT * 100 * MS + 10
    assert len(views(merged)) == 2
    # what is streamed while the load goes is not moved yet: its slack allows for that, and for the drift since
    live = recorders.stamped({"client": np.array([0, 1], dtype=np.int32).tobytes()})
    first, second = np.frombuffer(live["slack"], dtype=np.int64).tolist()
    assert first == 0 and second >= bound + 30_000 + DRIFT * 10 * S
    assert recorders.margin >= second


def test_generators_on_one_other_machine_share_a_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    start = 10**15
    monkeypatch.setattr("bench.runtime.ray.recorders.monotonic_ns", lambda: start + 10 * S)
    monkeypatch.setattr("bench.runtime.ray.clocks.monotonic_ns", lambda: start + 10 * S)
    clocks = clocks_with({"there": -3 * S}, start)
    slots = slots_of("there", "there")
    for slot in slots:
        slot.seat.offset = -3 * S
    recorders = Recorders(slots, clocks)
    assert not recorders.several and recorders.margin == 0
    recorders.begin(start)
    merged = recorders.merge({"g1": report_of(0, [5], [10]), "g2": report_of(1, [11], [20])})
    assert merged.clock is None, "nothing has to be widened"
    assert merged.invoked.tolist() == pytest.approx([5, 11], abs=2)
    rows = {"client": b"1234"}
    assert recorders.stamped(rows) == rows


def test_the_busiest_generator_decides_whether_they_were_the_bottleneck() -> None:
    reports = [report_of(client, [0], [1]) for client in (1, 9)]
    whole = whole_load(reports)
    assert (whole.offered, whole.shed, whole.cpu) == (2, 2, pytest.approx(0.9))
    assert whole.lateness == (1, 9) and whole.columns == {}
    assert bound_by_generator(whole) == "it used 90% of one core"
