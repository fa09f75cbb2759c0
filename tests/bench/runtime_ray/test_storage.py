"""The write-ahead log: what survives, whatever happens to the file."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.runtime.child import Scoped
from bench.runtime.engine import Engine
from bench.runtime.image import APPEND, COMPACT, DELETE, PUT, RESET, TRUNCATE, Image
from bench.runtime.ray import storage
from bench.runtime.ray.records import encode_record, read_wal, thaw
from bench.runtime.ray.storage import Wal, append_note, read_notes
from protocols.consensus.raft.messages import Entry, HardState
from protocols.consensus.raft.server import Server
from protocols.requests import Write
from protocols.statemachine import NOOP, Command
from tests.toys.office import Office, Open, Paper


def entry(term: int, number: int) -> Entry:
    return Entry(term, Command("c1.abc", number, Write("k1", b"value" * 3)))


TURNS = [
    (1, 1, [(PUT, "vote", HardState(1, "n1"))]),
    (1, 3, [(APPEND, "log", (entry(1, 1), entry(1, 2)))]),
    (1, 4, [(PUT, "vote", HardState(2, "")), (TRUNCATE, "log", 2), (APPEND, "log", (entry(2, 2), entry(2, 3)))]),
    (2, 1, [(COMPACT, "log", 1)]),
    (2, 9, [(DELETE, "vote", None), (APPEND, "log", (entry(3, 4),))]),
]
RECORDS = [encode_record(life, turn, writes) for life, turn, writes in TURNS]
ENDS = [sum(map(len, RECORDS[: count + 1])) for count in range(len(RECORDS))]


def image_after(count: int) -> Image:
    image = Image()
    for _, _, writes in TURNS[:count]:
        image.apply(writes)
    return image


def same(image: Image, other: Image) -> bool:
    return image.keys == other.keys and {name: (log.first, log.entries) for name, log in image.logs.items()} == {
        name: (log.first, log.entries) for name, log in other.logs.items()
    }


def test_an_intact_log_is_read_back_in_the_declared_types() -> None:
    found = read_wal(b"".join(RECORDS), Server)
    assert (found.records, found.torn, found.corrupt, found.end) == (5, 0, 0, ENDS[-1])
    assert same(found.image, image_after(5))
    assert all(type(each) is Entry and type(each.command) is Command for each in found.image.logs["log"].entries)


@given(st.integers(0, ENDS[-1]))
@settings(max_examples=400, deadline=None)
def test_a_file_cut_at_any_byte_holds_the_turns_that_are_whole(cut: int) -> None:
    """Every turn is there as a whole or not at all, and those that are there are the first ones."""
    found = read_wal(b"".join(RECORDS)[:cut], Server)
    whole = sum(end <= cut for end in ENDS)
    assert found.records == whole
    assert same(found.image, image_after(whole))
    assert found.corrupt == 0
    assert found.torn == (cut not in (0, *ENDS))
    assert found.end == (ENDS[whole - 1] if whole else 0)


@given(st.integers(0, ENDS[-1] - 1), st.integers(1, 255))
@settings(max_examples=400, deadline=None)
def test_a_changed_byte_ends_the_log_there(position: int, change: int) -> None:
    data = bytearray(b"".join(RECORDS))
    data[position] ^= change
    found = read_wal(bytes(data), Server)
    hit = sum(end <= position for end in ENDS)
    assert found.records == hit
    assert same(found.image, image_after(hit))
    # what intact records follow was synced, so it cannot be the torn end of the file
    assert (found.torn, found.corrupt) == ((1, 0) if hit == len(RECORDS) - 1 else (0, 1))


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_garbage_is_not_a_record(garbage: bytes) -> None:
    found = read_wal(RECORDS[0] + garbage, Server)
    assert found.records == 1
    assert found.torn == (len(garbage) > 0)


def test_a_missing_record_hides_all_that_follow() -> None:
    hole = RECORDS[0] + bytes(len(RECORDS[1])) + RECORDS[2]
    found = read_wal(hole, Server)
    assert (found.records, found.corrupt) == (1, 1)


def test_records_out_of_order_are_not_believed() -> None:
    found = read_wal(RECORDS[1] + RECORDS[0], Server)
    assert (found.records, found.corrupt) == (1, 1)


# --- the file ------------------------------------------------------------------------------------------------------


class Syncs:
    """Hears of the ends of syncs."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.turn, self.error = 0, None

    def __call__(self, turn: int, error: BaseException | None) -> None:
        self.turn, self.error = turn, error
        self.ended.set()

    def wait(self) -> None:
        assert self.ended.wait(5)
        self.ended.clear()


def test_nothing_reaches_the_file_before_a_sync(tmp_path: Path) -> None:
    """SIGKILL does not lose the page cache, so what is not synced must still be in the process."""
    syncs = Syncs()
    wal = Wal(tmp_path, 1, syncs)
    for _, turn, writes in TURNS[:3]:
        wal.write(turn, writes)
    assert wal.waiting and wal.durable_turn == 0
    assert not wal.path.exists()
    assert wal.sync() == 4
    syncs.wait()
    assert (syncs.turn, syncs.error, wal.durable_turn, wal.fsyncs) == (4, None, 4, 1)
    wal.close()
    found = Wal(tmp_path, 2, syncs).recover(Server)
    assert same(found.image, image_after(3))
    assert found.records == 1, "turns that are synced together share a record"


def test_turns_synced_together_survive_together_or_not_at_all(tmp_path: Path) -> None:
    syncs = Syncs()
    wal = Wal(tmp_path, 1, syncs)
    for _, turn, writes in TURNS[:3]:
        wal.write(turn, writes)
    wal.sync()
    syncs.wait()
    wal.close()
    whole = wal.path.read_bytes()
    for cut in range(len(whole)):
        found = read_wal(whole[:cut], Server)
        assert same(found.image, image_after(0)) and found.end == 0


def test_what_a_caller_appends_later_does_not_change_what_was_written(tmp_path: Path) -> None:
    syncs = Syncs()
    wal = Wal(tmp_path, 1, syncs)
    first = [(APPEND, "log", (Entry(1, NOOP),))]
    wal.write(1, first)
    wal.write(2, [(APPEND, "log", (Entry(2, NOOP),))])
    assert first == [(APPEND, "log", (Entry(1, NOOP),))]
    wal.sync()
    wal.write(3, [(APPEND, "log", (Entry(3, NOOP),))])
    syncs.wait()
    wal.close()
    assert [entry.term for entry in read_wal(wal.path.read_bytes(), Server).image.logs["log"].entries] == [1, 2]


def test_the_torn_end_is_cut_off_so_that_the_next_life_can_append(tmp_path: Path) -> None:
    (tmp_path / "wal").write_bytes(b"".join(RECORDS[:3])[:-5])
    syncs = Syncs()
    wal = Wal(tmp_path, 2, syncs)
    found = wal.recover(Server)
    assert (found.records, found.torn) == (2, 1)
    wal.write(1, [(PUT, "vote", HardState(7, "n3"))])
    wal.sync()
    syncs.wait()
    wal.close()
    found = read_wal((tmp_path / "wal").read_bytes(), Server)
    assert (found.records, found.torn, found.corrupt) == (3, 0, 0)
    assert found.image.keys["vote"] == HardState(7, "n3")


def test_a_failed_sync_is_final(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(fd: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(storage.os, "fdatasync", broken)
    syncs = Syncs()
    wal = Wal(tmp_path, 1, syncs)
    wal.write(1, TURNS[0][2])
    wal.sync()
    syncs.wait()
    assert isinstance(syncs.error, storage.SyncFailed) and "Input/output error" in str(syncs.error)
    assert wal.durable_turn == 0
    wal.close()


def test_a_slow_disk_has_not_even_written_while_it_waits(tmp_path: Path) -> None:
    syncs = Syncs()
    wal = Wal(tmp_path, 1, syncs)
    wal.extra = 60_000_000_000
    wal.write(1, TURNS[0][2])
    wal.sync()
    wal.close()
    wal._thread.join(5)  # type: ignore[union-attr]
    assert not wal._thread.is_alive()  # type: ignore[union-attr]
    assert not wal.path.exists() and wal.durable_turn == 0 and not syncs.ended.is_set()


def test_notes_survive_up_to_the_last_whole_one(tmp_path: Path) -> None:
    path = tmp_path / "marks"
    fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    append_note(fd, [b"one", b""])
    append_note(fd, [b"three"])
    os.close(fd)
    assert read_notes(path) == [b"one", b"", b"three"]
    path.write_bytes(path.read_bytes()[:-1])
    assert read_notes(path) == [b"one", b""]
    assert read_notes(tmp_path / "none") == []


# --- children ------------------------------------------------------------------------------------------------------


class StillWorld:
    """A world in which no time passes."""

    def monotonic_of(self, node: str) -> int:
        return 0

    wall_of = monotonic_of

    def interval_of(self, node: str) -> tuple[int, int]:
        return 0, 0

    def arm(self, engine: Engine, timer: object, delay: int) -> None: ...

    def disarm(self, engine: Engine, timer: object) -> None: ...

    def mark(self, node: str, name: str, fields: dict[str, object]) -> None: ...

    def sign(self, node: str, payload: bytes) -> bytes:
        return b""

    def verify(self, node: str, payload: bytes, signature: bytes) -> bool:
        return True


def office(data: bytes, life: int) -> tuple[Engine, list[bytes]]:
    """An office over what ``data`` holds, and the records it writes."""
    records: list[bytes] = []
    found = read_wal(data, Office)
    engine = Engine(
        StillWorld(),
        "n1",
        life,
        Office(None),
        ("n1", "n2"),
        "seed",
        found.image,
        lambda turn, writes: records.append(encode_record(life, turn, writes)),
    )
    engine.thaw = lambda prefix, kind: thaw(found.image, prefix, kind)
    engine.boot(lost=False, torn=0, corrupt=0)
    return engine, records


def test_children_find_their_state_in_their_types() -> None:
    """Their classes are not known when the log is read, only when the parent makes them again."""
    engine, records = office(b"", 1)
    engine.receive("n2", Open("a"))
    for number in (1, 2, 3):
        engine.receive("n2", Scoped("desk-a", Paper(number)))
    again, more = office(b"".join(records), 2)
    desk = again.node.desks["a"]  # type: ignore[attr-defined]
    assert (desk.found, desk.last, desk.drawer.found) == ((1, 2, 3), 3, (1, 2, 3))
    assert again.node.archive.found == (2,)  # type: ignore[attr-defined]
    again.receive("n2", Scoped("desk-a", Paper(4)))
    third, _ = office(b"".join(records + more), 3)
    assert third.node.desks["a"].drawer.found == (1, 2, 3, 4)  # type: ignore[attr-defined]


def test_a_child_that_is_not_made_again_stays_encoded() -> None:
    engine, records = office(b"", 1)
    engine.receive("n2", Open("a"))
    engine.receive("n2", Scoped("desk-a", Paper(1)))
    found = read_wal(b"".join(records), Office)
    assert type(found.image.keys["desk-a/last"]) is msgspec.Raw
    assert found.image.keys["desk:a"] is True


def test_reset_replaces_a_log() -> None:
    record = encode_record(1, 1, [(PUT, "vote", HardState(1, "")), (RESET, "log", 17)])
    log = read_wal(record, Server).image.logs["log"]
    assert (log.first, log.entries) == (18, [])
