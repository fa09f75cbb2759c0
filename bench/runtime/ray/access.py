"""Finding a cluster and being let in: Ray itself waits 20 seconds or longer before it says that something is wrong."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Any

from ...address import probe
from ...errors import UsageError

MODE = "RAY_AUTH_MODE"
AUTO = "auto"


def find(address: str) -> str:
    """The address that ``auto`` means: ``RAY_ADDRESS``, else the cluster that was started on this machine last.

    Raises:
        UsageError: there is none, or nothing answers there.
    """
    if address != AUTO:
        return address
    try:
        from ray._private.services import canonicalize_bootstrap_address
    except ImportError:
        return address  # an inside of Ray that may move; then Ray says what is wrong itself
    try:
        found: str | None = canonicalize_bootstrap_address(AUTO)
    except (ConnectionError, ValueError):
        found = None
    if not found:
        raise UsageError(
            "no Ray cluster was found on this machine: start one with 'ray start --head', or give --address HOST:PORT"
        )
    probe(found)
    _use_token_of_this_machine()
    return found


def _use_token_of_this_machine() -> None:
    """As Ray does for ``auto``, and for no address that is given: use a token if there is one."""
    try:
        from ray._private.authentication.authentication_token_setup import maybe_enable_token_auth_if_token_available
    except ImportError:
        return
    maybe_enable_token_auth_if_token_available(warn_if_disabled=False)


def check(address: str) -> None:
    """Whether the cluster lets this process in, as far as tokens go; takes some milliseconds.

    Raises:
        UsageError: it wants a token, and this process has none or another one.
    """
    try:
        from ray._raylet import GcsClient  # type: ignore[attr-defined]
        from ray.exceptions import AuthenticationError
    except ImportError:
        return
    if "://" in address:
        return
    client: Any = GcsClient
    try:
        client(address=address)
    except AuthenticationError:
        raise UsageError(refusal(address, sys.argv)) from None
    except Exception:
        return  # whatever else is wrong, Ray says when it connects


def refusal(address: str, argv: list[str]) -> str:
    """Why the token of this process will not do, and which command will."""
    token = os.environ.get("RAY_AUTH_TOKEN", "")
    path = os.environ.get("RAY_AUTH_TOKEN_PATH", "") or "~/.ray/auth_token"
    source = "RAY_AUTH_TOKEN" if token else path if Path(path).expanduser().is_file() else ""
    program = Path(argv[0]).name if argv else ""
    start = ["bench"] if program in ("bench", "__main__.py", "") else ["python", argv[0]]
    command = shlex.join([*start, *argv[1:]])
    begin = f"the cluster at {address} wants a token"
    if not source:
        return f"{begin} and there is none here: copy the head's ~/.ray/auth_token, then {MODE}=token {command}"
    if os.environ.get(MODE, "").lower() != "token":
        return f"{begin}: {MODE}=token {command}"
    return f"{begin} other than that in {source}: copy the head's ~/.ray/auth_token, then {MODE}=token {command}"
