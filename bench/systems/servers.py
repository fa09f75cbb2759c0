"""Server processes on this machine: free ports, a log each, no orphans, no left-over folders.

If this process is killed, the janitor of :mod:`bench.runtime.ray.janitor` ends the members and removes their folder.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

import psutil

from ..errors import HarnessError, UsageError, unknown_name
from ..runtime.ray.cluster import Janitor

START_S = 30.0
"""A member that does not serve after that long never will."""
TAIL = 6
"""Lines of a log that are shown."""


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody listens at now; all different."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Servers:
    """The processes of a group, by name."""

    def __init__(self, what: str) -> None:
        self.what = what
        self._janitor = Janitor()
        self.folder = Path(tempfile.mkdtemp(prefix=f"quorumbench-{what}-"))
        self._janitor.tell(f"folder {self.folder}")
        self._commands: dict[str, tuple[list[str], dict[str, str]]] = {}
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Servers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """Start a member; its output goes to its log in the folder.

        Raises:
            HarnessError: there is no such program.
        """
        self._commands[name] = (list(command), dict(environment or {}))
        self.again(name)

    def again(self, name: str) -> None:
        """Start a member that is not running with the command it was first started with."""
        command, environment = self._commands[name]
        if self.alive(name):
            raise HarnessError(f"{self.what} {name} is running already")
        with self.log(name).open("ab") as log:
            try:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **environment},
                    start_new_session=True,  # Ctrl-C ends this program, which ends them
                )
            except OSError as error:
                raise HarnessError(f"{self.what} {name} cannot be started: {command[0]}: {error.strerror}") from None
        self._running[name] = process
        self._janitor.tell(f"process {process.pid}")

    def log(self, name: str) -> Path:
        """Where the output of a member goes."""
        return self.folder / f"{name}.log"

    def tail(self, name: str) -> str:
        """The last lines of a member's log."""
        try:
            lines = self.log(name).read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-TAIL:])

    def pid(self, name: str) -> int:
        """Of a member's latest process."""
        return self._running[name].pid

    def alive(self, name: str) -> bool:
        """Whether a member's process exists, stopped or not."""
        process = self._running.get(name)
        return process is not None and process.poll() is None

    async def ready(self, name: str, serves: Callable[[], Awaitable[bool]], within_s: float = START_S) -> None:
        """Wait until a member serves.

        Raises:
            HarnessError: it died or does not serve in time; with the last lines of its log.
        """
        deadline = time.monotonic() + within_s
        while not await serves():
            if not self.alive(name):
                code = self._running[name].returncode
                raise HarnessError(
                    f"{self.what} {name} ended with {code} while it started; its log ends:\n{self.tail(name)}"
                )
            if time.monotonic() > deadline:
                raise HarnessError(
                    f"{self.what} {name} does not serve after {within_s:g} s; its log ends:\n{self.tail(name)}"
                )
            await asyncio.sleep(0.05)

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a member a signal; SIGKILL also waits for its death, SIGSTOP until it stands."""
        process = self._running[name]
        if process.poll() is None:
            process.send_signal(number)
            if number is signal.SIGSTOP:
                os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        if number is signal.SIGKILL:
            process.wait()
            self._janitor.tell(f"forget {process.pid}")

    def cpu_s(self) -> dict[str, float]:
        """CPU time of each member that runs, so far."""
        spent = {}
        for name, process in self._running.items():
            if process.poll() is None:
                times = psutil.Process(process.pid).cpu_times()
                spent[name] = float(times.user + times.system)
        return spent

    def close(self) -> None:
        """Leave nothing behind: no process, stopped or not, no folder."""
        for name in self._running:
            self.signal(name, signal.SIGKILL)
        self._running.clear()
        shutil.rmtree(self.folder, ignore_errors=True)
        self._janitor.close()


class LocalGroup:
    """What groups of server processes have in common; see :class:`.interface.Group`."""

    def __init__(self, what: str, nodes: int) -> None:
        self.members = tuple(f"n{i + 1}" for i in range(nodes))
        self.servers = Servers(what)

    def command(self, member: str) -> list[str]:
        """What starts a member."""
        raise NotImplementedError

    async def serves(self, member: str) -> bool:
        """Whether a member does what clients ask of it."""
        raise NotImplementedError

    async def disconnect(self) -> None:
        """Let go of all connections."""
        raise NotImplementedError

    async def begin(self) -> None:
        """Start all, then wait for all: none serves without a majority.

        Raises:
            HarnessError: one does not.
        """
        try:
            for member in self.members:
                self.servers.start(member, self.command(member))
            for member in self.members:
                await self.servers.ready(member, lambda member=member: self.serves(member))  # type: ignore[misc]
        except BaseException:
            await self.close()
            raise

    def kill(self, member: str) -> None:
        """See :class:`.interface.Group`."""
        self.servers.signal(member, signal.SIGKILL)

    def pause(self, member: str) -> None:
        """See :class:`.interface.Group`."""
        self.servers.signal(member, signal.SIGSTOP)

    def resume(self, member: str) -> None:
        """See :class:`.interface.Group`."""
        self.servers.signal(member, signal.SIGCONT)

    async def restart(self, member: str) -> None:
        """See :class:`.interface.Group`."""
        self.servers.again(member)
        await self.servers.ready(member, lambda: self.serves(member))

    def cpu_s(self) -> dict[str, float]:
        """See :class:`.interface.Group`."""
        return self.servers.cpu_s()

    async def close(self) -> None:
        """See :class:`.interface.Group`."""
        try:
            await self.disconnect()
        finally:
            self.servers.close()


def settings_of(
    system: str, defaults: Mapping[str, float], given: Mapping[str, float], missing: str | None
) -> dict[str, float]:
    """The defaults with what was given instead.

    Raises:
        UsageError: there is no such setting, or something is missing.
    """
    for name in given:
        if name not in defaults:
            raise unknown_name(f"setting of {system}", name, defaults)
    if missing:
        raise UsageError(missing)
    return {**defaults, **given}
