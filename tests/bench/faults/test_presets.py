"""Failure models as schedules: what is in them, and that they hit what they say, in the simulator."""

import pytest

from bench.errors import UsageError
from bench.faults import spec
from bench.faults.notation import format_fault, parse_fault, validate_target
from bench.faults.presets import PRESETS, schedule
from bench.mutation import load_family
from bench.network import Constant, Network
from bench.run import prepare, run_trial
from bench.trial import Trial
from bench.workload.spec import Workload

SECOND = 1_000_000_000
SERVERS = ["n1", "n2", "n3", "n4", "n5"]


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("duration", [SECOND, 60 * SECOND])
def test_each_is_notation_within_the_load(name, duration):
    faults = schedule(name, duration, SERVERS, load_family("heartbeat"))
    assert faults
    for fault in faults:
        assert parse_fault(format_fault(fault)) == fault
        validate_target(fault, SERVERS, 1)
        length = getattr(fault, "length", None) or getattr(fault, "down", None) or 0
        assert fault.at > 0 and fault.at + length <= duration


def test_live_nobody_speaks_in_anothers_name():
    family = load_family("heartbeat")
    told = {runtime: schedule("byzantine", SECOND, SERVERS, family, runtime) for runtime in ("sim", "ray")}
    assert {fault.behaviour for fault in told["ray"]} == {"counter-ahead", "two-faced"}
    assert {fault.behaviour for fault in told["sim"]} == {lie.name for lie in family.lies}


@pytest.mark.parametrize(
    ("protocol", "fault", "runtime", "sentence"),
    [
        (
            "heartbeat",
            "byzantine n2 as sladner at 1s for 1s",
            "sim",
            "unknown behaviour 'sladner': did you mean 'slander'",
        ),
        ("raft", "byzantine n2 as slander at 1s for 1s", "sim", "raft has no Byzantine behaviours"),
        ("heartbeat", "byzantine n2 as slander at 1s for 1s", "ray", "live streams say who speaks"),
    ],
)
def test_a_lie_that_cannot_be_is_refused(protocol, fault, runtime, sentence):
    with pytest.raises(UsageError) as caught:
        prepare(Trial(protocol=protocol, runtime=runtime, faults=(parse_fault(fault),)))
    assert sentence in str(caught.value)


def test_models_that_cannot_be_are_refused():
    with pytest.raises(UsageError, match="did you mean 'omission'"):
        schedule("omision", SECOND, SERVERS, load_family("heartbeat"))
    with pytest.raises(UsageError, match="raft has no Byzantine behaviours"):
        schedule("byzantine", SECOND, SERVERS, load_family("raft"))
    with pytest.raises(UsageError, match="needs two servers"):
        schedule("crash", SECOND, ["n1"], load_family("heartbeat"))


# --- what they do to detectors ---------------------------------------------------------------------------------------


def run(*faults, load=12, protocol="heartbeat", **params):
    """Five servers, a fixed timeout of half a second unless told otherwise; the result and what was marked."""
    params = {"detector": "fixed", "timeout_s": 0.5, **params} if protocol == "heartbeat" else params
    return run_trial(
        Trial(
            protocol=protocol,
            nodes=5,
            params=params,
            duration=load * SECOND,
            network=Network(latency=Constant(1_000_000)),
            workload=Workload(clients=1, rate=5.0),
            faults=tuple(parse_fault(fault) for fault in faults),
        )
    )


def accused(record, until=12):
    """(observer, subject) of all suspicions up to that second."""
    return {
        (mark.node, mark.fields["subject"])
        for mark in record.marks
        if mark.name == "deemed_down" and mark.at < until * SECOND
    }


OTHERS = {"n1", "n3", "n4", "n5"}


def test_who_omits_to_send_is_suspected_by_all_and_suspects_nobody():
    result, record = run("send-omission n2 by 1 at 2s for 3s")
    assert accused(record) == {(other, "n2") for other in OTHERS}
    assert result.verdict == "valid", "it is trusted again afterwards"


def test_who_omits_to_receive_suspects_all_and_is_suspected_by_nobody():
    result, record = run("receive-omission n2 by 1 at 2s for 3s")
    assert accused(record) == {("n2", other) for other in OTHERS}
    assert result.verdict == "valid"


def test_omissions_come_at_the_rate_asked_for():
    _, record = run("send-omission n2 by 0.5 at 1s for 10s", timeout_s=0.15)
    gaps = sum(mark.name == "deemed_down" for mark in record.marks)
    # a heartbeat each 100 ms; a suspicion begins with each run of omissions: about 1/4 of the 400 heartbeats
    assert 60 < gaps < 140


def test_a_counter_ahead_hides_a_crash_from_estimates_of_the_arrival_and_from_no_timeout():
    lie, crash = "byzantine n2 as counter-ahead at 2s for 1s", "crash n2 at 2900ms"
    for detector, hidden in (("fixed", False), ("phi-akka", False), ("chen", True), ("bertier", True)):
        result, record = run(lie, crash, detector=detector, load=20)
        assert (not accused(record)) == hidden, detector
        assert result.detection is not None and result.detection.undetected == (4 if hidden else 0)


def test_two_faces_divide_the_others():
    _, record = run("byzantine n2 as two-faced at 2s for 3s")
    assert accused(record) == {("n3", "n2"), ("n5", "n2")}


def test_ghosts_raise_the_dead_unless_heartbeats_are_signed():
    faults = ("crash n4 at 2s", "byzantine n2 as ghosts at 3s for 8s")
    for signed in (False, True):
        _, record = run(*faults, signed=signed)
        risen = {mark.node for mark in record.marks if mark.name == "deemed_up" and 3 * SECOND < mark.at < 11 * SECOND}
        assert risen == (set() if signed else {"n1", "n3", "n5"})


def test_slander_has_the_living_suspected_unless_heartbeats_are_signed():
    for signed in (False, True):
        _, record = run("byzantine n2 as slander at 2s for 3s", signed=signed)
        found = {pair for pair in accused(record) if "n2" not in pair}
        assert found == (set() if signed else {(a, b) for a in OTHERS for b in OTHERS if a != b})


def test_signed_heartbeats_detect_as_others_do_pushed_and_pulled():
    for style in ("push", "pull"):
        result, record = run("crash n3 at 3s", signed=True, style=style)
        assert accused(record) == {(other, "n3") for other in ("n1", "n2", "n4", "n5")}
        assert result.verdict == "valid"


def test_swim_refutes_slander_and_believes_in_ghosts():
    quick = {"probe_interval_s": 0.2, "probe_timeout_s": 0.1, "gossip_interval_s": 0.05}
    result, record = run("byzantine n2 as slander at 2s for 3s", protocol="swim", load=20, **quick)
    assert any(mark.name == "refuted" for mark in record.marks)
    assert {subject for _, subject in accused(record)} <= OTHERS and accused(record)
    assert result.verdict == "valid", "it is over when the liar is honest again"
    result, record = run("crash n4 at 2s", "byzantine n2 as ghosts at 6s for 3s", protocol="swim", load=20, **quick)
    assert result.checks["incarnation_origin"] == "invalid", "only a member itself raises its incarnation"


def test_kinds_of_a_model_are_no_kinds_of_a_nemesis():
    from bench.faults.nemesis import check_kinds

    for kind in ("send-omission", "receive-omission", "byzantine"):
        with pytest.raises(UsageError, match=f"a nemesis cannot draw {kind}"):
            check_kinds([kind], "sim")
    assert spec.Byzantine(at=0, target="n1", behaviour="x", length=1).behaviour == "x"
