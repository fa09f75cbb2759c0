"""Can a scheduler keep Raft from electing a leader, for ever, and lose nothing?

Fischer, Lynch and Paterson (1985): no deterministic protocol decides in an asynchronous system if one process may fail.
Randomized timeouts (dissertation, section 3.4) do not refute that: a scheduler that sees what is in the messages keeps
each granted vote under way until the election it was cast in is over. Every message arrives, no link is cut, nobody
crashes. A scheduler that is *oblivious*, with the same delays dealt out without a look inside, loses quickly.

    python experiments/consensus-algorithms/flp.py [--seeds 200] [--wish 10] [--out results/flp]
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from heapq import heappush
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import msgspec

from bench.arguments import integer, listed, real, script
from bench.mutation import load_family
from bench.network.presets import network
from bench.params import build_configs
from bench.runtime.sim.link import Link
from bench.runtime.sim.machine import DELIVER
from bench.runtime.sim.run import Simulation
from bench.runtime.sim.world import World
from bench.trial import Trial
from protocols.consensus.raft.core import CANDIDATE
from protocols.consensus.raft.messages import Vote

MS = 1_000_000
LOOK = MS
"""ns between two looks at whether an election is over."""
HORIZON_S = 60.0
"""After which an oblivious run is given up, in s."""


class Scheduler(World):
    """Delivers everything, when it likes.

    Attributes:
        delays: ns that each message was held back beyond what its link takes.
        held: messages that it still holds.
    """

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.delays: list[int] = []
        self.held = 0

    def deliver(self, link: Link, source: str, message: Any, at: int) -> None:
        """The message arrives at that time."""
        heappush(self._heap, (at, next(self._sequence), DELIVER, link.target, source, message))


class Adaptive(Scheduler):
    """Looks into messages: until ``wish`` (ns) a granted vote arrives when its election is over, not before."""

    wish = 0

    def send_with_care(self, link: Link, source: str, message: Any, leave: int) -> None:
        """All but granted votes go through as fast as the link lets them."""
        (at,) = link.arrivals(leave, 0)
        if type(message) is Vote and message.granted and not message.pre:
            self.held += 1
            self.at(at, lambda: self._hold(link, source, message, at))
        else:
            self.delays.append(0)
            self.deliver(link, source, message, at)

    def _hold(self, link: Link, source: str, message: Vote, due: int) -> None:
        candidate: Any = None if link.target.engine is None else link.target.engine.node
        open_election = candidate is not None and candidate.role == CANDIDATE and candidate.term == message.term
        if open_election and self.now < self.wish:
            self.at(self.now + LOOK, lambda: self._hold(link, source, message, due))
            return
        self.held -= 1
        self.delays.append(self.now - due)
        self.deliver(link, source, message, self.now)


class Oblivious(Scheduler):
    """Holds messages back as often and as long as another scheduler did, whatever is in them."""

    dealt: Sequence[int] = (0,)

    def send_with_care(self, link: Link, source: str, message: Any, leave: int) -> None:
        """A delay by lot."""
        (at,) = link.arrivals(leave, 0)
        delay = link.rng.choice(self.dealt)
        self.delays.append(delay)
        self.deliver(link, source, message, at + delay)


def world(kind: type[Scheduler], seed: int, *, pre_vote: bool) -> Scheduler:
    """Five servers without load, about to boot; a network that keeps order, so that messages meet the scheduler."""
    family = load_family("raft")
    # Heartbeats and elections only; one client, as a trial needs one.
    trial = Trial(
        protocol="raft",
        nodes=5,
        seed=seed,
        network=msgspec.structs.replace(network("zones"), fifo=True),
        params={"pre_vote": pre_vote},
    )
    made = Simulation(trial, family, *build_configs(family, trial.params, 5), make_world=kind).world
    assert isinstance(made, kind)
    return made


def first_leader_s(run: Scheduler, until_s: float) -> float | None:
    """Virtual seconds until a leader is elected; None if there is none by then."""
    for machine in list(run.machines.values()):
        run.boot(machine)
    while run.now < until_s * 1e9:
        run.run(run.now + 5 * MS)
        for mark in run.marks:
            if mark.name == "elected":
                return mark.at / 1e9
    return None


def adaptive(seed: int, wish_s: float, *, pre_vote: bool) -> tuple[float | None, Scheduler]:
    """When a leader emerges against a scheduler that wants none before ``wish_s``, and that scheduler."""
    run = world(Adaptive, seed, pre_vote=pre_vote)
    assert isinstance(run, Adaptive)
    run.wish = round(wish_s * 1e9)
    return first_leader_s(run, wish_s + HORIZON_S), run


def oblivious(seed: int, dealt: Sequence[int], *, pre_vote: bool) -> float | None:
    """The same against one that deals out these delays."""
    run = world(Oblivious, seed, pre_vote=pre_vote)
    assert isinstance(run, Oblivious)
    run.dealt = dealt
    return first_leader_s(run, HORIZON_S)


def measure(seeds: int, wishes_s: Sequence[float], *, pre_vote: bool, say: Any = print) -> list[dict[str, Any]]:
    """A row a run: who scheduled, what it wished, when a leader was there."""
    rows: list[dict[str, Any]] = []
    for wish in wishes_s:
        pool: list[int] = []
        for seed in range(1, seeds + 1):
            found, run = adaptive(seed, wish, pre_vote=pre_vote)
            pool += run.delays
            rows.append(
                {
                    "scheduler": "adaptive",
                    "pre_vote": pre_vote,
                    "wish_s": wish,
                    "seed": seed,
                    "leader_after_s": found,
                    "held_longest_s": max(run.delays) / 1e9,
                    "undelivered": run.held,
                }
            )
        dealt = Random(0).sample(pool, min(len(pool), 20_000))
        for seed in range(1, seeds + 1):
            found = oblivious(seed, dealt, pre_vote=pre_vote)
            rows.append(
                {"scheduler": "oblivious", "pre_vote": pre_vote, "wish_s": wish, "seed": seed, "leader_after_s": found}
            )
        mine = [row for row in rows if row["wish_s"] == wish]
        early = [row["leader_after_s"] or HORIZON_S for row in mine if row["scheduler"] == "adaptive"]
        held = max(row["held_longest_s"] for row in mine if "held_longest_s" in row)
        others = [row["leader_after_s"] for row in mine if row["scheduler"] == "oblivious"]
        known = [value for value in others if value is not None]
        say(
            f"PreVote {'on' if pre_vote else 'off'}, wish {wish:g} s: no leader before "
            f"{min(early):.2f} s in any of {seeds} adaptive runs (nothing lost, a vote held {held:.2f} s at most); "
            f"oblivious with the same delays: median {median(known):.2f} s, longest {max(known):.2f} s, "
            f"{len(others) - len(known)} without a leader after {HORIZON_S:g} s."
        )
    return rows


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Share of runs without a leader, over time."""
    from bench.report.plots import curves, to_png

    lines = []
    for scheduler in ("adaptive", "oblivious"):
        for wish in sorted({row["wish_s"] for row in rows}):
            chosen = [row for row in rows if row["scheduler"] == scheduler and row["wish_s"] == wish]
            chosen = [row for row in chosen if not row["pre_vote"]]
            times = sorted(row["leader_after_s"] or HORIZON_S for row in chosen)
            if not times:
                continue
            x, y = [0.0], [100.0]
            for done, at in enumerate(times, 1):
                x += [at, at]
                y += [y[-1], 100 * (1 - done / len(times))]
            lines.append((f"{scheduler}, until {wish:g} s", x, y))
    figure = curves(lines, x_label="virtual time [s]", y_label="runs without a leader so far [%]")
    for line in figure.axes[0].lines:
        line.set_marker("")
    path.write_bytes(to_png(figure))


def main() -> int:
    """See the module."""
    parser = script(__doc__)
    parser.add_argument("--seeds", type=integer(1), default=200, help="elections under the oblivious network")
    parser.add_argument(
        "--wish",
        type=listed(real(0)),
        default="2,10",
        help="seconds that the scheduler wants no leader for, with commas",
    )
    parser.add_argument("--out", type=Path, default=Path("results/flp"), help="folder for figure and tables")
    options = parser.parse_args()
    rows = [row for pre in (False, True) for row in measure(options.seeds, options.wish, pre_vote=pre)]
    options.out.mkdir(parents=True, exist_ok=True)
    with (options.out / "runs.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    draw(rows, options.out / "figure.png")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
