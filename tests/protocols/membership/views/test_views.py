"""Process groups: what a view change does to messages, who is answered, and every mistake caught."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bench.campaign import judge
from bench.faults.spec import Crash, Cut, Pause, SlowLink
from bench.mutation import changed_lines
from bench.network import Constant
from bench.run import run_trial
from bench.runtime.record import RunRecord
from bench.trial import Result, Trial
from bench.workload.spec import Workload
from protocols.family import Mutant
from protocols.membership.views import ServerConfig, View
from protocols.membership.views.invariants import (
    PrimaryComponent,
    SendingViewDelivery,
    VirtualSynchrony,
    converged,
)
from protocols.membership.views.mutants import MUTANTS

SECOND = 1_000_000_000


def run(params: dict[str, Any], *faults: Any, nodes: int = 5, seed: int = 1) -> tuple[Result, RunRecord]:
    """Six seconds of load, by clients that any fault between servers leaves alone."""
    trial = Trial(
        protocol="views",
        nodes=nodes,
        seed=seed,
        duration=6 * SECOND,
        params=params,
        faults=faults,
        workload=Workload(clients=4, rate=200.0, keys=3),
    )
    return run_trial(trial)


def installed(record: RunRecord) -> list[tuple[str, int]]:
    """Who went to another view, and of how many members."""
    return [(mark.node, mark.fields["size"]) for mark in record.marks if mark.name == "installed"]


@pytest.mark.parametrize("target", ["n1", "n3"], ids=["the one who orders", "another member"])
def test_the_death_of_any_member_stops_the_group_until_it_is_out(target: str) -> None:
    """That is the price of waiting for all: a Raft follower may die unnoticed."""
    result, record = run({}, Crash(at=2 * SECOND, target=target, down=2 * SECOND))
    assert result.verdict == "valid"
    assert result.unavailable_s is not None and 0.2 < result.unavailable_s < 1.5
    sizes = [size for _, size in installed(record)]
    assert sizes[:4] == [4] * 4, "the others go on together"
    assert sizes[-5:] == [5] * 5, "it is taken in again"


def test_a_pause_that_nobody_suspects_changes_no_view() -> None:
    result, record = run({}, Pause(at=2 * SECOND, target="n2", length=SECOND // 10))
    assert result.verdict == "valid"
    assert not installed(record)


def test_safe_delivery_goes_at_the_pace_of_the_slowest() -> None:
    slow = SlowLink(at=0, target="n5", extra=Constant(20_000_000), length=6 * SECOND)
    safe, agreed = (run({"delivery": delivery}, slow)[0].latency_s for delivery in ("safe", "agreed"))
    assert safe and agreed
    assert safe.p50 > 0.02 > 2 * agreed.p50


def alone(name: str) -> Cut:
    """A server that no other one reaches, nor it them; clients reach it."""
    others = [f"n{number}" for number in range(1, 6) if f"n{number}" != name]
    links = tuple(link for other in others for link in ((name, other), (other, name)))
    return Cut(at=2 * SECOND, links=links, length=2 * SECOND)


def test_whoever_is_cut_off_answers_nobody_unless_delivery_does_not_wait() -> None:
    assert run({}, alone("n1"))[0].checks["linearizable"] == "valid"
    agreed, _ = run({"delivery": "agreed"}, alone("n1"))
    assert "linearizable" not in agreed.checks, "nothing is promised"
    assert agreed.verdict == "valid", "virtual synchrony holds among those who go on together"


def test_a_majority_is_needed_for_a_view_and_the_rest_stands_still() -> None:
    halves = tuple(link for a in "12" for b in "345" for link in ((f"n{a}", f"n{b}"), (f"n{b}", f"n{a}")))
    result, record = run({}, Cut(at=2 * SECOND, links=halves, length=2 * SECOND))
    assert result.verdict == "valid"
    during = [mark.node for mark in record.marks if mark.name == "installed" and 2 * SECOND < mark.at < 4 * SECOND]
    assert set(during) == {"n3", "n4", "n5"}


def test_a_member_that_was_away_takes_a_snapshot() -> None:
    result, record = run({"snapshot_entries": 10}, Crash(at=SECOND, target="n2", down=3 * SECOND))
    assert result.verdict == "valid"
    assert installed(record)[-1][1] == 5


VIEW = View(
    number=2,
    members=("n1", "n2"),
    inside=True,
    stopped=False,
    orders=True,
    end=5,
    delivered=7,
    digest=1,
    foreign=0,
    silent=False,
    data={},
)


@pytest.mark.parametrize(
    ("invariant", "changes", "says"),
    [
        (PrimaryComponent, {"members": ("n1", "n3")}, "view 2 is n1, n3 at n2 and n1, n2 elsewhere"),
        (VirtualSynchrony, {"digest": 2}, "up to message 7, in view 2, n2 delivered others than n1"),
        (SendingViewDelivery, {"foreign": 1}, "n2 delivered a message of another view in view 2"),
    ],
)
def test_what_must_not_be_is_found(invariant: Any, changes: dict[str, Any], says: str) -> None:
    check = invariant()
    other = msgspec.structs.replace(VIEW, **changes)
    assert check.step("n1", VIEW, {}) is None
    assert check.step("n2", other, {}) == says


@pytest.mark.parametrize("invariant", [PrimaryComponent, VirtualSynchrony])
def test_a_server_without_its_disk_is_not_compared(invariant: Any) -> None:
    check = invariant()
    assert check.step("n1", VIEW, {}) is None
    assert check.step("n2", msgspec.structs.replace(VIEW, members=("n3",), digest=2, silent=True), {}) is None


def test_numbers_of_views_rise_in_one_life() -> None:
    check = PrimaryComponent()
    assert check.step("n1", VIEW, {}) is None
    earlier = msgspec.structs.replace(VIEW, number=1)
    assert check.step("n1", earlier, {}) == "n1 went back from view 2 to view 1"
    check.restarted("n1")
    assert check.step("n1", earlier, {}) is None


def test_servers_that_differ_at_rest_are_found() -> None:
    late, other = msgspec.structs.replace(VIEW, number=1), msgspec.structs.replace(VIEW, data={"k": b"v"})
    assert converged({"n1": VIEW, "n2": VIEW}) == ""
    assert converged({"n1": VIEW, "n2": late}) == "n2 is in view 1, others in view 2"
    assert converged({"n1": VIEW, "n2": other}) == "n2 has other values than the rest of view 2"
    assert converged({"n1": VIEW, "n2": msgspec.structs.replace(late, silent=True)}) == ""


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"timeout_s": 0.05}, "timeout_s 0.05 is out of range: above the period"),
        ({"flush_s": 0.0}, "flush_s 0 is out of range"),
        ({"least": 4}, "least 4 is out of range: 0 to 3"),
        ({"snapshot_entries": 0}, "snapshot_entries 0 is out of range"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ServerConfig(**changes).validate(5)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_nemesis_catches_it(mutant: Mutant) -> None:
    """The seed is noted by a search (``python -m bench.campaign views --matrix``)."""
    outcome = judge("views", mutant.name, mutant.seed)
    assert set(outcome.failed) & set(mutant.caught_by), f"seed {mutant.seed}: {outcome.failed}"
    assert changed_lines("views", mutant.name) <= 5


@pytest.mark.parametrize("seed", sorted({mutant.seed for mutant in MUTANTS}))
def test_the_real_protocol_passes_the_same_seeds(seed: int) -> None:
    outcome = judge("views", None, seed)
    assert not outcome.failed, outcome.reason
