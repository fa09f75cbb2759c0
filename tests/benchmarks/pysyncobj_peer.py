"""One of three PySyncObj peers: ``python pysyncobj_peer.py PORT,PORT,PORT FOLDER SECONDS WINDOW...``; mine comes first.

Whoever leads keeps WINDOW writes of 16 bytes under way, each a command of its own, and prints what it saw as JSON: a
line a window. The commands start in the leader's own process, so that no client's way to it is counted.
"""

from __future__ import annotations

import json
import sys
import time
from array import array
from typing import Any

from pysyncobj import SyncObj, SyncObjConf, replicated

PERIOD_S = 0.01


class Store(SyncObj):  # type: ignore[misc]
    """A replicated dictionary of 16 keys."""

    def __init__(self, me: str, others: list[str], folder: str) -> None:
        super().__init__(
            me,
            others,
            SyncObjConf(
                autoTick=False,
                journalFile=f"{folder}/{me.rpartition(':')[2]}",
                appendEntriesPeriod=PERIOD_S,
                logCompactionMinEntries=10**9,
                logCompactionMinTime=10**9,
            ),
        )
        self.data: dict[str, bytes] = {}

    @replicated  # type: ignore[untyped-decorator]
    def put(self, key: str, value: bytes) -> None:
        self.data[key] = value


def measure(store: Store, window: int, seconds: float) -> dict[str, Any]:
    """(operations a second, median latency in seconds) of a closed loop."""
    ended: array[float] = array("d")
    failed = number = 0
    over = False

    def begin() -> None:
        nonlocal number
        number += 1
        began = time.perf_counter()

        def done(result: Any, error: int) -> None:
            nonlocal failed
            if error:
                failed += 1
            else:
                ended.append(time.perf_counter() - began)
            if not over:
                begin()

        store.put(f"k{number % 16}", number.to_bytes(16, "big"), callback=done)

    start = time.perf_counter()
    for _ in range(window):
        begin()
    while (took := time.perf_counter() - start) < seconds:
        store.doTick(PERIOD_S)
    ok = len(ended)
    median = sorted(ended)[ok // 2] if ok else None
    over = True
    drained = time.perf_counter() + 5
    while len(ended) + failed < number and time.perf_counter() < drained:
        store.doTick(PERIOD_S)
    return {"window": window, "ops_s": ok / took, "p50_s": median, "failed": failed}


def main() -> None:
    ports, folder, seconds, *windows = sys.argv[1:]
    me, *others = [f"127.0.0.1:{port}" for port in ports.split(",")]
    store = Store(me, others, folder)
    measured = False
    parent_gone = time.monotonic() + 60 + 4 * float(seconds) * len(windows)
    while time.monotonic() < parent_gone:
        store.doTick(PERIOD_S)
        if store.isReady() and store._isLeader() and not measured:
            measured = True
            for window in windows:
                print(json.dumps(measure(store, int(window), float(seconds))), flush=True)
            print("done", flush=True)


if __name__ == "__main__":
    main()
