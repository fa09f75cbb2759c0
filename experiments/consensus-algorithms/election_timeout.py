"""Which election timeout should a Raft cluster use, given the round trip between its servers?

The leader is killed under open-loop load. A short timeout notices sooner; on a slow link it also splits more votes and
may depose a leader that is merely late. The advice is computed from simulated trials; live ones show whether the
simulation can be believed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.network import Lognormal, Network
from bench.stats.intervals import LEVEL, Interval, difference, interval, share
from bench.sweep import Conclusion, Counts, Panel, Sweep, SweepResult, observed
from bench.sweep.grid import show, spaced
from bench.sweep.presets import leader_crash
from bench.theory import divergence
from bench.theory.votes import outage
from bench.trial import ServiceTimes, Trial
from bench.units import nanoseconds

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

Timeout = tuple[float, float]

TAIL = 0.9
"""The advice compares the outage that nine crashes in ten do not exceed: split votes live in the tail."""
TOLERATED = 0.05
"""Share of trials with an election nobody needed, above which a timeout is too short for its network."""
TOLERATED_SILENT = 0.01
"""Share of trials in which the system did not serve again, above which a timeout is not advised however fast."""
RATE = 150.0
"""Operations a second, arriving at random."""
JITTER = 0.3
"""Sigma of the logarithm of each one-way delay: the 99.9th percentile is 2.5 times the median."""


def trial(nodes: int, rtt_s: float, election_timeout_s: Timeout) -> Trial:
    """2.2 s of load; the leader dies at 0.4 s and is back at 1.7 s, when the slowest timeout has long run out."""
    return leader_crash(
        "raft",
        RATE,
        nodes=nodes,
        network=Network(latency=Lognormal(nanoseconds(rtt_s / 2), JITTER)),
        params={"election_timeout_s": election_timeout_s, "retry_s": 0.1},
        service=ServiceTimes(byte=0.0),  # values of 16 bytes: beside a message, copying them costs nothing
    )


# --- the advice -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Choice:
    """What to do in one setting.

    Attributes:
        timeout: the advised range in seconds; None where the trials cannot tell the best apart.
        tail: timeout -> the outage in s that nine crashes in ten do not exceed; infinite where more than one in ten had
            not ended when the trial did.
        tied: timeouts not told apart from the best, the best included.
        restless: timeouts ruled out because elections happened that no crash asked for.
        silent: timeouts ruled out because the system did not serve again in too many trials.
        counts: timeout -> what became of its trials, of those too of which none can be compared.
    """

    nodes: int
    rtt_s: float
    timeout: Timeout | None
    tail: dict[Timeout, Interval]
    tied: tuple[Timeout, ...]
    restless: tuple[Timeout, ...]
    silent: tuple[Timeout, ...] = ()
    counts: Mapping[Timeout, Counts] = field(default_factory=dict)

    @property
    def ruled_out(self) -> tuple[Timeout, ...]:
        """Timeouts that are not advised, however short their outages."""
        return tuple(t for t in self.counts if t in self.restless or t in self.silent)


@dataclass(frozen=True)
class Advice:
    """The answer in words, and the choices it is made of."""

    text: str
    choices: tuple[Choice, ...]


def usable(df: pd.DataFrame) -> pd.DataFrame:
    """Complete trials in which the crash hit a leader, and those in which the system did not serve again.

    The latter count whomever the crash hit: where a timeout lets nobody become leader, there is none to be hit.
    """
    asked = df["leader_hit"] | df["unavailable_censored"].astype(bool)
    return df[(df["trial"] == "complete") & asked & df["unavailable_s"].notna()]


def choose(nodes: int, rtt_s: float, trials: dict[Timeout, pd.DataFrame]) -> Choice:
    """The best timeout of one setting, or which ones cannot be told apart.

    Args:
        nodes, rtt_s: the setting.
        trials: timeout -> all its trials, void ones and those in which the crash hit no leader too: they are counted,
            and only what is :func:`usable` is compared.
    """
    counts = {timeout: Counts.of(rows) for timeout, rows in trials.items()}
    cells = {timeout: rows for timeout, every in trials.items() if len(rows := usable(every))}
    if not cells:
        return Choice(nodes, rtt_s, None, {}, (), (), (), counts)
    outages = {timeout: observed(rows, "unavailable_s") for timeout, rows in cells.items()}
    tail = {timeout: interval(values, TAIL) for timeout, values in outages.items()}
    restless = tuple(t for t, rows in cells.items() if share(rows["leader_changes"] > 1).low > TOLERATED)
    silent = tuple(t for t, values in outages.items() if share(np.isinf(values)).low > TOLERATED_SILENT)
    candidates = [t for t in cells if t not in restless and t not in silent]
    ranked = sorted(candidates or cells, key=lambda t: tail[t].estimate)
    best = ranked[0]
    level = 1 - (1 - LEVEL) / max(1, len(ranked) - 1)  # Bonferroni: one comparison with each rival
    tied = [best]
    for rival in ranked[1:]:
        found = difference(outages[rival], outages[best], TAIL, level=level)
        if not (found.known and found.low > 0):
            tied.append(rival)
    clear = len(tied) == 1 and tail[best].known and best not in silent
    return Choice(nodes, rtt_s, best if clear else None, tail, tuple(tied), restless, silent, counts)


def advise(df: pd.DataFrame) -> Advice:
    """Which timeout to choose for each round trip, from the simulated trials of ``df`` alone."""
    simulated = df[df["runtime"] == "sim"]
    choices = []
    for (nodes, rtt), rows in simulated.groupby(["nodes", "rtt_s"]):
        trials: dict[Timeout, pd.DataFrame] = dict(iter(rows.groupby("election_timeout_s")))
        choices.append(choose(int(nodes), float(rtt), trials))
    if not any(choice.tail for choice in choices):
        text = "No simulated trial in which a leader was killed is complete: there is nothing to advise."
        return Advice("\n".join([text, *_told(choices)]), ())
    lines = [_headline(choices)]
    for rtt in sorted({choice.rtt_s for choice in choices}):
        alike: dict[tuple[object, ...], list[Choice]] = {}
        for choice in choices:
            if choice.rtt_s == rtt and choice.tail:
                key = (choice.timeout, choice.tied if choice.timeout is None else (), choice.silent)
                alike.setdefault(key, []).append(choice)
        lines += [_line(group, whole=len(alike) == 1) for group in alike.values()]
        lines += _told([choice for choice in choices if choice.rtt_s == rtt])
    return Advice("\n".join(line for line in lines if line), tuple(choices))


def _told(choices: Sequence[Choice]) -> list[str]:
    """One line for each setting on the trials that no figure shows: void ones, and those that did not serve again."""
    lines = []
    for choice in choices:
        told = [f"{_name(timeout)}: {text}" for timeout, found in choice.counts.items() if (text := found.text())]
        told += [
            f"{_name(timeout)}: the crash hit a leader in none of {found.trials} trials"
            for timeout, found in choice.counts.items()
            if timeout not in choice.tail and not found.text()
        ]
        if told:
            lines.append(f"Round trip {spaced(choice.rtt_s)}, {choice.nodes} nodes, {'; '.join(told)}.")
    return lines


def _headline(choices: Sequence[Choice]) -> str:
    """The whole answer, if one timeout is it, or if there is none; of a single setting its own line says it."""
    chosen = {choice.timeout for choice in choices}
    if chosen == {None}:
        return "These trials cannot tell which election timeout is best."
    if len(chosen) == 1 and len(choices) > 1:
        return f"Choose an election timeout of {_name(choices[0].timeout)}, at every round trip and cluster size tried."
    return ""


def _name(timeout: Timeout | None) -> str:
    return show("election_timeout_s", timeout)


def _line(group: Sequence[Choice], *, whole: bool) -> str:
    """One line on settings with the same choice; ``whole``: they are all settings of that round trip."""
    first = group[0]
    where = f"Round trip {spaced(first.rtt_s)}"
    if not whole or len(group) == 1:
        where += f", {' and '.join(str(choice.nodes) for choice in group)} nodes"
    if first.timeout is None:
        if first.silent and set(first.silent) >= set(first.tail):
            return f"{where}: with every timeout there are trials that did not serve again: none is advised."
        if not any(found.known for choice in group for found in choice.tail.values()):
            return f"{where}: too few trials to choose."
        worse = [t for t in first.tail if t not in first.tied and t not in first.ruled_out]
        ruled_out = f"; {' and '.join(map(_name, worse))} took longer" if worse else ""
        return f"{where}: {' and '.join(map(_name, first.tied))} cannot be told apart{ruled_out}.{_punished(group)}"
    tails = [(choice.nodes, choice.tail[first.timeout].estimate) for choice in group]
    named = [f"{tail * 1e3:.0f} ms" + (f" ({nodes} nodes)" if len(tails) > 1 else "") for nodes, tail in tails]
    outages = " and ".join(named)
    rivals = [(c, t) for c in group for t in c.tail if t not in c.ruled_out]
    ratios = [c.tail[t].estimate / c.tail[first.timeout].estimate for c, t in rivals]
    slower = [ratio for ratio in ratios if 1 < ratio < np.inf]
    rival = f"; the next best took {min(slower):.1f} times as long" if slower else ""
    over = f"Nine crashes in ten were over within {outages}{rival}."
    return f"{where}: choose {_name(first.timeout)}. {over}{_punished(group)}"


def _punished(group: Sequence[Choice]) -> str:
    """Why timeouts were ruled out, as sentences with a space before each."""
    restless = sorted({timeout for choice in group for timeout in choice.restless})
    silent = sorted({timeout for choice in group for timeout in choice.silent})
    text = f" {' and '.join(map(_name, restless))} held elections that no crash asked for." if restless else ""
    return text + (f" {' and '.join(map(_name, silent))} did not serve again too often." if silent else "")


def inside_band(df: pd.DataFrame) -> tuple[int, int]:
    """(live trials inside the middle 90% of their cell's simulated outages, live trials that have such a band)."""
    inside = total = 0
    rows = usable(df)
    for _, group in rows.groupby("cell"):
        simulated = observed(group[group["runtime"] == "sim"], "unavailable_s")
        live = observed(group[group["runtime"] == "ray"], "unavailable_s")
        if len(simulated):
            # a band that ends among trials that did not serve again has no upper end
            low, high = (float(np.quantile(simulated.replace(np.inf, 1e12), share)) for share in (0.05, 0.95))
            inside += int(((live >= low) & ((live <= high) | (high > 1e9))).sum())
            total += len(live)
    return inside, total


# --- the report -----------------------------------------------------------------------------------------------------


def conclude(result: SweepResult) -> Conclusion:
    """The answer, what it rests on, and a figure for each round trip."""
    df = result.frame()
    advice = advise(df) if len(df) else Advice("No trial finished.", ())
    choices = advice.choices
    violated = int((df["verdict"] == "invalid").sum()) if len(df) else 0
    if violated:
        broke = "trial broke" if violated == 1 else "trials broke"
        advice = Advice(
            f"{violated} {broke} a property that must hold, so trust no figure here yet.\n{advice.text}", ()
        )
    return Conclusion(
        answer=advice.text,
        details=_details(df, choices) if len(df) else [],
        panels=[_panel(df, rtt) for rtt in sorted(df["rtt_s"].unique())] if len(df) else [],
        invitation="now break it: bench run raft --runtime sim --mutant vote-not-persisted",
    )


def _details(df: pd.DataFrame, choices: Sequence[Choice]) -> list[str]:
    rows = usable(df)
    simulated = rows[rows["runtime"] == "sim"]
    details = [
        f"The advice compares the outage that nine of ten crashes do not exceed, over {len(simulated)} simulated "
        "crashes. With its 95% bootstrap interval over trials:"
    ]
    for choice in choices:
        each = ", ".join(f"{_name(timeout)}: {_span(found)}" for timeout, found in sorted(choice.tail.items()))
        details.append(f"{choice.nodes} nodes, round trip {spaced(choice.rtt_s)}: {each or 'no trial to compare'}.")
    extra = simulated[simulated["leader_changes"] > 1]
    details.append(
        f"In {len(extra)} of {len(simulated)} simulated trials an election was won that no crash asked for."
        if len(extra)
        else "In no simulated trial was an election won that no crash asked for."
    )
    inside, total = inside_band(df)
    if total:
        details.append(
            f"{inside} of {total} live trials ({inside / total:.0%}) lie inside the middle 90% of the simulated "
            "outages of their cell; about 90% would, if the simulation were exact."
        )
    else:
        details.append("No live trial was run: nothing here says how far the simulation can be believed.")
    return [*details, *_against_model(simulated)]


def model(nodes: int, rtt_s: float, timeout: Timeout) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Outages in s without split votes, lost messages, queues and the clients' retries.

    Followers hear from the leader at every operation, and at least every half of the shortest timeout.
    """
    return outage(nodes - 1, timeout, rtt_s, heartbeat_s=min(timeout[0] / 2, 1 / RATE), client_s=rtt_s)


def _against_model(simulated: pd.DataFrame) -> list[str]:
    """How far the simulated medians are from what the timeout, the last message and the round trips make."""
    found = []
    for (nodes, rtt, timeout), rows in simulated.groupby(["nodes", "rtt_s", "election_timeout_s"]):
        seen = observed(rows, "unavailable_s")
        if len(seen):
            where = f"{nodes} nodes, {spaced(rtt)}, {_name(timeout)}"
            found.append((divergence(model(nodes, rtt, timeout), seen), where))
    if not found:
        return []
    found.sort(key=lambda each: abs(each[0].ratio - 1))
    (near, here), (far, there) = found[0], found[-1]
    return [
        "A model of the timeout, the leader's last message and four round trips (PreVote, vote, commit, client), "
        f"without split votes and the clients' retries: the simulated median is closest at {here}, {near}, and "
        f"farthest at {there}, {far}."
    ]


def _span(found: Interval) -> str:
    def ms(value: float) -> str:
        return f"{value * 1e3:.0f}" if np.isfinite(value) else "beyond the trial"

    bounds = f" ({ms(found.low)} to {ms(found.high)})" if found.known else ""
    return f"{ms(found.estimate)}{bounds}{' ms' if np.isfinite(found.estimate) else ''}"


def _panel(df: pd.DataFrame, rtt_s: float) -> Panel:
    def draw() -> Figure:
        from bench.report.plots import Series, distribution

        rows = usable(df[df["rtt_s"] == rtt_s])
        timeouts = sorted(rows["election_timeout_s"].unique())
        series = [
            Series(
                label=f"{nodes} nodes",
                simulated=[_values(rows, "sim", nodes, timeout) for timeout in timeouts],
                live=[_values(rows, "ray", nodes, timeout) for timeout in timeouts],
                model=[float(np.median(model(nodes, rtt_s, timeout))) for timeout in timeouts],
            )
            for nodes in sorted(rows["nodes"].unique())
        ]
        ticks = [show("election_timeout_s", timeout) for timeout in timeouts]
        return distribution(series, ticks, x_label="election timeout", y_label="unavailable after the crash [s]")

    return Panel(
        title=f"Outage after the leader's crash, round trip {spaced(rtt_s)}",
        caption="Dots: simulated trials. Thin line: their middle 90%; thick line: the middle half; tick: the median. "
        "Diamonds: live trials. Triangles: the median that a model without split votes and retries predicts. A trial "
        "that did not serve again stands at what was seen of its outage.",
        draw=draw,
    )


def _values(rows: pd.DataFrame, runtime: str, nodes: int, timeout: Timeout) -> list[float]:
    mask = (rows["runtime"] == runtime) & (rows["nodes"] == nodes) & (rows["election_timeout_s"] == timeout)
    return [float(value) for value in rows[mask]["unavailable_s"]]


sweep = Sweep(
    name="election_timeout",
    question="Which election timeout should a Raft cluster use, given the round trip between its servers?",
    grid={
        "nodes": "@small",
        "rtt_s": [0.001, 0.020],
        "election_timeout_s": "@timeouts",
    },
    trial=trial,
    seeds=100,
    live=2,
    budget_s=190.0,
    conclude=conclude,
    biases=(
        f"Each message is delayed by half the round trip, lognormal with sigma {JITTER}, independently of the others: "
        "real networks also have bursts, which punish short timeouts more.",
        "A simulated disk syncs in a constant time and a simulated process never stalls; a live one does both.",
        "PreVote and CheckQuorum are on, as by default; the published figures of Raft are without them.",
        "An outage still going on when the load ends is drawn up to there, and ranked behind all that ended.",
        "Clients ask another server after 100 ms without an answer: an outage shorter than that may be seen as longer.",
    ),
)

if __name__ == "__main__":
    raise SystemExit(sweep.main())
