"""A fast disk is synced on the event loop itself; what that may change is speed alone."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from bench.runtime.image import PUT
from bench.runtime.ray import stage as stage_module
from bench.runtime.ray import storage
from bench.runtime.ray.storage import Wal
from protocols.node import Context, Durable, Node, on, on_durable

from .test_stage import Count, Pair, run, until

EARLY, LATE = 1000, 2000


class Keeper(Node):
    """Writes each number down, and tells who sent it twice: at once, and when it is on disk."""

    messages: ClassVar[Any] = Count
    stored: ClassVar[dict[str, Any]] = {"seen": Count}

    def start(self, ctx: Context, durable: Durable) -> None:
        self.heard: list[int] = []
        self.durable_turns: list[int] = []

    @on(Count)
    def count(self, ctx: Context, source: str, message: Count) -> None:
        self.heard.append(message.number)
        if message.number < EARLY:
            ctx.append("seen", (message,))
            ctx.send(source, Count(LATE + message.number))
            ctx.send(source, Count(EARLY + message.number), early=True)

    @on_durable
    def synced(self, ctx: Context, turn: int) -> None:
        self.durable_turns.append(turn)


@pytest.fixture(autouse=True)
def keepers(monkeypatch: pytest.MonkeyPatch) -> None:
    family = SimpleNamespace(server=Keeper, client=Keeper, functions=("read",), leader=None, lies=())
    monkeypatch.setattr(stage_module, "load_family", lambda *names: family)
    monkeypatch.setattr(stage_module, "build_configs", lambda *arguments: (None, None))


async def tell(both: Pair, number: int) -> None:
    """n1 sends n2, which has its host to itself, a number, and hears of it twice."""
    both.say("n1", "n2", Count(number))
    await until(lambda: LATE + number in both.node("n1").heard)


def test_a_fast_disk_is_synced_here_and_nothing_leaves_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "FAST", 10**12)  # however busy the machine is
    happened: list[str] = []
    real = os.fdatasync

    def watched(fd: int) -> None:
        real(fd)
        happened.append("sync")

    async def scenario(both: Pair) -> None:
        for number in range(1, 30):
            await tell(both, number)
        node, stage = both.local("n2"), both.stage_of("n2")
        assert node.wal.fast
        monkeypatch.setattr(os, "fdatasync", watched)
        monkeypatch.setattr(Wal, "sync", lambda wal: pytest.fail("the thread was asked"))
        link = stage.wires.outbound["h1"]
        send = link.send

        def leaves(*frame: Any) -> bool:
            happened.append("frame")
            return send(*frame)

        monkeypatch.setattr(link, "send", leaves)
        for number in (30, 31):
            happened.clear()
            await tell(both, number)
            assert happened == ["frame", "sync", "frame"], "the early message, the disk, the other message"
        heard = both.node("n1").heard
        assert heard.index(EARLY + 30) < heard.index(LATE + 30)
        assert node.engine.node.durable_turns[-1] == node.wal.durable_turn == node.engine.synced_turn

    run(scenario, tmp_path)


def test_a_disk_that_fails_here_kills_the_node_and_frees_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "FAST", 10**12)

    async def scenario(both: Pair) -> None:
        for number in range(1, 30):
            await tell(both, number)

        def broken(fd: int) -> None:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(os, "fdatasync", broken)
        both.say("n1", "n2", Count(30))
        await until(lambda: both.local("n2").engine is None)
        (event,) = both.events("n2")
        assert event.kind == "crash" and "Input/output error" in event.reason
        assert EARLY + 30 in both.node("n1").heard and LATE + 30 not in both.node("n1").heard
        monkeypatch.undo()
        both.stage_of("n2").boot(both.local("n2"))  # what the failed sync left on the disk may be there or not
        assert len(both.local("n2").engine.read_log("seen").entries) in (29, 30)

    run(scenario, tmp_path)


def test_the_loop_waits_for_no_disk_that_is_new_or_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wal = Wal(tmp_path, 1, lambda turn, error: None)
    monkeypatch.setattr(storage, "FAST", 20_000_000)
    monkeypatch.setattr(os, "fdatasync", lambda fd: None)
    took: list[bool] = []
    for turn in range(1, 12):
        took.append(wal.fast)
        wal.write(turn, [(PUT, "seen", turn)])
        assert wal.sync_now() == turn == wal.durable_turn
    assert not any(took[:8]) and all(took[8:]), "eight syncs tell how fast the disk is"
    wal.extra = 1
    assert not wal.fast, "a disk that is made slow is left to the thread"
    wal.extra = 0
    monkeypatch.setattr(os, "fdatasync", lambda fd: time.sleep(0.1))
    for turn in range(12, 18):
        wal.write(turn, [(PUT, "seen", turn)])
        wal.sync_now()
    assert not wal.fast
    wal.close()
