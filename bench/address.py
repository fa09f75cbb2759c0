"""Whether a Ray cluster can be there at all, found out in two seconds and without importing Ray."""

from __future__ import annotations

import re
import socket

from .errors import UsageError

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
    """Check that something accepts a TCP connection at the address; ``auto`` is left to Ray.

    Raises:
        UsageError: nothing does within ``timeout_s`` seconds, or the address is malformed.
    """
    if address == "auto":
        return
    host, port = split_address(address)
    try:
        socket.create_connection((host, port), timeout=timeout_s).close()
    except OSError as error:
        reason = f"within {timeout_s:g} s" if isinstance(error, TimeoutError) else f"({error.strerror or error})"
        raise UsageError(
            f"no cluster answers at {address} {reason}: start one with 'ray start --head', or leave --address out"
        ) from None
