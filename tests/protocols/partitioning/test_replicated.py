"""The store of Raft groups: leads are spread, a crash takes only some keys away, and every group is Raft."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest

from bench.campaign import judge
from bench.faults.spec import Crash, DrainRestart, SlowDisk
from bench.network import Constant, Network
from bench.run import run_trial
from bench.torture import torture
from bench.trial import Result, ServiceTimes, Trial
from bench.workload.spec import Workload
from protocols.family import Mutant
from protocols.partitioning.replicated import ClientConfig, ServerConfig
from protocols.partitioning.replicated.mutants import MUTANTS
from protocols.partitioning.replicated.placing import group_of, members_of

MS = 1_000_000


def trial(**fields: Any) -> Trial:
    given: dict[str, Any] = {
        "protocol": "replicated",
        "nodes": 5,
        "duration": 2500 * MS,
        "network": Network(latency=Constant(MS)),
        "workload": Workload(clients=4, keys=60, rate=300.0),
        "service": ServiceTimes(fsync=MS),
        "params": {"groups": 10},
    }
    return Trial(**given | fields)


def judged(wanted: Trial) -> tuple[Result, Any]:
    result, record = run_trial(wanted)
    assert result.verdict == "valid", [each.reason for each in result.violations]
    return result, record


def test_groups_and_leads_are_dealt_out_evenly() -> None:
    servers = ("n1", "n2", "n3", "n4", "n5")
    held: Counter[str] = Counter()
    first: Counter[str] = Counter()
    for group in range(10):
        members = members_of(group, servers, 3)
        assert len(set(members)) == 3
        held.update(members)
        first[members[0]] += 1
    assert set(held.values()) == {6} and set(first.values()) == {2}
    assert members_of(1, ("n1",), 3) == ("n1",)


def leads(record: Any) -> Counter[str]:
    """Groups that each server leads at the end, by the marks of elections."""
    last: dict[str, str] = {}
    for mark in record.marks:
        group, _, name = mark.name.partition("/")
        if name == "elected":
            last[group] = mark.node
    return Counter(last.values())


def test_leads_settle_where_groups_begin() -> None:
    _, record = judged(trial(params={"groups": 10, "settle_s": 0.2}))
    assert leads(record) == Counter({f"n{number}": 2 for number in range(1, 6)})
    _, record = judged(trial(params={"groups": 10, "settle_s": 0.0}))
    assert max(leads(record).values()) > 2, "chance spread them evenly: choose another seed"


def test_a_lead_is_not_handed_to_a_server_that_lags() -> None:
    """While it catches up nothing is taken, and if it does, it leads as slowly as it writes."""
    slow = SlowDisk(at=50 * MS, target="n1", extra=150 * MS, length=2400 * MS)
    load = Workload(clients=4, keys=60, rate=300.0, mix=(("write", 1.0),))
    result, record = run_trial(trial(nodes=3, params={"groups": 1}, faults=(slow,), workload=load))
    assert result.violations == () and not any(
        mark.name == "g0/transfer" and mark.at < 2400 * MS for mark in record.marks
    )
    assert result.latency_s.p50 is not None and result.latency_s.p50 < 0.05


def test_a_crash_delays_only_the_keys_of_groups_that_it_led() -> None:
    crash = Crash(at=1500 * MS, target="n1", down=3000 * MS)
    _, record = judged(trial(faults=(crash,), params={"groups": 10, "settle_s": 0.2}, duration=3000 * MS))
    history = record.history
    slow = history.completed - history.intended > 100 * MS
    after = history.intended > 1400 * MS
    groups = {group_of(f"k{key}", 10) for key in history.key[slow & after].tolist()}
    assert 1 <= len(groups) <= 2, "n1 led two of ten groups"


def test_whoever_is_drained_leads_nothing() -> None:
    faults = (DrainRestart(at=1500 * MS, target="n1", grace=200 * MS, down=800 * MS),)
    _, record = judged(trial(faults=faults, params={"groups": 5, "settle_s": 0.1}, duration=3000 * MS))
    history = record.history
    took = (history.completed - history.intended)[(history.intended > 1400 * MS) & (history.intended < 2400 * MS)]
    assert took.max() < 100 * MS, "somebody waited for an election"


@pytest.mark.parametrize("seed", range(1, 9))
def test_survives_the_full_nemesis(seed: int) -> None:
    result, _ = run_trial(torture("replicated", seed))
    assert result.violations == (), f"seed {seed}: {result.violations}"


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_nemesis_catches_it(mutant: Mutant) -> None:
    outcome = judge("replicated", mutant.name, mutant.seed)
    assert set(outcome.failed) & set(mutant.caught_by), outcome
    assert not judge("replicated", None, mutant.seed).failed


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"groups": 0}, "groups 0 is out of range: 1 to 1024"),
        ({"replicas": 10}, "replicas 10 is out of range: 1 to the servers, 3, and to 9"),
        ({"settle_s": -1.0}, "settle_s -1 is out of range"),
        ({"election_timeout_s": (0.3, 0.1)}, "election_timeout_s 0.3..0.1 is out of range"),
    ],
)
def test_parameters_that_cannot_be_are_told_in_a_sentence(params: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        ServerConfig(**params).validate(3)


def test_a_client_refuses_what_rafts_would() -> None:
    with pytest.raises(ValueError, match="retry_s 0 is out of range"):
        ClientConfig(retry_s=0.0).validate(3)


@pytest.mark.live
def test_groups_live(ray_session: Any) -> None:
    crash = Crash(at=700 * MS, target="n2", down=500 * MS)
    wanted = trial(runtime="ray", nodes=3, network=Network(), faults=(crash,), params={"groups": 6, "settle_s": 0.3})
    wanted = msgspec.structs.replace(wanted, liveness=10_000 * MS)
    result, record = run_trial(wanted, session=ray_session)
    assert result.verdict == "valid", result.violations
    assert result.operations.ok > 300
    assert len({mark.name for mark in record.marks if mark.name.endswith("/elected")}) == 6
