"""The replicated key-value store and its sessions (Ongaro's dissertation, section 6.3)."""

from __future__ import annotations

from random import Random

from protocols.requests import Cas, Write
from protocols.statemachine import NOOP, Command, KeyValue


def test_writes_and_compare_and_sets() -> None:
    machine = KeyValue()
    assert machine.apply(Command("s", 1, Write("k", b"1"))) is None
    assert machine.apply(Command("s", 2, Cas("k", b"1", b"2"))) == b"1", "the witness: it took effect"
    assert machine.apply(Command("s", 3, Cas("k", b"1", b"3"))) == b"2", "the witness: it was a read"
    assert machine.apply(Command("s", 4, Cas("new", None, b"4"))) is None
    assert machine.data == {"k": b"2", "new": b"4"}


def test_a_repeated_command_is_answered_and_not_executed() -> None:
    machine = KeyValue()
    first = machine.apply(Command("s", 1, Cas("k", None, b"1")))
    machine.apply(Command("t", 1, Write("k", b"2")))
    assert machine.apply(Command("s", 1, Cas("k", None, b"1"))) == first
    assert machine.data == {"k": b"2"}
    assert machine.executed("s", 1)
    assert not machine.executed("s", 2)
    assert not machine.executed("u", 1)


def test_an_older_command_of_a_session_is_not_executed_either() -> None:
    machine = KeyValue()
    machine.apply(Command("s", 2, Write("k", b"2")))
    machine.apply(Command("s", 1, Write("k", b"1")))
    assert machine.data == {"k": b"2"}


def test_sessions_do_not_mix_and_the_empty_entry_does_nothing() -> None:
    machine = KeyValue()
    machine.apply(NOOP)
    assert (machine.data, machine.sessions) == ({}, {})
    machine.apply(Command("s", 1, Write("k", b"1")))
    machine.apply(Command("t", 1, Write("k", b"2")))
    assert machine.data == {"k": b"2"}


def test_replicas_that_apply_the_same_commands_are_equal() -> None:
    rng = Random(1)
    commands = [
        Command(f"s{rng.randrange(3)}", rng.randrange(1, 20), Write(f"k{rng.randrange(3)}", bytes([rng.randrange(9)])))
        for _ in range(200)
    ]
    one, two = KeyValue(), KeyValue()
    assert [one.apply(command) for command in commands] == [two.apply(command) for command in commands]
    assert (one.data, one.sessions) == (two.data, two.sessions)
