import pytest
from click.testing import CliRunner

from bench.checkers.verdict import Verdict
from bench.cli import execute, hunt, main, violation
from bench.history import HistoryBuilder
from bench.runtime.record import RunRecord
from bench.sweep.pools import Here
from bench.trial import Latency, Messages, Operations, Recovery, Result

HASH = "5eed" * 8


def outcome_of(trial, /, verdict="valid", **changes):
    """A result as a run of the trial could have."""
    violations = (Verdict(name="linearizable", verdict="invalid", reason="k1: a read went back"),)
    fields = {
        "protocol": trial.protocol,
        "runtime": trial.runtime,
        "nodes": trial.nodes,
        "seed": trial.seed,
        "duration_s": trial.duration / 1e9,
        "params": trial.params,
        "mutant": trial.mutant,
        "operations": Operations(ok=1234, fail=1, info=2),
        "throughput_ops_s": 617.0,
        "latency_s": Latency(p50=0.001, p90=0.002, p99=0.0153, p999=0.1, max=0.2),
        "unavailable_s": 0.35,
        "unavailable_resolution_s": 0.012,
        "recovery_s": Recovery(detect=0.2, elect=0.01, commit=0.002),
        "messages": Messages(server=100, client=200),
        "messages_per_operation": 0.081,
        "trial": "complete",
        "verdict": verdict,
        "checks": {"linearizable": verdict, "liveness": "valid"},
        "violations": violations if verdict == "invalid" else (),
        "trace_hash": HASH if trial.runtime == "sim" else None,
        "spec": trial,
    }
    return Result(**fields | changes)


def history():
    """One finished write."""
    builder = HistoryBuilder()
    builder.add(
        process=0,
        function=1,
        key=0,
        argument=1,
        expected=-2,
        result=-2,
        intended=0,
        invoked=0,
        completed=5,
        outcome=0,
        client=0,
    )
    return builder.build()


class Runs:
    """Stands in for ``run_trial``: ``calls`` are the trials asked for, ``answer`` says what comes out."""

    def __init__(self):
        self.calls = []
        self.addresses = []
        self.answer = outcome_of

    def __call__(self, trial, *, address=None, progress=None, **_):
        self.calls.append(trial)
        self.addresses.append(address)
        if progress is not None:
            progress("load")
        return self.answer(trial), RunRecord(history=history())


@pytest.fixture
def runs(monkeypatch):
    fake = Runs()
    for module in (execute, violation):
        monkeypatch.setattr(module, "run_trial", fake)
    monkeypatch.setattr("bench.run.run_trial", fake)
    # a hunt runs its trials elsewhere; here, in this process
    monkeypatch.setattr(hunt, "default_pool", Here)
    return fake


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """Runs the command line in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments):
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    return invoke
