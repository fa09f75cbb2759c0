"""A small process that cleans up after a driver that was killed: no stopped process and no folder is left behind.

Started as a script with nothing but the standard library. It reads orders from its standard input, one a line, and
acts when that ends without ``done``: it wakes and kills the processes and removes the folders it was told of.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time

PATIENCE_S = 10.0


def started(pid: int) -> str:
    """When the process began, as the kernel counts; tells it from a later one with the same number. Empty: gone."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def main() -> None:
    """See the module."""
    processes: dict[int, str] = {}
    folders: list[str] = []
    for line in sys.stdin:
        order, _, what = line.rstrip("\n").partition(" ")
        if order == "done":
            return
        if order == "process":
            processes[int(what)] = started(int(what))
        elif order == "forget":
            processes.pop(int(what), None)
        elif order == "folder":
            folders.append(what)
    for pid, when in processes.items():
        if when and started(pid) == when:
            for number in (signal.SIGKILL, signal.SIGCONT):
                with contextlib.suppress(OSError):
                    os.kill(pid, number)
    deadline = time.monotonic() + PATIENCE_S
    while any(map(os.path.exists, folders)) and time.monotonic() < deadline:
        for folder in folders:  # again, while processes that are about to die still write there
            shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.2)


if __name__ == "__main__":
    main()
