"""Raft here beside systems that people run: the same load on each, the same fault, the same checker.

Ours runs live on Ray; etcd and PySyncObj are processes on the loopback (:mod:`bench.systems`). First writes of 16
bytes in a closed loop of 1 to 256 clients; then reads, writes and compare-and-sets while the leader is killed. What is
not installed is named, and the rest runs.

    python experiments/consensus-algorithms/peers.py [--seconds 3] [--kills 5] [--clients 1,4,16,64,256] [--no-perf]
"""

from __future__ import annotations

import asyncio
import csv
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench.arguments import integer, listed, one_of, real, script
from bench.errors import HarnessError
from bench.faults.spec import Crash
from bench.history import OK
from bench.run import run_trial
from bench.runtime.ray.session import RaySession
from bench.systems import drive, system_named
from bench.trial import Trial
from bench.units import nanoseconds
from bench.workload.spec import PRESETS, Workload

OURS = "quorumbench's Raft"
HEEDING = f"{OURS}, heeding broken streams"
PEERS = ("etcd", "pysyncobj")
ELECTION_S = (1.0, 2.0)
"""etcd's default: an election timeout of a second, drawn from one to two times that. The others are given the same."""
HEARTBEAT_S = 0.1
KILL_AT_S, DOWN_S, LOAD_S = 2.0, 4.0, 6.5
SEEDS = 24
Row = dict[str, Any]


def ours_trial(
    workload: Workload,
    seconds: float,
    *,
    runtime: str = "ray",
    seed: int = 1,
    kill: bool = False,
    heeding: bool = False,
) -> Trial:
    """Three servers of ours."""
    fault = Crash(at=nanoseconds(KILL_AT_S), target="leader", down=nanoseconds(DOWN_S))
    return Trial(
        protocol="raft",
        runtime=runtime,  # type: ignore[arg-type]
        nodes=3,
        seed=seed,
        duration=nanoseconds(seconds),
        params={"election_timeout_s": ELECTION_S, "heartbeat_s": HEARTBEAT_S, "heed_disconnects": heeding},
        faults=(fault,) if kill else (),
        workload=workload,
    )


def ours_curve(session: RaySession, clients: int, seconds: float) -> Row:
    """Throughput and latency of ours."""
    result, record = run_trial(
        ours_trial(Workload(clients=clients, mix=PRESETS["write-only"], value_bytes=16), seconds), session=session
    )
    counted = (record.history.outcome == OK) & (record.history.completed < nanoseconds(seconds))
    took = (record.history.completed - record.history.invoked)[counted] / 1e9
    servers = sum(cost.cpu_per_operation_s or 0.0 for cost in record.costs.values())
    return row(OURS, clients, len(took) / seconds, took, servers * 1e6, result.checks["linearizable"])


def row(system: str, clients: int, rate: float, took: Any, server_us: float, verdict: str) -> Row:
    """A point of a curve."""
    p50, p99 = np.quantile(took, [0.5, 0.99]) * 1e3 if len(took) else (float("nan"), float("nan"))
    print(
        f"{system}, {clients} clients: {rate:,.0f} writes/s, p50 {p50:.2f} ms, p99 {p99:.2f} ms, CPU of all servers "
        f"{server_us:.0f} us a write, {verdict}",
        flush=True,
    )
    return {
        "system": system,
        "clients": clients,
        "writes_s": round(rate, 1),
        "p50_ms": round(float(p50), 3),
        "p99_ms": round(float(p99), 3),
        "servers_cpu_us": round(server_us, 1),
        "verdict": verdict,
    }


def peer_curve(name: str, clients: int, seconds: float) -> Row:
    """The same of a peer."""
    system = system_named(name)
    load = Workload(clients=clients, keys=16, mix=PRESETS["write-only"])
    driven = asyncio.run(drive(system, 3, load, seconds, settings={"election_timeout_s": ELECTION_S[0]}))
    took = driven.latencies_s()
    verdicts = {verdict.verdict for verdict in driven.verdicts(system)}
    worst = "invalid" if "invalid" in verdicts else "unknown" if "unknown" in verdicts else "valid"
    server_us = sum(driven.cpu_s.values()) / max(1, len(took)) * 1e6
    return row(name, clients, driven.throughput_ops_s(), took, server_us, worst)


MIX = Workload(clients=16, keys=8, mix=(("read", 0.4), ("write", 0.4), ("cas", 0.2)))


def ours_back(trial: Trial, session: RaySession | None = None) -> tuple[float | None, str]:
    """Seconds from the kill to the end of the first write that began after it, and the verdict."""
    result, record = run_trial(trial, session=session)
    at = record.faults[0].start
    h = record.history
    chosen = (h.outcome == OK) & (h.function != 0) & (h.invoked >= at)
    return (float(h.completed[chosen].min() - at) / 1e9 if chosen.any() else None), result.verdict


def peer_back(name: str, seed: int) -> tuple[float | None, str]:
    """The same of a peer."""
    system = system_named(name)
    fault = Crash(at=nanoseconds(KILL_AT_S), target="leader", down=nanoseconds(DOWN_S))
    settings = {"election_timeout_s": ELECTION_S[0], "request_timeout_s": 1.0}
    driven = asyncio.run(drive(system, 3, MIX, LOAD_S, settings=settings, faults=[fault], seed=seed))
    words = [verdict.verdict for verdict in driven.verdicts(system)]
    return driven.back_s(), "valid" if all(word == "valid" for word in words) else ", ".join(words)


def check_perf() -> float | None:
    """Writes a second by etcd's own ``etcdctl check perf`` under its largest load (a minute); None without etcdctl."""
    if shutil.which("etcdctl") is None:
        print("etcdctl is not installed (Debian: etcd-client): etcd's own benchmark was not run")
        return None

    async def measured() -> str:
        group: Any = await system_named("etcd").start(3, {})
        try:
            ends = ",".join(f"127.0.0.1:{port}" for port in group.ports.values())
            command = ["etcdctl", f"--endpoints={ends}", "check", "perf", "--load=xl"]
            done = await asyncio.to_thread(
                subprocess.run, command, capture_output=True, text=True, env={**os.environ, "ETCDCTL_API": "3"}
            )
            return str(done.stdout)
        finally:
            await group.close()

    found = re.search(r"Throughput (?:is|too low:) (\d+) writes/s", asyncio.run(measured()))
    rate = float(found[1]) if found else None
    print(f"etcdctl check perf: {rate:,.0f} writes/s" if rate else "etcdctl check perf said nothing of its throughput")
    return rate


def installed() -> list[str]:
    """The peers that can be run; says of the others what to install."""
    found = []
    for name in PEERS:
        if reason := system_named(name).missing():
            print(f"{name} is left out: {reason}")
        else:
            print(f"{name} {system_named(name).version()}")
            found.append(name)
    return found


def main() -> int:
    """See the module."""
    parser = script(__doc__)
    parser.add_argument("--seconds", type=real(0, above=True), default=3.0, help="of load at each number of clients")
    parser.add_argument("--kills", type=integer(0), default=5, help="of the leader, for each system")
    parser.add_argument("--seeds", type=integer(0), default=SEEDS, help="simulated kills of our leader; 0: none")
    parser.add_argument("--clients", type=listed(integer(1)), default="1,4,16,64,256", help="of the closed loops")
    parser.add_argument("--no-perf", action="store_true", help="without etcd's own benchmark, which takes a minute")
    parser.add_argument("--systems", type=listed(one_of("peer", PEERS)), default=",".join(PEERS), help="with commas")
    parser.add_argument("--out", type=Path, default=Path("results/peers"), help="folder for figure and tables")
    options = parser.parse_args()
    peers = [name for name in installed() if name in options.systems]
    points: list[Row] = []
    kills: list[tuple[str, float | None, str]] = []
    try:
        with RaySession() as session:
            points += [ours_curve(session, count, options.seconds) for count in options.clients]
            for seed in range(1, options.kills + 1):
                for name, heeding in ((OURS, False), (HEEDING, True)):
                    kills.append(
                        (name, *ours_back(ours_trial(MIX, LOAD_S, seed=seed, kill=True, heeding=heeding), session))
                    )
                    say_killed(*kills[-1])
        for seed in range(1, options.seeds + 1):
            for name, heeding in ((OURS, False), (HEEDING, True)):
                trial = ours_trial(MIX, LOAD_S, runtime="sim", seed=seed, kill=True, heeding=heeding)
                kills.append((f"{name}, simulated", *ours_back(trial)))
                say_killed(*kills[-1])
        for name in peers:
            points += [peer_curve(name, count, options.seconds) for count in options.clients]
            for seed in range(1, options.kills + 1):
                kills.append((name, *peer_back(name, seed)))
                say_killed(*kills[-1])
    except HarnessError as error:
        print(f"error: {error}", file=sys.stderr)
        return 70
    perf = None if options.no_perf or "etcd" not in peers else check_perf()
    options.out.mkdir(parents=True, exist_ok=True)
    if perf:
        points.append({"system": "etcd, check perf", "clients": 1000, "writes_s": perf})
    with (options.out / "curves.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(points[0]))
        writer.writeheader()
        writer.writerows(points)
    with (options.out / "kills.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("system", "back_s", "verdict"), *kills])
    tell(points, kills)
    draw(points, kills, perf, options.out / "figure.png")
    return 0


def say_killed(name: str, back_s: float | None, verdict: str) -> None:
    """As soon as it is known: all of them take minutes."""
    back = "no writes any more" if back_s is None else f"writes again after {back_s:.2f} s"
    print(f"{name}: leader killed, {back}, {verdict}", flush=True)


def tell(points: list[Row], kills: list[tuple[str, float | None, str]]) -> None:
    """Ratios, medians, verdicts."""
    mine = {row["clients"]: row["writes_s"] for row in points if row["system"] == OURS}
    best: dict[str, float] = {}
    for each in points:
        best[each["system"]] = max(best.get(each["system"], 0.0), each["writes_s"])
    for name in PEERS:
        if name in best:
            rates = [
                f"{mine[each['clients']] / each['writes_s']:.1f} times at {each['clients']}"
                for each in points
                if each["system"] == name and each["clients"] in mine
            ]
            print(f"{OURS}, of {name}'s writes/s: {', '.join(rates)} clients; {system_named(name).name} does, and ours "
                  f"does not: {system_named(name).does_more}")  # fmt: skip
    if "etcd, check perf" in best:
        print(f"{OURS}, best, of what etcd's own benchmark finds: {best[OURS] / best['etcd, check perf']:.1f} times")
    for system in dict.fromkeys(name for name, _, _ in kills):
        back = [math.inf if seconds is None else seconds for name, seconds, _ in kills if name == system]
        valid = sum(word == "valid" for name, _, word in kills if name == system)
        count = sum(name == system for name, _, _ in kills)
        if back:
            print(f"{system}: writes again {median(back):.2f} s after the kill (median of {len(back)}); {valid} of "
                  f"{count} histories linearizable")  # fmt: skip


def draw(points: list[Row], kills: list[tuple[str, float | None, str]], perf: float | None, path: Path) -> None:
    """Throughput against latency, and the time to recover."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    from bench.report.plots import style, to_png

    with style() as palette:
        figure = Figure(figsize=(6.4, 6.2))
        upper, lower = figure.subplots(2, 1, height_ratios=(3, 2))
        names = list(dict.fromkeys(row["system"] for row in points if "p50_ms" in row))
        for at, name in enumerate(names):
            mine = [row for row in points if row["system"] == name and "p50_ms" in row]
            upper.plot(
                [row["writes_s"] for row in mine],
                [row["p50_ms"] for row in mine],
                marker="o",
                color=palette[at],
                label=name,
            )
            for each in mine[:: max(1, len(mine) - 1)]:
                upper.annotate(
                    str(each["clients"]), (each["writes_s"], each["p50_ms"]), xytext=(4, 5), textcoords="offset points",
                    fontsize=7,
                )  # fmt: skip
        if perf:
            upper.axvline(perf, color=palette[names.index("etcd")], linestyle=":", label="etcd, by its own benchmark")
        upper.set_xscale("log")
        upper.set_yscale("log")
        plain = FuncFormatter(lambda value, _: f"{value:,.10g}")
        upper.xaxis.set_major_formatter(plain)
        upper.yaxis.set_major_formatter(plain)
        upper.set_xlabel("writes a second (numbers: clients)")
        upper.set_ylabel("median latency [ms]")
        upper.legend(loc="best", fontsize=8)
        systems = sorted(dict.fromkeys(name for name, _, _ in kills), key=lambda name: not name.startswith(OURS))
        for at, name in enumerate(systems):
            back = [seconds for system, seconds, _ in kills if system == name and seconds is not None]
            jitter = [at + 0.3 * (((i * 0.618) % 1) - 0.5) for i in range(len(back))]
            colour = palette[names.index(name.partition(", ")[0])]
            lower.plot(
                back,
                jitter,
                "o",
                markersize=3.5,
                alpha=0.6,
                color=colour,
                fillstyle="none" if "sim" in name else "full",
            )
            if back:
                lower.plot([median(back)] * 2, [at - 0.35, at + 0.35], color=colour, linewidth=2)
        lower.set_yticks(range(len(systems)), [name.replace(", ", ",\n", 1) for name in systems])
        lower.invert_yaxis()
        lower.set_xlim(left=0)
        lower.set_xlabel("seconds from SIGKILL to the first write (bar: median)")
        path.write_bytes(to_png(figure))


if __name__ == "__main__":
    raise SystemExit(main())
