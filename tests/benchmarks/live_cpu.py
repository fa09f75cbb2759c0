"""CPU time an operation, process by process, of Raft and of the bare log beside it, in us:

    python -m tests.benchmarks.live_cpu [--rounds N]

Operations a second depend on who else uses the machine; CPU time does so far less. Where all cores are busy, the share
of the bare log's sum in Raft's is what Raft can reach of the bare log's operations a second.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

import psutil

from bench.runtime.ray.floor import Lengths, _Bench, _let_go
from bench.runtime.ray.session import RaySession

from .live_bars import raft

CLIENTS = (64, 256)
LENGTH_S = 3.0


def bare_log(session: RaySession, clients: int) -> tuple[float, list[float]]:
    """(operations/s, us an operation of leader, two followers and clients)."""
    seats = session.pool.take(4)
    folder = session.cluster.folder / "floor"
    try:
        bench = _Bench(seats, Lengths(log_warmup=0.0, log=LENGTH_S), lambda text: None)
        bench.pin()
        before = [spent_s(seat.pid) for seat in seats]
        ((_, rate),), _ = bench.log([str(session.pool.folder(seat, folder)) for seat in seats], clients, False)
        spent = [spent_s(seat.pid) - then for seat, then in zip(seats, before, strict=True)]
    finally:
        _let_go(session, seats)
        shutil.rmtree(Path(folder), ignore_errors=True)
    return rate, [each / (rate * LENGTH_S) * 1e6 for each in spent]


def spent_s(pid: int) -> float:
    """CPU time of a process so far."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def main(arguments: list[str]) -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description="CPU time an operation of Raft and of the bare log.")
    parser.add_argument("--rounds", type=int, default=2)
    rounds = parser.parse_args(arguments).rounds
    with RaySession() as session:
        for clients in rounds * CLIENTS:
            rate, bare = bare_log(session, clients)
            row = raft(session, clients, lambda text: None)
            whole = row["generator_us"] + row["leader_us"] + 2 * row["follower_us"]
            print(
                f"{clients:4} clients: bare log {rate:7,.0f} ops/s: leader {bare[0]:.1f}, followers {bare[1]:.1f} and "
                f"{bare[2]:.1f}, clients {bare[3]:.1f}, sum {sum(bare):.1f} us; Raft {row['ops_s']:7,.0f} ops/s: "
                f"leader {row['leader_us']:.1f}, followers {row['follower_us']:.1f} each, generator "
                f"{row['generator_us']:.1f}, sum {whole:.1f} us; share {sum(bare) / whole:.0%}",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
