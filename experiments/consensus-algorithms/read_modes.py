"""How should a Raft cluster answer reads, and what does each way rely on?

Through the log, by asking a majority (ReadIndex), by a lease, or at any server that asks the leader for an index. First
their cost, for a load of nine reads in ten; then what becomes of the lease when clocks are worse than it assumes.
"""

from __future__ import annotations

from bench.faults.spec import ClockDrift, Fault, Partition
from bench.network import Lognormal, Network
from bench.network.presets import network as named
from bench.sweep import Conclusion, Panel, Sweep, SweepResult
from bench.sweep.panels import by_axis
from bench.trial import Trial
from bench.units import nanoseconds
from bench.workload.spec import Workload

MODES = ("log", "index", "follower", "lease")
CLOCKS = {"clocks within the bound": 0.0, "leaders' clocks 30% slow": -300_000.0}
"""Setting -> by how many millionths the leader's clock is off from shortly before it is cut off."""
CUTS_S = (0.7, 2.9)


def trial(setting: str, reads: str) -> Trial:
    """A closed loop on a network; or, with bad clocks, a leader that is cut off with some of the clients, twice."""
    if setting in CLOCKS:
        return Trial(
            protocol="raft",
            duration=nanoseconds(5),
            clock_drift_ppm=500.0,
            invariants=False,  # the history shall tell, not an invariant that stops the run before a stale read
            network=Network(latency=Lognormal(nanoseconds(0.001), 0.3)),
            params={
                "reads": reads,
                "election_timeout_s": (0.5, 0.6),
                "heartbeat_s": 0.05,
                "pre_vote": False,
                "retry_s": 0.03,
            },
            faults=tuple(fault for at in CUTS_S for fault in _cut_off(at, CLOCKS[setting])),
            workload=Workload(clients=6, rate=500.0, keys=2, mix=(("read", 0.8), ("write", 0.2))),
        )
    return Trial(
        protocol="raft",
        duration=nanoseconds(1.0 if setting == "lan" else 3.0),
        warmup=nanoseconds(0.2),
        network=named(setting),
        params={"reads": reads, "election_timeout_s": (0.5, 1.0)},
        workload=Workload(clients=48, keys=64, mix=(("read", 0.9), ("write", 0.1))),
    )


def _cut_off(at_s: float, ppm: float) -> tuple[Fault, ...]:
    """The leader alone with some of the clients. Who is elected has a fast clock as a rule: it must be made slow."""
    cut = Partition(at=nanoseconds(at_s), shape="isolate", target="leader", length=nanoseconds(1.5))
    slow = ClockDrift(at=nanoseconds(at_s - 0.3), target="leader", ppm=ppm, length=nanoseconds(1.8))
    return (slow, cut) if ppm else (cut,)


def conclude(result: SweepResult) -> Conclusion:
    """Throughput by mode, and stale reads by clocks."""
    df = result.frame()
    df = df[df["trial"] == "complete"]
    if df.empty:
        return Conclusion(answer="No trial was complete.")
    load = df[~df["setting"].isin(list(CLOCKS))]
    details, gains = [], []
    for (setting, runtime), rows in load.groupby(["setting", "runtime"]):
        world = "live" if runtime == "ray" else "simulated"
        rates = rows.groupby("reads")["throughput_ops_s"].median()
        times = rows.groupby("reads")["p50_s"].median()
        details += [
            f"{setting}, {world}, {mode}: {rates[mode]:,.0f} operations/s, p50 {times[mode] * 1e3:.2f} ms."
            for mode in MODES
            if mode in rates.index
        ]
        if runtime == "sim" and "log" in rates.index:
            told = ", ".join(f"{mode} {rates[mode] / rates['log']:.1f}" for mode in MODES[1:] if mode in rates.index)
            gains.append(f"on {setting}: {told}")
    told = [
        f"{mode} with {setting}: {int((rows['verdict'] == 'invalid').sum())} of {len(rows)} histories not linearizable."
        for (setting, mode), rows in df[df["setting"].isin(list(CLOCKS))].groupby(["setting", "reads"])
    ]
    answer = f"Throughput over that of reads through the log, {'; '.join(gains)}." if gains else ""
    return Conclusion(answer=answer or "Nothing to compare.", details=[*details, *told], panels=panels(load))


def panels(load: object) -> list[Panel]:
    """Throughput and latency, a panel a network."""
    import pandas as pd

    assert isinstance(load, pd.DataFrame)
    found = []
    for setting in dict.fromkeys(load["setting"]):
        rows = load[load["setting"] == setting]
        for column, label, scale in (("throughput_ops_s", "operations/s", 1.0), ("p50_s", "median latency [ms]", 1e3)):
            found.append(
                by_axis(
                    rows,
                    "reads",
                    column,
                    title=f"Nine reads in ten on {setting}: {label}",
                    x_label="how reads are answered",
                    y_label=label,
                    scale=scale,
                )
            )
    return found


sweep = Sweep(
    name="read_modes",
    question="How should a Raft cluster answer reads, and what does each way rely on?",
    grid={"setting": ["lan", "continent", *CLOCKS], "reads": list(MODES)},
    trial=trial,
    seeds=10,
    metric="throughput_ops_s",
    conclude=conclude,
    biases=("Clients of the mode 'follower' read from a server of their own choice each, wherever it is.",),
)

if __name__ == "__main__":
    raise SystemExit(sweep.main())
