"""What runs on a cluster's machines before quorumbench is there: it looks at them, and brings the code.

Sent by value, not by name: nothing here may refer to anything but the standard library and Ray, not even to other
modules of this package. See :mod:`.shipping`, which sends it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib
import importlib.util
import io
import os
import shutil
import stat
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

SOURCES = ("protocols", "bench")
SUFFIXES = (".py", ".csv")
"""Files that decide what the code does: the same as :func:`bench.provenance.code_version` looks at."""
DISK = "QUORUMBENCH_DISK"
"""Environment variable, set where Ray is started on a machine: the folder below which nodes there keep their state."""
MEMORY_FILE_SYSTEMS = ("tmpfs", "ramfs", "devtmpfs")
KEPT_S = 30 * 24 * 3600.0
"""Code that nobody has used for so long is removed."""


def file_system(folder: str) -> str:
    """The type of the file system that a folder is on, as /proc/mounts names it."""
    real = os.path.realpath(folder)
    best, kind = "", ""
    with open("/proc/mounts") as mounts:
        for line in mounts:
            _, where, what, *_ = line.split(" ")
            inside = real == where or real.startswith(where.rstrip("/") + "/")
            if inside and len(where) >= len(best):
                best, kind = where, what
    return kind


def fingerprint(folder: str) -> str:
    """A hash of the code in a folder, by names and contents; empty if there is none."""
    digest = hashlib.sha256()
    root, found = Path(folder), False
    for package in SOURCES:
        for path in sorted((root / package).rglob("*"), key=lambda each: each.relative_to(root).as_posix()):
            if path.suffix in SUFFIXES and path.is_file():
                found = True
                digest.update(path.relative_to(root).as_posix().encode() + b"\0")
                digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()[:32] if found else ""


def machine_id() -> str:
    """Equal for processes that share a kernel and its numbers of processes, and so can send each other signals."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    with contextlib.suppress(OSError):
        boot += "/" + os.readlink("/proc/self/ns/pid")
    return boot


def disk_folder(*more: str) -> str:
    """A folder for temporary files on a real disk, if there is one: a sync to memory would cost and mean nothing.

    ``QUORUMBENCH_DISK`` decides where it is set; else the system's temporary folder, ``/var/tmp``, or one of ``more``.

    Raises:
        RuntimeError: that folder cannot be written to.
    """
    wanted = os.environ.get(DISK, "")
    if wanted:
        if not os.access(wanted, os.W_OK):
            raise RuntimeError(f"{DISK} {wanted!r} is not a folder that can be written to")
        return os.path.abspath(wanted)
    folders = [tempfile.gettempdir(), "/var/tmp", *more]
    for folder in folders:
        if os.access(folder, os.W_OK) and file_system(folder) not in MEMORY_FILE_SYSTEMS:
            return folder
    return folders[0]


def forget_code() -> None:
    """Unload quorumbench, so that the next import looks for it anew."""
    for name in [each for each in sys.modules if each.partition(".")[0] in SOURCES]:
        del sys.modules[name]
    importlib.invalidate_caches()


def look(packages: tuple[str, ...]) -> dict[str, Any]:
    """What this worker would import, and what its machine is like; imports nothing of quorumbench."""
    forget_code()  # of an earlier driver
    folder = ""
    with contextlib.suppress(ImportError, ValueError):
        spec = importlib.util.find_spec("bench")
        if spec is not None and spec.origin is not None:
            folder = str(Path(spec.origin).resolve().parents[1])
    found = {
        "folder": folder,
        "code": fingerprint(folder) if folder else "",
        "missing": [name for name in packages if importlib.util.find_spec(name) is None],
        "machine": machine_id(),
        "disk": "",
        "problem": "",
    }
    try:
        found["disk"] = disk_folder()
    except RuntimeError as error:
        found["problem"] = str(error)
    return found


def unpack(archive: bytes, code: str) -> str:
    """Put the code into a folder named after its contents, once a machine; the folder.

    Raises:
        RuntimeError: the folder belongs to somebody else, or what was unpacked is not what was sent.
    """
    base = Path(tempfile.gettempdir()) / f"quorumbench-{os.getuid()}"
    base.mkdir(mode=0o700, exist_ok=True)
    state = base.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid() or state.st_mode & 0o022:
        raise RuntimeError(f"{base} is not a folder that this user alone can write to")
    target = base / code
    lock = os.open(base, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several raylets may share a machine; the kernel lets go for one that dies
        if fingerprint(str(target)) != code:
            fresh = Path(tempfile.mkdtemp(prefix="new-", dir=base))
            with zipfile.ZipFile(io.BytesIO(archive)) as files:
                files.extractall(fresh)
            if fingerprint(str(fresh)) != code:
                shutil.rmtree(fresh, ignore_errors=True)
                raise RuntimeError(f"the code unpacked in {base} is not what was sent")
            if target.exists():  # damaged: out of the way, for good
                target.rename(Path(tempfile.mkdtemp(prefix="old-", dir=base)) / "damaged")
            fresh.rename(target)
        os.utime(target)
        for other in base.iterdir():
            if other != target and time.time() - other.stat().st_mtime > KEPT_S:
                shutil.rmtree(other, ignore_errors=True)
    finally:
        os.close(lock)
    return str(target)


def load_host(folder: str) -> Any:
    """The class of hosts from the code in ``folder``, whatever this worker would import otherwise."""
    sys.path.insert(0, folder)
    forget_code()
    return importlib.import_module("bench.runtime.ray.host").Host


def remove(folder: str) -> None:
    """Remove what a session has left on this machine; again while processes that are about to die still write there."""
    deadline = time.monotonic() + 3
    while os.path.exists(folder) and time.monotonic() < deadline:
        shutil.rmtree(folder, ignore_errors=True)


def make_shell(orders: list[str]) -> type[Any]:
    """A class that, created with a folder and the arguments of a host, becomes the host of the code in that folder."""

    class Shell:
        def __init__(self, folder: str, *arguments: Any) -> None:
            self.host = load_host(folder)(*arguments)

    def pass_on(order: str) -> Any:
        async def call(self: Any, *arguments: Any) -> Any:
            return await getattr(self.host, order)(*arguments)

        return call

    for order in orders:
        setattr(Shell, order, pass_on(order))
    return Shell
