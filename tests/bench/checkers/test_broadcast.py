"""Broadcast's properties: against their definitions on random logs, and one deliberate violation of each kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random

import numpy as np
import pytest

from bench.checkers.broadcast import PROPERTIES, RELIABLE, TOTAL_ORDER, UNIFORM_TOTAL_ORDER, check
from bench.checkers.sequences import find_conflict
from bench.errors import UsageError
from bench.history.deliveries import Deliveries

from .brute_broadcast import Log, properties
from .faults import Fault
from .fuzzing import seeds
from .logs import sees

UNSAFE_EVIDENCE = ("not-delivered-by-its-sender", "not-delivered-by-all", "invented")
"""What shows these is also what is *not* in the log."""


def columns(log: Log, crashed: list[bool], settled: bool = True) -> Deliveries:
    return Deliveries(
        node=np.array([each[0] for each in log], np.int32),
        kind=np.array(["bd".index(each[1]) for each in log], np.int8),
        message=np.array([each[2] for each in log], np.int64),
        crashed=np.array(crashed),
        settled=settled,
    )


def simulated(rng: Random, nodes: int, messages: int, crashed: list[bool]) -> Log:
    """A correct run of a sequencer, total, causal and uniform: who broadcasts is ordered at once; nodes lag behind."""
    log: Log = []
    order: list[int] = []
    at = [0] * nodes
    stops = [rng.randint(0, messages) if gone else messages for gone in crashed]
    while True:
        able = [n for n in range(nodes) if at[n] < min(stops[n], len(order))]
        senders = [n for n in range(nodes) if len(order) < messages and (not crashed[n] or at[n] < stops[n])]
        if not able and not senders:
            return log
        if senders and (not able or rng.random() < 0.4):
            message = len(order) * 3 + 7
            log.append((rng.choice(senders), "b", message))
            order.append(message)
        else:
            node = rng.choice(able)
            log.append((node, "d", order[at[node]]))
            at[node] += 1


def drawn(seed: int) -> tuple[Log, list[bool]]:
    """A small log: correct, or with a few things done to it, or of random events."""
    rng = Random(seed)
    nodes = rng.randint(1, 4)
    crashed = [rng.random() < 0.3 for _ in range(nodes)]
    if rng.random() < 0.15:
        messages = rng.sample(range(9), rng.randint(1, 4))
        log = [(rng.randrange(nodes), "b", m) for m in messages if rng.random() < 0.9]
        log += [(rng.randrange(nodes), "d", rng.choice(messages)) for _ in range(rng.randint(0, 9))]
        rng.shuffle(log)
        return log, crashed
    if all(crashed):
        crashed[0] = False
    log = simulated(rng, nodes, rng.randint(1, 5), crashed)
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        at = rng.randrange(len(log)) if log else 0
        match rng.choice(("swap", "swap", "move", "drop", "twice", "invent")):
            case "swap" if log:
                own = [i for i, each in enumerate(log) if each[0] == log[at][0]]
                other = rng.choice(own)
                log[at], log[other] = log[other], log[at]
            case "move" if log:
                log.insert(rng.randrange(len(log)), log.pop(at))
            case "drop" if log:
                del log[at]
            case "twice" if log and log[at][1] == "d":
                log.insert(rng.randint(at, len(log)), log[at])
            case "invent":
                log.insert(at, (rng.randrange(nodes), "d", 99))
    return log, crashed


def problem(seed: int, counts: Counter[str]) -> str | None:
    """What is wrong with the check of the log of that seed."""
    log, crashed = drawn(seed)
    expected = properties(log, crashed)
    given = columns(log, crashed)
    for name, holds in expected.items():
        verdict = check(given, properties=(name,))
        counts[f"{name} {holds}"] += 1
        if verdict.verdict != ("valid" if holds else "invalid"):
            return f"seed {seed}: {name} is {verdict.verdict}, by the definition {holds}: {log} {crashed}"
        if verdict.verdict == "invalid" and not _shows(name, verdict.rows, verdict.anomalies[0], log, crashed):
            return f"seed {seed}: rows {verdict.rows} do not show that {name} does not hold: {log} {crashed}"
    whole = check(given, properties=PROPERTIES)
    if {*whole.violated} != {name for name, holds in expected.items() if not holds}:
        return f"seed {seed}: all together {whole.violated}"
    return None


def _shows(name: str, rows: tuple[int, ...], anomaly: str, log: Log, crashed: list[bool]) -> bool:
    some = [log[row] for row in rows]
    if anomaly == "duplicated":
        return len(some) == 2 and some[0] == some[1] and some[0][1] == "d"
    if anomaly == "premature":
        sent = {m for _, k, m in some if k == "b"}
        return not properties(some, crashed)[name] and {m for _, _, m in some} == sent and len(some) <= 2 * len(sent)
    if anomaly not in UNSAFE_EVIDENCE:
        return not properties(some, crashed)[name] and len(some) <= 5
    ((node, kind, message),) = some
    has = {n for n, k, m in log if k == "d" and m == message}
    match anomaly:
        case "invented":
            return kind == "d" and not any(k == "b" and m == message for _, k, m in log)
        case "not-delivered-by-its-sender":
            return kind == "b" and node not in has and not crashed[node]
        case _:
            lacking = {n for n, gone in enumerate(crashed) if not gone} - has
            return kind == "d" and bool(lacking) and ("uniform" in name or not crashed[node])


def test_random_logs() -> None:
    counts: Counter[str] = Counter()
    for seed in seeds(800):
        assert (wrong := problem(seed, counts)) is None, wrong
    for name in PROPERTIES:
        assert min(counts[f"{name} True"], counts[f"{name} False"]) > 30, counts


def test_correct_runs_have_every_property() -> None:
    for seed in range(50):
        rng = Random(seed)
        crashed = [False, *(rng.random() < 0.3 for _ in range(4))]
        verdict = check(columns(simulated(rng, 5, 60, crashed), crashed), properties=PROPERTIES)
        assert verdict.verdict == "valid", verdict
        assert verdict.satisfied == tuple(PROPERTIES)
        assert verdict.figures["broadcasts"] == 60


CORRECT: Log = [
    (0, "b", 1), (0, "d", 1), (1, "d", 1), (1, "b", 2), (1, "d", 2), (0, "d", 2), (2, "d", 1), (2, "d", 2),
    (0, "b", 3), (0, "d", 3), (1, "d", 3), (2, "d", 3),
]  # fmt: skip
VIOLATIONS: dict[str, tuple[Callable[[Log], object], list[bool], tuple[str, ...], str, tuple[int, ...]]] = {
    # what is done to the correct log, who crashed, the properties asked for, the one violated, the rows that show it
    "the sender never delivers": (
        lambda log: log.__setitem__(slice(None), log[:9]), [False] * 3, RELIABLE, "validity", (8,)
    ),
    "a node misses one": (lambda log: log.pop(), [False] * 3, RELIABLE, "agreement", (9,)),
    "only a crashed node delivered": (
        lambda log: log.__setitem__(slice(None), log[:10]), [True, False, False], ("uniform-agreement",),
        "uniform-agreement", (9,),
    ),
    "twice": (lambda log: log.append((2, "d", 1)), [False] * 3, TOTAL_ORDER, "integrity", (6, 12)),
    "from nowhere": (lambda log: log.append((2, "d", 9)), [False] * 3, ("integrity",), "integrity", (12,)),
    "before its broadcast": (
        lambda log: log.insert(0, log.pop(4)), [False] * 3, ("integrity",), "integrity", (0, 4)
    ),
    "swapped at one node": (
        lambda log: log.insert(11, log.pop(7)), [False] * 3, TOTAL_ORDER, "total-order", (5, 8, 10, 11)
    ),
    "swapped at a crashed node": (
        lambda log: log.insert(11, log.pop(7)), [False, False, True], UNIFORM_TOTAL_ORDER, "uniform-total-order",
        (5, 8, 10, 11),
    ),
    "a crashed node has a hole": (
        lambda log: log.pop(7), [False, False, True], (*UNIFORM_TOTAL_ORDER, "gap-free-total-order"),
        "gap-free-total-order", (4, 9, 10),
    ),
    "a sender overtakes itself": (
        lambda log: log.insert(11, log.pop(6)), [False] * 3, ("fifo-order",), "fifo-order", (0, 7, 10, 11)
    ),
    "an answer before its question": (
        lambda log: log.insert(7, log.pop(6)), [False] * 3, ("fifo-order", "causal-order"), "causal-order",
        (0, 2, 3, 6, 7),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_deliberate_violation(name: str) -> None:
    change, crashed, asked, violated, rows = VIOLATIONS[name]
    log = list(CORRECT)
    assert check(columns(log, crashed), properties=PROPERTIES).verdict == "valid"
    change(log)
    verdict = check(columns(log, crashed), properties=asked)
    assert (verdict.verdict, verdict.violated, verdict.rows) == ("invalid", (violated,), rows), verdict


def test_what_crashed_nodes_did_violates_the_uniform_form_only() -> None:
    log = [(0, "b", 1), (0, "b", 2), (0, "d", 1), (0, "d", 2), (1, "d", 2), (1, "d", 1), (1, "d", 1)]
    verdict = check(columns(log, [False, True]), properties=PROPERTIES)
    assert all(each.startswith(("uniform", "gap-free")) for each in verdict.violated)
    assert {"uniform-integrity", "uniform-total-order", "uniform-fifo-order"} <= {*verdict.violated}


def test_what_may_still_come_is_unknown() -> None:
    log = CORRECT[:9]
    verdict = check(columns(log, [False] * 3, settled=False))
    assert (verdict.verdict, verdict.satisfied) == ("unknown", ("agreement", "integrity", "total-order"))
    assert "ends before all was quiet" in verdict.reason


def test_a_message_broadcast_twice_is_unknown() -> None:
    verdict = check(columns([(0, "b", 1), (1, "b", 1)], [False] * 2))
    assert verdict.verdict == "unknown" and "m1 was broadcast more than once" in verdict.reason


def test_out_of_time_is_unknown() -> None:
    log = [(0, "b", 1), (0, "b", 2), (1, "b", 3)]
    log += [(node, "d", m) for node in (0, 1, 2) for m in ((1, 2), (2, 3), (3, 1))[node]]
    assert check(columns(log, [False] * 3), properties=("total-order",)).verdict == "valid"  # a cycle but no conflict
    assert check(columns(log, [False] * 3), -1.0, properties=("total-order",)).verdict == "unknown"
    assert check(columns(CORRECT, [False] * 3), -1.0, properties=("causal-order",)).verdict == "unknown"


def test_an_empty_log_is_valid() -> None:
    assert check(columns([], [False]), properties=PROPERTIES).verdict == "valid"


def test_a_log_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="nodes 0 to 2: must be 0 to 1"):
        columns([(0, "b", 1), (2, "d", 1)], [False] * 2)
    with pytest.raises(UsageError, match="unknown property 'fifo': did you mean 'fifo-order'"):
        check(columns([], []), properties=("fifo",))


def test_sequences_that_agree_in_pairs() -> None:
    sequence, item = np.array([0, 0, 1, 1, 2, 2]), np.array([4, 5, 5, 6, 6, 4])
    assert find_conflict(sequence, item, np.inf) is None
    found = find_conflict(np.array([0, 0, 1, 1, 2, 2, 2]), np.array([4, 5, 5, 6, 6, 5, 4]), np.inf)
    assert found is not None and sorted(found) in ([0, 1, 5, 6], [2, 3, 4, 5])


FAULTS = {
    "crashed nodes owe validity": ("broadcast", "events.broadcasts[events.correct[events.node[events.broadcasts]]]",
                                   "events.broadcasts"),
    "any node's delivery counts for validity": ("broadcast", "events.node[events.deliveries] * base + ", "0 * base + "),
    "all nodes must deliver": ("broadcast", "< int(events.correct.sum())", "< len(events.correct)"),
    "one more is enough": ("broadcast", "< int(events.correct.sum())", "< int(events.correct.sum()) - 1"),
    "duplicates are fine": ("broadcast", "again = np.setdiff1d(delivered, events.deliveries, assume_unique=True)",
                            "again = delivered[:0]"),
    "inventions are fine": ("broadcast", "events.source[events.message[delivered]] < 0]",
                            "events.source[events.message[delivered]] < -1]"),
    "loops are fine": ("broadcast", "loops = np.flatnonzero(tail == head)", "loops = np.flatnonzero(tail < 0)"),
    "cycles are fine": ("broadcast", "cyclic = np.flatnonzero(size > 1)", "cyclic = np.flatnonzero(size > 9)"),
    "gaps: what follows": ("broadcast", "before[follows + 1] = message[follows]",
                           "before[follows] = message[1:][follows]"),
    "gaps: wrong side": ("broadcast", "elif y == last or x not in theirs:", "elif True:"),
    "fifo: ranks from one": ("broadcast", "rank = np.arange(len(by)) -", "rank = 1 + np.arange(len(by)) -"),
    "fifo: of all senders together": ("broadcast", "events.node[by] * len(who) + sender", "events.node[by] * len(who)"),
    "causal: only own broadcasts": ("broadcast", "event = np.union1d(events.broadcasts, known)",
                                    "event = events.broadcasts"),
    "causal: what is never delivered": ("broadcast", "(needed > place[target])",
                                        "(needed > place[target]) & (needed < _NEVER)"),
    "causal: not before the first broadcast": ("broadcast", "sends | (np.diff(node, prepend=-1) > 0)", "sends"),
    "causal: across nodes": ("broadcast", "& (node[begins[1:]] == node[begins[:-1]])", ""),
    "order: neighbours in one sequence only": ("sequences", "np.flatnonzero(np.diff(there) < 0)",
                                               "np.flatnonzero(np.diff(there) < -1)"),
    "order: chains across sequences": ("sequences", "component = components(code[:-1][follows], code[1:][follows],",
                                       "component = components(code[1:1], code[1:1],"),
    "order: a cycle is a conflict": ("sequences", "        common = there >= 0\n", "        common = there > -2\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(name: str) -> None:
    assert sees(Fault(*FAULTS[name]), lambda seed: problem(seed, Counter())), "the fuzzing does not see it"
