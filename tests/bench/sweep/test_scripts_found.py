"""Which scripts there are, and what is said of one that is asked for by the wrong verb or with a value it has not."""

from __future__ import annotations

import pytest

from bench.errors import UsageError
from bench.sweep.grid import template
from bench.sweep.scripts import discover, find
from bench.trial import Trial
from bench.tune.api import check
from bench.tune.study import Choice, Default, Objective, Study


@pytest.mark.parametrize("name", ["split_merge", "partitioning/split_merge", "partitioning/split_merge.py"])
@pytest.mark.parametrize("what", ["sweep", "study"])
def test_a_script_without_a_sweep_is_named_with_the_command_that_runs_it(name: str, what: str) -> None:
    with pytest.raises(UsageError, match=rf"no {what}, .*: python experiments/partitioning/split_merge\.py"):
        find(name, what)


def test_all_that_can_be_run_is_found() -> None:
    every = {script.name for script in discover(what=None)}
    assert {"partitioning/split_merge", "failure-detection/slow_or_dead"} <= every
    assert all(script.summary for script in discover(what=None))


def test_an_unknown_value_of_an_axis_is_named_and_a_mistake_of_the_script_is_told_from_it() -> None:
    def build(network: str) -> Trial:
        return {"steady": Trial(protocol="raft")}[network]

    def broken(network: str) -> Trial:
        return {"steady": Trial(protocol="raft")}["another"]

    with pytest.raises(UsageError, match="the script knows no network 'foo'"):
        template(build, {"network": "foo"})
    with pytest.raises(UsageError, match="trial function fails: KeyError: 'another'"):
        template(broken, {"network": "steady"})


def _peak(nodes: int, vnodes: int, seed: int) -> dict[str, float | None]:
    return {"peak": vnodes / nodes + seed}


def test_a_setting_for_which_the_function_fails_is_refused_before_any_work() -> None:
    def study(nodes: int) -> Study:
        return Study(
            name="peaks",
            question="?",
            parameters={"vnodes": Choice((1, 2))},
            settings={"nodes": nodes},
            function=_peak,
            objectives=[Objective("peak", "peak")],
            defaults=[Default("one", {"vnodes": 1}, "none")],
        )

    check(study(3))
    with pytest.raises(UsageError, match=r"settings nodes 0 the study's function fails for one: ZeroDivisionError"):
        check(study(0))
