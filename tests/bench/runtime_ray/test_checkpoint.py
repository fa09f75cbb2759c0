"""Checkpoints of the write-ahead log: whatever a crash leaves, at whatever step, is the state after a prefix."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.runtime.image import APPEND, COMPACT, DELETE, PUT, RESET, TRUNCATE, Image, Write
from bench.runtime.ray import checkpoint
from bench.runtime.ray.checkpoint import CHECKPOINT, FRESH, OLD, WAL, recover
from bench.runtime.ray.storage import Wal
from protocols.node import Node

from .test_storage import same


class Pad(Node):
    """Numbers under some names, and texts in some logs."""

    stored = {"a": int, "b": int, "log": str, "other": str}  # noqa: RUF012


class Disk:
    """One life of a node that writes, and its memory."""

    def __init__(self, folder: Path, life: int = 1) -> None:
        self.folder, self.life, self.turn = folder, life, 0
        self.wal = Wal(folder, life, lambda turn, error: None)
        self.image = self.wal.recover(Pad).image
        assert self.wal._compaction is not None
        self.compaction = self.wal._compaction

    def write(self, *writes: Write, sync: bool = True) -> None:
        self.turn += 1
        self.image.apply(writes)
        self.wal.write(self.turn, list(writes))
        if sync:
            self.wal.sync_now()

    def settle(self) -> None:
        assert self.compaction.join(10) and self.compaction.error is None

    def files(self) -> dict[str, bytes]:
        while True:
            try:
                return {each.name: each.read_bytes() for each in self.folder.iterdir()}
            except FileNotFoundError:
                continue  # renamed by the thread that makes the checkpoint, between listing and reading: look again


def found_in(files: dict[str, bytes]) -> tuple[Image, int, int]:
    """What a crash that leaves these files leaves."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        found, _, _ = recover(Path(folder), Pad)
        again, _, _ = recover(Path(folder), Pad)
        assert same(found.image, again.image) and again.torn == 0, "the rest was cut off"
        assert again.corrupt == found.corrupt, "told again, for nothing was made durable since"
        return found.image, found.torn, found.corrupt


@pytest.fixture(autouse=True)
def small() -> Iterator[None]:
    """Checkpoints of some hundred bytes, in pieces of some tens. For hypothesis too, so not by monkeypatch."""
    with mock.patch.object(checkpoint, "LEAST", 300), mock.patch.object(checkpoint, "CHUNK", 40):
        yield


name = st.sampled_from(["a", "b"])
log = st.sampled_from(["log", "other"])
write = st.one_of(
    st.tuples(st.just(PUT), name, st.integers(0, 2**40)),
    st.tuples(st.just(DELETE), name, st.none()),
    st.tuples(st.just(APPEND), log, st.lists(st.text(max_size=12), min_size=1, max_size=6).map(tuple)),
    st.tuples(st.just(TRUNCATE), log, st.integers(1, 40)),
    st.tuples(st.just(COMPACT), log, st.integers(0, 40)),
    st.tuples(st.just(RESET), log, st.integers(0, 40)),
)
turn = st.lists(write, min_size=1, max_size=4)
step = st.one_of(turn, st.sampled_from(["sync", "settle", "restart"]))


@given(st.lists(step, min_size=10, max_size=120))
@settings(max_examples=120, deadline=None)
def test_files_are_the_image_whatever_was_written_and_however_often_it_died(steps: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as path:
        disk = Disk(Path(path))
        synced = disk.image.copy()
        for each in steps:
            if each == "settle":
                disk.settle()
            elif each == "restart":
                disk.wal.close()
                assert disk.wal.join(10)
                disk = Disk(Path(path), disk.life + 1)
                assert same(disk.image, synced), "what was not synced is gone, and nothing else"
            else:
                if each != "sync":
                    disk.write(*each, sync=False)
                if disk.wal.waiting and (each == "sync" or disk.turn % 2):
                    disk.wal.sync_now()
                    synced = disk.image.copy()
        disk.settle()
        disk.wal.close()
        found, size, _ = recover(Path(path), Pad)
        assert same(found.image, synced) and (found.torn, found.corrupt) == (0, 0)
        assert size == sum(each.stat().st_size for each in Path(path).iterdir())


def fill(disk: Disk, rng: Random, turns: int) -> None:
    """Writes most of which are garbage soon."""
    for _ in range(turns):
        disk.write((PUT, "a", rng.randrange(2**30)), (APPEND, "log", (f"entry {disk.turn}", "x" * rng.randrange(9))))
        if disk.turn % 5 == 0:
            disk.write((COMPACT, "log", disk.image.logs["log"].first + len(disk.image.logs["log"]) - 3))


def test_a_crash_at_every_step_recovers_the_same_state(tmp_path: Path) -> None:
    """Every file operation of a checkpoint is a step; what is not synced may be cut anywhere."""
    disk = Disk(tmp_path)
    left: list[tuple[str, dict[str, bytes], Image]] = []
    synced = Image()

    def watched(what: str, real: Any) -> Any:
        def call(*arguments: Any, **keywords: Any) -> Any:
            left.append((f"before {what}", disk.files(), synced))
            done = real(*arguments, **keywords)
            left.append((f"after {what}", disk.files(), synced))
            return done

        return call

    with ExitStack() as patches:
        patches.enter_context(mock.patch.object(os, "rename", watched("rename", os.rename)))
        patches.enter_context(mock.patch.object(os, "fdatasync", watched("fdatasync", os.fdatasync)))
        patches.enter_context(mock.patch.object(checkpoint, "sync_folder", watched("folder", checkpoint.sync_folder)))
        patches.enter_context(mock.patch.object(checkpoint, "_write_all", watched("write", checkpoint._write_all)))
        patches.enter_context(mock.patch.object(Path, "unlink", watched("unlink", Path.unlink)))
        rng = Random(3)
        while disk.compaction.made < 3:
            fill(disk, rng, 1)
            disk.settle()  # a checkpoint belongs to the writes before it: then what has to be found is known
            synced = disk.image.copy()
    disk.wal.close()
    seen = {frozenset(files) for _, files, _ in left}
    lines = [{WAL}, {OLD}, {OLD, WAL}, {OLD, WAL, CHECKPOINT}, {WAL, CHECKPOINT}, {OLD, CHECKPOINT}]
    assert seen >= {frozenset(line) for line in lines}
    assert any(FRESH + "1" in names for names in seen)
    cuts = 0
    for what, files, before in left:
        image, torn, corrupt = found_in(files)
        assert (torn, corrupt) == (0, 0), what
        assert covers(image, before), what
        for cut in range(0, len(files.get(FRESH + "1", b"")), 7):
            cuts += 1
            assert same(found_in(files | {FRESH + "1": files[FRESH + "1"][:cut]})[0], image), what
    assert cuts > 100


def covers(image: Image, before: Image) -> bool:
    """Whether nothing is missing of what was synced; the turns under way may be there too."""
    log, old = image.logs.get("log"), before.logs.get("log")
    if old is None or log is None:
        return old is log or old is None
    return log.first + len(log) >= old.first + len(old) and log.first >= old.first


def test_what_a_checkpoint_has_is_not_applied_again(tmp_path: Path) -> None:
    """Killed after it got its name, before what it replaces was removed: an append would else count twice."""
    disk = Disk(tmp_path)
    with mock.patch.object(Path, "unlink", lambda path, **keywords: None):
        while not disk.compaction.made:
            fill(disk, Random(1), 1)
            disk.settle()
    assert set(disk.files()) == {CHECKPOINT, OLD, WAL}
    assert same(found_in(disk.files())[0], disk.image)
    disk.wal.close()
    again = Disk(tmp_path, 2)
    assert set(again.files()) == {CHECKPOINT, WAL}
    assert same(again.image, disk.image)


def test_a_log_that_was_set_aside_and_no_more_gets_its_checkpoint_in_the_next_life(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    with mock.patch.object(checkpoint.Compaction, "begin", lambda self: None):
        while OLD not in disk.files():
            fill(disk, Random(1), 1)
    disk.wal.close()
    again = Disk(tmp_path, 2)
    assert same(again.image, disk.image)
    for _ in range(2):
        fill(again, Random(2), 1)
        again.settle()
    assert set(again.files()) == {CHECKPOINT, WAL} and again.compaction.made == 1
    assert same(found_in(again.files())[0], again.image)


def test_a_log_that_only_grows_is_not_copied(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    texts = ("a text that is longer than what frames it in a record of the log", "and another one of some length")
    for _ in range(200):
        disk.write((APPEND, "log", texts))
    disk.settle()
    assert disk.compaction.made == 0 and set(disk.files()) == {WAL}
    disk.write((COMPACT, "log", 390))
    for _ in range(100):
        disk.write((APPEND, "log", texts))
    disk.settle()
    assert disk.compaction.made == 1
    assert disk.compaction.size == sum(map(len, disk.files().values()))


def test_checkpoints_never_cost_more_than_what_they_replace(tmp_path: Path) -> None:
    """Tiny turns are more frame than content: a checkpoint gains much, but must not be made again and again."""
    disk = Disk(tmp_path)
    for number in range(600):
        disk.write((APPEND, "log", (f"{number}",)))
        disk.settle()
    assert disk.compaction.made > 1
    assert disk.compaction.bytes_written < 1.1 * disk.wal.bytes_written


def test_a_checkpoint_under_way_dies_with_its_life(tmp_path: Path) -> None:
    """A node may crash and boot again in one process: the thread of its last life must leave the files alone."""
    disk = Disk(tmp_path)
    held, going = threading.Event(), threading.Event()
    real = checkpoint.Compaction._store

    def slow(self: Any, *arguments: Any) -> int:
        size = real(self, *arguments)
        going.set()
        assert held.wait(10)
        return size

    with mock.patch.object(checkpoint.Compaction, "_store", slow):
        while not going.is_set():
            fill(disk, Random(1), 1)
        before = {name: each for name, each in disk.files().items() if not name.startswith(FRESH)}
        disk.wal.close()
        held.set()
        assert disk.wal.join(10)
    assert disk.files() == before and disk.compaction.made == 0
    assert same(found_in(before)[0], disk.image)


def test_a_checkpoint_that_fails_costs_nothing_but_space(tmp_path: Path) -> None:
    disk = Disk(tmp_path)

    def full(file: Any, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with mock.patch.object(checkpoint, "_write_all", full):
        while disk.compaction.error is None:
            fill(disk, Random(1), 1)
            assert disk.compaction.join(10)
    assert set(disk.files()) == {OLD, WAL}
    fill(disk, Random(1), 50)
    assert same(found_in(disk.files())[0], disk.image)


@pytest.mark.parametrize("position", [0, 30, -30, -1])
def test_damage_is_noticed(tmp_path: Path, position: int) -> None:
    disk = Disk(tmp_path)
    while not disk.compaction.made:
        fill(disk, Random(1), 1)
        disk.settle()
    files = disk.files()

    def flipped(name: str) -> dict[str, bytes]:
        data = bytearray(files[name])
        data[position] ^= 1
        return files | {name: bytes(data)}

    image, _, corrupt = found_in(flipped(CHECKPOINT))
    assert corrupt == 1 and same(image, Image()), "what follows a damaged checkpoint means nothing"
    # a log that was set aside had been synced to its end: what follows its damage is not believed
    disk.compaction._look = 10**9
    fill(disk, Random(1), 3)
    aside = disk.files()[WAL]
    disk.wal.close()
    (tmp_path / WAL).unlink()
    later = Disk(tmp_path, 2)
    later.compaction._look = 10**9
    fill(later, Random(1), 2)
    files = later.files() | {OLD: aside}
    assert (found_in(files)[1:]) == (0, 0)
    image, torn, corrupt = found_in(flipped(OLD))
    assert (torn, corrupt) == (0, 1) and image.logs["log"].entries[-2:] != later.image.logs["log"].entries[-2:]


def test_killed_again_and_again(tmp_path: Path) -> None:
    """SIGKILL at moments that nobody has chosen; each life goes on from what the last one had acknowledged."""
    script = f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).parents[3])!r})
        from pathlib import Path
        from bench.runtime.image import APPEND, COMPACT
        from bench.runtime.ray import checkpoint
        from tests.bench.runtime_ray.test_checkpoint import Disk
        checkpoint.LEAST, checkpoint.CHUNK = 3000, 100
        disk = Disk(Path(sys.argv[1]), int(sys.argv[2]))
        log = disk.image.logs.get("log")
        number = 0 if log is None else log.first - 1 + len(log)
        assert log is None or log.entries == [str(each) for each in range(log.first - 1, number)], log
        print(number, flush=True)
        while True:
            disk.write((APPEND, "log", (str(number),)), *([(COMPACT, "log", number - 3)] if number % 9 == 0 else []))
            number += 1
            print(number, disk.compaction.made, flush=True)
    """
    acknowledged = made = 0
    rng = Random(5)
    life = 0
    while life < 8 or (life < 80 and (made <= 8 or acknowledged <= 1000)):  # on a busy machine it takes more of them
        life += 1
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script), str(tmp_path), str(life)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None and process.stderr is not None
        first = process.stdout.readline()
        assert first, process.stderr.read()
        assert int(first) in (acknowledged, acknowledged + 1), "one more may have been synced, and not yet said"
        timer = threading.Timer(rng.uniform(0.05, 0.4), process.send_signal, [signal.SIGKILL])
        timer.start()
        lines = [line.split() for line in process.stdout.readlines() if line.endswith("\n")]
        process.wait()
        timer.join()
        acknowledged = int(lines[-1][0]) if lines else acknowledged
        made += int(lines[-1][1]) if lines else 0
    assert made > 8 and acknowledged > 1000, "no checkpoint was ever under way"


def test_the_thread_that_syncs_sets_the_log_aside(tmp_path: Path) -> None:
    """However fast the disk is, the loop does not wait for another file to be made."""
    ended = threading.Semaphore(0)
    wal = Wal(tmp_path, 1, lambda turn, error: ended.release())
    image = wal.recover(Pad).image
    compaction = wal._compaction
    assert compaction is not None
    slow = 0
    with mock.patch("bench.runtime.ray.storage.FAST", 10**12):
        for number in range(1, 400):
            writes: list[Write] = [(PUT, "a", number), (APPEND, "log", (f"{number}",))]
            writes += [(COMPACT, "log", number - 2)] if number % 5 == 0 else []
            image.apply(writes)
            wal.write(number, writes)
            logs = (tmp_path / "wal").stat().st_ino if number > 1 else 0
            if wal.fast:
                wal.sync_now()
                assert not logs or logs == (tmp_path / "wal").stat().st_ino
            else:
                slow += 1
                wal.sync()
                assert ended.acquire(timeout=10)
    wal.close()
    assert wal.join(10) and compaction.error is None and slow - 8 >= compaction.made - 1 >= 1
    assert same(recover(tmp_path, Pad)[0].image, image)
