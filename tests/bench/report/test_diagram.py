"""Diagrams: well-formed, self-contained, complete about what they leave out, and legible."""

from __future__ import annotations

import re
from itertools import pairwise
from random import Random
from xml.etree import ElementTree

import pytest

from bench.checkers.linearizability import check
from bench.faults.spec import FaultRecord
from bench.history import History
from bench.report.canvas import Axis, fit, text_width
from bench.report.diagram import operations_svg, space_time, text_space_time, violation_svg, violation_text
from bench.report.scene import build_scene, timer_name
from bench.runtime.record import TraceEvent
from tests.bench.checkers.histories import MS, Script, simulated

NODES = ["n1", "n2", "n3", "c1", "c3"]
_SVG = "{http://www.w3.org/2000/svg}"


def event(at: float, kind: str, node: str, what: str, peer: str = "", number: int = -1, detail: str = "") -> TraceEvent:
    return TraceEvent(round(at * MS), kind, node, peer, what, number, detail)


def election() -> list[TraceEvent]:
    """Two leaders in one term: n2's vote did not survive its crash."""
    return [
        event(100, "timer", "n1", "election"),
        event(100, "mark", "n1", "suspected term 3"),
        event(100, "send", "n1", "RequestVote", "n2", 1, "term=4 <&> \x00"),
        event(100, "send", "n1", "RequestVote", "n3", 2),
        event(100, "drop", "n3", "RequestVote", "n1", 2),
        event(102, "deliver", "n2", "RequestVote", "n1", 1),
        event(103, "send", "n2", "Vote", "n1", 3),
        event(105, "deliver", "n1", "Vote", "n2", 3),
        event(105, "mark", "n1", "elected term 4"),
        event(106, "crash", "n2", "crash"),
        event(150, "boot", "n2", "boot", detail="life 2"),
        event(160, "mark", "n3", "suspected term 3"),
        event(160, "send", "n3", "RequestVote", "n2", 4),
        event(161, "deliver", "n2", "RequestVote", "n3", 4),
        event(162, "send", "n2", "Vote", "n3", 5),
        event(164, "deliver", "n3", "Vote", "n2", 5),
        event(164, "mark", "n3", "elected term 4"),
        event(164, "violation", "n3", "election_safety", detail="n1 and n3 were both leader in term 4"),
        event(164.5, "send", "n3", "AppendEntries", "n1", 6),
    ]


def crowd(seed: int, events: int = 3000) -> list[TraceEvent]:
    """Many messages of many kinds, some lost, some never handled; crashes, marks, timers."""
    rng = Random(seed)
    trace = []
    for number in range(events):
        at = rng.random() * 500
        source, target = rng.sample(NODES, 2)
        what = rng.choice(["AppendEntries"] * 20 + ["Vote", "A" * 60, *(f"Kind{each}" for each in range(12))])
        trace.append(event(at, "send", source, what, target, number))
        if rng.random() < 0.9:
            lost = rng.random() < 0.2
            late = at if lost and rng.random() < 0.5 else at + rng.random() * 20
            trace.append(event(late, "drop" if lost else "deliver", target, what, source, number))
        if rng.random() < 0.02:
            trace.append(event(at, rng.choice(["mark", "crash", "boot", "timer"]), source, f"thing number {number}"))
    return sorted(trace, key=lambda each: each.at)


def violation() -> tuple[History, tuple[int, ...], str]:
    script = Script().write(1, 100, 105).write(2, 110, 120).read(1, 150, 163).read(2, 121, 125)
    verdict = check(script.history)
    assert verdict.verdict == "invalid"
    return script.history, verdict.rows, verdict.reason


def texts(svg: str) -> list[str]:
    """What can be read in the picture without a pointer."""
    return [
        (each.text or "") + "".join(child.tail or "" for child in each)
        for each in ElementTree.fromstring(svg).iter(f"{_SVG}text")
    ]


def test_shows_what_happened() -> None:
    svg = space_time(election(), around=165 * MS, nodes=NODES[:3], title="two leaders in term 4")
    words = texts(svg)
    for expected in ("two leaders in term 4", "n1", "n2", "n3", "time (ms)", "RequestVote (3)", "Vote (2)", "lost"):
        assert expected in words
    joined = " ".join(words)
    for expected in ("elected term 4", "crash", "boot", "violation: election_safety", "still under way", "down"):
        assert expected in joined
    assert "not drawn" not in joined
    assert "RequestVote n1 → n2, sent 100.00 ms, handled 102.00 ms" in svg
    assert "RequestVote n1 → n3, sent 100.00 ms, lost" in svg
    assert "term=4 &lt;&amp;&gt; �" in svg


def test_operations_and_faults_are_drawn() -> None:
    history, rows, reason = violation()
    faults = [
        FaultRecord(kind="partition", targets=("n2", "n9"), start=110 * MS, end=140 * MS, detail="partition halves"),
        FaultRecord(kind="crash", targets=("n2",), start=106 * MS, end=150 * MS),
    ]
    nodes = [*NODES, "c4"]
    svg = space_time(election(), around=164 * MS, nodes=nodes, faults=faults, history=history, rows=rows, title=reason)
    joined = " ".join(texts(svg))
    assert "operation of the violation" in joined and "other operation" in joined
    assert "read of 1" in joined and "partition" in joined
    assert "n2: partition halves (110.0 ms to 140.0 ms)" in svg
    assert svg.count("n2: down (106.0 ms to 150.0 ms)") == 1, "the trace knows better when a node was down"
    assert "c3's read of 1 (150.0 to 163.0 ms)" in svg


@pytest.mark.parametrize("seed", range(6))
def test_self_contained_and_bounded(seed: int) -> None:
    trace = crowd(seed)
    svg = space_time(trace, around=400 * MS, nodes=NODES, title="a crowd " * 30)
    ElementTree.fromstring(svg)
    assert not re.findall(r"(?:href|src|url\(|<script|<style|@import)", svg)
    assert svg.count("http") == 1, "only the namespace"
    assert len(svg) < 250_000
    drawn = svg.count('pointer-events="stroke"')
    assert 60 <= drawn <= 110
    assert svg == space_time(trace, around=400 * MS, nodes=NODES, title="a crowd " * 30), "the same every time"


def test_says_how_much_is_left_out() -> None:
    trace = crowd(1)
    scene = build_scene(trace, 400 * MS, (300 * MS, 400 * MS), NODES, (), None, (), 50)
    sent = {each.id for each in trace if each.kind == "send"}
    arrival = {each.id: each.at for each in trace if each.kind in ("deliver", "drop")}
    inside = sum(
        1
        for each in trace
        if each.kind == "send"
        and each.id in sent
        and each.at <= 400 * MS
        and (arrival.get(each.id, -1) >= 300 * MS or (each.id not in arrival and each.at >= 300 * MS))
    )
    messages_left_out = sum(count for what, count in scene.omitted.items() if what[0] in "AVK")
    assert len(scene.messages) + messages_left_out == inside
    assert len(scene.messages) + len(scene.points) == 50
    total = sum(scene.omitted.values())
    assert scene.omission().startswith(f"+{total} events not drawn (")
    joined = " ".join(texts(space_time(trace, around=400 * MS, window=(300 * MS, 400 * MS), nodes=NODES, budget=50)))
    assert f"+{total} events not drawn" in joined


def test_rare_messages_win_over_heartbeats() -> None:
    beats = []
    for number in range(1500):
        at = 100 + number / 10
        beats.append(event(at, "send", "n1", "Heartbeat", "n2", 100 + number))
        beats.append(event(at + 1, "deliver", "n2", "Heartbeat", "n1", 100 + number))
    trace = sorted([*election(), *beats], key=lambda each: each.at)
    scene = build_scene(trace, 300 * MS, None, NODES[:3], (), None, (), 40)
    kinds = [message.what for message in scene.messages]
    assert kinds.count("Vote") == 2 and kinds.count("RequestVote") == 3
    assert "Heartbeat" in kinds and scene.omitted["Heartbeat"] > 1400
    assert {point.text for point in scene.points} >= {"elected term 4", "crash", "boot"}


def test_no_label_on_another() -> None:
    for seed in range(4):
        svg = space_time(crowd(seed), around=300 * MS, nodes=NODES)
        places: dict[float, list[float]] = {}
        for text in ElementTree.fromstring(svg).iter(f"{_SVG}text"):
            if text.get("paint-order"):
                places.setdefault(float(text.get("x", "0")), []).append(float(text.get("y", "0")))
        assert sum(map(len, places.values())) > 10
        for column in places.values():
            assert all(low - high >= 12 for high, low in pairwise(sorted(column)))


def test_earlier_operations_are_named() -> None:
    history, rows, _ = violation()
    svg = space_time(election(), around=164 * MS, window=(140 * MS, 165 * MS), nodes=NODES, history=history, rows=rows)
    joined = " ".join(texts(svg))
    assert "Before this: c1's write of 1 (100.0 to 105.0 ms), c2's write of 2 (110.0 to 120.0 ms)." in joined


@pytest.mark.parametrize("nodes", [["n1"], NODES[:3], NODES, [f"n{each}" for each in range(1, 40)]])
def test_text_fits_a_terminal(nodes: list[str]) -> None:
    history, rows, reason = violation()
    for trace in (election(), crowd(2), [], election()[:1]):
        text = text_space_time(trace, around=164 * MS, nodes=nodes, history=history, rows=rows, title=reason * 3)
        lines = text.splitlines()
        assert len(lines) <= 60
        assert max(map(len, lines)) <= 100
        assert all(line == line.rstrip() for line in lines)


def test_text_shows_what_happened() -> None:
    text = text_space_time(election(), around=164 * MS, nodes=NODES[:3], title="two leaders in term 4")
    lines = text.splitlines()
    assert lines[0] == "two leaders in term 4"
    assert lines[2] == "time (ms)   n1                    n2                    n3"
    assert "    102.0    ├──RequestVote +2.0──▶│                     │" in lines
    assert "    106.0    │                     ✖ crash               │" in lines
    (after,) = (line for line in lines if "150.0" in line)
    assert after == "    150.0    │                     ▲ boot                │"
    lost = next(line for line in lines if "✕" in line)
    assert "RequestVote" in lost and lost.index("✕") == lost.rindex("│") - 1
    assert "VIOLATION election_safety" in lines[-1]


def test_a_node_that_is_down_looks_down() -> None:
    trace = [*election(), event(120, "mark", "n1", "alone"), event(155, "mark", "n1", "together")]
    trace.sort(key=lambda each: each.at)
    lines = text_space_time(trace, around=164 * MS, nodes=NODES[:3]).splitlines()
    assert "┊" in next(line for line in lines if "alone" in line)
    assert "┊" not in next(line for line in lines if "together" in line)


def test_operations() -> None:
    history, rows, reason = violation()
    svg = operations_svg(history, rows, reason)
    joined = " ".join(texts(svg))
    for expected in ("c1", "c2", "c3", "write of 1", "write of 2", "read of 1", "time (ms)"):
        assert expected in joined
    assert "c4" not in joined, "its read is not part of it"


def test_operations_of_many() -> None:
    for seed in range(5):
        history = simulated(Random(seed), 400, clients=8, keys=2, stale=0.05, unanswered=0.1)
        verdict = check(history)
        assert verdict.verdict == "invalid"
        ElementTree.fromstring(operations_svg(history, verdict.rows, verdict.reason))
    ElementTree.fromstring(operations_svg(history, ()))
    unanswered = Script().write(1, 0, None).read(1, 10, 20).read(-1, 30, 40).history
    assert "unanswered" in texts(operations_svg(unanswered, (0, 1, 2)))


def test_axis_keeps_order_and_length() -> None:
    rng = Random(1)
    for _ in range(200):
        instants = [rng.randrange(10 ** rng.randint(1, 12)) for _ in range(rng.randint(1, 100))]
        axis = Axis(instants, 50, 600, 2, 40)
        places = [axis(instant) for instant in sorted(set(instants))]
        assert places[0] == 50
        assert all(low < high for low, high in pairwise(places))
        assert axis(min(instants) - 5) == 50 and axis(max(instants) + 10**13) == axis.end
        assert axis.end - 50 <= max(600.01, 2.001 * len(axis.times))
        assert all(later[0] - sooner[0] >= 26 for sooner, later in pairwise(axis.ticks(26)))


def test_small_helpers() -> None:
    assert timer_name("/retry/37") == "retry" and timer_name("election") == "election"
    assert fit("short", 100, 10) == "short"
    cut = fit("a much longer text than fits", 60, 10)
    assert cut.endswith("…") and text_width(cut, 10) <= 60


@pytest.mark.slow
def test_a_real_violation() -> None:
    """A mutant of Raft, traced: the picture of its violation names the nodes that broke it."""
    from bench.assess import assess
    from bench.run import prepare
    from bench.runtime.sim.run import simulate
    from bench.torture import torture

    for seed in range(1, 20):
        trial = torture("raft", seed, "double-vote", trace=True)
        family, server_config, client_config = prepare(trial)
        record = simulate(trial, family, server_config, client_config)
        result = assess(trial, record, family, {})
        if result.verdict == "invalid":
            break
    assert result.violations
    text = violation_text(record, result)
    assert result.violations[0].reason in text.replace("\n", " ")
    assert "elected" in text and len(text.splitlines()) <= 60
    for svg in violation_svg(record, result).split("</svg>\n"):
        ElementTree.fromstring(svg if svg.endswith("</svg>") else f"{svg}</svg>")
