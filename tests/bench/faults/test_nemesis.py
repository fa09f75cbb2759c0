import subprocess
import sys
from collections import Counter
from itertools import pairwise

import pytest

from bench.errors import UsageError
from bench.faults import spec
from bench.faults.nemesis import GENERAL, KINDS, check_kinds, generate
from bench.faults.notation import check_runtime, format_fault, parse_fault, tag_of, validate_target
from bench.faults.spec import Nemesis

SECOND = 1_000_000_000
SERVERS = ["n1", "n2", "n3", "n4", "n5"]


def schedule(seed=1, kinds=(), duration=5 * SECOND, servers=SERVERS, runtime="sim", **nemesis):
    return generate(Nemesis(kinds=kinds, **nemesis), seed, duration, servers, runtime)


def end_of(fault, servers):
    match fault:
        case spec.RollingRestart(at=at, down=down, gap=gap):
            return at + len(servers) * (down + gap)
        case spec.DrainRestart(at=at, grace=grace, down=down):
            return at + grace + down
        case spec.ClockJump(at=at) | spec.Membership(at=at):
            return at
    return fault.at + (fault.down if hasattr(fault, "down") else fault.length)


@pytest.mark.parametrize("runtime", ["sim", "ray"])
def test_every_fault_is_over_when_the_load_ends(runtime):
    for seed in range(150):
        for duration in (SECOND // 2, 5 * SECOND):
            for fault in schedule(seed, duration=duration, runtime=runtime, interval=SECOND // 10):
                assert 0 < fault.at < duration
                assert end_of(fault, SERVERS) <= duration, format_fault(fault)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_alone_is_over_in_time_and_valid(kind):
    seen = 0
    for seed in range(40):
        for fault in schedule(seed, (kind,), 2 * SECOND):
            seen += 1
            assert tag_of(fault) == kind
            assert end_of(fault, SERVERS) <= 2 * SECOND
            assert parse_fault(format_fault(fault)) == fault
            validate_target(fault, SERVERS, 1)
    assert seen > 10


@pytest.mark.parametrize("runtime", ["sim", "ray"])
def test_the_general_set_draws_all_its_kinds_and_no_others(runtime):
    kinds = Counter()
    for seed in range(400):
        for fault in schedule(seed, runtime=runtime):
            kinds[tag_of(fault)] += 1
            check_runtime(fault, runtime)
    assert set(kinds) == set(GENERAL[runtime])
    assert kinds["crash"] > kinds["retry-storm"], "weights count"


def test_the_general_set_crashes_leaders_minorities_and_majorities_and_cuts_in_all_shapes():
    targets, shapes, duplications = set(), set(), set()
    for seed in range(300):
        for fault in schedule(seed):
            if isinstance(fault, spec.Crash):
                targets.add(fault.target)
            elif isinstance(fault, spec.Partition):
                shapes.add(fault.shape)
            elif isinstance(fault, spec.LossyLink):
                duplications.add(fault.duplication > 0)
    assert targets == {"random", "leader", "minority", "majority", *SERVERS}
    assert shapes == {"halves", "isolate", "majority-ring", "bridge", "one-way"}
    assert True in duplications


def loops(faults):
    """Servers named by crashes, with how often: only crash loops name them."""
    return Counter(fault.target for fault in faults if isinstance(fault, spec.Crash) and fault.target in SERVERS)


def test_some_servers_crash_in_a_loop_where_processes_start_fast_enough():
    most = [max(loops(schedule(seed, ("crash",), 3 * SECOND)).values(), default=0) for seed in range(60)]
    assert max(most) >= 20
    assert sum(count >= 5 for count in most) > 20
    assert not any(loops(schedule(seed, ("crash",), runtime="ray")) for seed in range(60))


def test_at_most_a_minority_loses_its_disk_and_nobody_twice():
    most = 0
    for seed in range(50):
        lost = [fault.target for fault in schedule(seed, ("lose-disk",), 60 * SECOND)]
        assert len(lost) == len(set(lost))
        assert set(lost) <= set(SERVERS)
        most = max(most, len(lost))
    assert most == 2
    assert schedule(1, ("lose-disk",), 60 * SECOND, ["n1", "n2"]) == ()


def test_gaps_and_quiet():
    for seed in range(50):
        faults = schedule(seed, quiet=SECOND)
        assert all(fault.at > SECOND for fault in faults)
        assert list(faults) == sorted(faults, key=lambda fault: fault.at)
    few = sum(len(schedule(seed, interval=SECOND)) for seed in range(100))
    many = sum(len(schedule(seed, interval=SECOND // 4)) for seed in range(100))
    assert 2 * few < many


def test_lengths_follow_the_mean():
    def mean(length):
        lengths = [
            fault.length for seed in range(100) for fault in schedule(seed, ("pause",), 60 * SECOND, length=length)
        ]
        assert max(lengths) <= 4 * length
        return sum(lengths) / len(lengths)

    assert mean(SECOND // 10) == pytest.approx(SECOND / 10, rel=0.1)
    assert mean(SECOND) == pytest.approx(SECOND, rel=0.1)


def test_faults_overlap():
    def overlapping(faults):
        return any(end_of(one, SERVERS) > other.at for one, other in pairwise(faults))

    assert sum(overlapping(schedule(seed)) for seed in range(50)) > 25


def test_the_seed_decides():
    assert schedule(3) == schedule(3)
    assert len({schedule(seed) for seed in range(20)}) == 20


def test_the_order_of_the_servers_does_not_matter():
    for seed in range(20):
        assert schedule(seed, ("lose-disk",)) == schedule(seed, ("lose-disk",), servers=SERVERS[::-1])


def test_hash_randomization_changes_nothing():
    code = (
        "from bench.faults.nemesis import generate\n"
        "from bench.faults.spec import Nemesis\n"
        "for runtime in ('sim', 'ray'):\n"
        "    for seed in range(30):\n"
        "        print(generate(Nemesis(), seed, 5 * 10**9, ['n1', 'n2', 'n3', 'n4', 'n5'], runtime))\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("0", "1", "4242")
    }
    assert len(outputs) == 1
    assert "Crash(" in outputs.pop()


def test_one_server_is_enough():
    for seed in range(50):
        for fault in schedule(seed, servers=["n1"]):
            assert not isinstance(fault, spec.LoseDisk)


def test_large_clusters_are_not_restarted_one_by_one():
    servers = [f"n{index}" for index in range(50)]
    assert schedule(1, ("rolling-restart",), 60 * SECOND, servers) == ()


@pytest.mark.parametrize(
    ("kinds", "runtime", "sentence"),
    [
        (("crsh",), "sim", "unknown fault kind 'crsh': did you mean 'crash'?"),
        (("zone-loss",), "sim", "a nemesis cannot draw zone-loss: schedule it with --fault"),
        (("stall",), "ray", "fault kind 'stall' exists in the simulator only: use --runtime sim"),
    ],
)
def test_kinds_that_cannot_be_drawn(kinds, runtime, sentence):
    with pytest.raises(UsageError) as caught:
        check_kinds(kinds, runtime)
    assert sentence in str(caught.value)
    with pytest.raises(UsageError):
        schedule(1, kinds, runtime=runtime)


def test_an_operator_leaves_somebody_and_those_who_remember_decide():
    sizes, bursts, cuts = set(), 0, 0
    for seed in range(200):
        for kinds in (("membership", "partition"), ("membership", "lose-disk")):
            faults = schedule(seed, kinds, interval=SECOND // 10)
            members, gone = set(SERVERS), set()
            forgot = {fault.target for fault in faults if isinstance(fault, spec.LoseDisk)}
            for fault in faults:
                if isinstance(fault, spec.Membership):
                    (members.discard if fault.action == "remove" else members.add)(fault.node)
                    gone |= set(SERVERS) - members
                    sizes.add(len(members))
            assert len(gone) < len(SERVERS), "somebody is never removed"
            if "lose-disk" in kinds:
                stay = set(SERVERS) - gone
                assert len(stay & forgot) < len(stay) / 2, "whatever is asked, those who remember are a majority"
            times = [fault.at for fault in faults if isinstance(fault, spec.Membership)]
            bursts += len(times) - len(set(times))
            cuts += any(
                isinstance(fault, spec.Partition) and abs(fault.at - at) <= 2_000_000
                for fault in faults
                for at in times
            )
    assert {1, 2, 3, 4, 5} == sizes
    assert bursts > 100 and cuts > 50, "several at once, and some with a cut beside"
