"""To which fault an outage is put down, and where its time went."""

from __future__ import annotations

import pytest

from bench.faults.notation import KINDS, parse_fault, tag_of
from bench.faults.spec import FaultRecord
from bench.runtime.record import Mark
from bench.stats import recovery
from bench.trial import Recovery

from ..histories import MS, S, history, steady

NAMES = ("suspected", "elected", "committed")


def crash(at: int, *targets: str) -> FaultRecord:
    return FaultRecord(kind="crash", targets=targets or ("n1",), start=at, end=at + S)


def mark(at: int, node: str, name: str, **fields: object) -> Mark:
    return Mark(at=at * MS, node=node, name=name, fields=dict(fields))


LEADERS = [(100 * MS, "n1"), (1400 * MS, "n2")]


def test_recovery_is_split_at_suspicion_and_election() -> None:
    marks = [
        mark(50, "n1", "suspected", term=1),
        mark(100, "n1", "elected", term=1),
        mark(110, "n1", "committed", term=1),
        mark(1200, "n2", "suspected", term=2),
        mark(1400, "n2", "elected", term=2),
        mark(1450, "n2", "committed", term=2),
    ]
    found = recovery.recovery(marks, [crash(S)], LEADERS, NAMES)
    assert (found.detect, found.elect, found.commit) == pytest.approx((0.2, 0.2, 0.05))


def test_an_election_that_led_to_no_commit_is_time_spent_electing() -> None:
    marks = [
        mark(100, "n1", "elected", term=1),
        mark(1200, "n2", "suspected", term=2),
        mark(1300, "n2", "elected", term=2),
        mark(1500, "n3", "elected", term=3),
        mark(1550, "n3", "committed", term=3),
    ]
    found = recovery.recovery(marks, [crash(S)], LEADERS, NAMES)
    assert (found.detect, found.elect, found.commit) == pytest.approx((0.2, 0.3, 0.05))


def test_a_commit_of_the_old_term_after_the_fault_shows_that_it_did_not_unseat_the_leader() -> None:
    marks = [
        mark(100, "n1", "elected", term=4),
        mark(1100, "n2", "suspected", term=5),
        mark(1110, "n1", "committed", term=4),
        mark(1300, "n2", "elected", term=5),
        mark(1310, "n2", "committed", term=5),
    ]
    assert recovery.recovery(marks, [crash(S)], LEADERS, NAMES) == Recovery()
    at_once = [*marks[:2], mark(1010, "n1", "committed", term=4), *marks[3:]]  # a live fault takes a while to act
    assert recovery.recovery(at_once, [crash(S)], LEADERS, NAMES).detect == pytest.approx(0.1)


def test_operations_served_between_the_fault_and_the_election_show_it_too() -> None:
    marks = [
        mark(100, "n1", "elected", term=1),
        mark(1200, "n2", "suspected", term=1),
        mark(1400, "n2", "elected", term=2),
        mark(1450, "n2", "committed", term=2),
    ]
    before = history(steady(0, S, 10 * MS))
    served = history(steady(0, 1300 * MS, 10 * MS, latency=4 * MS))
    after = history(steady(0, S, 10 * MS) + steady(1450 * MS, 2 * S, 10 * MS))
    begun_before = history([*steady(0, S, 10 * MS), {"invoked": 990 * MS, "completed": 1390 * MS}])
    for operations, unseated in ((before, True), (served, False), (after, True), (begun_before, True)):
        found = recovery.recovery(marks, [crash(S)], LEADERS, NAMES, operations)
        assert (found != Recovery()) == unseated


def test_the_outage_is_put_down_to_the_last_fault_that_silenced_the_leader_before_the_election() -> None:
    """A pause too short to be noticed, then a crash: the crash was noticed, and not for as long as since the pause."""
    pause = FaultRecord(kind="pause", targets=("n1",), start=400 * MS, end=420 * MS)
    later = crash(1500 * MS, "n2")
    marks = [
        mark(100, "n1", "elected", term=1),
        mark(1200, "n2", "suspected", term=1),
        mark(1400, "n2", "elected", term=2),
        mark(1450, "n2", "committed", term=2),
        mark(1700, "n3", "suspected", term=2),
        mark(1800, "n3", "elected", term=3),
    ]
    leaders = [*LEADERS, (1800 * MS, "n3")]
    found = recovery.recovery(marks, [later, pause, crash(S)], leaders, NAMES)
    assert (found.detect, found.elect, found.commit) == pytest.approx((0.2, 0.2, 0.05))


def test_a_suspicion_after_the_election_did_not_lead_to_it() -> None:
    marks = [
        mark(100, "n1", "elected", term=1),
        mark(1400, "n2", "elected", term=2),
        mark(1450, "n2", "committed", term=2),
        mark(3000, "n3", "suspected", term=2),
    ]
    found = recovery.recovery(marks, [crash(S)], LEADERS, NAMES)
    assert (found.detect, found.elect, found.commit) == (None, None, pytest.approx(0.05))


def record(fault: str, start: int, *targets: str, end: int | None = None) -> FaultRecord:
    kind = tag_of(parse_fault(fault))
    return FaultRecord(kind=kind, targets=targets, start=start, end=end, detail=fault)


SILENCES: tuple[tuple[str, int | None], ...] = (
    ("crash leader at 1s for 1s", S),
    ("crash-at-write at 1s for 1s", S),
    ("power-loss at 1s for 1s", S),
    ("zone-loss eu at 1s for 1s", S),
    ("lose-disk leader at 1s for 1s", S),
    ("pause leader at 1s for 1s", S),
    ("stall leader at 1s for 1s", S),
    ("full-disk leader at 1s for 1s", S),
    ("partition isolate leader at 1s for 1s", S),
    ("partition one-way leader at 1s for 1s", S),
    ("partition halves leader at 1s for 1s", S),
    ("drain leader at 1s grace 100ms for 1s", 1100 * MS),
    ("partition bridge leader at 1s for 1s", None),
    ("partition majority-ring leader at 1s for 1s", None),
    ("slow-node leader by 5x at 1s for 1s", None),
    ("slow-disk leader by 20ms at 1s for 1s", None),
    ("slow-link leader by 20ms at 1s for 1s", None),
    ("lossy-link leader by 0.2 at 1s for 1s", None),
    ("send-omission leader by 0.2 at 1s for 1s", None),
    ("receive-omission leader by 0.2 at 1s for 1s", None),
    ("byzantine leader as slander at 1s for 1s", None),
    ("clock-jump leader by 5s at 1s", None),
    ("clock-drift leader by 500ppm at 1s for 1s", None),
    ("cut n1-n2 at 1s for 1s", None),  # two links; the rest of the cluster hears the leader
    ("retry-storm at 1s for 1s", None),
    ("remove n1 at 1s", None),
)
"""Each kind of fault, and the moment from which the leader that it hits is silent; None if it is not."""


@pytest.mark.parametrize(("fault", "at"), SILENCES)
def test_every_kind_that_silences_a_leader_counts_from_when_it_does(fault: str, at: int | None) -> None:
    marks = [mark(100, "n1", "elected", term=1), mark(1200, "n2", "suspected", term=1)]
    marks += [mark(1400, "n2", "elected", term=2), mark(1450, "n2", "committed", term=2)]
    found = recovery.recovery(marks, [record(fault, S, "n1", end=2 * S)], LEADERS, NAMES)
    assert found.detect == (None if at is None else pytest.approx((1200 * MS - at) / S))


def test_the_table_above_knows_every_kind_of_fault() -> None:
    listed = {tag_of(parse_fault(fault)) for fault, _ in SILENCES}
    assert listed | {"rolling-restart"} == set(KINDS)


def test_a_rolling_restart_silences_one_server_after_the_other() -> None:
    rolling = record("rolling-restart at 1s for 200ms gap 100ms", S, "n1", "n2", "n3", end=1900 * MS)
    assert [(each.at, each.targets) for each in recovery.silencings(rolling)] == [
        (S, ("n1",)),
        (1300 * MS, ("n2",)),
        (1600 * MS, ("n3",)),
    ]
    marks = [mark(100, "n2", "elected", term=1), mark(1350, "n3", "suspected", term=1)]
    marks += [mark(1400, "n3", "elected", term=2)]
    found = recovery.recovery(marks, [rolling], [(100 * MS, "n2"), (1400 * MS, "n3")], NAMES)
    assert (found.detect, found.elect) == pytest.approx((0.05, 0.05)), "n2 led, and fell second"


def test_whether_the_leader_was_hit_is_said_of_the_first_fault_aimed_at_it() -> None:
    aimed = record("crash leader at 1s for 1s", S, "n1")
    missed = record("crash leader at 1s for 1s", S, "n3")  # nobody led: a server at random
    other = record("crash n3 at 500ms for 100ms", S // 2, "n3")
    again = record("pause leader at 1.5s for 100ms", 1500 * MS, "n2")
    assert recovery.leader_hit([other, aimed], LEADERS) is True
    assert recovery.leader_hit([other, missed], LEADERS) is False
    assert recovery.leader_hit([again, missed], LEADERS) is False, "a later one does not make up for it"
    assert recovery.leader_hit([record("crash n1 at 1s", S, "n1")], LEADERS) is None
    assert recovery.leader_hit([aimed], []) is False


def test_marks_without_terms_are_taken_in_order() -> None:
    marks = [mark(1200, "n2", "suspected"), mark(1400, "n2", "elected"), mark(1450, "n2", "committed")]
    found = recovery.recovery(marks, [crash(S)], LEADERS, NAMES)
    assert (found.detect, found.elect, found.commit) == pytest.approx((0.2, 0.2, 0.05))


def test_only_faults_that_silence_the_leader_of_the_moment_count() -> None:
    marks = [mark(1200, "n2", "suspected")]
    slow = FaultRecord(kind="slow-node", targets=("n1",), start=S, end=None)
    for faults in ([crash(S, "n3")], [slow], [crash(50 * MS, "n1")]):
        assert recovery.recovery(marks, faults, LEADERS, NAMES) == Recovery()
    assert recovery.recovery(marks, [crash(S, "n1")], LEADERS, NAMES).detect == pytest.approx(0.2)
    assert recovery.recovery(marks, [crash(S, "n1")], [], NAMES) == Recovery()
