import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import UsageError
from bench.faults import notation, spec
from bench.faults.notation import (
    FORMS,
    check_runtime,
    exact_duration,
    format_fault,
    format_latency,
    parse_fault,
    usage,
    validate_target,
)
from bench.network.latency import (
    Constant,
    Empirical,
    Exponential,
    Lognormal,
    Mixture,
    Normal,
    Pareto,
    Uniform,
    parse_latency,
)
from bench.units import parse_duration

MS = 1_000_000
SECOND = 1000 * MS

EXAMPLES = {
    "crash leader at 5s for 2s": spec.Crash(at=5 * SECOND, target="leader", down=2 * SECOND),
    "crash n1 at 5s": spec.Crash(at=5 * SECOND, target="n1", down=None),
    "crash-at-write at 1s for 5ms": spec.CrashAtWrite(at=SECOND, down=5 * MS),
    "pause random at 1s for 500ms": spec.Pause(at=SECOND, target="random", length=500 * MS),
    "partition halves at 2s for 1s": spec.Partition(at=2 * SECOND, shape="halves", target="random", length=SECOND),
    "partition isolate leader at 2s for 1s": spec.Partition(
        at=2 * SECOND, shape="isolate", target="leader", length=SECOND
    ),
    "partition one-way n2 at 0s for 1s": spec.Partition(at=0, shape="one-way", target="n2", length=SECOND),
    "partition majority-ring at 2s for 1s": spec.Partition(
        at=2 * SECOND, shape="majority-ring", target="random", length=SECOND
    ),
    "partition bridge n3 at 2s for 1s": spec.Partition(at=2 * SECOND, shape="bridge", target="n3", length=SECOND),
    "slow-link n1 by 20ms at 1s for 2s": spec.SlowLink(
        at=SECOND, target="n1", extra=Constant(20 * MS), length=2 * SECOND
    ),
    "slow-link n1 by lognormal(2ms, 0.5) at 1s for 2s": spec.SlowLink(
        at=SECOND, target="n1", extra=Lognormal(2 * MS, 0.5), length=2 * SECOND
    ),
    "lossy-link random by 0.2 at 1s for 2s": spec.LossyLink(at=SECOND, target="random", loss=0.2, length=2 * SECOND),
    "lossy-link random by 0.2 duplication 0.1 at 1s for 2s": spec.LossyLink(
        at=SECOND, target="random", loss=0.2, duplication=0.1, length=2 * SECOND
    ),
    "slow-node n2 by 5x at 1s for 2s": spec.SlowNode(at=SECOND, target="n2", factor=5.0, length=2 * SECOND),
    "slow-disk leader by 20ms at 1s for 2s": spec.SlowDisk(
        at=SECOND, target="leader", extra=20 * MS, length=2 * SECOND
    ),
    "send-omission n1 by 0.5 at 1s for 2s": spec.SendOmission(at=SECOND, target="n1", loss=0.5, length=2 * SECOND),
    "receive-omission n1 by 1 at 1s for 2s": spec.ReceiveOmission(at=SECOND, target="n1", loss=1.0, length=2 * SECOND),
    "byzantine n1 as slander at 1s for 2s": spec.Byzantine(
        at=SECOND, target="n1", behaviour="slander", length=2 * SECOND
    ),
    "full-disk n1 at 1s for 2s": spec.FullDisk(at=SECOND, target="n1", length=2 * SECOND),
    "lose-disk random at 1s for 1s": spec.LoseDisk(at=SECOND, target="random", down=SECOND),
    "clock-jump n1 by -5s at 1s": spec.ClockJump(at=SECOND, target="n1", offset=-5 * SECOND),
    "clock-drift n1 by 500ppm at 1s for 2s": spec.ClockDrift(at=SECOND, target="n1", ppm=500.0, length=2 * SECOND),
    "cut n1-n2,n3>c1 at 1s for 2s": spec.Cut(
        at=SECOND, links=(("n1", "n2"), ("n2", "n1"), ("n3", "c1")), length=2 * SECOND
    ),
    "lose-disk n1 at 1s for 1s as corrupt": spec.LoseDisk(at=SECOND, target="n1", down=SECOND, damage="corrupt"),
    "power-loss at 2s for 1s": spec.PowerLoss(at=2 * SECOND, down=SECOND),
    "rolling-restart at 1s for 500ms gap 300ms": spec.RollingRestart(at=SECOND, down=500 * MS, gap=300 * MS),
    "drain n1 at 1s grace 200ms for 1s": spec.DrainRestart(at=SECOND, target="n1", grace=200 * MS, down=SECOND),
    "zone-loss a at 1s for 2s": spec.ZoneLoss(at=SECOND, zone="a", down=2 * SECOND),
    "retry-storm at 1s for 500ms": spec.RetryStorm(at=SECOND, length=500 * MS),
    "stall leader at 1s for 300ms": spec.Stall(at=SECOND, target="leader", length=300 * MS),
    "add n4 at 1s": spec.Membership(at=SECOND, target="leader", action="add", node="n4"),
    "remove n1 via n2 at 1s": spec.Membership(at=SECOND, target="n2", action="remove", node="n1"),
}


@pytest.mark.parametrize("text", EXAMPLES)
def test_examples_read_and_write(text):
    assert parse_fault(text) == EXAMPLES[text]
    assert format_fault(EXAMPLES[text]) == text


def test_every_kind_of_fault_has_a_form_and_an_example():
    made = {form.make for form in FORMS.values()}
    assert made == set(spec.Fault.__args__)
    assert {type(fault) for fault in EXAMPLES.values()} == made


@pytest.mark.parametrize("kind", FORMS)
def test_the_usage_of_every_kind_is_itself_notation(kind):
    text = usage(kind).replace("|".join(notation.SHAPES), "halves").replace("[", "").replace("]", "")
    fault = parse_fault(text)
    assert parse_fault(format_fault(fault)) == fault


def test_words_may_come_in_any_order_and_spacing():
    assert parse_fault("  pause  random for 500ms\tat 1s ") == EXAMPLES["pause random at 1s for 500ms"]


def test_a_shape_alone_is_a_partition():
    assert parse_fault("isolate leader at 2s for 1s") == EXAMPLES["partition isolate leader at 2s for 1s"]


def test_membership_goes_through_the_leader_unless_told():
    assert parse_fault("add n4 via leader at 1s") == EXAMPLES["add n4 at 1s"]


# --- round trip -----------------------------------------------------------------------------------------------------

times = st.integers(0, 2**53)
names = st.sampled_from(
    ["n1", "n17", "c2", "leader", "follower", "random", "minority", "servers", "clients", "zone:eu"]
)
numbers = st.floats(0, 1e6, allow_nan=False)
latencies = st.recursive(
    st.one_of(
        st.builds(Constant, times),
        st.tuples(times, times).map(lambda pair: Uniform(min(pair), max(pair))),
        st.builds(Normal, times, times),
        st.builds(Lognormal, times, numbers),
        st.builds(Exponential, times),
        st.builds(Pareto, times, st.floats(1e-3, 1e3)),
    ),
    lambda inner: st.tuples(st.floats(0, 1), inner, inner).map(
        lambda parts: Mixture(((parts[0], parts[1]), (1 - parts[0], parts[2])))
    ),
    max_leaves=4,
)
FIELDS = {
    "at": times,
    "target": names,
    "down": times,
    "gap": times,
    "grace": times,
    "length": times,
    "shape": st.sampled_from(notation.SHAPES),
    "factor": st.floats(1, 1e9),
    "loss": st.floats(0, 1),
    "duplication": st.floats(0, 1),
    "offset": st.integers(-(2**53), 2**53),
    "ppm": st.floats(-999_999, 1e9),
    "zone": st.sampled_from(["a", "eu-west-1"]),
    "node": st.sampled_from(["n1", "n4"]),
    "action": st.sampled_from(["add", "remove"]),
    "damage": st.sampled_from(["", "lost", "corrupt"]),
    "behaviour": st.sampled_from(["slander", "two-faced"]),
    "links": st.lists(
        st.tuples(st.sampled_from(["n1", "n2", "n10"]), st.sampled_from(["n3", "c1"])).map(
            lambda pair: pair if pair[0] != "n2" else pair[::-1]
        ),
        min_size=1,
        unique=True,
    ).map(lambda links: notation.parse_links(notation.format_links([*links, links[0][::-1]]))),
}


def faults_of(kind):
    fields = {name: FIELDS[name] for name in kind.__struct_fields__ if name != "extra"}
    if kind is spec.Crash:
        fields["down"] = st.none() | times
    if "extra" in kind.__struct_fields__:
        fields["extra"] = latencies if kind is spec.SlowLink else times
    return st.builds(kind, **fields)


@settings(max_examples=400, deadline=None)
@given(st.one_of([faults_of(kind) for kind in spec.Fault.__args__]))
def test_every_fault_reads_back_exactly(fault):
    assert parse_fault(format_fault(fault)) == fault


@settings(max_examples=200, deadline=None)
@given(latencies)
def test_every_latency_reads_back_exactly(latency):
    assert parse_latency(format_latency(latency)) == latency


@settings(max_examples=200, deadline=None)
@given(times)
def test_every_duration_reads_back_exactly(ns):
    assert parse_duration(exact_duration(ns)) == ns


@pytest.mark.parametrize(
    ("ns", "text"),
    [(0, "0s"), (1, "1ns"), (1500, "1.5us"), (20 * MS, "20ms"), (1_234_567_891, "1.234567891s"), (-5 * SECOND, "-5s")],
)
def test_durations_are_short(ns, text):
    assert exact_duration(ns) == text


def test_an_empirical_latency_is_described():
    assert format_latency(Empirical((1, 2, 3))) == "empirical(3 samples)"


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="crash leader at 5s for()1.,ninfx-:", max_size=40))
def test_no_text_fails_otherwise_than_by_a_sentence(text):
    try:
        parse_fault(text)
    except UsageError as error:
        assert "\n" not in str(error).replace(text, "")


# --- errors ---------------------------------------------------------------------------------------------------------

ERRORS = {
    "": "the fault is empty: write for example 'crash leader at 5s for 2s'",
    "crsh leader at 5s": "unknown fault 'crsh': did you mean 'crash'?",
    "crash at 5s": "fault 'crash at 5s' names no target: write 'crash TARGET at 5s [for 2s]'",
    "crash leader": "fault 'crash leader' lacks 'at': write 'crash TARGET at 5s [for 2s]'",
    "pause leader at 1s": "lacks 'for': write 'pause TARGET at 5s for 2s'",
    "crash leader on 5s": "'on' is not understood: write 'crash TARGET",
    "pause leader at 1s fro 2s": "'fro' is not understood: did you mean 'for', as in 'pause TARGET at 5s for 2s'",
    "crash leader at": "'at' lacks its value",
    "crash leader at for 2s": "'at' lacks its value",
    "crash leader at 1s at 2s": "says 'at' twice",
    "crash leader at 5": "'at' is wrong: duration '5' is not a duration: write a number and a unit",
    "crash leader at -5s": "'at' is wrong: duration '-5s' is not a duration",
    "crash leader at 1e999s": "'at' is wrong: duration '1e999s' is not finite",
    "partition halvs at 1s for 1s": "unknown partition 'halvs': did you mean 'halves'?",
    "partition at 1s for 1s": "names no shape",
    "slow-node n1 by 0.5x at 1s for 1s": "'by' is wrong: it is a factor of at least 1, as in 5x, not '0.5x'",
    "slow-node n1 by fast at 1s for 1s": "it is a factor of at least 1, as in 5x, not 'fast'",
    "slow-node n1 by infx at 1s for 1s": "it is a factor of at least 1",
    "lossy-link n1 by 1.5 at 1s for 1s": "'by' is wrong: it is a probability from 0 to 1, not '1.5'",
    "lossy-link n1 by nan at 1s for 1s": "it is a probability from 0 to 1, not 'nan'",
    "lossy-link n1 by 0.1 duplication 2 at 1s for 1s": "'duplication' is wrong: it is a probability",
    "slow-link n1 by lognorml(2ms, 0.5) at 1s for 1s": "did you mean 'lognormal'?",
    "clock-drift n1 by fastppm at 1s for 1s": "it is a drift in parts per million, above -1000000, as in 500ppm",
    "clock-drift n1 by -2000000ppm at 1s for 1s": "it is a drift in parts per million",
    "clock-jump n1 by soon at 1s": "'by' is wrong: duration 'soon' is not a duration",
    "partition isolate leader n2 at 1s for 1s": "'n2' is not understood",
}


@pytest.mark.parametrize("text", ERRORS)
def test_malformed_faults_are_explained_in_one_sentence(text):
    with pytest.raises(UsageError) as caught:
        parse_fault(text)
    assert ERRORS[text] in str(caught.value)


SERVERS = ["n1", "n2", "n3"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("crash n4 at 1s", "fault 'crash n4 at 1s': unknown target 'n4': the servers are n1 to n3"),
        ("pause c9 at 1s for 1s", "unknown target 'c9': the clients are c1 to c2"),
        ("crash leadr at 1s", "unknown target 'leadr': did you mean 'leader'?"),
        ("crash zone:us at 1s", "unknown zone 'us': did you mean 'eu'?"),
        ("zone-loss us at 1s for 1s", "unknown zone 'us': did you mean 'eu'?"),
        ("remove n1 via n7 at 1s", "unknown target 'n7'"),
        ("add n4 at 1s", "fault 'add n4 at 1s': there is no server 'n4': they are n1 to n3"),
    ],
)
def test_targets_that_do_not_exist(text, sentence):
    with pytest.raises(UsageError) as caught:
        validate_target(parse_fault(text), SERVERS, 2, ["eu", "ap"])
    assert sentence in str(caught.value)


@pytest.mark.parametrize("target", ["n1", "c2", "leader", "follower", "random", "majority", "clients", "zone:eu"])
def test_targets_that_exist(target):
    validate_target(parse_fault(f"pause {target} at 1s for 1s"), SERVERS, 2, ["eu"])


@pytest.mark.parametrize("text", ["power-loss at 1s for 1s", "retry-storm at 1s for 1s", "crash-at-write at 1s for 1s"])
def test_faults_without_a_target(text):
    validate_target(parse_fault(text), SERVERS, 2)


def test_faults_of_the_simulator_are_refused_live():
    for text in ("lose-disk n1 at 1s for 1s", "stall n1 at 1s for 1s", "crash-at-write at 1s for 1s"):
        fault = parse_fault(text)
        check_runtime(fault, "sim")
        with pytest.raises(UsageError, match=f"fault '{text}' exists in the simulator only: use --runtime sim"):
            check_runtime(fault, "ray")
    check_runtime(parse_fault("crash n1 at 1s"), "ray")


def test_plain_numbers():
    assert format_fault(spec.SlowNode(at=0, target="n1", factor=2.5, length=0)) == "slow-node n1 by 2.5x at 0s for 0s"
    assert math.isclose(parse_fault("clock-drift n1 by +1e2ppm at 0 for 1s").ppm, 100)
