"""How soon do HashiCorp's serf, and our SWIM with memberlist's defaults, declare a killed member failed?

Several serf agents (Debian's package ``serf``) run on loopback with their default profile; one after the other is
killed (SIGKILL), and every other agent's log says when it declares it failed. Our SWIM runs the same schedule in the
simulator. Where serf is not installed the script says so and runs the rest.

    python experiments/failure-detection/serf_peer.py [--agents 8] [--kills 4] [--out results/serf-peer]
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from statistics import median

from bench.arguments import integer, script
from bench.faults.spec import Crash
from bench.network import Constant, Network
from bench.opinions import quality
from bench.run import run_trial
from bench.trial import Trial
from bench.units import nanoseconds
from bench.workload.spec import Workload

RESULTS = Path("results/serf-peer")
GAP_S = 30.0
"""Between two kills: longer than the longest suspicion."""


def free_port() -> int:
    """A port that nobody listens to now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Agent:
    """One serf agent, and when its log said what (seconds of the monotonic clock)."""

    def __init__(self, name: str, join: str) -> None:
        self.name = name
        self.address = f"127.0.0.1:{free_port()}"
        self.lines: list[tuple[float, str]] = []
        command = ["serf", "agent", f"-node={name}", f"-bind={self.address}", f"-rpc-addr=127.0.0.1:{free_port()}"]
        self.process = subprocess.Popen(
            command + ([f"-join={join}"] if join else []), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append((time.monotonic(), line))

    def seen(self, event: str, subject: str, since: float = 0.0) -> float | None:
        """When the log first said that after a time."""
        wanted = f"{event}: {subject} "
        return next((at for at, line in list(self.lines) if at >= since and wanted in line), None)

    def stop(self) -> None:
        """Whatever state it is in."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def serf(agents: int, kills: int) -> list[tuple[float, float]]:
    """(first, last) declaration in seconds after each kill.

    Raises:
        RuntimeError: the agents did not find each other.
    """
    running: list[Agent] = []
    try:
        for number in range(agents):
            running.append(Agent(f"agent{number + 1}", running[0].address if running else ""))
            time.sleep(0.2)
        deadline = time.monotonic() + 60
        names = [agent.name for agent in running]
        while not all(a.seen("EventMemberJoin", name) for a in running for name in names if name != a.name):
            if time.monotonic() > deadline:
                raise RuntimeError("the serf agents did not find each other within 60 s")
            time.sleep(0.1)
        found = []
        for _ in range(kills):
            victim = running.pop()
            killed = time.monotonic()
            victim.process.send_signal(signal.SIGKILL)
            victim.process.wait()
            times: list[float] = []
            while time.monotonic() < killed + 2 * GAP_S:
                seen = [agent.seen("EventMemberFailed", victim.name, killed) for agent in running]
                times = [at - killed for at in seen if at is not None]
                if len(times) == len(running):
                    break
                time.sleep(0.05)
            if len(times) < len(running):
                raise RuntimeError(f"{len(running) - len(times)} agents never declared {victim.name} failed")
            found.append((min(times), max(times)))
            print(f"serf, {len(running)} left: first {min(times):.2f} s, all {max(times):.2f} s", flush=True)
            time.sleep(2.0)
        return found
    finally:
        for agent in running:
            agent.stop()


def ours(agents: int, kills: int, seeds: int) -> list[tuple[float, float]]:
    """The same schedule in the simulator, with memberlist's defaults."""
    found = []
    for seed in range(1, seeds + 1):
        trial = Trial(
            protocol="swim",
            nodes=agents,
            seed=seed,
            duration=nanoseconds(5 + kills * GAP_S),
            liveness=nanoseconds(5),
            network=Network(latency=Constant(nanoseconds(0.0001))),
            workload=Workload(clients=1, rate=1.0),
            faults=tuple(
                Crash(at=nanoseconds(5 + kill * GAP_S), target=f"n{agents - kill}", down=None) for kill in range(kills)
            ),
        )
        _, record = run_trial(trial)
        measured = quality(record, agents)
        found += list(zip(measured.detection_first, measured.spread, strict=True))
    return found


def main() -> None:
    parser = script(__doc__)
    parser.add_argument("--agents", type=integer(3), default=8, help="of serf, and members of ours")
    parser.add_argument("--kills", type=integer(1), default=4, help="of an agent, one after the other")
    parser.add_argument("--seeds", type=integer(1), default=10, help="simulated trials of ours")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for figure and table")
    options = parser.parse_args()
    if options.kills > options.agents - 1:  # whoever is left declares the last one
        parser.error(
            f"argument --kills: {options.kills} is out of range: at most {options.agents - 1}, --agents less one"
        )
    groups = {"our SWIM, simulated": ours(options.agents, options.kills, options.seeds)}
    if shutil.which("serf"):
        groups["serf, live"] = serf(options.agents, options.kills)
    else:
        print("serf is not installed (Debian: apt-get install serf): only our SWIM was run")
    options.out.mkdir(parents=True, exist_ok=True)
    rows = ["system,first_s,all_s"]
    for name, pairs in groups.items():
        rows += [f'"{name}",{first:.3f},{last:.3f}' for first, last in pairs]
        firsts, lasts = [first for first, _ in pairs], [last for _, last in pairs]
        print(
            f"{name}: {len(pairs)} kills, first declared after {median(firsts):.2f} s (median, {min(firsts):.2f} to "
            f"{max(firsts):.2f}), by all after {median(lasts):.2f} s"
        )
    (options.out / "times.csv").write_text("\n".join(rows) + "\n")
    draw(groups, options.out / "figure.png")


def draw(groups: dict[str, list[tuple[float, float]]], path: Path) -> None:
    """Both systems, first declaration and last, side by side."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import seaborn as sns

    sns.set_theme(style="whitegrid", context="paper")
    figure, axes = plt.subplots(figsize=(5.6, 3.2), constrained_layout=True)
    palette = sns.color_palette("colorblind")
    ticks = []
    for index, (name, pairs) in enumerate(groups.items()):
        for part, (label, place) in enumerate((("first", 0), ("all", 1))):
            y = index * 2.5 + part
            values = [pair[place] for pair in pairs]
            jitter = [y + 0.22 * (((i * 0.618) % 1) - 0.5) for i in range(len(values))]
            axes.scatter(values, jitter, s=26, color=palette[index], alpha=0.65, linewidths=0)
            axes.plot([median(values)] * 2, [y - 0.3, y + 0.3], color="black", linewidth=1.6)
            ticks.append((y, f"{name}: {label}"))
    axes.set_yticks([y for y, _ in ticks], [label for _, label in ticks])
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.set_xlabel("seconds from the kill to the declaration (bar: median)")
    axes.grid(visible=False, axis="y")
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    main()
