"""How far, and how soon, a long failing run shrinks: 200 faults to at most 5 in under 60 s."""

from __future__ import annotations

import time

from bench.faults.spec import Nemesis
from bench.run import run_trial
from bench.shrink.shrink import Shrunk, shrink
from bench.torture import torture

MS = 1_000_000


def test_two_hundred_faults_become_five_or_fewer() -> None:
    """In CPU time, which is the time it takes on a machine that does nothing else."""
    nemesis = Nemesis(
        kinds=("crash", "partition", "pause", "crash-at-write"), interval=16 * MS, length=50 * MS, quiet=100 * MS
    )
    trial = torture("raft", 66, "log-comparison-by-length", duration=5000 * MS, nemesis=nemesis, liveness=1)
    result, _ = run_trial(trial)
    assert [verdict.name for verdict in result.violations] == ["leader_completeness"]
    assert len(result.faults) >= 200
    found = Shrunk("leader_completeness", "")
    began = time.process_time()
    assert shrink(trial, "leader_completeness", found, budget_s=300)
    took = time.process_time() - began
    print(f"{found.before} -> {found.after}, {found.runs} tried, {took:.1f} s of CPU")
    assert found.schedule is not None
    assert found.schedule.faults <= 5
    assert len(found.schedule.steps) < 50
    assert took < 60
