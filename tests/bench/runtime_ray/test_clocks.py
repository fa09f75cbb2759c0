"""Clocks of several machines: read by datagrams, and a whole trial on raylets whose clocks are a second apart."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.errors import HarnessError
from bench.runtime.ray import clocks as clocks_module
from bench.runtime.ray.clocks import Clocks, Responder, answer_time
from bench.runtime.ray.hostclock import OFFSET, injected_offset, monotonic_ns
from bench.runtime.ray.orders import Greeting
from bench.runtime.ray.slots import apart

from .raylets import Raylets

TOKEN = b"a trial's secret"
AHEAD_S = 1.0
MS = 1_000_000


# --- the clock of a process -----------------------------------------------------------------------------------------


def test_an_offset_is_a_number_of_seconds() -> None:
    assert injected_offset("") == 0
    assert injected_offset("1.5") == 1_500_000_000 and injected_offset("-2") == -2_000_000_000
    for text in ("soon", "nan", "1e9"):
        with pytest.raises(HarnessError, match=f"{OFFSET} '{text}' is not an offset: write seconds"):
            injected_offset(text)


SHIFTED = """
import asyncio, time
from bench.runtime.ray.alarm import Alarm
from bench.runtime.ray.hostclock import SHIFT, clock_id, monotonic_ns

async def main():
    alarm, rung = Alarm(asyncio.get_running_loop()), asyncio.get_running_loop().create_future()
    due = monotonic_ns() + 50_000_000
    began = time.monotonic_ns()
    alarm.at(due, lambda: rung.set_result(monotonic_ns() - due))
    late = await asyncio.wait_for(rung, 5)
    print(SHIFT, monotonic_ns() - time.monotonic_ns(), late, time.monotonic_ns() - began, clock_id())

asyncio.run(main())
"""


@pytest.mark.parametrize("offset", ["", "3.0", "-0.5"])
def test_a_process_lives_by_the_clock_it_is_given_and_its_alarms_ring_in_time(offset: str) -> None:
    environment = {**os.environ, OFFSET: offset}
    done = subprocess.run(
        [sys.executable, "-c", SHIFTED], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    shift, ahead, late, took, name = done.stdout.split()
    assert int(shift) == injected_offset(offset)
    assert abs(int(ahead) - int(shift)) < 50 * MS
    assert 0 <= int(late) < 1000 * MS and 50 * MS <= int(took) < 2000 * MS
    assert (name == clocks_module.clock_id()) == (offset == ""), "clocks with an offset count as another machine's"


def test_without_an_offset_it_is_the_systems_own_function() -> None:
    import time

    assert monotonic_ns is time.monotonic_ns


# --- questions and answers ------------------------------------------------------------------------------------------


class Shifted(Responder):
    """A machine whose clock is ahead."""

    def datagram_received(self, data: bytes, address: Any) -> None:
        sent: list[bytes] = []
        transport, self._transport = self._transport, SimpleNamespace(sendto=lambda answer, to: sent.append(answer))
        super().datagram_received(data, address)
        self._transport = transport
        for answer in sent:
            nonce, stamp = answer[:16], clocks_module._STAMP.unpack(answer[16:24])[0] + int(AHEAD_S * 1e9)
            stamped = clocks_module._STAMP.pack(stamp)
            transport.sendto(nonce + stamped + clocks_module._mac(TOKEN, nonce, stamped), address)


class Machine:
    """A process at a loopback address that says what its clock shows, and the seat by which the driver knows it."""

    def __init__(self, token: bytes | None = TOKEN, *, name: str = "another machine") -> None:
        self.loop = asyncio.new_event_loop()
        self.token = token
        self.calls = 0
        self._transport, _ = self.loop.run_until_complete(
            self.loop.create_datagram_endpoint(lambda: Shifted(lambda: self.token), local_addr=("127.0.0.1", 0))
        )
        port = self._transport.get_extra_info("sockname")[1]
        greeting = Greeting(1, "127.0.0.1", port, name, "", "", monotonic_ns() + int(AHEAD_S * 1e9))
        self.seat: Any = SimpleNamespace(
            greeting=greeting, alive=True, stopped=False, asked_at=0, offset=0, pid=1, place=SimpleNamespace(node="")
        )

    def serve(self) -> None:
        import threading

        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self._transport.close)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)
        self.loop.close()


@pytest.fixture
def machine() -> Iterator[Machine]:
    found = Machine()
    found.serve()
    yield found
    found.close()


def test_a_clock_is_read_to_some_tenths_of_a_millisecond(machine: Machine) -> None:
    clocks = Clocks(TOKEN)
    try:
        clocks.admit(machine.seat)
        clocks.begin([machine.seat])
        found = clocks.of(machine.seat)
        assert found is not None and found.exchanges >= clocks_module.ENOUGH
        there = monotonic_ns() + int(AHEAD_S * 1e9)
        assert abs(found.offset(there) - AHEAD_S * 1e9) <= found.bound(there) < 5 * MS
        assert abs(machine.seat.offset - AHEAD_S * 1e9) <= found.bound(there)
        assert len(clocks.others) == 1
    finally:
        clocks.close()


def test_whoever_does_not_know_the_secret_is_not_answered(machine: Machine) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.settimeout(0.2)
        at = (machine.seat.greeting.ip, machine.seat.greeting.port)
        nonce = bytes(16)
        for question in (b"", nonce, nonce + clocks_module._mac(b"another", nonce), bytes(32), bytes(2000)):
            stranger.sendto(question, at)
            with pytest.raises(TimeoutError):
                stranger.recv(100)
        stranger.sendto(nonce + clocks_module._mac(TOKEN, nonce), at)
        assert stranger.recv(100)[:16] == nonce
        machine.token = None  # between trials
        stranger.sendto(nonce + clocks_module._mac(TOKEN, nonce), at)
        with pytest.raises(TimeoutError):
            stranger.recv(100)


def test_answers_of_others_and_old_ones_are_not_believed() -> None:
    clocks = Clocks(TOKEN)
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as liar,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours,
    ):
        liar.bind(("127.0.0.1", 0))
        ours.bind(("127.0.0.1", 0))
        clocks._sockets[socket.AF_INET] = ours
        clocks._exchanges["x"], clocks._silent["x"] = [], 0
        nonce, stamp = b"n" * 16, clocks_module._STAMP.pack(12345)
        clocks._asked[nonce] = ("x", monotonic_ns())
        for answer in (
            nonce + stamp + clocks_module._mac(b"another", nonce, stamp),
            b"m" * 16 + stamp + clocks_module._mac(TOKEN, b"m" * 16, stamp),
            nonce,
            b"",
        ):
            liar.sendto(answer, ours.getsockname())
            assert clocks._receive(ours.fileno()) == b""
        assert not clocks._exchanges["x"]
        good = nonce + stamp + clocks_module._mac(TOKEN, nonce, stamp)
        liar.sendto(good, ours.getsockname())
        assert clocks._receive(ours.fileno()) == nonce
        liar.sendto(good, ours.getsockname())
        assert clocks._receive(ours.fileno()) == b"", "each answer counts once"
        assert [exchange.there for exchange in clocks._exchanges["x"]] == [12345]


def test_where_no_datagram_gets_through_calls_are_used(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.token = None
    monkeypatch.setattr(clocks_module, "BURST_S", 0.1)
    asked = []
    monkeypatch.setattr(
        "bench.runtime.ray.seat.answers",
        lambda refs, *rest: asked.append(1) or dict.fromkeys(refs, monotonic_ns() + int(AHEAD_S * 1e9)),
    )
    machine.seat.actor = SimpleNamespace(clock=SimpleNamespace(remote=lambda: None))
    clocks = Clocks(TOKEN)
    try:
        clocks.begin([machine.seat])
        assert len(asked) >= clocks_module.ENOUGH // 2
        found = clocks.of(machine.seat)
        assert found is not None
        there = monotonic_ns() + int(AHEAD_S * 1e9)
        assert abs(found.offset(there) - AHEAD_S * 1e9) <= found.bound(there)
    finally:
        clocks.close()


def test_processes_of_this_machine_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    greeting = Greeting(1, "127.0.0.1", 1, clocks_module.clock_id(), "", "", monotonic_ns())
    seat: Any = SimpleNamespace(greeting=greeting, asked_at=0, alive=True, stopped=False, offset=7)
    clocks = Clocks(TOKEN)
    clocks.admit(seat)
    clocks.begin([seat])
    assert clocks.others == () and clocks.of(seat) is None and seat.offset == 0
    assert clocks._thread is None
    # a clone of this virtual machine says that it is this machine, and its clock shows that it is not
    greeting = Greeting(1, "10.0.0.9", 1, clocks_module.clock_id(), "", "", monotonic_ns() + 10**10)
    seat = SimpleNamespace(greeting=greeting, asked_at=monotonic_ns(), alive=True, stopped=False, offset=0)
    assert clocks.name(seat).endswith("@10.0.0.9")


def test_a_taken_port_is_no_harm() -> None:
    async def twice() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", 0))
            await answer_time("127.0.0.1", other.getsockname()[1], lambda: TOKEN)

    asyncio.run(twice())


# --- where generators go --------------------------------------------------------------------------------------------


def test_generators_are_apart_where_machines_allow_it() -> None:
    assert apart(["a", "b", "c", "a"], 1, ["a", "b", "c"]) == ["a", "b", "c", "a"], "one goes where it would go"
    assert apart(["a", "b", "c", "a", "b"], 2, ["a", "b", "c"]) == ["a", "b", "c", "a", "b"]
    assert apart(["a", "a", "a", "b", "b"], 2, ["a", "b", "c"]) == ["a", "a", "a", "b", "c"], "zones filled one machine"
    assert apart(["", "", ""], 2, [""]) == ["", "", ""]
    assert apart(["a", "b", "a", "b", "a"], 4, ["a", "b"])[1:] == ["b", "a", "b", "a"]


# --- two machines a second apart ------------------------------------------------------------------------------------

SESSION = """
from pathlib import Path
import msgspec
from bench.assess import assess
from bench.checkers.registry import checks_for
from bench.faults.spec import Crash
from bench.history.clocks import views
from bench.history.storage import finish_history
from bench.mutation import load_family
from bench.runtime.ray.session import RaySession
from bench.trial import Trial
from bench.workload.spec import Workload

S = 10**9
trial = Trial(
    protocol="raft", runtime="ray", duration=2 * S, generators=2, workload=Workload(clients=4, keys=4),
    faults=(Crash(at=S // 2, target="n2", down=S // 2),), params={"election_timeout_s": (0.1, 0.2)},
)
with RaySession("auto") as session:
    for corrected in (True, False):
        path = Path(f"{corrected}.parquet")
        record = session.run(trial, corrected=corrected, history=path)
        streamed = finish_history(path)
        result = assess(trial, record, load_family("raft"), {})
        history = record.history
        print(msgspec.json.encode({
            "clock": result.clock, "verdict": result.verdict, "checks": result.checks, "ok": result.operations.ok,
            "clocks": {} if history.clock is None else {
                str(clock): sorted(set(history.client[history.clock == clock].tolist())) for clock in (0, 1)
            },
            "first": [int(history.invoked[history.client == client].min()) for client in range(4)],
            "boots": [fault.end - fault.start for fault in result.faults],
            "streamed": [len(streamed), len(views(streamed)), checks_for("register")[0](streamed, 20.0).verdict],
            "machines": {worker["nodes"]: worker["machine"] for worker in record.workers},
        }).decode())
"""


@pytest.fixture(scope="module")
def raylets() -> Iterator[Raylets]:
    folder = Path(tempfile.mkdtemp(prefix="qbc", dir="/tmp"))  # Ray's sockets need short paths
    cluster = None
    try:
        (folder / "disk").mkdir()
        cluster = Raylets(Path(sys.executable), folder, TMPDIR=str(folder / "disk"))
        cluster.start("127.0.0.2")
        cluster.environment[OFFSET] = str(AHEAD_S)
        cluster.start("127.0.0.3")
        del cluster.environment[OFFSET]
        yield cluster
    finally:
        if cluster is not None:
            cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)
        assert cluster is None or not cluster.left()


@pytest.mark.live
@pytest.mark.slow
def test_two_generators_a_second_apart_are_judged_as_one_and_without_the_correction_are_not(raylets: Raylets) -> None:
    environment = {name: value for name, value in raylets.environment.items() if name != "TMPDIR"}
    done = subprocess.run(
        [sys.executable, "-c", SESSION],
        cwd=raylets.folder,
        env={**environment, "RAY_ADDRESS": raylets.address},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    corrected, wrong = (json.loads(line) for line in done.stdout.splitlines())
    assert corrected["verdict"] == "valid" and corrected["ok"] > 100, corrected
    assert {corrected["machines"][nodes] for nodes in ("c1, c2", "c3, c4")} == {"127.0.0.2", "127.0.0.3"}
    assert sorted(corrected["clocks"].values()) == [[0, 1], [2, 3]]
    (host,) = corrected["clock"]["hosts"]
    assert host["machine"] == "127.0.0.3"
    assert abs(host["offset_s"] - AHEAD_S) <= host["bound_s"] == corrected["clock"]["max_bound_s"]
    assert 0 < host["bound_s"] < 0.005 and host["exchanges"] > 12
    assert corrected["clock"]["generator_clocks"] == 2
    assert 0 < corrected["clock"]["detection_power_lost"] < 0.1
    assert corrected["clock"]["detection_power_lost"] < corrected["clock"]["neighbours_lost"] < 1
    assert max(corrected["first"]) < 0.3e9, "all begin with the load"
    # what is streamed while the load goes would be judged alike, had the driver been killed
    size, views, verdict = corrected["streamed"]
    assert size > 100 and views == 2 and verdict == "valid"
    # n2 is on the machine that is ahead: it is down for as long as it should be
    assert corrected["machines"]["n2"] == "127.0.0.3"
    assert 0.45e9 < corrected["boots"][0] < 1.0e9
    # the control: with clocks taken for one, the same system looks wrong
    assert wrong["clock"] is None and wrong["checks"]["linearizable"] == "invalid"
