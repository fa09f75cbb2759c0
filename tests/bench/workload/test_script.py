"""A load that is written down operation by operation."""

from __future__ import annotations

import msgspec
import pytest

from bench.errors import UsageError
from bench.run import run_trial
from bench.trial import Trial
from bench.workload.generator import Load, Part
from bench.workload.script import format_call, parse_call
from bench.workload.spec import Call, Workload
from protocols.node import Ok
from protocols.requests import Cas, Read, Write

MS = 1_000_000
LINES = ("c1 write k0 7 at 10ms", "c2 cas k0 7->8 at 12ms", "c1 cas k1 nil->9 at 12.5ms", "c2 read k0 at 13ms")


def workload(*lines: str, **fields: object) -> Workload:
    return Workload(**{"clients": 2, "keys": 2, "script": tuple(map(parse_call, lines))} | fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("line", LINES)
def test_the_notation_is_read_back(line: str) -> None:
    assert format_call(parse_call(line)) == line


@pytest.mark.parametrize(
    "line",
    ["", "c1 write k0 at 3ms", "c0 read k0 at 3ms", "c1 read k0 7 at 3ms", "c1 cas k0 7 at 3ms", "c1 write k0 7"],
)
def test_what_is_malformed_is_said(line: str) -> None:
    with pytest.raises(UsageError):
        Workload(clients=1, keys=1, script=(parse_call(line),)).validate()


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (("c3 read k0 at 1ms",), "no client c3"),
        (("c1 read k2 at 1ms",), "no key k2"),
        (("c1 write k0 7 at 1ms", "c1 write k0 7 at 2ms"), "a second time"),
        (("c1 read k0 at 2ms", "c1 read k0 at 1ms"), "in order of time"),
    ],
)
def test_what_cannot_be_is_said(lines: tuple[str, ...], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        workload(*lines).validate()


def test_the_load_asks_exactly_for_the_script() -> None:
    load = Load(workload(*LINES), 1, 1000 * MS)
    asked = []
    while (arrival := load.next_arrival()) is not None:
        at, client = arrival
        begun = load.start(client, at, at)
        assert begun is not None
        operation, request = begun
        load.finish(operation, Ok(None), at + 1)
        asked.append((at, client, request))
    eight = bytes(8)
    seven, new, nine = (number.to_bytes(8, "big") + eight for number in (7, 8, 9))
    assert asked == [
        (10 * MS, 0, Write("k0", seven)),
        (12 * MS, 1, Cas("k0", seven, new)),
        (12_500_000, 0, Cas("k1", None, nine)),
        (13 * MS, 1, Read("k0")),
    ]
    assert load.offered == 4


def test_probes_write_none_of_its_values_whoever_generates_them() -> None:
    script = workload("c1 write k0 10 at 0s")
    values = []
    for part in (Part(0, 2, 0, 1), Part(1, 2, 1, 1)):
        load = Load(script, 1, 1000 * MS, part=part)
        for _ in range(9):
            _, request = load.probe(part.first, 5)
            if not isinstance(request, Read):
                values.append(int.from_bytes(request.value[:8], "big"))
    assert min(values) > 10
    assert len(set(values)) == len(values)


def test_a_recorded_load_as_a_script_is_the_same_run() -> None:
    """Of an open loop: every operation ends when it did, with what it did."""
    trial = Trial(protocol="raft", duration=400 * MS, workload=Workload(clients=3, keys=3, rate=100.0), seed=5)
    result, record = run_trial(trial)
    history = record.history
    calls = []
    for row in range(len(history)):
        if history.intended[row] < trial.duration:
            name = ("read", "write", "cas")[history.function[row]]
            expected = int(history.expected[row])
            calls.append(
                Call(
                    at=int(history.intended[row]),
                    client=int(history.client[row]),
                    function=name,
                    key=int(history.key[row]),
                    value=None if name == "read" else int(history.argument[row]),
                    expected=expected if name == "cas" and expected >= 0 else None,
                )
            )
    scripted = msgspec.structs.replace(trial.workload, rate=None, script=tuple(calls))
    _, again = run_trial(msgspec.structs.replace(trial, workload=scripted))
    assert result.verdict == "valid"
    assert len(calls) > 20
    for name in ("function", "key", "argument", "expected", "result", "invoked", "completed", "outcome", "client"):
        before, after = (getattr(each, name)[: len(calls)] for each in (history, again.history))
        assert before.tolist() == after.tolist(), name


def test_a_scripted_trial_runs_and_is_judged() -> None:
    result, record = run_trial(Trial(protocol="raft", duration=200 * MS, workload=workload(*LINES)))
    assert result.checks["linearizable"] == "valid"
    assert list(record.history.argument[:3]) == [7, 8, 9]
