"""Simulated trials as Ray tasks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bench.errors import UsageError
from bench.sweep.pools import RayTasks, connect
from bench.trial import Result, Trial

pytestmark = [pytest.mark.live, pytest.mark.slow]


@pytest.fixture(name="pool", scope="module")
def fixture_pool() -> Iterator[RayTasks]:
    pool = RayTasks(entry="tests.bench.sweep.fake:run_trial")
    yield pool
    pool.close()


def run(pool: RayTasks, trials: list[Trial]) -> dict[Any, bytes | str]:
    for i, trial in enumerate(trials):
        pool.submit(i, msgspec.json.encode(trial))
    answers: dict[Any, bytes | str] = {}
    deadline = time.monotonic() + 60
    while len(answers) < len(trials) and time.monotonic() < deadline:
        answers.update(pool.collect(1.0))
    return answers


def test_results_come_back_under_their_tags(pool: RayTasks) -> None:
    answers = run(pool, [Trial(protocol="raft", nodes=3, seed=seed) for seed in range(8)])
    seeds = {tag: msgspec.json.decode(answer, type=Result).seed for tag, answer in answers.items()}
    assert seeds == {seed: seed for seed in range(8)}


def test_a_worker_that_dies_is_tried_again_and_one_that_always_does_is_given_up(pool: RayTasks, tmp_path: Path) -> None:
    once = Trial(protocol="raft", params={"die_unless": str(tmp_path / "died")})
    always = Trial(protocol="raft", params={"die": True})
    answers = run(pool, [once, always])
    assert isinstance(answers[0], bytes)
    assert msgspec.json.decode(answers[0], type=Result).error is None
    assert str(answers[1]).startswith("its Ray task died")


def test_where_no_cluster_answers_is_said_at_once() -> None:
    began = time.monotonic()
    with pytest.raises(UsageError, match="no cluster answers at"):
        connect("127.0.0.1:1")
    assert time.monotonic() - began < 5
