"""Hostile networks: whoever connects, whatever comes, hosts stay up, memory is bounded, and true peers are served."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from random import Random
from typing import Any

import psutil
import pytest
import uvloop

from bench.faults.spec import Crash
from bench.network import Constant, Network
from bench.run import run_trial
from bench.runtime.ray import interface, supervisor
from bench.runtime.ray.codec import HEADER, HELLO, MAX_FRAME, PLAIN, hello_frame
from bench.runtime.ray.link import MOST_STRANGERS, Outbound
from bench.runtime.ray.orders import Address
from bench.runtime.ray.session import RaySession
from bench.trial import Trial
from bench.workload.spec import Workload

from .fuzzer import Fuzzer, reset
from .peers import TOKEN, Hub, answer, framed, hello, listening, memory, rss, until

MS = 1_000_000
MIB = 2**20
FUZZ_S = "QUORUMBENCH_FUZZ_S"
"""Environment variable: seconds of ``pytest -m fuzz``, 60 if it is not set."""


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """In a loop of the kind that Ray's actors have; an error that only the loop hears of is a failure."""

    async def main() -> None:
        heard: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: heard.append(context))
        await scenario()
        assert heard == []

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


HOSTILE = {
    "nothing but a header of 4 GiB": HEADER.pack(0, 2**32 - 1, HELLO, 1, 0, 0),
    "garbage": Random(1).randbytes(5000),
    "another protocol": b"GET / HTTP/1.1\r\nHost: example\r\n\r\n" * 3,
    "frames without a hello": framed(PLAIN, 1, 1, b"not introduced"),
    "another trial's token": hello_frame(hello(token=b"fedcba9876543210")),
    "an empty token": hello_frame(hello(token=b"")),
    "no name": hello_frame(hello(host="")),
    "our own name": hello_frame(hello(host="b")),
    "no life": hello_frame(hello(life=0)),
    "meant for another": hello_frame(hello(to="c")),
    "meant for an earlier life": hello_frame(hello(to_life=0)),
    "a hello that is no hello": framed(HELLO, 1, 0, b"\xc1 not msgpack"),
    "a hello of another shape": framed(HELLO, 1, 0, b"\x93\x01\x02\x03"),
    "a hello with a wrong checksum": b"\0\0\0\0" + hello_frame(hello())[4:],
    "a long hello": hello_frame(hello(host="a" * 2000)),
}
MEMBERS = {
    "garbage": Random(2).randbytes(5000),
    "zeros": bytes(5000),
    "an oversized frame": HEADER.pack(0, MAX_FRAME + 1, PLAIN, 1, 1, 0),
    "a damaged frame": framed(PLAIN, 1, 1, b"content")[:-1] + b"?",
    "a frame of another trial": framed(PLAIN, 1, 1, b"content", b"fedcba9876543210"),
    "another life": framed(PLAIN, 2, 1, b"content"),
    "a second hello": hello_frame(hello()),
    "an unknown kind": framed(9, 1, 1, b"content"),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_who_does_not_belong_is_refused_and_harms_nobody(data: bytes) -> None:
    async def scenario() -> None:
        b = Hub("b")
        async with listening(b) as (address, door):
            link = Outbound(Hub("t"), address)
            await asyncio.wait_for(link.ready.wait(), 3)
            reader, writer = await asyncio.open_connection(address.ip, address.port)
            writer.write(data)
            assert await answer(reader) == b"", "it is told nothing"
            writer.close()
            assert b.refused == 1 and b.frames == [] and list(b.inbound) == ["t"] and not door.strangers
            assert link.send(PLAIN, 0, b"as before")
            await until(lambda: b.frames == [("t", b"as before")], "the true peer is heard")
            link.close()

    run(scenario)


@pytest.mark.parametrize("data", MEMBERS.values(), ids=MEMBERS.keys())
def test_a_valid_hello_followed_by_rubbish_ends_that_stream_alone(data: bytes) -> None:
    async def scenario() -> None:
        b = Hub("b")
        async with listening(b) as (address, _):
            link = Outbound(Hub("t"), address)
            await asyncio.wait_for(link.ready.wait(), 3)
            reader, writer = await asyncio.open_connection(address.ip, address.port)
            writer.write(hello_frame(hello()))
            assert await asyncio.wait_for(reader.readexactly(1), 3) == b"\x01"
            writer.write(data)
            assert await answer(reader) == b""
            writer.close()
            assert b.refused == 1 and b.frames == [] and b.mourned == [("a", 1)]
            # nothing of it is remembered: the true peer of that name is let in, and its first frame is new
            true = Outbound(Hub("a"), address)
            await asyncio.wait_for(true.ready.wait(), 3)
            assert true.send(PLAIN, 0, b"the true one") and link.send(PLAIN, 0, b"as before")
            await until(lambda: sorted(b.bodies) == [b"as before", b"the true one"], "both are heard")
            true.close()
            link.close()

    run(scenario)


def test_half_open_connections_are_few_and_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interface, "HELLO_S", 0.5)

    async def scenario() -> None:
        b = Hub("b")
        async with listening(b) as (address, door):
            began = time.monotonic()
            silent = [await asyncio.open_connection(address.ip, address.port) for _ in range(3 * MOST_STRANGERS)]
            await until(lambda: b.refused >= 2 * MOST_STRANGERS, "the oldest lost their places")
            assert 0 < len(door.strangers) <= MOST_STRANGERS
            link = Outbound(Hub("a"), address)
            await asyncio.wait_for(link.ready.wait(), 3)
            assert time.monotonic() - began < 5, "a peer is let in at once"
            await until(lambda: not door.strangers, "who says nothing is shown out", 3)
            assert b.refused == 3 * MOST_STRANGERS
            assert await answer(silent[-1][0]) == b""
            assert link.ready.is_set() and list(b.inbound) == ["a"]
            link.close()
            for _, writer in silent:
                writer.close()

    run(scenario)


def test_a_slow_writer_has_no_more_time_than_a_silent_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interface, "HELLO_S", 0.3)

    async def scenario() -> None:
        b = Hub("b")
        async with listening(b) as (address, door):
            reader, writer = await asyncio.open_connection(address.ip, address.port)
            began = time.monotonic()
            for byte in hello_frame(hello()):
                with contextlib.suppress(ConnectionError):
                    writer.write(bytes([byte]))
                await asyncio.sleep(0.05)
                if reader.at_eof() or not door.strangers:
                    break
            assert 0.25 < time.monotonic() - began < 2
            assert b.refused == 1 and b.inbound == {}
            writer.close()

    run(scenario)


def test_a_member_that_writes_byte_by_byte_or_not_at_all_holds_nobody_up() -> None:
    async def scenario() -> None:
        b = Hub("b")
        async with listening(b) as (address, _):
            _, slow = await asyncio.open_connection(address.ip, address.port)
            slow.write(hello_frame(hello(host="s")) + HEADER.pack(0, MAX_FRAME, PLAIN, 1, 1, 0))
            await until(lambda: "s" in b.inbound, "it is let in")
            before = rss()
            link = Outbound(Hub("a"), address)
            await asyncio.wait_for(link.ready.wait(), 3)
            for number in range(100):
                slow.write(b".")
                assert link.send(PLAIN, 0, b"%d" % number)
                await asyncio.sleep(0)
            await until(lambda: len(b.frames) == 100, "the other's frames")
            assert rss() - before < 4 * MIB, "an announced length reserves nothing"
            slow.close()
            link.close()

    run(scenario)


def test_a_flood_of_connections_leaves_nothing_behind() -> None:
    async def scenario() -> None:
        b = Hub("b")
        async with listening(b) as (address, door):
            sockets = len(psutil.Process().net_connections())
            for _ in range(400):
                _, writer = await asyncio.open_connection(address.ip, address.port)
                writer.write(hello_frame(hello(token=b"wrong")))
                reset(writer)
            await until(lambda: not door.strangers, "all are gone")
            await until(lambda: len(psutil.Process().net_connections()) <= sockets + 2, "and so are their sockets")
            assert b.inbound == {} and b.seen == {}

    run(scenario)


LISTENER = """
import asyncio, sys
from tests.bench.runtime_ray.peers import Hub, listening
async def main():
    hub = Hub("b")
    hub.keep = False
    async with listening(hub) as (address, _):
        print(address.port, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
asyncio.run(main())
"""


def test_a_stopped_process_costs_the_sender_a_bounded_buffer() -> None:
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, "-c", LISTENER], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as peer:

        async def scenario() -> None:
            assert peer.stdout is not None
            link = Outbound(Hub("a"), Address("b", 1, "127.0.0.1", int(peer.stdout.readline()), ("n2",)))
            await asyncio.wait_for(link.ready.wait(), 5)
            os.kill(peer.pid, signal.SIGSTOP)
            before, block, sent = rss(), bytes(256 * 1024), 0
            for number in range(20 * interface.BUFFER_LIMIT // len(block)):
                sent += link.send(PLAIN, 0, block)
                if number % 16 == 0:
                    await asyncio.sleep(0.001)
            assert link.waiting <= interface.BUFFER_LIMIT + len(block)
            assert rss() - before < 2 * interface.BUFFER_LIMIT, "320 MiB were to be sent"
            assert link.dropped == 20 * interface.BUFFER_LIMIT // len(block) - sent > 0
            assert link.ready.is_set(), "slow is not dead"
            os.kill(peer.pid, signal.SIGCONT)
            await until(lambda: link.waiting == 0, "it takes what was kept", 10)
            assert link.send(PLAIN, 0, block)
            link.close()

        try:
            run(scenario)
        finally:
            peer.kill()


# --- fuzzing -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2])
def test_mutated_streams(seed: int) -> None:
    run(lambda: Fuzzer(seed).run(1.5))


@pytest.mark.fuzz
def test_mutated_streams_for_long(request: pytest.FixtureRequest) -> None:
    if "fuzz" not in (request.config.option.markexpr or "") and FUZZ_S not in os.environ:
        pytest.skip(f"takes a minute: run pytest -m fuzz (seconds from {FUZZ_S})")
    run(lambda: Fuzzer(time.time_ns()).run(float(os.environ.get(FUZZ_S, "60"))))


# --- beside a running trial ----------------------------------------------------------------------------------------


def trial(**fields: Any) -> Trial:
    defaults: dict[str, Any] = {
        "protocol": "raft",
        "runtime": "ray",
        "seed": 3,
        "duration": 1800 * MS,
        "workload": Workload(clients=8),
        "params": {"election_timeout_s": (0.1, 0.2)},
    }
    return Trial(**(defaults | fields))


class Attacker:
    """Assaults the doors of a trial's processes from a thread: with its token, and without."""

    def __init__(self, session: RaySession, seconds: float) -> None:
        self.doors = [
            (seat.greeting.ip, seat.greeting.port, seat.pid)
            for seat in session.pool._taken
            if seat.greeting is not None
        ]
        self.memory = {pid: memory(pid) for _, _, pid in self.doors}
        self.streams = 0
        self._seconds = seconds
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        end = time.monotonic() + self._seconds
        rng = Random(5)
        held: list[socket.socket] = []
        while time.monotonic() < end:
            ip, port, _ = rng.choice(self.doors)
            host = rng.choice(("h1", "h2", "h3", "g1"))
            to = rng.choice(("h1", "h2", "h3", "g1"))
            data = rng.choice(
                (
                    *HOSTILE.values(),
                    b"",
                    hello_frame(hello(host, 1, to)) + rng.randbytes(200),
                    hello_frame(hello(host, 1, to)) + framed(PLAIN, 1, 2**40, b"garbage")[:-1] + b"?",
                    hello_frame(hello(host, 0, to)),
                    hello_frame(hello(host, 1, to, to_life=2)),
                )
            )
            try:
                stream = socket.create_connection((ip, port), timeout=1)
                stream.sendall(data)
            except OSError:
                continue  # that process was killed
            self.streams += 1
            held.append(stream)
            if len(held) > 300:
                held.pop(rng.randrange(len(held))).close()
            time.sleep(0.002)
        for stream in held:
            stream.close()

    def join(self) -> None:
        self._thread.join(self._seconds + 5)
        assert not self._thread.is_alive()


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.parametrize("link", ["tcp", "ray"])
def test_a_trial_under_attack_is_valid(ray_session: RaySession, monkeypatch: pytest.MonkeyPatch, link: str) -> None:
    """Strangers, half-open and replayed streams at every door, while the leader is killed and comes back."""
    monkeypatch.setattr(supervisor.secrets, "token_bytes", lambda size: TOKEN)
    attackers: list[Attacker] = []

    def begin(text: str) -> None:
        if text.startswith("load") and not attackers:
            attackers.append(Attacker(ray_session, 1.8))

    faults = (Crash(at=500 * MS, target="leader", down=300 * MS),)
    result, record = run_trial(trial(faults=faults, link=link), session=ray_session, progress=begin)
    attackers[0].join()
    assert attackers[0].streams > 100
    assert result.verdict == "valid", (result.checks, result.violations)
    assert result.trial == "complete", result.void_reason
    assert record.bias is not None and record.bias.refused > 50
    for pid, before in attackers[0].memory.items():
        if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            assert memory(pid) - before < 64 * MIB
    print(f"{attackers[0].streams} hostile streams, {record.bias.refused} refused, {record.bias.stale} stale frames")


@pytest.mark.live
def test_hosts_listen_at_their_clusters_address_only(ray_session: RaySession) -> None:
    seats = ray_session.pool.take(2)
    ray_session.pool.give_back(seats)
    for seat in seats:
        assert seat.greeting is not None
        assert seat.greeting.ip == ray_session.cluster.ip
        listening_at = {
            each.laddr.ip
            for each in psutil.Process(seat.pid).net_connections(kind="tcp")
            if each.status == psutil.CONN_LISTEN and each.laddr.port == seat.greeting.port
        }
        assert listening_at == {seat.greeting.ip}


def set_limit(host: Any, limit: int) -> None:
    from bench.runtime.ray import wires

    wires.BUFFER_LIMIT = limit


@pytest.fixture
def tight(ray_session: RaySession) -> Iterator[None]:
    """Processes with room for hardly any message under way."""
    import ray

    seats = ray_session.pool.take(4)
    ray_session.pool.give_back(seats)
    ray.get([seat.actor.__ray_call__.remote(set_limit, 40) for seat in seats], timeout=10)
    yield
    ray.get([seat.actor.__ray_call__.remote(set_limit, interface.BUFFER_LIMIT) for seat in seats], timeout=10)


@pytest.mark.live
@pytest.mark.usefixtures("tight")
def test_what_found_no_room_is_in_the_result(ray_session: RaySession) -> None:
    network = Network(latency=Constant(20 * MS))
    result, _ = run_trial(trial(network=network, duration=800 * MS), session=ray_session)
    assert result.messages.dropped >= result.messages.overflowed > 0
    assert result.checks["linearizable"] == "valid" and result.checks["no_handler_crash"] == "valid"
