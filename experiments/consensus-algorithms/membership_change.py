"""What does it cost to change the members of a Raft cluster while it serves?

One server at a time or all at once through joint consensus; newcomers with an empty disk; the leader removed; a leader
that is stopped with and without handing over. And who is removed without being told: whether it can disturb the rest.

    python experiments/consensus-algorithms/membership_change.py [--seeds 20] [--out results/membership-change]
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from bench.arguments import integer, script
from bench.faults.spec import Crash, DrainRestart, Fault, Membership, Partition
from bench.network.presets import network
from bench.run import run_trial
from bench.runtime.record import RunRecord
from bench.trial import Trial
from bench.units import nanoseconds
from bench.workload.spec import Workload

AT_S = 3.0
LOAD_S = 6.0

Build = Callable[[], tuple[int, dict[str, Any], tuple[Fault, ...]]]


def _asked(*changes: str) -> tuple[Fault, ...]:
    """``+n4`` or ``-n1``: what the operator asks of the leader, all at the same time."""
    return tuple(
        Membership(
            at=nanoseconds(AT_S), target="leader", action="add" if change[0] == "+" else "remove", node=change[1:]
        )
        for change in changes
    )


def _swap(method: str) -> Build:
    """Two of three servers are replaced by two that are empty."""
    asked = _asked("+n4", "+n5", "-n1", "-n2")
    return lambda: (5, {"initial_servers": 3, "membership_change": method}, asked)


def _removed_unaware(params: dict[str, Any]) -> Build:
    """n3 is cut off while it is removed, so that it goes on standing for election when it is back."""
    cut = Partition(at=nanoseconds(AT_S - 0.01), shape="isolate", target="n3", length=nanoseconds(0.5))
    return lambda: (3, params, (cut, *_asked("-n3")))


SCENARIOS: dict[str, Build] = {
    "add an empty server": lambda: (4, {"initial_servers": 3}, _asked("+n4")),
    "remove a server": lambda: (4, {}, _asked("-n1")),
    "replace 2 of 3, one at a time": _swap("single"),
    "replace 2 of 3, joint": _swap("joint"),
    "leader killed": lambda: (3, {}, (Crash(at=nanoseconds(AT_S), target="leader", down=nanoseconds(1)),)),
    "leader hands over": lambda: (
        3,
        {},
        (DrainRestart(at=nanoseconds(AT_S), target="leader", grace=nanoseconds(0.2), down=nanoseconds(1)),),
    ),
    "removed unaware, plain": _removed_unaware({"pre_vote": False}),
    "removed unaware, PreVote": _removed_unaware({}),
    "removed unaware, sticky": _removed_unaware({"pre_vote": False, "sticky": True}),
}


def trial(scenario: str, seed: int) -> Trial:
    """500 operations/s on a network of zones; the change comes after half of the time, when 1,000s are in the log."""
    nodes, params, faults = SCENARIOS[scenario]()
    return Trial(
        protocol="raft",
        nodes=nodes,
        seed=seed,
        duration=nanoseconds(LOAD_S),
        network=network("zones"),
        params={"snapshot_entries": 500, "snapshot_trailing": 100, "retry_s": 0.1, **params},
        faults=faults,
        workload=Workload(clients=16, rate=500.0, keys=200),
    )


def row(scenario: str, seed: int) -> dict[str, Any]:
    """One run: how long the change took, the longest outage, elections after it, and whether the leader was to go."""
    result, record = run_trial(trial(scenario, seed))
    at = nanoseconds(AT_S)
    leader = [node for when, node in record.leaders if when <= at][-1]
    done = [mark.at for mark in record.marks if mark.name == "membership" and mark.at >= at]
    steps = sum(mark.name == "reconfigure" and mark.at >= at for mark in record.marks)
    return {
        "scenario": _named(scenario, record),
        "seed": seed,
        "verdict": result.verdict,
        # Where the one that is removed unaware is the leader itself, it knows.
        "trial": "void" if scenario.startswith("removed unaware") and leader == "n3" else result.trial,
        "change_s": (done[-1] - at) / 1e9 if done else None,
        "steps": steps,
        "outage_s": result.unavailable_s,
        "p99_s": result.latency_s.p99,
        "elections": sum(mark.name == "elected" and at <= mark.at < nanoseconds(LOAD_S) for mark in record.marks),
    }


def _named(scenario: str, record: RunRecord) -> str:
    """Whom ``remove a server`` hit."""
    if scenario != "remove a server":
        return scenario
    leader = [node for when, node in record.leaders if when <= nanoseconds(AT_S)][-1]
    return "remove the leader" if leader == "n1" else "remove a follower"


def told(name: str, rows: list[dict[str, Any]]) -> str:
    """One scenario in a line."""
    times = [each["change_s"] for each in rows if each["change_s"] is not None]
    change = (
        f"through after {median(times) * 1e3:.0f} ms in {median(each['steps'] for each in rows):g} steps, "
        if times
        else ""
    )
    outages = [each["outage_s"] or 0.0 for each in rows]
    bad = sum(each["verdict"] == "invalid" for each in rows)
    return (
        f"{name}: {change}longest outage {median(outages) * 1e3:.0f} ms (largest {max(outages) * 1e3:.0f}), "
        f"{sum(each['elections'] for each in rows) / len(rows):.2f} elections after it, {len(rows)} trials"
        f"{f', {bad} INVALID' if bad else ''}"
    )


def grouped(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Complete trials by scenario."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for each in rows:
        if each["trial"] == "complete":
            groups.setdefault(each["scenario"], []).append(each)
    return groups


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Outages by scenario."""
    from bench.report.plots import dots, to_png

    groups = grouped(rows)
    figure = dots(
        [
            (
                name,
                [(each["outage_s"] or 0.0) * 1e3 for each in group],
                [each["change_s"] * 1e3 for each in group if each["change_s"] is not None],
            )
            for name, group in groups.items()
        ],
        x_label="ms (median; of fewer than 8 trials mean and range)",
        names=("longest outage", "time until the change is through"),
    )
    path.write_bytes(to_png(figure))


def main() -> int:
    """See the module."""
    parser = script(__doc__)
    parser.add_argument("--seeds", type=integer(1), default=20, help="trials of a cell, each with a seed of its own")
    parser.add_argument(
        "--out", type=Path, default=Path("results/membership-change"), help="folder for figure and tables"
    )
    options = parser.parse_args()
    rows = []
    for scenario in SCENARIOS:
        found = [row(scenario, seed) for seed in range(1, options.seeds + 1)]
        rows += found
        for name, group in grouped(found).items():
            print(told(name, group), flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    with (options.out / "runs.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    draw(rows, options.out / "figure.png")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
