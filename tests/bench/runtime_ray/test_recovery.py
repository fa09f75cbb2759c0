"""What a new life reads from disk is on disk before it acts on it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from bench.runtime.engine import Engine
from bench.runtime.image import APPEND, PUT, Write
from bench.runtime.ray import storage
from bench.runtime.ray.checkpoint import SUSPECT
from bench.runtime.ray.records import SyncFailed
from bench.runtime.ray.storage import Wal
from protocols.consensus.raft.config import RaftConfig
from protocols.consensus.raft.messages import Entry, HardState, RequestVote, Vote
from protocols.consensus.raft.server import AMNESIAC, Server
from protocols.statemachine import NOOP

VOTE: list[Write] = [(PUT, "vote", HardState(3, "n2"))]
ENTRY: list[Write] = [(APPEND, "log", [Entry(3, NOOP)])]


class World:
    """As much of a world as a Raft server needs to boot and to answer."""

    def __getattr__(self, name: str) -> object:
        return (lambda *arguments: 0) if name.endswith("_of") else (lambda *arguments: None)


def life_of(folder: Path, turns: list[list[Write]]) -> None:
    """A life that wrote these turns, a sync each, and ended."""
    ended = threading.Event()
    wal = Wal(folder, 1, lambda turn, error: ended.set())
    for turn, writes in enumerate(turns, 1):
        ended.clear()
        wal.write(turn, writes)
        wal.sync()
        assert ended.wait(5)
    wal.close()


def test_what_was_written_but_not_synced_is_synced_before_the_next_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process killed between write and fdatasync leaves its record in the page cache, and there only."""
    synced: list[str] = []
    monkeypatch.setattr(os, "fdatasync", lambda fd: None)
    life_of(tmp_path, [VOTE, ENTRY])
    real = os.fsync

    def record(fd: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{fd}"))

    def record_folder(fd: int) -> None:
        record(fd)
        real(fd)

    monkeypatch.setattr(os, "fdatasync", record)
    monkeypatch.setattr(os, "fsync", record_folder)
    found = Wal(tmp_path, 2, lambda turn, error: None).recover(Server)
    assert found.records == 2
    assert synced == [str(tmp_path / "wal"), str(tmp_path)], "the file, then its name"


def test_after_a_failed_sync_the_file_is_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel may hold its pages for clean: syncing the same file again would succeed and mean nothing."""
    life_of(tmp_path, [VOTE])
    wal = Wal(tmp_path, 2, lambda turn, error: None)
    wal.recover(Server)
    wal.write(1, ENTRY)

    def broken(fd: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(storage.os, "fdatasync", broken)  # type: ignore[attr-defined]
        with pytest.raises(SyncFailed):
            wal.sync_now()
    wal.close()
    assert (tmp_path / SUSPECT).exists()
    before = (tmp_path / "wal").stat().st_ino
    found = Wal(tmp_path, 3, lambda turn, error: None).recover(Server)
    assert found.image.keys["vote"] == HardState(3, "n2")
    assert (tmp_path / "wal").stat().st_ino != before
    assert not (tmp_path / SUSPECT).exists()


def test_a_damaged_disk_does_not_vote_twice_in_a_term(tmp_path: Path) -> None:
    """It has voted for n2 in term 3, and one flipped bit has cut that off: it must not vote for n3 now."""
    life_of(tmp_path, [VOTE, ENTRY, ENTRY])
    data = bytearray((tmp_path / "wal").read_bytes())
    data[40] ^= 1
    (tmp_path / "wal").write_bytes(data)
    found = Wal(tmp_path, 2, lambda turn, error: None).recover(Server)
    assert (found.records, found.corrupt) == (0, 1)
    node = Server(RaftConfig())
    engine = Engine(World(), "n1", 2, node, ("n1", "n2", "n3"), "seed", found.image, lambda turn, writes: None)  # type: ignore[arg-type]
    engine.boot(lost=False, torn=found.torn, corrupt=found.corrupt)
    assert node.role == AMNESIAC
    engine.receive("n3", RequestVote(3, 9, 3, False))
    assert not [message for _, message in engine.sends if isinstance(message, Vote) and message.granted]
