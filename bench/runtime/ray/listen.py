"""The ports at which hosts listen: any free one, or one of a range where a firewall stands between the machines."""

from __future__ import annotations

import asyncio
import errno
import os
import re
from collections.abc import Callable

from ...errors import HarnessError

PORTS = "QUORUMBENCH_PORTS"
"""Environment variable, set where Ray is started on a machine: ``FIRST-LAST``, for all host processes there."""


def allowed_ports(text: str) -> range:
    """The ports that ``FIRST-LAST`` names; port 0, which means any free one, if the text is empty.

    Raises:
        HarnessError: it is not a range of ports.
    """
    if not text:
        return range(1)
    match = re.fullmatch(r"([0-9]{1,5})-([0-9]{1,5})", text)
    if match is None or not 1024 <= int(match[1]) <= int(match[2]) < 65_536:
        raise HarnessError(f"{PORTS} {text!r} is not a range of ports: write FIRST-LAST, from 1024 to 65535")
    return range(int(match[1]), int(match[2]) + 1)


async def listen(factory: Callable[[], asyncio.BaseProtocol], ip: str) -> asyncio.Server:
    """A server at a free port of this address.

    Raises:
        HarnessError: no port of the range is free.
    """
    text = os.environ.get(PORTS, "")
    ports = allowed_ports(text)
    first = os.getpid() % len(ports)  # processes that start together do not all try the same
    for port in (*ports[first:], *ports[:first]):
        try:
            return await asyncio.get_running_loop().create_server(factory, ip, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    raise HarnessError(f"no port of {PORTS} {text} is free at {ip}: each host process needs one, the floor two more")
