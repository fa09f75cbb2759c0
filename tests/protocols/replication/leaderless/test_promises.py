"""What configurations promise, and that histories are judged by that and no more."""

from __future__ import annotations

from typing import Any

import pytest

from bench.assess import promised
from bench.errors import UsageError
from bench.mutation import load_family
from bench.network import Exponential, Network
from bench.params import build_configs
from bench.run import run_trial
from bench.trial import Trial
from bench.workload.spec import Workload
from protocols.registry import load

from .hand import Store

MS = 1_000_000


def models(protocol: str, mutant: str | None = None, **params: Any) -> tuple[str, ...]:
    return promised(Trial(protocol=protocol, mutant=mutant, params=params), load_family(protocol, mutant))


def test_what_is_promised() -> None:
    assert "register" not in models("leaderless", read_level="ALL", write_level="ALL")
    assert "read-your-writes" not in models("leaderless")
    assert {"read-your-writes", "monotonic-reads"} <= {*models("leaderless", sessions=True)}
    assert models("abd") == ("register",)
    assert "register" not in models("abd", write_back=False)
    assert "register" not in models("abd", read_quorum=1, write_quorum=2)
    assert models("abd", "disjoint-quorums-called-atomic") == ("register",)


def test_a_stale_read_is_measured_and_no_violation() -> None:
    trial = Trial(
        protocol="leaderless",
        nodes=4,
        duration=2000 * MS,
        network=Network(latency=Exponential(20 * MS)),
        params={"read_level": "ONE", "write_level": "ONE", "read_repair": "none", "routing": "outside"},
        workload=Workload(clients=6, keys=2),
        measure=("register", "monotonic-reads"),
    )
    result, _ = run_trial(trial)
    assert result.violations == ()
    assert result.verdict == "valid"
    assert result.figures["bounded-staleness.stale_share"] > 0
    assert result.measured["register"] == "invalid"


def test_r_plus_w_above_n_is_not_linearizable_without_write_back() -> None:
    """The same quorums and versions, once without and once with write-back: a new-old inversion, and none."""
    found = {}
    for write_back in (False, True):
        words = []
        for seed in range(1, 5):
            trial = Trial(
                protocol="abd",
                nodes=3,
                seed=seed,
                duration=1500 * MS,
                network=Network(latency=Exponential(20 * MS)),
                params={"write_back": write_back},
                workload=Workload(clients=8, keys=1, mix=(("read", 0.8), ("write", 0.2))),
                measure=("register",),
            )
            result, _ = run_trial(trial)
            assert result.violations == ()
            words.append(result.measured["register"])
        found[write_back] = words
    assert "invalid" in found[False]
    assert set(found[True]) == {"valid"}


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"read_level": "4"}, "4 of 3"),
        ({"read_level": "QUORAM"}, "read_level 'QUORAM' is unknown"),
        ({"read_level": "ANY"}, "for writes"),
        ({"write_level": "EACH_QUORUM"}, "needs zones"),
        ({"sessions": True, "conflict": "dvv"}, "tokens are timestamps"),
        ({"routing": "outside"}, "no replica"),
        ({"request_timeout_s": 0.0}, "request_timeout_s"),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence(params: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        build_configs(load("leaderless"), params, 3)


def test_levels_of_zones_survive_the_loss_of_the_other_zone() -> None:
    """LOCAL_QUORUM needs its own zone only, EACH_QUORUM both."""
    from .hand import Store

    for level, served in (("LOCAL_QUORUM", True), ("EACH_QUORUM", False)):
        store = Store(
            6, replicas=6, zones=("a", "b"), write_level=level, read_level=level, routing="near",
            operation_timeout_s=0.4, retry_s=1.0, request_timeout_s=0.1,
        )  # fmt: skip
        for node in ("n2", "n4", "n6"):
            store.world.crash(store.world.machines[node])
        assert store.write("k", b"00000001") == served


def test_a_client_that_was_restarted_stamps_no_other_write_alike() -> None:
    """Replicas would take two values of one version for equal, and differ for ever without seeing it."""
    store = Store(3, grain_s=1.0, hints=False, anti_entropy_s=0.2, read_repair="none")
    store.cut("n3", on=True)
    assert store.write("k", b"first")
    store.cut("n3", on=False)
    store.world.crash(store.world.machines["c1"])
    store.world.boot(store.world.machines["c1"])
    assert store.write("k", b"second")
    store.wait(5)
    assert len({store.item(node, "k") for node in ("n1", "n2", "n3")}) == 1
    assert store.read("k") == b"second"
