"""Runs made explicit: the same faults and operations without a nemesis, a leader or a coin."""

from __future__ import annotations

import msgspec
import pytest

from bench.faults import spec
from bench.faults.notation import format_fault, parse_fault
from bench.faults.spec import FaultRecord, Nemesis
from bench.run import run_trial
from bench.shrink.explicit import explicit, explicit_faults
from bench.torture import torture
from bench.trial import Trial
from bench.workload.spec import Workload

MS = 1_000_000


@pytest.mark.parametrize("seed", range(1, 7))
def test_an_explicit_trial_does_what_the_nemesis_did(seed: int) -> None:
    """Whom faults hit and when, which links they cut: all as before, although nothing is drawn for it any more.

    Left out are slow links, whose delays are drawn from the faults' own source, and crashes at a write, which become
    crashes a nanosecond later.
    """
    kinds = ("crash", "partition", "pause", "power-loss", "lose-disk", "stall", "drain", "clock-jump")
    nemesis = Nemesis(kinds=kinds, interval=60 * MS, length=100 * MS)
    trial = torture("raft", seed, duration=1500 * MS, nemesis=nemesis)
    result, record = run_trial(trial)
    faults, both = explicit(trial, record)
    assert faults.nemesis is None
    assert len(faults.faults) > 10
    for candidate in (faults, both):
        again, other = run_trial(candidate)
        assert [each for each in other.leaders if each[0] < trial.duration] == [
            each for each in record.leaders if each[0] < trial.duration
        ]
        assert again.operations == result.operations


def test_words_become_names() -> None:
    record = FaultRecord(
        kind="crash", targets=("n2", "n3"), start=5 * MS, end=9 * MS, detail="crash minority at 5ms for 4ms"
    )
    assert [format_fault(each) for each in explicit_faults([record], 100 * MS)] == [
        "crash n2 at 5ms for 4ms",
        "crash n3 at 5ms for 4ms",
    ]


def test_live_faults_last_as_long_as_they_did() -> None:
    record = FaultRecord(kind="pause", targets=("n2",), start=7 * MS, end=30 * MS, detail="pause leader at 5ms for 4ms")
    (fault,) = explicit_faults([record], 100 * MS, live=True)
    assert fault == spec.Pause(at=7 * MS, target="n2", length=23 * MS)


def test_a_partition_becomes_its_links() -> None:
    trial = Trial(protocol="raft", duration=400 * MS, workload=Workload(clients=2),
                  faults=(parse_fault("partition isolate leader at 100ms for 100ms"),))  # fmt: skip
    _, record = run_trial(trial)
    (cut,) = explicit_faults(record.faults, trial.duration)
    assert isinstance(cut, spec.Cut)
    assert set(cut.links) == set(record.faults[0].links)
    assert parse_fault(format_fault(cut)).links == tuple(dict.fromkeys(parse_fault(format_fault(cut)).links))
    assert set(parse_fault(format_fault(cut)).links) == set(cut.links)


def test_what_was_asked_of_the_liveness_phase_is_still_asked() -> None:
    trial = torture("raft", 3, duration=300 * MS)
    _, record = run_trial(trial)
    faults, _ = explicit(trial, record)
    assert faults.split is True
    assert explicit(msgspec.structs.replace(trial, nemesis=None), record)[0].split is None
