"""Each mutant's scenario in ``results/raft-scenarios`` still fails as it says, and the real protocol passes it."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench.run import run_trial
from bench.scenario import Scenario, load_script
from bench.shrink.untimed import play
from protocols.consensus.raft.mutants import MUTANTS

FOLDER = Path(__file__).parents[4] / "results" / "raft-scenarios"
SCRIPTS = sorted(FOLDER.glob("*.py"))


def failed(scenario: Scenario) -> list[str]:
    """The checks that found a violation."""
    if not scenario.steps:
        result, _ = run_trial(scenario.trial())
        return [verdict.name for verdict in result.violations]
    schedule = scenario.schedule()
    cluster, verdict = play(schedule.trial, schedule.steps, scenario.fails, seeded=schedule.seeded)
    return [each.name for each in (*cluster.violations, verdict) if each is not None]


def test_every_mutant_has_one() -> None:
    assert [script.stem for script in SCRIPTS] == sorted(mutant.name for mutant in MUTANTS)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_it_fails_as_it_says_and_the_real_protocol_passes(script: Path) -> None:
    scenario = load_script(str(script))
    assert scenario.mutant == script.stem
    assert scenario.fails in failed(scenario)
    assert failed(replace(scenario, mutant=None)) == []
