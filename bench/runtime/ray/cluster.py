"""The connection to Ray: an embedded one for this run, or a cluster already there. Quiet, and tidy at the end."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ...address import probe
from ...errors import HarnessError, UsageError
from . import access, janitor
from .bootstrap import disk_folder

ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",  # the default of 15 makes timers late as soon as anything else runs
    "RAY_DEDUP_LOGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
OBJECT_STORE = 80 * 2**20
_SHORT = 40
"""Ray's sockets live below its folder, and their paths must fit into 107 bytes."""


class QuietStderr:
    """Keeps what C++ writes to descriptor 2 from the user, while Python's own ``sys.stderr`` still reaches them."""

    def __init__(self, log: Path) -> None:
        sys.stderr.flush()
        self._before = sys.stderr
        self._saved = os.dup(2)
        fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(fd, 2)
        os.close(fd)
        with contextlib.suppress(OSError, AttributeError, io.UnsupportedOperation):
            if self._before.fileno() == 2:
                sys.stderr = open(os.dup(self._saved), "w", buffering=1, encoding=sys.stderr.encoding)  # noqa: SIM115

    def close(self) -> None:
        """Put everything back."""
        if sys.stderr is not self._before:
            sys.stderr.close()
            sys.stderr = self._before
        os.dup2(self._saved, 2)
        os.close(self._saved)


class Janitor:
    """Cleans up if this process is killed; see :mod:`.janitor`."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-E", janitor.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is not for it
            text=True,
        )

    def tell(self, order: str) -> None:
        """One of its orders; no effect if it is gone."""
        with contextlib.suppress(OSError, ValueError):
            assert self._process.stdin is not None
            self._process.stdin.write(order + "\n")
            self._process.stdin.flush()

    def close(self) -> None:
        """Everything is in order: there is nothing to do for it."""
        self.tell("done")
        with contextlib.suppress(OSError, ValueError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Cluster:
    """A connected Ray.

    Attributes:
        folder: for the nodes' durable state; on a real disk, removed at the end.
        embedded: whether this Ray is ours and lives no longer than we do.
        ip: where hosts listen: the loopback for an embedded Ray; None: each at its own machine's address.
        janitor: cleans up if we are killed.
    """

    def __init__(self, address: str | None, *, quiet: bool = True) -> None:
        """Connect.

        Raises:
            UsageError: no cluster answers at the address.
            HarnessError: Ray does not start.
        """
        if address is not None:
            probe(address)
        self.janitor = Janitor()
        self.folder = Path(tempfile.mkdtemp(prefix="qb-", dir=_disk_folder()))
        self.janitor.tell(f"folder {self.folder}")
        self._ray_folder: Path | None = None
        self._stderr: QuietStderr | None = None
        self._environment: dict[str, str | None] = {}
        self._unsilenced: Any = None
        self._owned = False
        self.embedded = False
        self.ip: str | None = None
        self.pids: set[int] = set()
        self.ray_pids: dict[int, str] = {}
        try:
            self._connect(address, quiet)
        except BaseException:
            self.close()
            raise

    def _connect(self, address: str | None, quiet: bool) -> None:
        self._set_environment(ENVIRONMENT)
        if address is None:
            # Ray caches the token it finds first, so it is one a process, and ours instead of a file in the home folder
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        if quiet:
            self._stderr = QuietStderr(self.folder / "stderr")
        import ray

        self._silence()
        if ray.is_initialized():
            return
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        if address is None:
            self._ray_folder = Path(tempfile.mkdtemp(prefix="qbr", dir=short_folder()))
            self.janitor.tell(f"folder {self._ray_folder}")
            options |= {
                "include_dashboard": False,
                "object_store_memory": OBJECT_STORE,
                "_temp_dir": str(self._ray_folder),
            }
            self.embedded = True
            self.ip = "127.0.0.1"
        else:
            address = access.find(address)
            access.check(address)
        self._owned = True
        try:
            ray.init(address or "local", **options)
        except ConnectionError as error:
            raise UsageError(f"no Ray cluster answers at {address}: start one with ray start --head") from error
        except (RuntimeError, OSError, ValueError, TimeoutError, ray.exceptions.RayError) as error:
            lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
            if lines and lines[0].startswith("Version mismatch"):
                what = " ".join(lines).rstrip(".")
                raise UsageError(f"{what}: use the same Ray and Python as the cluster") from error
            raise HarnessError(f"Ray did not start: {lines[0] if lines else type(error).__name__}") from error

    def alive(self) -> bool:
        """Whether the connection stands and, of a Ray that this process started, the processes run."""
        ray = sys.modules.get("ray")
        if ray is None or not ray.is_initialized():
            return False
        started = getattr(ray._private.worker._global_node, "all_processes", {})
        return not any(
            each.process.poll() is not None for name in ("raylet", "gcs_server") for each in started.get(name, ())
        )

    def _silence(self) -> None:
        """Ray reports each process that is killed, at length and on our output; here killing is what is asked for."""
        from ray._private import worker

        self._unsilenced = getattr(worker, "print_to_stdstream", None)
        if self._unsilenced is not None:
            setattr(worker, "print_to_stdstream", lambda *arguments, **keywords: None)  # noqa: B010

    def _set_environment(self, values: dict[str, str]) -> None:
        for name, value in values.items():
            if name not in os.environ:
                self._environment[name] = None
                os.environ[name] = value

    def started(self, pid: int) -> None:
        """A host process of ours on this machine: it must not outlive us."""
        self.pids.add(pid)
        self.janitor.tell(f"process {pid}")

    def started_ray(self, pids: Iterable[int]) -> None:
        """Processes of an embedded Ray: some notice only after half a minute that the rest of it is dead."""
        for pid in set(pids) - self.ray_pids.keys() - self.pids:
            self.ray_pids[pid] = janitor.started(pid)
            self.janitor.tell(f"process {pid}")

    def ended(self, pid: int) -> None:
        """It is dead, and its number may be given to another process."""
        self.pids.discard(pid)
        self.janitor.tell(f"forget {pid}")

    def close(self) -> None:
        """Leave nothing behind: no process, stopped or not, no folder. Again: no effect."""
        for pid in self.pids:  # a stopped process does not hear that it should end
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        ray = sys.modules.get("ray")
        if self._owned and ray is not None and ray.is_initialized():
            ray.shutdown()
        self._owned = False
        for pid, when in self.ray_pids.items():
            if when and janitor.started(pid) == when:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
        self.ray_pids.clear()
        deadline = time.monotonic() + 5
        while any(_alive(pid) for pid in self.pids) and time.monotonic() < deadline:
            time.sleep(0.01)
        self.pids.clear()
        if self._unsilenced is not None and ray is not None:
            ray._private.worker.print_to_stdstream = self._unsilenced
        if self._stderr is not None:
            self._stderr.close()
            self._stderr = None
        for name in self._environment:
            os.environ.pop(name, None)
        self._environment.clear()
        for folder in (self.folder, self._ray_folder):
            while folder is not None and folder.exists() and time.monotonic() < deadline:
                shutil.rmtree(folder, ignore_errors=True)
        self.janitor.close()


def _alive(pid: int) -> bool:
    """Whether the process still runs; a dead one that nobody has waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (OSError, IndexError):
        return False


def _disk_folder() -> str:
    try:
        return disk_folder(os.getcwd())
    except RuntimeError as error:
        raise UsageError(str(error)) from None


def short_folder() -> str:
    """A folder for Ray's files with a short path."""
    folder = tempfile.gettempdir()
    return folder if len(folder) <= _SHORT else "/tmp"
