"""Several raylets on this host, each at a loopback address of its own, from an environment without quorumbench."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import signal
import site
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

START_S = 60.0
STOP_S = 15.0
HEALTHY = "Ray runtime started"


def bare_environment(folder: Path) -> Path:
    """The Python of a new virtual environment that has every installed package but quorumbench."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True, timeout=60)
    links = folder / "packages"
    links.mkdir()
    for site_packages in map(Path, site.getsitepackages()):
        for entry in site_packages.iterdir():
            if "quorumbench" not in entry.name and entry.name != "__pycache__" and not (links / entry.name).exists():
                (links / entry.name).symlink_to(entry)
    python = folder / "venv" / "bin" / "python"
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    purelib = subprocess.run([python, "-c", where], check=True, timeout=20, capture_output=True, text=True)
    (Path(purelib.stdout.strip()) / "packages.pth").write_text(f"{links}\n")
    return python


def free_port(ip: str) -> int:
    with socket.create_server((ip, 0)) as server:
        port: int = server.getsockname()[1]
        return port


class Raylets:
    """A cluster; ``address`` of its head. Every process of it is stopped by :meth:`stop`."""

    def __init__(self, python: Path, folder: Path, **environment: str) -> None:
        self.python = python
        self.folder = folder
        self.address = ""
        self.options: list[str] = []
        """Of ``ray start``, where machines have ports to themselves."""
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        self.variables = {**token, **environment}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "PYTHON"))}
        self.environment = {**inherited, "RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0", **self.variables}

    def inside(self, ip: str) -> list[str]:
        """What to put before a command that is to run there."""
        return []

    def start(self, ip: str, resources: str = "{}") -> None:
        """One more raylet; the first is the head. Returns when it has joined."""
        command: list[Any] = [*self.inside(ip), self.python, "-m", "ray.scripts.scripts", "start", "--block"]
        command += [f"--node-ip-address={ip}"]
        if self.address:
            command += [f"--address={self.address}"]
        else:
            port = 6379 if self.options else free_port(ip)
            self.address = f"{ip}:{port}"
            command += ["--head", f"--port={port}", "--include-dashboard=false"]
            if (
                importlib.util.find_spec("grpc") and not self.options
            ):  # then a head also serves Ray Client, at a port that may be taken
                command += [f"--ray-client-server-port={free_port(ip)}"]
            command += [f"--temp-dir={self.folder / 'ray'}"]
        command += ["--num-cpus=4", "--object-store-memory=80000000", "--disable-usage-stats", *self.options]
        if not self.options:  # one network for all: nobody may insist on a port
            command += ["--min-worker-port=0", "--max-worker-port=0", f"--dashboard-agent-listen-port={free_port(ip)}"]
        command += [f"--resources={resources}"]
        log = self.folder / f"{ip}.log"
        with log.open("wb") as output:
            self.processes[ip] = subprocess.Popen(
                command, cwd=self.folder, env=self.environment, stdout=output, stderr=output, start_new_session=True
            )
        deadline = time.monotonic() + START_S
        while HEALTHY not in log.read_text(errors="replace"):
            code = self.processes[ip].poll()
            assert code is None, f"ray start at {ip} ended with {code}:\n{log.read_text(errors='replace')[-2000:]}"
            assert time.monotonic() < deadline, f"ray start at {ip} took too long:\n{log.read_text()[-2000:]}"
            time.sleep(0.05)

    def raylet(self, ip: str) -> int:
        """The process id of the raylet itself at an address."""
        for pid in self._session(self.processes[ip].pid):
            with contextlib.suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                if words[0].endswith(b"/raylet"):
                    return pid
        raise AssertionError(f"there is no raylet at {ip}")

    def _session(self, leader: int) -> list[int]:
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                    if int(fields[3]) == leader and fields[0] not in ("Z", "X"):
                        found.append(int(entry.name))
        return found

    def left(self) -> list[int]:
        """Processes that are still there."""
        return [pid for process in self.processes.values() for pid in self._session(process.pid)]

    def stop(self) -> None:
        """SIGTERM to each, the head last; whoever is left after a while is killed."""
        for process in reversed(self.processes.values()):
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_S)
        deadline = time.monotonic() + STOP_S
        while (left := self.left()) and time.monotonic() < deadline:
            for pid in left:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGCONT)
                    os.kill(pid, signal.SIGKILL)
            for process in self.processes.values():
                process.poll()
            time.sleep(0.05)
        for process in self.processes.values():
            process.wait(STOP_S)
