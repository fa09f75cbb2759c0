"""A part of the floor: how late the runtime's own injected delays and timers are, in host processes.

Other than :mod:`.bare` this measures parts of the runtime, so it uses them: a message takes the way of one under an
injected delay (see :mod:`.wires`): stamped when its frame leaves, held back by an :class:`.inject.Injector` and an
:class:`.alarm.Alarm` of the receiving process, handed over in a tick of its loop.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from array import array
from random import Random
from typing import Any

import msgspec

from ...network.latency import Constant
from ...network.spec import Network
from .alarm import Alarm
from .bare import Part, Stream, connect, encode, serve
from .hostclock import SHIFT, monotonic_ns
from .inject import Injector

SPACING = 1_000_000
"""ns between two messages."""
PERIOD = 5_000_000
"""ns that each timer is set for."""
START_S = 5.0
"""Seconds that busy processes may take to start."""
_SPIN = (
    "import os,sys,time\n"
    "os.sched_setaffinity(0, {int(sys.argv[2])})\n"
    "end = time.monotonic() + float(sys.argv[1])\n"
    "print(flush=True)\n"
    "while time.monotonic() < end: pass"
)


class DelayOrder(msgspec.Struct, frozen=True):
    """Send messages to the receiver at this address for ``length_s``, in turn with each of ``delays`` (ns)."""

    ip: str
    port: int
    delays: tuple[int, ...]
    length_s: float


class TimerOrder(msgspec.Struct, frozen=True):
    """Measure timers for ``length_s``; beside busy processes, as many as there are cores, if ``busy``."""

    length_s: float
    busy: bool


def quantiles(times: array[int]) -> tuple[float, float]:
    """(median, 99th percentile) of ns, in seconds; zeros without any."""
    found = sorted(times)
    return tuple(found[int(share * (len(found) - 1))] / 1e9 if found else 0.0 for share in (0.5, 0.99))  # type: ignore[return-value]


_alarms: list[Alarm] = []
_errors: dict[int, array[int]] = {}
"""Delay asked for (ns) -> by how much each message came later (ns)."""
_delays = msgspec.msgpack.Decoder(list[int])


def _alarm() -> Alarm:
    """This process' own for this measurement."""
    if not _alarms:
        _alarms.append(Alarm(asyncio.get_running_loop()))
    return _alarms[0]


async def delay_receive(ip: str, order: bytes) -> bytes:
    """Hold each message back for as long as it says, and note when it is handled; the port."""
    loop, alarm = asyncio.get_running_loop(), _alarm()
    injectors: dict[int, Injector] = {}
    inbox: list[tuple[int, int]] = []
    _errors.clear()

    def handle(sent: int, asked: int) -> None:
        _errors.setdefault(asked, array("q")).append(monotonic_ns() - sent - asked)

    def tick() -> None:
        found = inbox[:]
        inbox.clear()
        for sent, asked in found:
            handle(sent, asked)

    def arrive(sent: int, asked: int) -> None:
        if not inbox:
            loop.call_soon(tick)
        inbox.append((sent, asked))

    def arrived(stream: Stream, stamp: int, body: bytes) -> None:
        stamp += SHIFT  # the bare stream knows the kernel's clock only
        for asked in _delays.decode(body):
            injector = injectors.get(asked)
            if injector is None:
                injector = injectors[asked] = Injector(Constant(asked), Network(), Random(0))
            for when in injector.arrivals(stamp, 0):
                if when <= monotonic_ns():
                    arrive(stamp, asked)
                else:
                    alarm.at(when, arrive, stamp, asked)

    return encode(await serve(ip, arrived))


async def delay_send(ip: str, order: bytes) -> bytes:
    """Send them, and wait until the last has to be there."""
    plan = msgspec.msgpack.decode(order, type=DelayOrder)
    alarm = _alarm()
    done = asyncio.get_running_loop().create_future()
    stream = await connect(plan.ip, plan.port, lambda stream, stamp, body: None)
    end = monotonic_ns() + int(plan.length_s * 1e9)
    number = 0

    def send(due: int) -> None:
        nonlocal number
        stream.send(plan.delays[number % len(plan.delays)])
        number += 1
        if due < end:
            alarm.at(due + SPACING, send, due + SPACING)
        else:
            alarm.at(due + max(plan.delays) + PERIOD, done.set_result, None)

    send(monotonic_ns())
    await asyncio.wait_for(done, plan.length_s + max(plan.delays) / 1e9 + 5)
    stream.transport.close()
    return encode(number)


async def delay_errors(ip: str, order: bytes) -> bytes:
    """Delay asked for (ns) -> (median, 99th percentile) of what was added to it, s."""
    return encode({asked: quantiles(errors) for asked, errors in _errors.items()})


async def timers(ip: str, order: bytes) -> bytes:
    """(median, 99th percentile) in s of the lateness of timers of 5 ms, one after the other."""
    plan = msgspec.msgpack.decode(order, type=TimerOrder)
    spinning = await _spin(plan.length_s) if plan.busy else []
    alarm = _alarm()
    done = asyncio.get_running_loop().create_future()
    late: array[int] = array("q")
    end = monotonic_ns() + int(plan.length_s * 1e9)

    def ring(due: int) -> None:
        now = monotonic_ns()
        late.append(now - due)
        if now < end:
            alarm.at(now + PERIOD, ring, now + PERIOD)
        else:
            done.set_result(None)

    first = monotonic_ns() + PERIOD
    alarm.at(first, ring, first)
    try:
        await asyncio.wait_for(done, plan.length_s + 5)
    finally:
        for process in spinning:
            process.kill()
            process.communicate()
    return encode(quantiles(late))


async def _spin(length_s: float) -> list[subprocess.Popen[bytes]]:
    """Processes that keep every core busy from now on, one each; they end by themselves even if nobody ends them."""
    command = [sys.executable, "-I", "-S", "-c", _SPIN, str(length_s + START_S)]
    cores = sorted(os.sched_getaffinity(0))
    started = [
        subprocess.Popen([*command, str(core)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) for core in cores
    ]
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(START_S):
            await asyncio.gather(*(loop.run_in_executor(None, _first_line, process) for process in started))
    except TimeoutError:
        for process in started:
            process.kill()
        raise RuntimeError(f"{len(cores)} busy processes did not start within {START_S:g} s") from None
    return started


def _first_line(process: Any) -> None:
    process.stdout.readline()


async def stop(ip: str, order: bytes) -> bytes:
    """Let go of everything but the streams, which :func:`.bare.stop` closes."""
    for alarm in _alarms:
        alarm.close()
    _alarms.clear()
    _errors.clear()
    return b""


PARTS: dict[str, Part] = {
    "delay-receive": delay_receive,
    "delay-send": delay_send,
    "delay-errors": delay_errors,
    "timers": timers,
    "precision-stop": stop,
}
"""What :meth:`.host.Host.bare` runs, by name."""
