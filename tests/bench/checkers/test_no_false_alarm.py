"""Correct runs of a linearizable store under every fault are valid, in the eyes of every algorithm that can judge them.

Each seed is a torture trial of Raft (:mod:`bench.torture`). QUORUMBENCH_ALARM_RUNS=1500 is the long run, of which a
thousand count; ``python -m bench.campaign raft --seeds 1500`` is the same with the invariants of the protocol.
"""

from __future__ import annotations

import os
from collections import Counter
from time import monotonic

import pytest

from bench.campaign import LEAST_OK
from bench.checkers import models
from bench.checkers.linearizability import check
from bench.checkers.search import search
from bench.checkers.steps import steps_by_key
from bench.checkers.zones import undecided
from bench.faults.nemesis import KINDS
from bench.history.history import CAS, FAIL, NEVER, NIL, NOTHING, READ, History
from bench.history.operations import MISSING, Operation
from bench.run import run_trial
from bench.torture import torture

RUNS = int(os.environ.get("QUORUMBENCH_ALARM_RUNS", "60"))
NAMES = ("read", "write", "cas")


def foreign(history: History) -> list[Operation]:
    """The same operations as other projects would record them."""
    operations = []
    for row in range(len(history)):
        function, outcome = int(history.function[row]), int(history.outcome[row])
        argument, expected, result = (int(each[row]) for each in (history.argument, history.expected, history.result))
        if outcome == FAIL and function == CAS:
            continue  # ours fails for other reasons than the value
        operations.append(
            Operation(
                process=int(history.process[row]),
                function=NAMES[function],
                key=int(history.key[row]),
                argument=None if function == READ else (expected, argument) if function == CAS else argument,
                result=MISSING if result == NOTHING else result,
                invoked=int(history.invoked[row]),
                completed=int(history.completed[row]) if outcome == 0 else NEVER,
                outcome=outcome,
            )
        )
    return operations


@pytest.mark.slow
def test_correct_runs_are_valid() -> None:
    model = models.model("cas-register", initial=NIL)
    faults: Counter[str] = Counter()
    searched: Counter[str] = Counter()
    counted = 0
    for seed in range(1, RUNS + 1):
        _, record = run_trial(torture("raft", seed))
        history = record.history
        assert len(undecided(history)) == 0, f"seed {seed}: all at once"
        assert check(history).verdict == "valid", f"seed {seed}: {check(history).reason}"
        for steps in steps_by_key(history).values():
            found = search(steps, monotonic() + 0.5)  # many operations without answer can be too much for it
            assert found.word != "invalid", f"seed {seed}: the search for registers"
            searched[found.word] += 1
        verdict = models.check(foreign(history), model)
        assert verdict.verdict == "valid", f"seed {seed}: as foreign operations: {verdict.reason}"
        faults.update({fault.kind for fault in record.faults})
        counted += bool(record.faults) and int((history.outcome == 0).sum()) >= LEAST_OK
    assert counted > RUNS // 2, "most runs have operations and faults"
    assert searched["valid"] > 50 * searched["unknown"], searched
    missing = set(KINDS) - set(faults)
    assert RUNS < 60 or len(missing) <= 2, f"never fired: {missing}"
    print(f"{RUNS} runs, {counted} with {LEAST_OK} operations and a fault, {len(faults)} kinds of fault, all valid")
