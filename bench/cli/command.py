"""From a trial back to the command that runs it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import Any

import msgspec

from ..faults.notation import exact_duration, format_fault, format_latency
from ..faults.spec import Nemesis
from ..network.latency import Constant
from ..network.presets import NETWORKS
from ..network.spec import Network
from ..params import format_value
from ..torture import torture
from ..trial import Trial
from ..units import seconds
from .build import GENERAL, NO_NEMESIS, SKEWED, duration_of


def same_trial(one: Trial, other: Trial) -> bool:
    """Whether both are the same run; a trial read from a file has lists where the original had tuples."""
    return msgspec.json.encode(one, order="deterministic") == msgspec.json.encode(other, order="deterministic")


def _duration_text(ns: int) -> str:
    """Seconds where they are exact, as people type them."""
    text = repr(seconds(ns)).removesuffix(".0")
    return text if "e" not in text and duration_of(text, "") == ns else exact_duration(ns)


def _arguments(trial: Trial) -> Iterable[str]:
    """Every option that differs from its default."""
    workload, network, usual, plain = trial.workload, trial.network, Trial(protocol=trial.protocol), Network()

    def option(name: str, value: Any, default: Any) -> Iterable[str]:
        return () if value == default else (f"--{name}", format_value(value))

    def span(name: str, value: int, default: int) -> Iterable[str]:
        return () if value == default else (f"--{name}", _duration_text(value))

    yield from ("--runtime", trial.runtime)
    yield from option("nodes", trial.nodes, usual.nodes)
    yield from option("clients", workload.clients, usual.workload.clients)
    yield from ("--duration", _duration_text(trial.duration))
    yield from span("warmup", trial.warmup, usual.warmup)
    yield from span("liveness", trial.liveness, usual.liveness)
    yield from option("rate", workload.rate, None)
    if workload.rate is not None:
        yield from option("arrival", workload.arrival, usual.workload.arrival)
    if workload.mix != usual.workload.mix:
        yield from ("--mix", ",".join(f"{name}={format_value(share)}" for name, share in workload.mix))
    yield from option("keys", workload.keys, usual.workload.keys)
    yield from option("distribution", workload.distribution, usual.workload.distribution)
    if workload.distribution in SKEWED:
        yield from option("skew", workload.skew, usual.workload.skew)
    yield from option("value-bytes", workload.value_bytes, usual.workload.value_bytes)
    shape = (network.latency, network.regions)
    base = [name for name, each in NETWORKS.items() if (each.latency, each.regions) == shape]
    if base:
        yield from ("--network", base[0])
    elif network.latency != Constant(0):
        yield from ("--latency", format_latency(network.latency))
    if network.client_latency is not None:
        yield from ("--client-latency", format_latency(network.client_latency))
    yield from option("loss", network.loss, plain.loss)
    yield from option("duplication", network.duplication, plain.duplication)
    yield from ("--fifo",) if network.fifo else ()
    yield from option("bandwidth", network.bandwidth, plain.bandwidth)
    for fault in trial.faults:
        yield from ("--fault", format_fault(fault))
    if trial.nemesis is not None:
        yield from ("--nemesis", ",".join(trial.nemesis.kinds) or GENERAL)
        yield from span("nemesis-interval", trial.nemesis.interval, Nemesis().interval)
        yield from span("nemesis-length", trial.nemesis.length, Nemesis().length)
    elif trial.mutant is not None and not trial.faults:
        yield from ("--nemesis", NO_NEMESIS)
    yield from ("--seed", str(trial.seed))
    for name, value in trial.params.items():
        yield from ("--param", f"{name}={format_value(value)}")
    yield from option("mutant", trial.mutant, None)
    if trial.runtime == "sim":  # each world's own options are refused in the other, where they do nothing
        yield from span("clock-offset", trial.clock_offset, usual.clock_offset)
        yield from option("clock-drift-ppm", trial.clock_drift_ppm, usual.clock_drift_ppm)
        yield from () if trial.invariants else ("--no-invariants",)
        yield from ("--codec",) if trial.codec else ()
    else:
        yield from option("actor-nodes", trial.actor_nodes, usual.actor_nodes)
        yield from option("link", trial.link, usual.link)
        yield from option("restart", trial.restart, usual.restart)
        yield from option("generators", trial.generators, usual.generators)
    yield from option("check-budget", trial.check_budget_s, usual.check_budget_s)


def command_of(trial: Trial) -> str:
    """The ``bench run`` command that runs this trial again.

    Options do not reach everything (regions, service times, empirical latencies): such a trial is run again by
    ``bench replay``, and the command here is only close to it.
    """
    if same_trial(trial, torture(trial.protocol, trial.seed, trial.mutant)):
        mutant = () if trial.mutant is None else ("--mutant", trial.mutant)
        return shlex.join(("bench", "run", trial.protocol, "--torture", *mutant, "--seed", str(trial.seed)))
    return shlex.join(("bench", "run", trial.protocol, *_arguments(trial)))
