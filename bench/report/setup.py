"""What ran, in words: what all trials of a report have in common, and what its axes vary."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..faults.notation import exact_duration, format_fault, format_latency
from ..network.spec import Network
from ..sweep.grid import axis_title, show
from ..sweep.result import SweepResult
from ..trial import Trial
from .model import number_text, world

FAULTS_SHOWN = 6
VALUES_SHOWN = 12


def _load(trial: Trial) -> str:
    load = trial.workload
    clients = f"{load.clients} client{'s' if load.clients != 1 else ''}"
    if load.rate is None:
        return f"{clients}, closed loop: each sends its next operation when the last is answered"
    return f"{clients}, open loop: {number_text(load.rate)} operations a second, {load.arrival} arrivals"


def _operations(trial: Trial) -> str:
    load = trial.workload
    mix = ", ".join(f"{share:.0%} {name}" for name, share in load.mix)
    skew = f" ({load.skew:g})" if load.distribution in ("zipfian", "latest") else ""
    keys = f"{load.keys} key{'s' if load.keys != 1 else ''}, {load.distribution}{skew}"
    return f"{mix}; {keys}; values of {load.value_bytes} bytes"


def _network(trial: Trial) -> str:
    network, plain = trial.network, Network()
    if network.regions is not None:
        parts = [f"regions {', '.join(network.regions.names)}"]
    elif network.latency == plain.latency:
        parts = ["no injected delay"]
    else:
        parts = [f"one-way delay {format_latency(network.latency)}"]
    if network.client_latency is not None:
        parts.append(f"to and from clients {format_latency(network.client_latency)}")
    parts += [f"loss {network.loss:.2%}"] * bool(network.loss)
    parts += [f"duplication {network.duplication:.2%}"] * bool(network.duplication)
    parts += ["links keep order"] * network.fifo
    parts += [f"{number_text(network.bandwidth)} bytes/s a link"] * bool(network.bandwidth)
    return ", ".join(parts)


def _faults(trial: Trial) -> str:
    texts = [format_fault(fault) for fault in trial.faults]
    told = [*texts[:FAULTS_SHOWN], *[f"{len(texts) - FAULTS_SHOWN} more"] * (len(texts) > FAULTS_SHOWN)]
    if trial.nemesis is not None:
        kinds = ", ".join(trial.nemesis.kinds) or "the general set"
        every, length = exact_duration(trial.nemesis.interval), exact_duration(trial.nemesis.length)
        told.append(f"seeded at random: {kinds}, one every {every} on average, for {length}")
    return "; ".join(told) or "none"


def _duration(trial: Trial) -> str:
    text = f"{exact_duration(trial.duration)} of load"
    text += f", the first {exact_duration(trial.warmup)} of it not measured" if trial.warmup else ""
    return f"{text}, then up to {exact_duration(trial.liveness)} to serve again"


def _params(trial: Trial) -> str:
    def text(name: str, value: Any) -> str:
        if isinstance(value, bool):
            return f"{axis_title(name)} {'on' if value else 'off'}"
        return f"{axis_title(name)} {show(name, value)}"

    return ", ".join(text(name, value) for name, value in trial.params.items()) or "defaults"


FIELDS: tuple[tuple[str, Callable[[Trial], str]], ...] = (
    ("protocol", lambda trial: trial.protocol),
    ("mistake in it", lambda trial: trial.mutant or ""),
    ("servers", lambda trial: str(trial.nodes)),
    ("parameters", _params),
    ("load", _load),
    ("operations", _operations),
    ("network", _network),
    ("faults", _faults),
    ("duration", _duration),
    ("links", lambda trial: {"tcp": "TCP", "ray": "actor calls"}[trial.link] if trial.runtime == "ray" else ""),
)


def setup(result: SweepResult) -> list[tuple[str, str]]:
    """(name, text) of what all trials have in common, then of what the axes vary."""
    specs = [row.result.spec for row in result.rows]
    if not specs:
        return []
    listed = []
    for name, text in FIELDS:
        found = {text(spec) for spec in specs} - ({""} if name == "links" else set())
        if len(found) == 1:
            listed.append((name, found.pop()))
    points = result.description.points
    if len(points) > 1:
        for axis in result.axes:
            values = list(dict.fromkeys(show(axis, point[axis]) for point in points))
            more = f", {len(values) - VALUES_SHOWN} more" if len(values) > VALUES_SHOWN else ""
            listed.append(
                (
                    f"{axis_title(axis)}, varied" if len(values) > 1 else axis_title(axis),
                    ", ".join(values[:VALUES_SHOWN]) + more,
                )
            )
    seeds = sorted({spec.seed for spec in specs})
    span = f"{seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else str(seeds[0])
    listed.append(("seeds", span))
    listed.append(("world", " and ".join(sorted({world(spec.runtime) for spec in specs}, reverse=True))))
    return [(name, text) for name, text in listed if text]
