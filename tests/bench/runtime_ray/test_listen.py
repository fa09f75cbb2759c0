from __future__ import annotations

import asyncio

import pytest

from bench.errors import HarnessError
from bench.runtime.ray.listen import PORTS, allowed_ports, listen

from .raylets import free_port


@pytest.mark.parametrize("text", ["1", "2000", "3000-2000", "80-90", "60000-70000", "a-b", "2000-3000-4000"])
def test_what_is_not_a_range_of_ports_is_named(text: str) -> None:
    with pytest.raises(HarnessError, match=f"QUORUMBENCH_PORTS '{text}' is not a range of ports: write FIRST-LAST"):
        allowed_ports(text)


def test_a_range_has_both_ends() -> None:
    assert list(allowed_ports("2000-2002")) == [2000, 2001, 2002] and list(allowed_ports("")) == [0]


def test_hosts_listen_in_the_range_until_it_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    first = free_port("127.0.0.1")
    monkeypatch.setenv(PORTS, f"{first}-{first}")

    async def two() -> None:
        server = await listen(asyncio.Protocol, "127.0.0.1")
        async with server:
            assert server.sockets[0].getsockname()[1] == first
            with pytest.raises(HarnessError, match=f"no port of QUORUMBENCH_PORTS {first}-{first} is free at 127"):
                await listen(asyncio.Protocol, "127.0.0.1")

    asyncio.run(two())
