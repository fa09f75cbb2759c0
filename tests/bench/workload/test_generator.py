import math
import statistics
import subprocess
import sys
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from bench.checkers.linearizability import check
from bench.errors import UsageError
from bench.history import FAIL, INFO, NEVER, NIL, NOTHING, OK
from bench.workload.choosing import effective_mix, zipf_bounds
from bench.workload.generator import STALE_CAS, Load
from bench.workload.spec import PRESETS, Workload
from protocols.node import Fail, Info, Ok
from protocols.requests import Cas, Read, Write

SECOND = 1_000_000_000
DONE = Ok(None)


def started(load, client=0, now=0):
    begun = load.start(client, now, now)
    assert begun is not None
    return begun


def number_of(value):
    return int.from_bytes(value[:8], "big")


def arrivals(workload, seed=1, duration=20 * SECOND):
    load = Load(workload, seed, duration)
    found = []
    while (arrival := load.next_arrival()) is not None:
        found.append(arrival)
    return load, found


def drive(load, count, clients):
    """A deterministic mess: several operations a client at once, every outcome, some never answered."""
    under_way = []
    requests = []
    for step in range(count):
        operation, request = started(load, step % clients, step)
        requests.append(request)
        under_way.append(operation)
        if step % 3 == 2:
            operation = under_way.pop((step * 7) % len(under_way))
            load.finish(operation, (Ok(None), Fail("no"), Info("lost"))[step % 9 // 3], step)
    return requests


class TestArrivals:
    def test_poisson_has_the_rate_and_the_spread_of_an_exponential(self):
        load, found = arrivals(Workload(rate=1000.0, clients=4))
        gaps = np.diff([at for at, _ in found])
        assert load.offered == len(found)
        assert len(found) == pytest.approx(20_000, rel=0.03)
        assert gaps.mean() == pytest.approx(1e6, rel=0.03)
        assert gaps.std() == pytest.approx(gaps.mean(), rel=0.05), (
            "the standard deviation of an exponential is its mean"
        )
        assert np.quantile(gaps, 0.5) == pytest.approx(1e6 * math.log(2), rel=0.05)

    def test_poisson_arrivals_of_each_client_are_poisson_too(self):
        _, found = arrivals(Workload(rate=1000.0, clients=4))
        for client in range(4):
            gaps = np.diff([at for at, who in found if who == client])
            assert gaps.mean() == pytest.approx(4e6, rel=0.06)
            assert gaps.std() == pytest.approx(gaps.mean(), rel=0.06)

    def test_constant_arrivals_are_evenly_spaced_and_go_round(self):
        _, found = arrivals(Workload(rate=3.0, arrival="constant", clients=2), duration=SECOND)
        assert found == [(0, 0), (333_333_333, 1), (666_666_667, 0)]

    def test_none_is_at_or_after_the_end(self):
        load, found = arrivals(Workload(rate=500.0), duration=SECOND)
        assert max(at for at, _ in found) < SECOND
        assert load.next_arrival() is None, "it stays over"

    def test_a_closed_loop_has_none(self):
        assert Load(Workload(), 1, SECOND).next_arrival() is None

    def test_arrivals_do_not_depend_on_what_is_started(self):
        workload = Workload(rate=100.0)
        alone, busy = Load(workload, 3, SECOND), Load(workload, 3, SECOND)
        for _ in range(20):
            assert alone.next_arrival() == busy.next_arrival()
            started(busy)


class TestOperations:
    def test_the_mix_is_kept(self):
        load = Load(Workload(mix=PRESETS["register"]), 1, SECOND)
        kinds = Counter(type(started(load)[1]) for _ in range(9000))
        assert kinds[Read] / 9000 == pytest.approx(0.45, abs=0.02)
        assert kinds[Write] / 9000 == pytest.approx(0.35, abs=0.02)
        assert kinds[Cas] / 9000 == pytest.approx(0.20, abs=0.02)

    def test_values_are_unique_and_of_the_size_asked_for(self):
        load = Load(Workload(value_bytes=37, mix=(("write", 0.5), ("cas", 0.5))), 1, SECOND)
        values = [started(load)[1].value for _ in range(200)]
        assert {len(value) for value in values} == {37}
        assert sorted(map(number_of, values)) == list(range(1, 201))

    def test_keys_are_named_by_index(self):
        load = Load(Workload(keys=3), 1, SECOND)
        assert {started(load)[1].key for _ in range(100)} == {"k0", "k1", "k2"}

    def test_functions_the_protocol_lacks_are_left_out(self):
        load = Load(Workload(mix=PRESETS["register"]), 1, SECOND, ("read", "write"))
        kinds = Counter(type(started(load)[1]) for _ in range(4000))
        assert set(kinds) == {Read, Write}
        assert kinds[Read] / 4000 == pytest.approx(0.45 / 0.8, abs=0.03)

    def test_a_mix_of_which_nothing_remains_is_an_error(self):
        with pytest.raises(UsageError, match="asks for cas, but this protocol's clients offer read, write"):
            effective_mix((("cas", 1.0),), ("read", "write"))

    def test_the_same_seed_makes_the_same_operations(self):
        workload = Workload(distribution="zipfian", mix=PRESETS["register"])
        first, second, other = (Load(workload, seed, SECOND) for seed in (5, 5, 6))
        requests = drive(first, 300, 4)
        assert requests == drive(second, 300, 4)
        assert requests != drive(other, 300, 4)

    def test_hash_randomization_changes_nothing(self):
        code = (
            "from bench.workload.generator import Load\n"
            "from bench.workload.spec import Workload\n"
            "load = Load(Workload(rate=50.0, distribution='latest'), 9, 10**9)\n"
            "print([load.next_arrival() for _ in range(20)], [load.start(i % 8, i, i) for i in range(50)])"
        )
        outputs = {
            subprocess.run(
                [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
            ).stdout
            for seed in ("0", "1", "2")
        }
        assert len(outputs) == 1

    def test_more_than_the_cap_under_way_is_shed(self):
        load = Load(Workload(), 1, SECOND, max_open=2)
        operation, _ = started(load)
        started(load)
        assert load.start(0, 0, 0) is None
        assert (load.shed, load.open_count) == (1, 2)
        load.finish(operation, DONE, 1)
        assert load.start(0, 1, 1) is not None

    def test_probes_take_turns_and_are_never_shed(self):
        load = Load(Workload(), 1, SECOND, max_open=1)
        kinds = [type(load.probe(0, 5)[1]) for _ in range(4)]
        assert kinds == [Write, Read, Cas, Write]
        load.abandon(6)
        assert len(load.history()) == 4
        assert set(load.history().intended) == {5}

    def test_a_read_only_load_probes_with_reads(self):
        load = Load(Workload(mix=PRESETS["read-only"]), 1, SECOND)
        assert {type(load.probe(0, 0)[1]) for _ in range(5)} == {Read}


class TestCas:
    ONLY = Workload(keys=1, mix=(("cas", 1.0),))

    def test_expects_what_the_load_last_saw_and_sometimes_something_stale(self):
        load = Load(self.ONLY, 1, SECOND)
        hits = nil = stale = 0
        seen = None
        for step in range(3000):
            operation, request = started(load, 0, step)
            if request.expected == seen:
                hits += 1
            elif request.expected is None:
                nil += 1
            else:
                stale += 1
            load.finish(operation, Ok(seen), step)
            seen = request.value if request.expected == seen else seen
        assert hits / 3000 == pytest.approx(1 - STALE_CAS, abs=0.02)
        assert nil / 3000 == pytest.approx(STALE_CAS / 2, abs=0.015)
        assert stale / 3000 == pytest.approx(STALE_CAS / 2, abs=0.015)

    def test_expects_what_a_read_returned(self):
        load = Load(Workload(keys=1, mix=(("read", 0.5), ("cas", 0.5))), 1, SECOND)
        value = (77).to_bytes(8, "big") + bytes(8)
        while not isinstance((begun := started(load))[1], Read):
            load.finish(begun[0], Fail("no"), 0)
        load.finish(begun[0], Ok(value), 1)
        expected = Counter()
        for _ in range(200):
            operation, request = started(load)
            if isinstance(request, Cas):
                expected[request.expected] += 1
            load.finish(operation, Fail("no"), 2)
        assert expected.most_common(1)[0][0] == value

    def test_a_failed_swap_teaches_the_witness(self):
        load = Load(self.ONLY, 1, SECOND)
        operation, _ = started(load)
        witness = (500).to_bytes(8, "big") + bytes(8)
        load.finish(operation, Ok(witness), 1)
        expected = Counter()
        for _ in range(100):
            operation, request = started(load)
            expected[request.expected] += 1
            load.finish(operation, Fail("no"), 2)
        assert expected.most_common(1)[0][0] == witness


class TestKeys:
    def shares(self, workload, count=20_000):
        load = Load(workload, 1, SECOND)
        found = Counter()
        for _ in range(count):
            operation, request = started(load)
            load.finish(operation, Fail("no"), 0)
            found[int(request.key[1:])] += 1
        return {key: times / sum(found.values()) for key, times in found.items()}

    def test_uniform(self):
        shares = self.shares(Workload(keys=8))
        assert all(share == pytest.approx(1 / 8, abs=0.01) for share in shares.values())

    @pytest.mark.parametrize("skew", [0.5, 0.99, 1.5])
    def test_zipfian_shares_are_exact(self, skew):
        keys = 50
        shares = self.shares(Workload(keys=keys, distribution="zipfian", skew=skew))
        total = sum((rank + 1) ** -skew for rank in range(keys))
        for key in (0, 1, 2, 9):
            assert shares[key] == pytest.approx((key + 1) ** -skew / total, abs=0.012)

    def test_zipf_bounds_end_at_one(self):
        bounds = zipf_bounds(1000, 0.99)
        assert bounds[-1] == 1.0
        assert bounds == sorted(bounds)

    def test_hotspot_gives_a_fifth_of_the_keys_four_fifths(self):
        shares = self.shares(Workload(keys=10, distribution="hotspot"))
        assert shares[0] + shares[1] == pytest.approx(0.8, abs=0.01)
        assert shares[0] == pytest.approx(shares[1], abs=0.02)

    def test_hotspot_with_one_key(self):
        assert self.shares(Workload(keys=1, distribution="hotspot"), 50) == {0: 1.0}

    def test_sequential_goes_round(self):
        load = Load(Workload(keys=3, distribution="sequential"), 1, SECOND)
        assert [started(load)[1].key for _ in range(5)] == ["k0", "k1", "k2", "k0", "k1"]

    def test_latest_reads_prefer_what_was_written_last(self):
        load = Load(Workload(keys=100, distribution="latest", mix=(("read", 0.9), ("write", 0.1))), 1, SECOND)
        last, ages = None, Counter()
        for _ in range(5000):
            _, request = started(load)
            key = int(request.key[1:])
            if isinstance(request, Write):
                assert last is None or key == (last + 1) % 100, "writes go round the keys"
                last = key
            elif last is not None:
                ages[(last - key) % 100] += 1
        total = sum((rank + 1) ** -0.99 for rank in range(100))
        reads = sum(ages.values())
        assert ages[0] / reads == pytest.approx(1 / total, abs=0.02)
        assert ages[1] / reads == pytest.approx(2**-0.99 / total, abs=0.02)


class TestHistory:
    def test_columns_of_every_function_and_outcome(self):
        load = Load(Workload(keys=1, mix=(("read", 0.4), ("write", 0.3), ("cas", 0.3))), 1, SECOND)
        rows = {}
        for step in range(200):
            operation, request = load.start(2, 100 * step, 100 * step + 10)
            outcome = (Ok(None), Fail("no"), Info("?"))[step % 3]
            if isinstance(request, Read) and isinstance(outcome, Ok):
                outcome = Ok((42).to_bytes(8, "big") + bytes(8))
            load.finish(operation, outcome, 100 * step + 20)
            rows[operation] = (request, outcome)
        history = load.history()
        assert len(history) == 200
        for row, (request, outcome) in enumerate(rows.values()):
            assert history.outcome[row] == {Ok: OK, Fail: FAIL, Info: INFO}[type(outcome)]
            assert (history.intended[row], history.invoked[row]) == (100 * row, 100 * row + 10)
            assert history.completed[row] == 100 * row + 20
            assert (history.key[row], history.client[row]) == (0, 2)
            ok = isinstance(outcome, Ok)
            if isinstance(request, Read):
                assert (history.function[row], history.argument[row], history.expected[row]) == (0, NOTHING, NOTHING)
                assert history.result[row] == (42 if ok else NOTHING)
            elif isinstance(request, Write):
                assert (history.function[row], history.expected[row], history.result[row]) == (1, NOTHING, NOTHING)
                assert history.argument[row] == number_of(request.value)
            else:
                expected = NIL if request.expected is None else number_of(request.expected)
                assert (history.function[row], history.expected[row]) == (2, expected)
                assert history.argument[row] == number_of(request.value)
                assert history.result[row] == (NIL if ok else NOTHING)

    def test_a_second_or_unknown_outcome_is_counted_and_ignored(self):
        load = Load(Workload(), 1, SECOND)
        operation, _ = started(load)
        load.finish(operation, DONE, 1)
        load.finish(operation, Info("late"), 2)
        load.finish(12345, DONE, 3)
        assert load.duplicates == 2
        assert len(load.history()) == 1

    def test_abandoned_operations_may_have_happened(self):
        load = Load(Workload(), 1, SECOND)
        started(load)
        done, _ = started(load)
        load.finish(done, DONE, 1)
        assert load.abandon(9) == 1
        history = load.history()
        assert sorted(history.outcome) == [OK, INFO]
        assert history.completed[history.outcome == INFO][0] == NEVER
        assert load.open_count == 0

    def test_nothing_starts_after_the_end(self):
        load = Load(Workload(), 1, SECOND)
        started(load, now=10)
        with pytest.raises(AssertionError):
            load.abandon(9)


class TestProcesses:
    @pytest.mark.parametrize("seed", range(5))
    def test_no_process_has_two_operations_open_and_none_goes_on_after_info(self, seed):
        load = Load(Workload(clients=3), seed, SECOND)
        drive(load, 600, 3)
        load.abandon(1000)
        history = load.history()
        for process in np.unique(history.process):
            rows = np.flatnonzero(history.process == process)
            assert len(set(history.client[rows])) == 1, "a process stays at its client"
            for before, after in pairwise(rows):
                assert history.outcome[before] != INFO, "nothing follows an info"
                assert history.completed[before] <= history.invoked[after]

    def test_a_closed_loop_keeps_one_process_a_client_until_an_info(self):
        load = Load(Workload(clients=2), 1, SECOND)
        processes = []
        for outcome in (DONE, Fail("no"), Info("?"), DONE):
            operation, _ = started(load, 1)
            load.finish(operation, outcome, 1)
            processes.append(int(load.builder.columns["process"][-1]))
        assert processes[0] == processes[1] == processes[2] != processes[3]

    def test_as_many_processes_as_operations_at_once(self):
        load = Load(Workload(clients=1), 1, SECOND)
        for _ in range(5):
            started(load)
        load.abandon(0)
        assert sorted(load.history().process) == [0, 1, 2, 3, 4]


def test_open_loop_mean_is_not_biased_over_seeds():
    counts = [len(arrivals(Workload(rate=200.0), seed, SECOND)[1]) for seed in range(60)]
    assert statistics.mean(counts) == pytest.approx(200, rel=0.03)
    assert statistics.variance(counts) == pytest.approx(200, rel=0.5), "a Poisson count varies by its mean"


class TestOrder:
    """Two readings of one clock may be equal; a client's answer and its next question are not simultaneous."""

    def test_a_question_that_follows_an_answer_is_later_than_it(self):
        load = Load(Workload(clients=2, keys=1), 1, SECOND)
        first, _ = load.start(0, 0, 5)
        load.finish(first, Ok(None), 5)
        second, _ = load.start(0, 5, 5)
        other, _ = load.start(1, 5, 5)
        load.finish(second, Fail("no"), 5)
        load.finish(other, Fail("no"), 5)
        history = load.history()
        mine = history.client == 0
        assert list(history.invoked[mine]) == [5, 6]
        assert list(history.completed[mine]) == [5, 6]
        assert list(history.invoked[~mine]) == [5], "the order of different clients stays open"

    def test_a_client_that_misses_its_own_writes_is_found_out_in_a_closed_loop(self):
        load = Load(Workload(keys=1, mix=(("write", 0.5), ("read", 0.5))), 1, SECOND)
        value = older = None
        now = 0
        for _ in range(200):
            operation, request = load.start(0, now, now)
            now += 10
            if isinstance(request, Read):
                load.finish(operation, Ok(older), now)
            else:
                value, older = request.value, value
                load.finish(operation, Ok(None), now)
        assert check(load.history()).verdict == "invalid"
