"""PySyncObj, a Raft library for Python, measured: three peers, each a process; see ``pysyncobj_peer.py``."""

from __future__ import annotations

import json
import selectors
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

WINDOWS = (64, 256, 1000, 4000, 10_000)
SECONDS = 3.0
PEER = Path(__file__).with_name("pysyncobj_peer.py")


def measure(folder: Path, seconds: float = SECONDS) -> list[dict[str, Any]]:
    """A row a window: ``window``, ``ops_s``, ``p50_s``; journals are written to ``folder``.

    Raises:
        TimeoutError: it did not finish.
    """
    ports = free_ports(3)
    peers = []
    try:
        for place in range(3):
            mine_first = [ports[place], *ports[:place], *ports[place + 1 :]]
            command = [sys.executable, str(PEER), ",".join(map(str, mine_first)), str(folder), str(seconds)]
            peers.append(
                subprocess.Popen(
                    [*command, *map(str, WINDOWS)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
                )
            )
        return rows_of(peers, 120 + 6 * seconds * len(WINDOWS))
    finally:
        for peer in peers:
            peer.kill()
            peer.wait()


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens at now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def rows_of(peers: list[subprocess.Popen[str]], limit_s: float) -> list[dict[str, Any]]:
    """What the peer that leads prints, up to its last window."""
    selector = selectors.DefaultSelector()
    for peer in peers:
        assert peer.stdout is not None
        selector.register(peer.stdout, selectors.EVENT_READ)
    rows: list[dict[str, Any]] = []
    deadline = time.monotonic() + limit_s
    while (left := deadline - time.monotonic()) > 0:
        for key, _ in selector.select(left):
            line = key.fileobj.readline()  # type: ignore[union-attr]
            if line == "done\n":
                return rows
            if line:
                rows.append(json.loads(line))
            else:
                selector.unregister(key.fileobj)
    raise TimeoutError(f"PySyncObj did not finish within {limit_s:g} s; it measured {rows}")
