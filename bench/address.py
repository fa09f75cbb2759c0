"""Whether a Ray cluster can be there at all, found out in two seconds and without importing Ray."""

from __future__ import annotations

import os
import re
import socket

from .errors import UsageError

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
_SETTINGS = 4
"""How a client begins to speak HTTP/2, and the type of the frame that a server answers; Ray's services all do."""

PROBE_S = 2.0
"""``ray.init`` itself would wait for minutes."""

_FORM = re.compile(r"(?:ray://)?(?P<host>\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):(?P<port>[0-9]{1,5})")


def split_address(address: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT`` or ``ray://HOST:PORT``; an IPv6 host is written in brackets.

    Raises:
        UsageError: it is neither.
    """
    match = _FORM.fullmatch(address)
    if match is None or not 0 < int(match["port"]) < 65_536:
        raise UsageError(f"address {address!r} is malformed: write HOST:PORT, as in 127.0.0.1:6379")
    return match["host"].strip("[]"), int(match["port"])


def probe(address: str, timeout_s: float = PROBE_S) -> None:
    """Check that something like Ray answers at the address; ``auto`` is left to Ray.

    Raises:
        UsageError: nothing does within ``timeout_s`` seconds, or the address is malformed.
    """
    if address == "auto":
        return
    host, port = split_address(address)
    try:
        with socket.create_connection((host, port), timeout=timeout_s) as stream:
            spoken = _greet(stream, timeout_s)
    except OSError as error:
        reason = f"within {timeout_s:g} s" if isinstance(error, TimeoutError) else f"({error.strerror or error})"
        raise UsageError(
            f"no cluster answers at {address} {reason}: start one with 'ray start --head', or leave --address out"
        ) from None
    if not spoken:
        raise UsageError(
            f"what listens at {address} does not answer as Ray does: give the address that 'ray start' shows"
        )


def answers_http2(host: str, port: int, timeout_s: float = PROBE_S) -> bool:
    """Whether a service of Ray answers there: not if its process is gone or stands still, or its machine is."""
    try:
        with socket.create_connection((host, port), timeout=timeout_s) as stream:
            return _greet(stream, timeout_s)
    except OSError:
        return False


def _greet(stream: socket.socket, timeout_s: float) -> bool:
    """Whether the other end speaks HTTP/2; taken for granted where Ray is told to encrypt."""
    if os.environ.get("RAY_USE_TLS", "0") not in ("", "0"):
        return True
    stream.settimeout(timeout_s)
    try:
        stream.sendall(_PREFACE)
        answer = b""
        while len(answer) < 4 and (more := stream.recv(64)):
            answer += more
    except OSError:
        return False
    return len(answer) >= 4 and answer[3] == _SETTINGS
