"""Can any failure detector tell a process that is slow from one that is dead?

A server is killed (SIGKILL, live), and in a second run of the same seed stopped at the same moment (SIGSTOP) and
continued after a while. Until it is continued, the others observe the same in both runs, event by event; so whatever a
detector makes of the one it makes of the other, at the same time. Which of the two it was only the future shows.

    python experiments/failure-detection/slow_or_dead.py [--seeds 5] [--live 3] [--out results/slow-or-dead]
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import msgspec

from bench.arguments import integer, listed, one_of, script
from bench.faults.spec import Crash, Fault, Pause
from bench.network import Lognormal, Network
from bench.run import open_session, run_trial
from bench.runtime.record import RunRecord, TraceEvent
from bench.trial import Trial
from bench.units import nanoseconds
from bench.workload.spec import Workload

if TYPE_CHECKING:
    from bench.runtime.ray.session import RaySession

Row = dict[str, Any]

NODES = 4
STOPPED, KILLED = "n2", "n3"
STOP_S = 3.0
LIVE_PAUSE_S, LIVE_KILL_S, LIVE_LOAD_S = 3.0, 7.5, 11.0
SHARES = (0.3, 0.6, 0.9, 0.97, 1.03, 1.1, 1.5, 3.0)
"""Lengths of pauses, in multiples of the time after which a kill is noticed."""
DETECTORS: dict[str, tuple[str, dict[str, Any]]] = {
    "fixed": ("heartbeat", {"detector": "fixed", "timeout_s": 0.5}),
    "Chen": ("heartbeat", {"detector": "chen", "alpha_s": 0.2, "window": 100}),
    "Bertier": ("heartbeat", {"detector": "bertier", "floor_s": 0.1, "window": 100}),
    "phi, normal": ("heartbeat", {"detector": "phi-normal", "threshold": 8.0, "floor_s": 0.05}),
    "phi, Akka": ("heartbeat", {"detector": "phi-akka", "threshold": 8.0, "floor_s": 0.05, "pause_s": 0.3}),
    "phi, Cassandra": ("heartbeat", {"detector": "phi-exponential", "threshold": 4.0}),
    "pull, fixed": ("heartbeat", {"style": "pull", "detector": "fixed", "timeout_s": 0.4}),
    "SWIM": ("swim", {"probe_interval_s": 0.2, "probe_timeout_s": 0.1, "gossip_interval_s": 0.05}),
}


def trial(detector: str, seed: int, faults: Iterable[Fault], load_s: float) -> Trial:
    """Four servers; a detector and what happens to it."""
    protocol, params = DETECTORS[detector]
    return Trial(
        protocol=protocol,
        nodes=NODES,
        seed=seed,
        params=params,
        duration=nanoseconds(load_s),
        liveness=nanoseconds(10),
        network=Network(latency=Lognormal(nanoseconds(0.001), 0.3)),
        workload=Workload(clients=1, rate=5.0),
        faults=tuple(faults),
    )


def suspected(record: RunRecord, subject: str, since: int, until: int | None = None) -> dict[str, float]:
    """Observer -> seconds from ``since`` to its first suspicion of the subject; those that had none are left out."""
    found: dict[str, float] = {}
    end = record.load_end if until is None else until
    for mark in record.marks:
        about = mark.name == "deemed_down" and mark.fields["subject"] == subject and mark.node != subject
        if about and since <= mark.at < end:
            found.setdefault(mark.node, (mark.at - since) / 1e9)
    return found


# --- simulated -------------------------------------------------------------------------------------------------------


def stop_at(seed: int) -> int:
    """Another moment of the period for each seed, ns."""
    return nanoseconds(STOP_S + 0.037 * (seed % 27))


def simulated(detector: str, seeds: int) -> list[Row]:
    """A kill, and pauses of several lengths at the same moment of the same run: a row an observer."""
    rows: list[Row] = []
    for seed in range(1, seeds + 1):
        at = stop_at(seed)
        _, record = run_trial(trial(detector, seed, [Crash(at=at, target=STOPPED, down=None)], STOP_S + 8))
        kills = suspected(record, STOPPED, at)
        for share in SHARES:
            length = share * min(kills.values())
            pause = Pause(at=at, target=STOPPED, length=nanoseconds(length))
            _, record = run_trial(trial(detector, seed, [pause], STOP_S + 8 + length))
            paused = suspected(record, STOPPED, at)
            for observer, kill in sorted(kills.items()):
                rows.append(
                    {
                        "detector": detector,
                        "world": "sim",
                        "seed": seed,
                        "observer": observer,
                        "kill_s": kill,
                        "pause_s": length,
                        "suspected_s": paused.get(observer),
                    }
                )
    return rows


def observed(detector: str, seed: int, fault: Fault, until: int) -> list[TraceEvent]:
    """All that the other servers got, did and said before that time."""
    traced = msgspec.structs.replace(trial(detector, seed, [fault], STOP_S + 8), trace=True)
    _, record = run_trial(traced)
    assert record.trace is not None
    kinds = ("deliver", "timer", "mark", "send")
    seen = [event for event in record.trace if event.node != STOPPED and event.kind in kinds and event.at <= until]
    return [msgspec.structs.replace(event, id=-1) for event in seen]  # ids count events, those of the dead one too


def same_until_suspected(detector: str, seed: int) -> tuple[int, bool]:
    """How many events the others saw up to their last suspicion, and whether kill and pause gave the same ones."""
    at = stop_at(seed)
    kill = Crash(at=at, target=STOPPED, down=None)
    _, record = run_trial(trial(detector, seed, [kill], STOP_S + 8))
    last = max(suspected(record, STOPPED, at).values())
    until = at + nanoseconds(last)
    pause = Pause(at=at, target=STOPPED, length=nanoseconds(last + 0.5))
    one, other = observed(detector, seed, kill, until), observed(detector, seed, pause, until)
    return len(one), one == other


# --- live ------------------------------------------------------------------------------------------------------------


def live(detector: str, seed: int, session: RaySession) -> list[Row]:
    """A server is stopped by SIGSTOP for longer than the detector waits, and later another is killed by SIGKILL."""
    faults = (
        Pause(at=nanoseconds(STOP_S), target=STOPPED, length=nanoseconds(LIVE_PAUSE_S)),
        Crash(at=nanoseconds(LIVE_KILL_S), target=KILLED, down=None),
    )
    run = msgspec.structs.replace(trial(detector, seed, faults, LIVE_LOAD_S), runtime="ray", network=Network())
    _, record = run_trial(run, session=session)
    starts = {fault.kind: fault.start for fault in record.faults}
    paused = suspected(record, STOPPED, starts["pause"], starts["pause"] + nanoseconds(LIVE_PAUSE_S))
    killed = suspected(record, KILLED, starts["crash"])
    return [
        {
            "detector": detector,
            "world": "live",
            "seed": seed,
            "observer": observer,
            "kill_s": killed.get(observer),
            "pause_s": LIVE_PAUSE_S,
            "suspected_s": paused.get(observer),
        }
        for observer in ("n1", "n4")
    ]


# --- what follows ----------------------------------------------------------------------------------------------------


def conclude(rows: list[Row]) -> str:
    """In one paragraph."""
    sim = [row for row in rows if row["world"] == "sim"]
    longer = [row for row in sim if row["pause_s"] > row["kill_s"]]
    same = sum(row["suspected_s"] is not None and abs(row["suspected_s"] - row["kill_s"]) < 1e-9 for row in longer)
    shorter = [row for row in sim if row["pause_s"] < 0.95 * row["kill_s"]]
    forgiven = sum(row["suspected_s"] is None for row in shorter)
    return (
        f"Of {len(longer)} pauses longer than a kill takes to be noticed, {same} were suspected, at exactly the same "
        f"time as the kill; of {len(shorter)} shorter by 5% or more, {forgiven} were not."
    )


def draw(rows: list[Row], path: Path) -> None:
    """Kill against pause on the diagonal; and who is suspected by the length of the pause."""
    from matplotlib.figure import Figure

    from bench.report.plots import INK, PAPER, style, to_png

    names = [name for name in DETECTORS if any(row["detector"] == name for row in rows)]
    with style() as palette:
        figure = Figure(figsize=(7.6, 4.0))
        left, right = figure.subplots(1, 2)
        for colour, name in zip(palette, names, strict=False):
            here = [row for row in rows if row["detector"] == name]
            sim = [r for r in here if r["world"] == "sim" and r["suspected_s"] is not None]
            left.scatter([r["kill_s"] for r in sim], [r["suspected_s"] for r in sim], s=10, color=colour, label=name)
            both = [r for r in here if r["world"] == "live" and r["kill_s"] and r["suspected_s"]]
            left.scatter([r["kill_s"] for r in both], [r["suspected_s"] for r in both], s=30, marker="D",
                         facecolor=PAPER, edgecolor=colour, linewidth=1.2, zorder=4)  # fmt: skip
            place = names.index(name)
            for row in here:
                if row["world"] == "sim":
                    hit = row["suspected_s"] is not None
                    x, y = row["pause_s"] / row["kill_s"], place + 0.12 * (row["seed"] % 5 - 2)
                    fill = colour if hit else PAPER
                    right.scatter([x], [y], s=13, color=fill, edgecolor=colour, linewidth=0.8, zorder=3)
        low, high = 0.09, 2.0
        left.plot([low, high], [low, high], color=INK, linewidth=0.8, zorder=1)
        left.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high))
        left.set_xlabel("SIGKILL: noticed after [s]")
        left.set_ylabel("SIGSTOP: suspected after [s]")
        for axis in (left.xaxis, left.yaxis):
            axis.set_ticks([0.1, 0.2, 0.5, 1.0, 2.0], ["0.1", "0.2", "0.5", "1", "2"])
        left.minorticks_off()
        left.grid(True, axis="both")
        right.axvline(1.0, color=INK, linewidth=0.8)
        right.set_xscale("log")
        right.set_xticks([0.3, 0.6, 1.0, 1.5, 3.0], ["0.3", "0.6", "1", "1.5", "3"])
        right.minorticks_off()
        right.set_yticks(range(len(names)), names)
        right.invert_yaxis()
        right.set_xlabel("length of the pause / time to notice a kill")
        right.set_title("filled: suspected; hollow: not", loc="left")
        left.set_title("dots: simulated; diamonds: live", loc="left")
        figure.legend(*left.get_legend_handles_labels(), loc="outside upper left", ncols=4, fontsize=8,
                      handletextpad=0.2, columnspacing=1.0)  # fmt: skip
        path.write_bytes(to_png(figure))


KNOWN = [name.replace(", ", "/") for name in DETECTORS]


def main() -> int:
    """See the module."""
    parser = script(__doc__)
    parser.add_argument("--seeds", type=integer(1), default=5, help="trials of a cell, each with a seed of its own")
    parser.add_argument("--live", type=integer(0), default=2, help="trials a detector with real processes; 0: none")
    parser.add_argument(
        "--detectors", type=listed(one_of("detector", KNOWN)), default=",".join(KNOWN), help="to compare"
    )
    parser.add_argument("--out", type=Path, default=Path("results/slow-or-dead"), help="folder for figure and tables")
    options = parser.parse_args()
    names = [name.replace("/", ", ") for name in options.detectors]
    rows: list[Row] = []
    for name in names:
        events, same = same_until_suspected(name, 1)
        found = simulated(name, options.seeds)
        rows += found
        kills = [row["kill_s"] for row in found]
        print(
            f"{name}: {events} events seen by the others up to their suspicion, "
            f"{'the same' if same else 'NOT the same'} for kill and pause; a kill is noticed after "
            f"{median(kills) * 1e3:.0f} ms (median)",
            flush=True,
        )
    if options.live:
        with open_session() as session:
            for name in names:
                found = [row for seed in range(1, options.live + 1) for row in live(name, seed, session)]
                rows += found
                kills = [row["kill_s"] for row in found if row["kill_s"]]
                pauses = [row["suspected_s"] for row in found if row["suspected_s"]]
                if kills and pauses:
                    print(
                        f"{name}, live: SIGKILL noticed after {median(kills) * 1e3:.0f} ms, SIGSTOP suspected after "
                        f"{median(pauses) * 1e3:.0f} ms (medians of {len(kills)} and {len(pauses)})",
                        flush=True,
                    )
    print(conclude(rows))
    options.out.mkdir(parents=True, exist_ok=True)
    with (options.out / "cells.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(
            {key: round(value, 6) if isinstance(value, float) else value for key, value in row.items()} for row in rows
        )
    draw(rows, options.out / "figure.png")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
