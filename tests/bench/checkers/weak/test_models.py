"""Small histories that tell the weaker models apart, foreign ones with known verdicts, and what is refused."""

from __future__ import annotations

import csv
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from bench.checkers.weak import MODELS
from bench.checkers.weak.drawing import lattice
from bench.checkers.weak.lattice import IMPLIES, examine, which_models
from bench.checkers.weak.reading import sessions
from bench.checkers.weak.sessions import Undecidable
from bench.errors import UsageError
from bench.history.history import CAS, FAIL, INFO, NEVER, NIL, NOTHING, OK, READ, WRITE, HistoryBuilder
from bench.history.operations import Operation
from bench.history.transactions import Transactions
from tests.bench.checkers.brute_weak import Txn
from tests.bench.checkers.histories import Script
from tests.bench.checkers.recorded import folder
from tests.bench.checkers.weak.drawn import columns

X, Y, Z = 0, 1, 2


def history(*lines: str) -> list[Txn]:
    """One session a line: ``w x 1 | r y 2, r x nil`` has two transactions; ``?`` before one: unanswered."""
    txns: list[Txn] = []
    for session, line in enumerate(lines):
        for text in line.split("|"):
            outcome = "info" if text.strip().startswith("?") else "ok"
            ops = []
            for op in text.strip(" ?").split(","):
                kind, key, value = op.split()
                ops.append((kind, "xyz".index(key), None if value == "nil" else int(value)))
            txns.append((session, outcome, ops))
    return txns


EXAMPLES: dict[str, tuple[list[Txn], set[str], set[str]]] = {
    # name: (history, the strongest models it satisfies, the weakest it violates)
    "in order": (history("w x 1 | w x 2", "r x 1 | r x 2"), {"sequential"}, set()),
    "store buffers (Dekker)": (
        history("w x 1 | r y nil", "w y 1 | r x nil"),
        {"causal-memory", "causal", "consistent-prefix"},
        {"sequential"},
    ),
    # Bouajjani et al. 2017, figure 3
    "(a) memory, not convergence": (
        history("w x 1 | r x 2", "w x 2 | r x 1"),
        {"causal-memory", "consistent-prefix"},
        {"read-atomic"},
    ),
    "(c) weak causal only": (
        history("w x 1", "w x 2 | r x 1 | r x 2"),
        {"weak-causal", "consistent-prefix", "read-atomic", "monotonic-reads"},
        {"causal", "pram"},
    ),
    "(e) not even weak": (
        history("w x 1 | w y 1", "r y 1 | w x 2", "r x 2 | r x 1"),
        set(),
        {"weak-causal"},
    ),
    "own write unseen": (history("w x 1 | r x nil"), set(), {"read-your-writes"}),
    "back in time": (history("w x 1 | w x 2", "r x 2 | r x 1"), set(), {"monotonic-reads"}),
    # a timestamp store whose second writer's clock is behind: each session sees what it is promised
    "a later write by an earlier clock": (
        history("w y 1 | w x 2", "r x 2 | w y 3 | r y 1"),
        {"read-your-writes", "monotonic-reads", "monotonic-writes", "writes-follow-reads"},
        {"pram", "weak-causal", "read-atomic"},
    ),
    "own write overwritten by what it had read": (
        history("w y 1", "r y 1 | w y 2 | r y 1"),
        {"monotonic-reads"},
        {"read-your-writes"},
    ),
    "second write first": (history("w x 1 | w y 2", "r y 2 | r x nil"), set(), {"monotonic-writes"}),
    "answer before question": (
        history("w x 1", "r x 1 | w y 2", "r y 2 | r x nil"),
        {"pram"},
        {"writes-follow-reads"},
    ),
    "fractured read": (history("w x 1, w y 1", "w x 2, w y 2", "r x 1, r y 2"), {"read-committed"}, {"read-atomic"}),
    "long fork": (history("w x 1", "w y 1", "r x 1, r y nil", "r x nil, r y 1"), {"causal"}, {"consistent-prefix"}),
    "unanswered, seen late": (history("? w x 1 | r x nil | r x nil", "r x 1"), {"sequential"}, set()),
    "answered, unseen": (history("w x 1 | r x nil | r x nil", "r x 1"), set(), {"read-your-writes"}),
    "thin air": (history("w x 1", "r x 7"), set(), {"read-consistency"}),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_which_models_hold(name: str) -> None:
    txns, satisfied, violated = EXAMPLES[name]
    verdict = which_models(columns(txns))
    assert satisfied <= set(verdict.satisfied), verdict
    assert violated <= set(verdict.violated), verdict
    if name == "in order":
        assert verdict.verdict == "valid"
        assert not verdict.violated


def test_causal_is_not_causal_memory() -> None:
    memory_only = columns(EXAMPLES["(a) memory, not convergence"][0])
    assert MODELS["causal-memory"](memory_only).verdict == "valid"
    for name in ("causal", "causal-convergence"):
        assert MODELS[name](memory_only).verdict == "invalid"
    assert MODELS["weak-causal"](memory_only).verdict == "valid"
    # The example is of one kind; the other: Bouajjani et al. 2017, figure 3 (b), with two keys.
    convergent = columns(history("w z 1 | w x 1 | w y 1", "w x 2 | r z nil | r y 1 | r x 2"))
    assert MODELS["causal"](convergent).verdict == "valid"
    assert MODELS["causal-memory"](convergent).verdict == "invalid"


def test_a_violation_says_why() -> None:
    verdict = MODELS["monotonic-writes"](columns(EXAMPLES["second write first"][0]))
    assert verdict.rows == (0, 1, 2, 3)
    assert verdict.anomalies == ("stale-initial-read",)
    assert "the initial value of key 0" in verdict.reason


# --- recorded -------------------------------------------------------------------------------------------------------


def _recorded() -> list[tuple[str, str]]:
    root = folder()
    if root is None:
        return []
    with (root / "manifest.tsv").open() as lines:
        return [
            (row["file"], row["expected"])
            for row in csv.DictReader(lines, delimiter="\t")
            if row["file"].startswith("awdit/")
        ]


def _read(path: Path) -> Transactions:
    txns: list[Txn] = []
    for session, part in enumerate(path.read_text().split("=====")):
        for text in part.split("-----"):
            ops = [line.split() for line in text.splitlines() if line.strip()]
            if ops:
                txns.append((session, "ok", [(kind, int(key), int(value)) for kind, key, value in ops]))
    return columns(txns)


@pytest.mark.skipif(not _recorded(), reason="no recorded histories here: see QUORUMBENCH_HISTORIES")
@pytest.mark.parametrize(("file", "expected"), _recorded() or [("none", "")])
def test_recorded(file: str, expected: str) -> None:
    root = folder()
    assert root is not None
    some = _read(root / file)
    for short, name in (("RC", "read-committed"), ("RA", "read-atomic"), ("CC", "causal")):
        holds = f"{short} ok" in expected
        assert MODELS[name](some).verdict == ("valid" if holds else "invalid"), (file, name)


# --- reading --------------------------------------------------------------------------------------------------------


def _row(builder: HistoryBuilder, client: int, process: int, start: int, end: int, **more: int) -> None:
    row = {"function": WRITE, "key": 0, "argument": NOTHING, "expected": NOTHING, "result": NOTHING, "outcome": OK}
    builder.add(process=process, client=client, intended=start, invoked=start, completed=end, **(row | more))


def test_a_session_is_a_client_even_after_an_unanswered_operation() -> None:
    builder = HistoryBuilder()
    _row(builder, 0, 0, 0, 1, argument=1)
    _row(builder, 0, 0, 2, NEVER, argument=2, outcome=INFO)
    _row(builder, 0, 7, 10, 11, function=READ, result=NIL)  # does not see its own first write
    assert MODELS["read-your-writes"](builder.build()).verdict == "invalid"
    builder = HistoryBuilder()
    _row(builder, 0, 0, 0, 1, argument=1)
    _row(builder, 0, 0, 2, NEVER, argument=2, outcome=INFO)
    _row(builder, 0, 7, 10, 11, function=READ, result=1)  # the unanswered one may take effect later
    _row(builder, 1, 1, 12, 13, function=READ, result=2)
    some = builder.build()
    assert MODELS["sequential"](some).verdict == "valid"
    assert sessions(some).count == 3


def test_a_client_with_several_operations_at_once_is_a_session_a_process() -> None:
    builder = HistoryBuilder()
    _row(builder, 0, 0, 0, 10, argument=1)
    _row(builder, 0, 1, 5, 15, function=READ, result=NIL)
    some = builder.build()
    assert sessions(some).count == 2
    assert MODELS["sequential"](some).verdict == "valid"


def test_a_compare_and_set_that_swapped_reads_and_writes_at_once() -> None:
    both = Script().write(1, 0, 1).cas(1, 2, 1, 2, 3).cas(1, 3, 1, 4, 5).history
    assert MODELS["sequential"](both).verdict == "invalid"
    assert MODELS["sequential"](both).anomalies == ("lost-update",)
    failed = Script().write(1, 0, 1).cas(7, 2, 1, 2, 3).history  # witnessed 1: a read
    assert MODELS["sequential"](failed).verdict == "valid"
    silent = Script().write(1, 0, 1).cas(7, 2, NOTHING, 2, 3).history
    assert MODELS["sequential"](silent).verdict == "unknown"
    assert "do not say what they saw" in MODELS["sequential"](silent).reason
    refused = Script().cas(NIL, 2, NOTHING, 0, 1, outcome=FAIL).read(2, 2, 3).history
    assert MODELS["read-consistency"](refused).anomalies == ("aborted-read",)
    unanswered = Script().cas(5, 2, NOTHING, 0, None).read(2, 2, 3).history  # it swapped, so somebody wrote 5
    assert MODELS["read-consistency"](unanswered).anomalies == ("thin-air-read",)
    assert CAS == 2


def test_operations_of_any_kind_of_value() -> None:
    some = [
        Operation(process=0, function="write", key="a", argument="one", invoked=0, completed=1, line=1),
        Operation(process=1, function="read", key="a", result="one", invoked=2, completed=3, line=2),
        Operation(process=1, function="read", key="a", result=None, invoked=4, completed=5, line=3),
        Operation(process=2, function="read", key="a", invoked=4, completed=NEVER, outcome=INFO, line=4),
    ]
    verdict = MODELS["monotonic-reads"](some)
    assert verdict.verdict == "invalid"
    assert verdict.rows == (0, 1, 2)
    assert MODELS["monotonic-reads"](some[:2]).verdict == "valid"
    with pytest.raises(UsageError, match="enqueue"):
        MODELS["causal"]([Operation(process=0, function="enqueue", argument=1)])


@pytest.mark.parametrize(
    ("txns", "why"),
    [
        (history("w x 1", "w x 1"), "more than once"),
        ([(0, "ok", [("w", X, -1)])], "nil"),
    ],
)
def test_what_cannot_be_decided_is_unknown(txns: list[Txn], why: str) -> None:
    verdict = MODELS["causal"](columns(txns))
    assert verdict.verdict == "unknown"
    assert why in verdict.reason
    with pytest.raises(Undecidable):
        sessions(columns(txns))
    assert which_models(columns(txns)).verdict == "unknown"


def test_the_history_is_not_changed() -> None:
    some = columns(EXAMPLES["(c) weak causal only"][0])
    before = [np.copy(getattr(some, name)) for name in ("process", "kind", "key", "value", "first", "outcome")]
    which_models(some)
    after = [getattr(some, name) for name in ("process", "kind", "key", "value", "first", "outcome")]
    assert all((one == two).all() for one, two in zip(before, after, strict=True))


def test_nothing_at_all_satisfies_everything() -> None:
    verdict = which_models(columns([]))
    assert verdict.verdict == "valid"
    assert verdict.satisfied == ("sequential",)


def test_out_of_time_is_unknown() -> None:
    big = columns([(at % 7, "ok", [("w", at % 3, at + 1)]) for at in range(9000)])
    for name in ("causal", "sequential"):
        verdict = MODELS[name](big, 0.0)
        assert verdict.verdict == "unknown", name
        assert "time" in verdict.reason


def test_the_drawing_says_every_word_without_colour() -> None:
    found = examine(columns(EXAMPLES["store buffers (Dekker)"][0]))
    drawing = lattice(found.words, "A <title> & more")
    root = ElementTree.fromstring(drawing)
    texts = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    for model in IMPLIES:
        assert model in texts
        assert texts[texts.index(model) + 1].split()[1] == {
            "valid": "satisfied", "invalid": "violated"
        }.get(found.words.get(model, ""), "does")  # fmt: skip
    assert "A <title> & more" in texts
    assert "<script" not in drawing
    assert "http" not in drawing.replace("http://www.w3.org/2000/svg", "")
