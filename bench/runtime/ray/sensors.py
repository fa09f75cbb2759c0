"""What a machine does to the processes on it: time stolen, time withheld, and what lies under their files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

_VOLATILE = ("tmpfs", "ramfs", "devtmpfs")
_UNCLEAR = ("overlay", "aufs", "9p", "virtiofs", "nfs", "nfs4", "cifs", "ceph", "vboxsf")


class Disk(msgspec.Struct, frozen=True):
    """Under a folder: type of the file system and its device (or source); ``durable``: a sync means something.

    None: what a sync means is up to the layers or the machine below.
    """

    file_system: str
    device: str
    durable: bool | None


class MachineReport(msgspec.Struct, frozen=True):
    """Of one machine, by one of the processes there, during the load.

    Attributes:
        machine: equal for processes of one machine; ``ip`` its address.
        cores: that the process may use.
        steal: (ticks that the hypervisor took, all ticks); None where the kernel does not say, as for
        throttled: (periods in which the CPU quota ran out, ns withheld).
        disk: under the nodes' folders.
    """

    machine: str
    ip: str
    cores: int
    steal: tuple[int, int] | None
    throttled: tuple[int, int] | None
    disk: Disk | None


def steal_ticks(stat: Path = Path("/proc/stat")) -> tuple[int, int] | None:
    """(ticks that the hypervisor took, all ticks) of this machine since it started."""
    try:
        ticks = [int(word) for word in stat.read_text().split("\n", 1)[0].split()[1:]]
    except (OSError, ValueError):
        return None
    return (ticks[7], sum(ticks[:8])) if len(ticks) > 7 else None


def throttled(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> tuple[int, int] | None:
    """(periods, ns) in which this process' control group, or one above it, had used up its CPU quota.

    Of several groups the one that was stopped most often. None where no group has a CPU controller.
    """
    found = [counted for folder in _groups(root, own) if (counted := _read_throttled(folder / "cpu.stat")) is not None]
    return max(found, default=None)


def _groups(root: Path, own: Path) -> Iterator[Path]:
    """Folders of this process' groups with all above them, of control groups' version 2 and 1."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            mounts = [root, root / "unified"]
        elif "cpu" in controllers.split(","):
            mounts = [root / controllers, root / "cpu"]
        else:
            continue
        for mount in mounts:
            folder = mount / path.lstrip("/")
            while folder != mount:
                yield folder
                folder = folder.parent
            yield mount


def _read_throttled(file: Path) -> tuple[int, int] | None:
    try:
        values = dict(line.split()[:2] for line in file.read_text().splitlines() if " " in line)
    except OSError:
        return None
    if "nr_throttled" not in values:
        return None  # the root of version 2 has no quota
    ns = int(values["throttled_usec"]) * 1000 if "throttled_usec" in values else int(values.get("throttled_time", 0))
    return int(values["nr_throttled"]), ns


def disk_under(path: Path, mountinfo: Path = Path("/proc/self/mountinfo")) -> Disk | None:
    """What holds this folder, or the nearest above it that exists; None if the kernel does not say."""
    path = path.absolute()
    while not path.exists() and path != path.parent:
        path = path.parent
    path = path.resolve()
    try:
        number = path.stat().st_dev
        lines = mountinfo.read_text().splitlines()
    except OSError:
        return None
    best: tuple[tuple[bool, int, int], Disk] | None = None
    for order, line in enumerate(lines):
        fields, _, rest = line.partition(" - ")
        words, options = fields.split(), rest.split()
        if len(words) < 5 or len(options) < 2:
            continue
        mount = Path(words[4].encode().decode("unicode_escape"))
        if not path.is_relative_to(mount):
            continue
        # device first: not all file systems (btrfs) give their files the number that is listed; later mounts hide
        rank = (words[2] == f"{os.major(number)}:{os.minor(number)}", len(mount.parts), order)
        if best is None or rank > best[0]:
            best = (rank, _disk(options[0], options[1], options[2] if len(options) > 2 else ""))
    return None if best is None else best[1]


def _disk(kind: str, source: str, options: str) -> Disk:
    durable: bool | None = True
    if kind in _VOLATILE or "volatile" in options.split(","):
        durable = False
    elif kind in _UNCLEAR or kind.startswith("fuse"):
        durable = None
    return Disk(kind, source, durable)


class Sensor:
    """Looks at the machine when the load begins and when it ends."""

    def __init__(self) -> None:
        self._steal = steal_ticks()
        self._throttled = throttled()
        self._steal_end: tuple[int, int] | None = None
        self._throttled_end: tuple[int, int] | None = None
        self.ended = False

    def end(self) -> None:
        """The load is over. Again: no effect."""
        if not self.ended:
            self.ended = True
            self._steal_end, self._throttled_end = steal_ticks(), throttled()

    def report(self, machine: str, ip: str, folder: Path) -> MachineReport:
        """What happened in between, until now if the load is not over."""
        self.end()
        return MachineReport(
            machine=machine,
            ip=ip,
            cores=len(os.sched_getaffinity(0)),
            steal=_difference(self._steal, self._steal_end),
            throttled=_difference(self._throttled, self._throttled_end),
            disk=disk_under(folder),
        )


def _difference(before: tuple[int, int] | None, after: tuple[int, int] | None) -> tuple[int, int] | None:
    return None if before is None or after is None else (after[0] - before[0], after[1] - before[1])
