"""The history while a run goes: whatever was saved last, it is a whole beginning of what happened."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import msgspec

from bench.checkers.registry import checks_for
from bench.history import INFO, NEVER, NOTHING, OK, History, HistoryBuilder
from bench.history.history import COLUMNS
from bench.history.storage import settle
from bench.runtime.ray.saving import MOST, UP_TO, Joined, history_file, read_from
from bench.runtime.ray.storage import split_notes
from bench.workload.generator import Load
from bench.workload.spec import Workload
from protocols.node import Info, Ok
from protocols.requests import Cas, Read, Write

MS = 1_000_000


def note(up_to: int, *rows: dict[str, int]) -> bytes:
    builder = HistoryBuilder()
    for row in rows:
        builder.add(**row)
    columns = {name: column.tobytes() for name, column in builder.columns.items()} if rows else {}
    return msgspec.msgpack.encode(columns | {UP_TO: up_to.to_bytes(8, "little", signed=True)})


def write(process: int, value: int, invoked: int, completed: int) -> dict[str, int]:
    return {
        "process": process,
        "function": 1,
        "key": 0,
        "argument": value,
        "expected": NOTHING,
        "result": NOTHING,
        "intended": invoked,
        "invoked": invoked,
        "completed": completed,
        "outcome": INFO if completed == NEVER else OK,
        "client": 0,
    }


def read(process: int, value: int, invoked: int, completed: int) -> dict[str, int]:
    return write(process, NOTHING, invoked, completed) | {"function": 0, "result": value}


def history_of(*parts: dict[str, bytes]) -> History:
    builder = HistoryBuilder()
    for part in parts:
        for name, column in part.items():
            builder.columns[name].frombytes(column)
    return settle(builder.build())


def judged(history: History) -> str:
    (check,) = checks_for("register")
    return check(history, 10.0).verdict


def test_one_generator_never_waits() -> None:
    joined = Joined(["g1"])
    joined.add("g1", note(10, write(0, 1, 2, 9), write(1, 2, 8, NEVER)))
    assert history_of(joined.take()).completed.tolist() == [9, NEVER]
    assert joined.take() == {}


def test_a_generator_that_is_ahead_waits_for_those_whose_values_it_saw() -> None:
    """The value that g2 reads is written through g1, which has not yet told of it."""
    joined = Joined(["g1", "g2"])
    joined.add("g1", note(10, write(0, 1, 2, 9)))
    assert joined.take() == {}, "g2 may have had something before that"
    joined.add("g2", note(30, read(1, 1, 11, 12), read(3, 2, 22, 24), read(5, 1, 8, 26)))
    first = joined.take()
    assert sorted(zip(history_of(first).invoked.tolist(), history_of(first).completed.tolist(), strict=True)) == [
        (2, 9),
        (8, NEVER),
    ], "nobody knows yet how the read that began at 8 ended: its end may rest on a later write"
    joined.add("g1", note(31, write(0, 2, 20, 23)))
    both = history_of(first, joined.take())
    assert sorted(both.completed.tolist()) == [9, 12, 23, 24, 26]
    assert judged(history_of(first)) == "valid"


def test_an_idle_generator_holds_nobody_up() -> None:
    joined = Joined(["g1", "g2"])
    joined.add("g1", note(10, write(0, 1, 2, 9)))
    joined.add("g2", note(20))
    assert len(history_of(joined.take())) == 1


def test_cut_at_any_time_what_two_loads_saved_is_linearizable() -> None:
    """Two generators against one register, each saving at times of its own; the last notes of either may be missing."""
    rng = Random(4)
    loads = {name: Load(Workload(clients=3, keys=2), seed, 10**12) for seed, name in enumerate(("g1", "g2"))}
    loads["g2"]._value = 10**6  # no two write the same value
    loads["g2"]._next_process = 10**6
    values: dict[str, bytes | None] = {}
    under_way: list[tuple[str, int, Any, int]] = []
    saved: dict[str, tuple[int, int]] = {"g1": (0, 0), "g2": (0, 0)}
    notes: list[tuple[str, bytes]] = []
    now = 0
    for _ in range(1500):
        now += rng.randrange(1, 50)
        name = rng.choice(("g1", "g2"))
        load = loads[name]
        event = rng.random()
        if event < 0.45 and load.open_count < 3:
            made = load.start(rng.randrange(3), now, now)
            assert made is not None
            under_way.append((name, *made, now))
        elif event < 0.9 and under_way:
            name, operation, request, _ = under_way.pop(rng.randrange(len(under_way)))
            before = values.get(request.key)
            if rng.random() < 0.9:
                outcome: Any = Ok(None)
                if type(request) is Write:
                    values[request.key] = request.value
                elif type(request) is Read:
                    outcome = Ok(before)
                elif type(request) is Cas:
                    outcome = Ok(before)
                    if before == request.expected:
                        values[request.key] = request.value
            else:
                outcome = Info("lost")
            loads[name].finish(operation, outcome, now)
        elif event > 0.93:
            first, opened = saved[name]
            rows, last = load.opened(opened)
            saved[name] = (len(load.builder), last)
            columns = {
                each: (column[first:] + rows.columns[each]).tobytes() for each, column in load.builder.columns.items()
            }
            notes.append((name, msgspec.msgpack.encode(columns | {UP_TO: now.to_bytes(8, "little", signed=True)})))
    assert len(notes) > 60
    lengths = []
    for _ in range(40):
        joined, parts = Joined(["g1", "g2"]), []
        ends = {"g1": rng.randrange(len(notes)), "g2": rng.randrange(len(notes))}
        for number, (name, content) in enumerate(notes):
            if number <= ends[name]:
                joined.add(name, content)
                if rng.random() < 0.3:
                    parts.append(joined.take())
        history = history_of(*parts, joined.take())
        lengths.append(len(history))
        assert judged(history) == "valid"
        assert len(set(zip(history.process.tolist(), history.invoked.tolist(), strict=True))) == len(history)
    assert max(lengths) > 400


def test_without_what_was_under_way_a_beginning_would_look_wrong() -> None:
    """Why generators save it: a value was read whose write has not ended."""
    load = Load(Workload(clients=2, keys=1, mix=(("write", 1.0),)), 1, 10**12)
    began = load.start(0, 5, 5)
    assert began is not None
    rows, last = load.opened(0)
    assert last == 1 and len(rows) == 1
    assert {name: column[0] for name, column in rows.columns.items()} == write(0, 1, 5, NEVER)
    assert len(load.opened(last)[0]) == 0, "each is told once"
    joined = Joined(["g1"])
    joined.add("g1", note(10, read(9, 1, 6, 8)))
    assert judged(history_of(joined.take())) == "invalid"
    joined.add("g1", note(10, read(9, 1, 6, 8), write(0, 1, 5, NEVER)))
    assert judged(history_of(joined.take())) == "valid"


def test_a_file_is_followed_piece_by_piece(tmp_path: Path) -> None:
    path = history_file(tmp_path, "g1")
    assert read_from(path, 0) == b""
    notes = [note(number, write(number, number, number, number + 1)) for number in range(5)]
    framed = [len(each).to_bytes(4, "little") + each for each in notes]
    path.write_bytes(b"".join(framed)[:-3])
    found, end = split_notes(read_from(path, 0))
    assert found == notes[:4] and end == sum(map(len, framed[:4]))
    path.write_bytes(b"".join(framed))
    assert split_notes(read_from(path, end)) == ([notes[4]], len(framed[4]))
    assert MOST > 2**20 and set(COLUMNS) < set(msgspec.msgpack.decode(notes[0]))
