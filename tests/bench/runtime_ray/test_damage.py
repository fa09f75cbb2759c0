"""Damage that recovery finds is known until the node has made durable what it concludes from it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

import pytest

from bench.runtime.engine import Engine
from bench.runtime.image import APPEND, PUT
from bench.runtime.ray import checkpoint
from bench.runtime.ray.checkpoint import CHECKPOINT, OLD, WAL, recover
from bench.runtime.ray.storage import Wal
from protocols.consensus.raft.config import RaftConfig
from protocols.consensus.raft.messages import RequestVote, Vote
from protocols.consensus.raft.server import AMNESIAC, Server

from .test_checkpoint import Disk, Pad, fill
from .test_recovery import ENTRY, VOTE, World, life_of
from .test_storage import same


class Died(BaseException):
    """The process was killed."""


@pytest.fixture(autouse=True)
def small() -> Iterator[None]:
    with mock.patch.object(checkpoint, "LEAST", 300), mock.patch.object(checkpoint, "CHUNK", 40):
        yield


def dying(folder: Path, step: int, after: bool) -> bool:
    """Recover, and die before (or after) the step-th call that changes a file or makes a change durable; whether it
    came to that."""
    count = 0

    def watched(real: Any) -> Any:
        def call(*arguments: Any, **keywords: Any) -> Any:
            nonlocal count
            count += 1
            now = count == step
            if now and not after:
                raise Died
            done = real(*arguments, **keywords)
            if now:
                raise Died
            return done

        return call

    with ExitStack() as patches:
        for owner, name in ((os, "fsync"), (os, "fdatasync"), (Path, "unlink"), (Path, "touch"), (os, "rename")):
            patches.enter_context(mock.patch.object(owner, name, watched(getattr(owner, name))))
        patches.enter_context(mock.patch.object(checkpoint, "_cut", watched(checkpoint._cut)))
        try:
            recover(folder, Pad)
        except Died:
            return True
    return False


def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


def three_files(folder: Path) -> None:
    """A checkpoint, a log that was set aside, and a log."""
    disk = Disk(folder)
    while not disk.compaction.made:
        fill(disk, Random(1), 1)
        disk.settle()
    with mock.patch.object(checkpoint.Compaction, "begin", lambda self: None):
        while not (folder / OLD).exists():
            fill(disk, Random(disk.turn), 1)
    disk.compaction.due, disk.compaction._look = False, 10**9
    fill(disk, Random(2), 3)
    disk.wal.close()
    assert {each.name for each in folder.iterdir()} == {CHECKPOINT, OLD, WAL}


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("name, position", [(CHECKPOINT, 30), (OLD, 30), (OLD, -1), (WAL, 30)])
def test_who_dies_while_it_cuts_damage_off_leaves_the_knowledge_of_it(
    tmp_path: Path, name: str, position: int, after: bool
) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    three_files(whole)
    flip(whole / name, position)
    shutil.copytree(whole, tmp_path / "once")
    once, _, _ = recover(tmp_path / "once", Pad)
    assert (once.torn, once.corrupt) == (0, 1)
    step = 0
    while True:
        step += 1
        folder = tmp_path / f"{step}"
        shutil.copytree(whole, folder)
        if not dying(folder, step, after):
            break
        found, _, _ = recover(folder, Pad)
        assert found.corrupt == 1, f"forgotten after step {step}"
        assert same(found.image, once.image), f"step {step}: records without those before them"
    assert step > 3


def test_the_end_of_a_log_that_was_set_aside_is_damaged_and_nothing_follows(tmp_path: Path) -> None:
    """It was synced before it was set aside, so its end cannot be torn, also if the next log has not begun."""
    three_files(tmp_path)
    (tmp_path / WAL).unlink()
    flip(tmp_path / OLD, -1)
    found, _, _ = recover(tmp_path, Pad)
    assert (found.torn, found.corrupt) == (0, 1)


def boot(folder: Path, life: int, *, sync: bool) -> Server:
    """A life of a Raft server, as far as its first turn; which is synced or not."""
    wal = Wal(folder, life, lambda turn, error: None)
    found = wal.recover(Server)
    node = Server(RaftConfig())
    engine = Engine(World(), "n1", life, node, ("n1", "n2", "n3"), "seed", found.image, wal.write)  # type: ignore[arg-type]
    engine.boot(lost=False, torn=found.torn, corrupt=found.corrupt)
    if sync and wal.waiting:
        wal.sync_now()
    engine.receive("n3", RequestVote(3, 9, 3, False))
    assert not [message for _, message in engine.sends if isinstance(message, Vote) and message.granted]
    wal.close()
    return node


def test_a_damaged_disk_does_not_vote_twice_although_the_life_that_found_it_died_at_once(tmp_path: Path) -> None:
    """It voted for n2 in term 3. The life that cut that off was killed before its own first sync."""
    life_of(tmp_path, [VOTE, ENTRY, ENTRY])
    flip(tmp_path / WAL, 40)
    for life in (2, 3):
        assert boot(tmp_path, life, sync=False).role == AMNESIAC
    for life in (4, 5):
        assert boot(tmp_path, life, sync=True).role == AMNESIAC, "told by the note, then by what it wrote itself"


def test_damage_is_told_until_something_is_durable_and_no_longer(tmp_path: Path) -> None:
    life_of(tmp_path, [VOTE, ENTRY, ENTRY])
    flip(tmp_path / WAL, 40)
    wal = Wal(tmp_path, 2, lambda turn, error: None)
    assert wal.recover(Server).corrupt == 1
    wal.write(1, [(PUT, "vote", VOTE[0][2]), (APPEND, "log", [])])
    wal.sync_now()
    wal.close()
    assert Wal(tmp_path, 3, lambda turn, error: None).recover(Server).corrupt == 0
    assert [each.name for each in tmp_path.iterdir()] == [WAL]
