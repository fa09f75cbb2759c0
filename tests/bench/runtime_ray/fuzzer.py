"""Mutated recordings of valid streams, thrown at a host's door."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from random import Random

from bench.runtime.ray import interface
from bench.runtime.ray.codec import MAX_FRAME, PLAIN, hello_frame
from bench.runtime.ray.link import MOST_STRANGERS, Outbound
from bench.runtime.ray.orders import Address

from .peers import Hub, framed, hello, listening, rss, until

MIB = 2**20


def reset(writer: asyncio.StreamWriter) -> None:
    """Close so that the other side sees a reset."""
    raw = writer.get_extra_info("socket")
    if raw is not None:  # else the other side was faster
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()


def body(host: str, life: int, number: int, size: int = 0) -> bytes:
    return f"{host} {life} {number} ".encode() + bytes(size)


class Fuzzer:
    """Mutated recordings of valid streams, from a seed, against one door, beside true peers that keep sending."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.hub = Hub("b")
        self.hub.arrived = self.check  # type: ignore[method-assign]
        self.last: dict[str, tuple[int, int]] = {}
        self.delivered = {"a": 0, "t": 0}
        self.streams = 0

    def check(self, stream: interface.Incoming, kind: int, stamp: int, data: bytes) -> None:
        """Only what was sent is delivered, under the name and life it was sent in, and forward only."""
        host, life, number, rest = data.split(b" ", 3)
        assert host.decode() == stream.peer and int(life) == stream.life and not rest.strip(b"\0")
        assert (int(life), int(number)) > self.last.get(stream.peer, (0, 0)), data[:40]
        self.last[stream.peer] = (int(life), int(number))
        self.delivered[stream.peer] += 1

    def recording(self) -> bytes:
        rng = self.rng
        host, life, first = rng.choice("aaat"), rng.choice((1, 1, 2, 3)), rng.randrange(1, 200)
        if host == "t":
            life = 1
            return hello_frame(hello("t")) if rng.random() < 0.1 else hello_frame(hello("t")) + rng.randbytes(60)
        frames = [
            framed(PLAIN, life, number, body(host, life, number, rng.choice((0, 5, 300, 20_000))))
            for number in range(first, first + rng.randrange(6))
        ]
        if rng.random() < 0.2:
            rng.shuffle(frames)
        return hello_frame(hello(host, life)) + b"".join(frames)

    def mutate(self, data: bytes) -> bytes:
        rng, mutated = self.rng, bytearray(data)
        for _ in range(rng.choice((0, 1, 1, 1, 2, 5))):
            if not mutated:
                break
            at = rng.randrange(len(mutated))
            span = slice(at, at + rng.choice((1, 4, 29, 100)))
            kind = rng.randrange(8)
            if kind == 0:
                mutated[at] ^= 1 << rng.randrange(8)
            elif kind == 1:
                del mutated[span]
            elif kind == 2:
                mutated[at:at] = mutated[span]
            elif kind == 3:
                mutated[at:at] = rng.randbytes(rng.choice((1, 29, 3000)))
            elif kind == 4:
                del mutated[at:]
            elif kind == 5:
                mutated[at:] = self.recording()
            elif kind == 6:
                mutated[span] = rng.choice((b"\xff", b"\0")) * len(mutated[span])
            else:
                length = len(mutated) and rng.choice((0, 2**31, 2**32 - 1, MAX_FRAME))
                mutated[4:8] = length.to_bytes(4, "little")
        return bytes(mutated)

    async def attack(self, address: Address) -> None:
        """One stream: in pieces, ended politely, by a reset, or not at all."""
        rng, data = self.rng, self.mutate(self.recording())
        self.streams += 1
        _, writer = await asyncio.open_connection(address.ip, address.port)
        with contextlib.suppress(ConnectionError):
            at = 0
            while at < len(data):
                size = rng.choice((1, 7, 29, 1000, 70_000))
                writer.write(data[at : at + size])
                at += size
                if rng.random() < 0.3:
                    await writer.drain()
                    await asyncio.sleep(0)
            await writer.drain()
        if rng.random() < 0.4:
            reset(writer)
        elif rng.random() < 0.7:
            writer.close()
        else:
            asyncio.get_running_loop().call_later(rng.random(), writer.transport.abort)

    async def run(self, seconds: float) -> None:
        async with listening(self.hub) as (address, door):
            true = Outbound(Hub("t"), address)
            await asyncio.wait_for(true.ready.wait(), 5)
            number = most = 0
            began = time.monotonic()
            settled = 0
            while (took := time.monotonic() - began) < seconds:
                if not settled and took > seconds / 3:
                    settled = rss()  # everything that is allocated once has been
                await asyncio.gather(*(self.attack(address) for _ in range(8)))
                number += 1
                true.send(PLAIN, 0, body("t", 1, number, 100))
                most = max(most, len(door.strangers))
            grown = rss() - settled
            assert grown < 16 * MIB, f"memory grew by {grown / MIB:.1f} MiB"
            assert most <= MOST_STRANGERS and len(self.hub.inbound) <= 2
            assert self.hub.refused > self.streams / 4
            assert self.delivered["t"] > number / 20, "the true peer was heard all the time"
            # a true peer, in a life above all recorded ones, is let in and heard; and so is the one that was there
            fresh = Outbound(Hub("a", life=4), address)
            await asyncio.wait_for(fresh.ready.wait(), 5)
            await asyncio.wait_for(true.ready.wait(), 5)
            before = dict(self.delivered)
            assert fresh.send(PLAIN, 0, body("a", 4, 1)) and true.send(PLAIN, 0, body("t", 1, number + 1))
            await until(lambda: all(self.delivered[host] > before[host] for host in "at"), "both are heard")
            fresh.close()
            true.close()
            print(
                f"{self.streams} streams, {self.hub.refused} refused, {sum(self.delivered.values())} frames delivered, "
                f"{self.hub.stale} stale, at most {most} strangers, {grown / MIB:.1f} MiB"
            )
