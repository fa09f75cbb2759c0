"""Published figures, from the formulas and from running the protocol in the simulator; printed side by side."""

from __future__ import annotations

import time
from itertools import product
from random import Random

import numpy as np
import pytest

from bench.run import run_trial
from bench.theory.pbs import FITS, predict, within_versions
from bench.theory.quorums import kth_of_n
from bench.theory.wars import freshness, wars_trial
from protocols.replication.leaderless.items import alive

from .hand import Store

pytestmark = pytest.mark.golden

PUBLISHED = [  # set, R, W: 99.9th percentiles of reads and writes, and t-visibility at 99.9%, in ms (table 4)
    ("LNKD-SSD", 1, 1, 0.66, 0.66, 1.85),
    ("LNKD-SSD", 1, 2, 0.66, 1.63, 1.79),
    ("LNKD-SSD", 2, 1, 1.63, 0.65, 0.0),
    ("LNKD-SSD", 2, 2, 1.62, 1.64, 0.0),
    ("LNKD-SSD", 3, 1, 4.14, 0.65, 0.0),
    ("LNKD-DISK", 1, 1, 0.66, 10.99, 45.5),
    ("LNKD-DISK", 1, 2, 0.65, 20.97, 43.3),
    ("LNKD-DISK", 2, 1, 1.63, 10.9, 13.6),
    ("LNKD-DISK", 2, 2, 1.64, 20.96, 0.0),
    ("LNKD-DISK", 3, 1, 4.12, 10.89, 0.0),
    ("WAN", 1, 1, 3.4, 55.12, 113.0),
    ("WAN", 1, 2, 3.4, 167.6, 0.0),
    ("WAN", 2, 1, 151.3, 56.4, 30.2),
    ("WAN", 2, 2, 151.3, 167.7, 0.0),
    ("WAN", 3, 1, 153.9, 55.2, 0.0),
]
PUBLISHED_DRAWS = 50_000


def tolerance(samples: np.ndarray, share: float = 0.999) -> float:
    """2% of the quantile, or three standard errors of the published one, which rests on 50,000 samples.

    The error of a quantile is sqrt(p (1 - p) / n) / density. Where the slowest messages are a Pareto with a heavy tail
    (writes to the local disk of the WAN set) it is 5 ms, far above 2%.
    """
    middle = float(np.quantile(samples, share))
    low, high = np.quantile(samples, [share - 0.0003, share + 0.0003])
    error = float(high - low) / 0.0006 * np.sqrt(share * (1 - share) / PUBLISHED_DRAWS)
    return max(0.02 * middle, 3 * error)


@pytest.mark.parametrize(("name", "r", "w", "reads", "writes", "visible"), PUBLISHED)
def test_pbs_by_the_formula(name: str, r: int, w: int, reads: float, writes: float, visible: float) -> None:
    found = predict(FITS[name], 3, r, w, draws=500_000)
    ours = [float(np.quantile(each, 0.999)) * 1e3 for each in (found.read_s, found.write_s)]
    seen = found.visible_after_s(0.999) * 1e3
    print(f"{name} R={r} W={w}: {reads}/{writes}/{visible} | {ours[0]:.2f}/{ours[1]:.2f}/{seen:.2f} ms")
    assert ours[0] == pytest.approx(reads, abs=tolerance(found.read_s) * 1e3)
    assert ours[1] == pytest.approx(writes, abs=tolerance(found.write_s) * 1e3)
    assert seen == pytest.approx(visible, rel=0.2, abs=0.05)


@pytest.mark.parametrize(("name", "published"), [("LNKD-SSD", 0.974), ("LNKD-DISK", 0.439)])
def test_the_chance_of_a_fresh_read_at_once(name: str, published: float) -> None:
    """By the formula within half a point; from the protocol within that and three standard errors."""
    formula = predict(FITS[name], 3, 1, 1, draws=500_000).consistent()
    assert formula == pytest.approx(published, abs=0.005)
    result, record = run_trial(wars_trial(FITS[name], 1, 1, duration=4_000_000_000 * (3 if "DISK" in name else 1)))
    assert result.trial == "complete"
    age, fresh = freshness(record.history)
    at_once = fresh[age < 1e-8]
    error = np.sqrt(published * (1 - published) / len(at_once))
    print(f"{name}: P(consistent at t=0) {published} | formula {formula:.4f}, protocol {at_once.mean():.4f} "
          f"({len(at_once)} reads)")  # fmt: skip
    assert at_once.mean() == pytest.approx(published, abs=0.005 + 3 * error)


@pytest.mark.parametrize(
    ("name", "r", "w"), [("LNKD-SSD", 1, 2), ("LNKD-DISK", 2, 1), ("LNKD-DISK", 2, 2), ("WAN", 1, 1)]
)
def test_the_protocol_takes_as_long_and_is_as_fresh_as_the_formula_says(name: str, r: int, w: int) -> None:
    scale = {"LNKD-SSD": 2, "LNKD-DISK": 6, "WAN": 20}[name]
    _, record = run_trial(wars_trial(FITS[name], r, w, duration=scale * 1_000_000_000))
    history, model = record.history, predict(FITS[name], 3, r, w)
    took = (history.completed - history.invoked) / 1e9
    for function, predicted in ((0, model.read_s), (1, model.write_s)):
        mine = took[(history.function == function) & (history.outcome == 0)]
        for share in (0.5, 0.9):
            assert np.quantile(mine, share) == pytest.approx(np.quantile(predicted, share), rel=0.06)
    age, fresh = freshness(history)
    for low, high in ((0.0, 1e-8), (5e-4, 2e-3), (2e-3, 1e-2), (1e-2, 1.0)):
        some = (age >= low) & (age < high)
        if some.sum() > 200:
            want = float(np.mean([model.consistent(at) for at in age[some][:2000]]))
            slack = 0.01 + 4 * np.sqrt(max(want * (1 - want), 1e-4) / some.sum())
            assert fresh[some].mean() == pytest.approx(want, abs=slack)


def test_a_million_draws_in_a_second() -> None:
    """CPU time, the better of three: the machine may be busy with other tests."""
    taken = []
    for _ in range(3):
        began = time.process_time()
        predict(FITS["WAN"], 3, 1, 1, draws=1_000_000)
        taken.append(time.process_time() - began)
    print(f"a million draws: {min(taken):.2f} s")
    assert min(taken) < 1.0


@pytest.mark.parametrize(("n", "quorum", "published"), [(3, 2, 0.972), (5, 3, 0.99144)])
def test_availability_of_quorums(n: int, quorum: int, published: float) -> None:
    """Every set of replicas that may be down, weighted: who still gets an answer from the protocol."""
    up, total = 0.9, 0.0
    for alive_ones in product((True, False), repeat=n):
        store = Store(
            n + 1, replicas=n, read_level=str(quorum), write_level=str(quorum), routing="outside", retry_s=0.3,
            operation_timeout_s=0.7,
        )  # fmt: skip
        outsider = store.world.machines["c1"].engine.node.ring.preference("k")[n:]  # type: ignore[union-attr]
        replicas = [f"n{number + 1}" for number in range(n + 1) if f"n{number + 1}" not in outsider]
        for replica, lives in zip(replicas, alive_ones, strict=True):
            if not lives:
                store.world.crash(store.world.machines[replica])
        served = store.write("k", b"00000001")
        assert served == (sum(alive_ones) >= quorum)
        total += served * np.prod([up if lives else 1 - up for lives in alive_ones])
    print(f"{quorum} of {n}: {published} | formula {kth_of_n(up, quorum, n):.5f}, protocol {total:.5f}")
    assert kth_of_n(up, quorum, n) == pytest.approx(published, abs=5e-6)
    assert total == pytest.approx(published, abs=5e-6)


@pytest.mark.parametrize(("r", "w"), [(1, 1), (2, 1)])
def test_reads_of_one_of_the_last_versions(r: int, w: int) -> None:
    """1 - (C(n-w, r) / C(n, r))^k, for quorums that do not grow: each operation reaches r, or w, random replicas."""
    n, rounds, rng = 3, 700, Random(5)
    store = Store(
        n + 1, replicas=n, read_level=str(r), write_level=str(w), routing="outside", read_repair="none", hints=False,
        anti_entropy_s=0.0,
    )  # fmt: skip
    outsider = store.world.machines["c1"].engine.node.ring.preference("k")[n]  # type: ignore[union-attr]
    replicas = [f"n{number + 1}" for number in range(n + 1) if f"n{number + 1}" != outsider]

    def reaching(count: int, operation: object) -> object:
        hidden = rng.sample(replicas, n - count)
        links = [store.world.link(store.world.machines[outsider], each) for each in hidden]
        for link in links:
            link.cuts += 1
            link.settle()
        done = operation()  # type: ignore[operator]
        for link in links:
            link.cuts -= 1
            link.settle()
        return done

    missed = []
    for number in range(rounds):
        value = number.to_bytes(8, "big")
        assert reaching(w, lambda value=value: store.write("k", value))
        found = reaching(r, lambda: store.read("k"))
        missed.append(number - (-1 if found is None else int.from_bytes(found, "big")))
    for k in (1, 2, 3):
        want = within_versions(n, r, w, k)
        ours = float(np.mean(np.array(missed[20:]) < k))
        print(f"n=3 R={r} W={w}: one of the last {k}: formula {want:.4f} | protocol {ours:.4f}")
        assert ours == pytest.approx(want, abs=4 * np.sqrt(want * (1 - want) / rounds) + 0.005)


@pytest.mark.parametrize(("conflict", "published"), [("vv", 101), ("dvv", 2)])
def test_a_hundred_and_one_writes(conflict: str, published: int) -> None:
    """Two clients take turns; each has seen what its own last write left, not what the other wrote since.

    One vector an item cannot tell which of the siblings that is, and keeps all of them; dots can.
    """
    store = Store(3, clients=2, conflict=conflict, routing="token", anti_entropy_s=0.0, hints=False)
    for number in range(101):
        assert store.write("k", number.to_bytes(8, "big"), client=1 + number % 2)
    counts = {len(alive(store.item(node, "k"))) for node in ("n1", "n2", "n3")}
    print(f"{conflict}: {published} siblings | {counts}")
    assert counts == {published}
