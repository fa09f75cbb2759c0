"""Failing runs of mutants, made small; what comes out fails in the same way, and the real protocol passes it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.run import prepare, run_trial
from bench.runtime.explore.steps import Step
from bench.scenario import of_schedule
from bench.shrink.oracle import run_against
from bench.shrink.recording import record_steps
from bench.shrink.reduce import Shrinker, size_of
from bench.shrink.shrink import Shrunk, shrink
from bench.shrink.untimed import Schedule, UntimedShrinker, play
from bench.torture import torture
from bench.trial import Trial

MS = 1_000_000


def failing(mutant: str, seed: int, **changes: object) -> tuple[Trial, str]:
    trial = torture("raft", seed, mutant, **changes)
    result, _ = run_trial(trial)
    assert result.violations, "the seed went stale: bench.campaign finds another"
    return trial, result.violations[0].name


def recorded(trial: Trial, check: str) -> Schedule:
    steps, _ = record_steps(trial, *prepare(trial))
    cluster, verdict = play(trial, steps, check)
    assert verdict is not None
    return Schedule(trial, tuple(cluster.done), verdict)


def test_recording_does_not_change_a_run() -> None:
    trial = torture("raft", 12, duration=600 * MS)
    _, record = record_steps(trial, *prepare(trial))
    assert record.trace_hash == run_trial(trial)[0].trace_hash


@pytest.mark.parametrize("seed", [3, 7, 11])
def test_the_steps_of_a_run_can_all_be_carried_out_again(seed: int) -> None:
    """Under the full nemesis: no step finds another world than the simulator's."""
    trial = torture("raft", seed, duration=700 * MS)
    steps, record = record_steps(trial, *prepare(trial))
    cluster, verdict = play(trial, steps, "election_safety")
    missed = len(steps) - len(cluster.done)
    assert verdict is None
    assert cluster.violations == []
    assert missed <= len(steps) // 100
    ended = {int(each) for each in record.history.outcome}
    assert {int(each) for each in cluster.history().outcome} <= ended | {2}


def test_any_part_of_a_schedule_is_a_schedule() -> None:
    trial, check = failing("leader-counts-unsynced", 197)
    steps = recorded(trial, check).steps
    for part in (steps[::2], steps[1::3], steps[100:], tuple(reversed(steps))):
        play(trial, part, check)
    assert play(trial, [Step(kind="deliver", node="n9"), Step(kind="timer", node="n1", what="x")], check)[1] is None


@pytest.mark.parametrize(
    ("mutant", "seed", "most_faults", "most_steps"),
    [
        ("vote-not-persisted", 12, 1, 30),
        ("leader-counts-unsynced", 197, 1, 18),
        ("corrupt-disk-trusted", 142, 4, 34),
    ],
)
def test_a_mutant_shrinks_to_the_few_steps_that_matter(
    mutant: str, seed: int, most_faults: int, most_steps: int
) -> None:
    trial, check = failing(mutant, seed)
    found = Shrunk(check, "")
    assert shrink(trial, check, found)
    best = found.schedule
    assert best is not None
    assert best.faults <= most_faults
    assert len(best.steps) <= most_steps
    assert best.verdict.name == check
    # no step can be left out
    for index in range(len(best.steps)):
        rest = (*best.steps[:index], *best.steps[index + 1 :])
        assert play(best.trial, rest, check)[1] is None, best.steps[index]
    # as a script it fails likewise, and the real protocol does not
    scenario = of_schedule(best)
    again = scenario.schedule()
    assert play(again.trial, again.steps, check)[1] is not None
    real = replace(scenario, mutant=None).schedule()
    assert play(real.trial, real.steps, check)[1] is None


def test_a_failure_that_is_a_matter_of_time_shrinks_as_a_trial() -> None:
    trial, check = failing("prevote-without-checkquorum", 10)
    assert check == "liveness"
    found = Shrunk(check, "")
    assert shrink(trial, check, found, budget_s=0.001)
    assert found.schedule is None
    assert found.failure is not None
    ticks = iter(range(10_000))
    shrinker = Shrinker(found.failure, budget_s=12, clock=lambda: float(next(ticks)))  # a dozen trials
    best = shrinker.run()
    assert size_of(best).faults == 0
    assert run_against(best.trial, check) is not None


def test_who_is_interrupted_has_the_smallest_so_far() -> None:
    trial, check = failing("leader-counts-unsynced", 197)
    before = recorded(trial, check)
    calls = [0]

    def say(text: str) -> None:
        calls[0] += 1
        if calls[0] == 30:
            raise KeyboardInterrupt

    shrinker = UntimedShrinker(before, say=say)
    with pytest.raises(KeyboardInterrupt):
        shrinker.run()
    assert len(shrinker.best.steps) < len(before.steps)
    assert play(shrinker.best.trial, shrinker.best.steps, check)[1] is not None


def test_a_budget_ends_it() -> None:
    trial, check = failing("leader-counts-unsynced", 197)
    ticks = iter(range(10_000))
    shrinker = UntimedShrinker(recorded(trial, check), budget_s=20, clock=lambda: float(next(ticks)))
    shrinker.run()
    assert shrinker.ended == "the time was up"
    timed = Shrinker(run_against(trial, check), budget_s=2, clock=lambda: float(next(ticks)))  # type: ignore[arg-type]
    timed.run()
    assert timed.ended == "the time was up"


def test_a_run_that_does_not_fail_is_not_shrunk() -> None:
    trial, check = failing("leader-counts-unsynced", 197)
    assert not shrink(replace_mutant(trial), check, Shrunk(check, ""))


def replace_mutant(trial: Trial) -> Trial:
    import msgspec

    return msgspec.structs.replace(trial, mutant=None)
