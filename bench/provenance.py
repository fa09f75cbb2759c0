"""Where a result comes from: code, versions, machine, command and time. No host name, no path of this machine."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import xxhash

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("protocols", "bench")
PACKAGES = (
    "quorumbench", "ray", "msgspec", "uvloop", "numpy", "scipy", "pandas", "pyarrow", "xxhash", "rustworkx", "optuna",
)  # fmt: skip


@functools.cache
def code_version() -> str:
    """A hash of the sources (``.py``) and data (``.csv``) of ``protocols/`` and ``bench/``, the same on every machine.

    Computed once a process and without git, so it also holds for an installed copy or an unpacked archive. Together
    with a trial it identifies a result: an edit of the code makes earlier results another code's.
    """
    digest = xxhash.xxh3_128()
    for package in SOURCES:
        base = ROOT / package
        for path in sorted(base.rglob("*"), key=lambda p: p.relative_to(ROOT).as_posix()):
            if path.suffix in (".py", ".csv") and path.is_file():
                digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0")
                digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _git(root: Path, *arguments: str) -> str | None:
    """Output of a git command in ``root``; None without git, outside a checkout, or when it fails."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


@functools.cache
def commit(root: Path = ROOT) -> tuple[str | None, str | None]:
    """(commit, hash of what differs from it or None if nothing does); (None, None) outside a git checkout.

    Untracked files are not part of the difference; :func:`code_version` covers them where they are sources.
    """
    head = _git(root, "rev-parse", "HEAD")
    top = _git(root, "rev-parse", "--show-toplevel")
    if head is None or top is None or Path(top.strip()).resolve() != root.resolve():
        return None, None  # An installed copy inside somebody else's checkout is not that checkout's commit.
    diff = _git(root, "diff", "HEAD", "--binary") or ""
    return head.strip(), xxhash.xxh3_64_hexdigest(diff.encode()) if diff else None


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("model name", "Model")):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


@functools.cache
def machine() -> dict[str, Any]:
    """CPU model, cores, memory, system and kernel, and ``id``: a hash of these, equal on alike machines."""
    import psutil

    described: dict[str, Any] = {
        "cpu": _cpu_model(),
        "cores": _cores(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.system(),
        "kernel": platform.release(),
    }
    described["id"] = xxhash.xxh3_64_hexdigest(repr(sorted(described.items())).encode())[:12]
    return described


@functools.cache
def versions() -> dict[str, str]:
    """Version of Python and of each package a result may depend on; packages that are not installed are left out."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _shown(argv: Sequence[str]) -> list[str]:
    """The command with its program as a path inside the project, or by its name alone."""
    if not argv:
        return []
    program = Path(argv[0])
    try:
        first = program.resolve().relative_to(ROOT).as_posix()
    except (ValueError, OSError):
        first = program.name
    if first.startswith((".venv/", "bench/__main__")) or program.name == "bench":
        first = "bench"
    return [first, *argv[1:]]


def provenance(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Everything needed to judge where a result comes from, as JSON types.

    Args:
        argv: the command; this process' own by default.

    Returns:
        ``commit`` and ``dirty`` (None outside a git checkout), ``code_version``, ``versions``, ``machine``, ``argv``,
        ``time`` (UTC, ISO 8601).
    """
    head, dirty = commit()
    return {
        "commit": head,
        "dirty": dirty,
        "code_version": code_version(),
        "versions": versions(),
        "machine": machine(),
        "argv": _shown(sys.argv if argv is None else argv),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }
