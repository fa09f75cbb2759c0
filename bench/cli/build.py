"""From the options of ``bench run`` to a trial; :mod:`.command` is the way back."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import msgspec

from protocols.family import Family

from .. import plugins
from ..calibration import check_service, kept
from ..errors import UsageError, unknown_name
from ..faults.lying import check_lie
from ..faults.nemesis import check_kinds
from ..faults.notation import check_runtime, exact_duration, format_fault, parse_fault, validate_target
from ..faults.presets import schedule
from ..faults.spec import Fault, Nemesis
from ..faults.targets import zones_of
from ..mutation import find_mutant, load_family
from ..network.latency import Latency, parse_latency
from ..network.measured import is_csv, read_latency, read_network
from ..network.presets import network as named_network
from ..network.spec import Network
from ..params import build_configs, parse_params
from ..torture import torture
from ..trial import ServiceTimes, Trial
from ..units import NS_PER, parse_duration
from ..workload.spec import FUNCTIONS, PRESETS, Workload

DURATION = {"sim": NS_PER["s"], "ray": 10 * NS_PER["s"]}
"""ns of load where nothing is said: enough for the percentiles, and back at the prompt soon."""
DURATION_WITH_FAULTS = {"sim": 5 * NS_PER["s"], "ray": 10 * NS_PER["s"]}
RUNTIMES = ("ray", "sim")
LINKS = ("ray", "tcp")
RESTARTS = ("ray", "supervisor")
LIVE_ONLY = ("actor_nodes", "generators")
SIMULATED_ONLY = ("clock_offset", "clock_drift_ppm", "invariants", "codec")
SKEWED = ("zipfian", "latest")
"""Distributions of keys that have an exponent."""
GENERAL = "general"
"""What ``--nemesis`` without kinds means."""
NO_NEMESIS = "none"
"""For a mutant without faults, which otherwise gets the nemesis."""
SHAPED_BY_SEED = ("protocol", "runtime", "nodes", "duration", "seed", "param", "mutant", "check_budget", "torture")
"""The options that ``--torture`` leaves to the user; the seed draws the rest."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The options of ``bench run`` as typed, except that numbers are numbers; None or empty where not given."""

    protocol: str
    runtime: str = "sim"
    nodes: int | None = None
    clients: int | None = None
    duration: str | None = None
    warmup: str | None = None
    liveness: str | None = None
    rate: float | None = None
    arrival: str | None = None
    workload: str | None = None
    mix: str | None = None
    keys: int | None = None
    distribution: str | None = None
    skew: float | None = None
    zipf: float | None = None
    value_bytes: int | None = None
    network: str | None = None
    latency: str | None = None
    client_latency: str | None = None
    loss: float | None = None
    duplication: float | None = None
    fifo: bool = False
    bandwidth: float | None = None
    fault: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    nemesis: str | None = None
    nemesis_interval: str | None = None
    nemesis_length: str | None = None
    seed: int | None = None
    param: tuple[str, ...] = ()
    mutant: str | None = None
    clock_offset: str | None = None
    clock_drift_ppm: float | None = None
    invariants: bool = True
    codec: bool = False
    actor_nodes: int | None = None
    link: str | None = None
    restart: str | None = None
    generators: int | None = None
    service: str | None = None
    check_budget: float | None = None
    torture: bool = False


def duration_of(text: str, what: str) -> int:
    """``10`` (seconds) or ``500ms``, as ns.

    Raises:
        UsageError: neither, or negative.
    """
    try:
        return parse_duration(text if text.strip()[-1:].isalpha() else f"{text}s", what)
    except (UsageError, OverflowError):
        raise UsageError(f"{what} {text!r} is not a duration: write seconds or a unit, as in 10 or 500ms") from None


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def parse_mix(text: str) -> tuple[tuple[str, float], ...]:
    """``read=0.9,write=0.1``.

    Raises:
        UsageError: malformed, or not a function; the sum is the workload's to check.
    """
    mix = []
    for part in text.split(","):
        name, _, share = (piece.strip() for piece in part.partition("="))
        if name not in FUNCTIONS:
            raise unknown_name("function", name, FUNCTIONS)
        try:
            mix.append((name, float(share)))
        except ValueError:
            raise UsageError(f"mix {text!r} is malformed: write for example read=0.9,write=0.1") from None
        if name in [other for other, _ in mix[:-1]]:
            raise UsageError(f"mix {text!r} names {name} twice")
    return tuple(mix)


def _nodes(options: RunOptions) -> int:
    """Checked first: names are made from it."""
    nodes = Trial(protocol=options.protocol).nodes if options.nodes is None else options.nodes
    if not 1 <= nodes <= 100_000:
        raise UsageError(f"nodes {nodes} is out of range: 1 to 100000")
    return nodes


def _workload(options: RunOptions, family: Family) -> Workload:
    if options.workload is not None and options.mix is not None:
        raise UsageError("give --workload or --mix, not both")
    if options.zipf is not None and (options.distribution is not None or options.skew is not None):
        raise UsageError("--zipf SKEW stands for --distribution zipfian --skew SKEW: give one or the other")
    if options.arrival is not None and options.rate is None:
        raise UsageError("--arrival belongs to an open loop: give --rate too")
    mix = None
    usual = Workload()
    if options.workload is not None:
        other = plugins.workload(options.workload) if options.workload not in PRESETS else None
        if other is None and options.workload not in PRESETS:
            raise unknown_name("workload", options.workload, (*PRESETS, *plugins.names("workloads")))
        usual = usual if other is None else other
        mix = PRESETS[options.workload] if other is None else other.mix
    elif options.mix is not None:
        mix = parse_mix(options.mix)
    if mix is not None:
        missing = [function for function, share in mix if share > 0 and function not in family.functions]
        if missing:
            offered = ", ".join(family.functions) or "nothing"
            raise UsageError(f"the clients of {family.name} offer {offered}, not {missing[0]}")
    distribution = "zipfian" if options.zipf is not None else options.distribution
    if options.workload == "ycsb-d" and distribution is None:
        distribution = "latest"
    workload = msgspec.structs.replace(
        usual,
        **_given(
            clients=options.clients,
            rate=options.rate,
            arrival=options.arrival,
            keys=options.keys,
            distribution=distribution,
            skew=options.skew if options.zipf is None else options.zipf,
            mix=mix,
            value_bytes=options.value_bytes,
        ),
    )
    workload.validate()
    if options.skew is not None and workload.distribution not in SKEWED:
        raise UsageError(
            f"--skew {options.skew:g} says nothing of keys that are {workload.distribution}: "
            "give --distribution zipfian or latest too"
        )
    return workload


def _latency(text: str) -> Latency:
    return read_latency(Path(text)) if is_csv(text) else parse_latency(text)


def _network(options: RunOptions) -> Network:
    if options.network is None:
        named = Network()
    else:
        named = read_network(Path(options.network)) if is_csv(options.network) else named_network(options.network)
    if options.network is not None and options.latency is not None:
        raise UsageError("--network says what the latency is: give it or --latency, not both")
    network = msgspec.structs.replace(
        named,
        **_given(
            latency=None if options.latency is None else _latency(options.latency),
            client_latency=None if options.client_latency is None else _latency(options.client_latency),
            loss=options.loss,
            duplication=options.duplication,
            fifo=options.fifo or None,
            bandwidth=options.bandwidth,
        ),
    )
    network.validate()
    return network


def _faults(
    options: RunOptions, family: Family, duration: int, workload: Workload, network: Network
) -> tuple[Fault, ...]:
    servers = [f"n{index + 1}" for index in range(_nodes(options))]
    clients = [f"c{index + 1}" for index in range(workload.clients)]
    zones = zones_of(network, servers, clients)
    faults = [parse_fault(text) for text in options.fault]
    for name in options.faults:
        faults += schedule(name, duration, servers, family, options.runtime)
    for fault in faults:
        check_lie(fault, family, options.runtime)
        validate_target(fault, servers, workload.clients, zones)
        check_runtime(fault, options.runtime)
        if fault.at >= duration:
            raise UsageError(
                f"fault '{format_fault(fault)}' is later than the load, which ends at {exact_duration(duration)}: "
                f"raise --duration"
            )
    return tuple(faults)


def _nemesis(options: RunOptions, default: Nemesis | None) -> Nemesis | None:
    if options.nemesis is None:
        if options.nemesis_interval is not None or options.nemesis_length is not None:
            raise UsageError("--nemesis-interval and --nemesis-length need --nemesis")
        return default
    if options.nemesis == NO_NEMESIS:
        return None
    named = "" if options.nemesis == GENERAL else options.nemesis
    kinds = tuple(kind.strip() for kind in named.split(",") if kind.strip())
    check_kinds(kinds, options.runtime)
    nemesis = Nemesis(
        kinds=kinds,
        **_given(
            interval=options.nemesis_interval and duration_of(options.nemesis_interval, "--nemesis-interval"),
            length=options.nemesis_length and duration_of(options.nemesis_length, "--nemesis-length"),
        ),
    )
    for name in ("interval", "length"):
        if getattr(nemesis, name) < NS_PER["ms"]:
            raise UsageError(f"--nemesis-{name} {exact_duration(getattr(nemesis, name))} is out of range: at least 1ms")
    return nemesis


def build_trial(options: RunOptions) -> Trial:
    """The trial that the options describe, checked as far as it can be without running it.

    A mutant without faults gets the nemesis, for without faults most mistakes do not show.

    Raises:
        UsageError: with one sentence for the first option that is wrong.
    """
    family = load_family(options.protocol, options.mutant)
    if options.torture:
        return _torture(options, family)
    if options.runtime not in RUNTIMES:
        raise unknown_name("runtime", options.runtime, RUNTIMES)
    runtime: Literal["sim", "ray"] = "ray" if options.runtime == "ray" else "sim"
    _check_world(options)
    nodes = _nodes(options)
    calm = not (options.fault or options.faults) and options.nemesis is None and options.mutant is None
    usual = (DURATION if calm else DURATION_WITH_FAULTS)[runtime]
    duration = usual if options.duration is None else duration_of(options.duration, "--duration")
    workload, network = _workload(options, family), _network(options)
    faults = _faults(options, family, duration, workload, network)
    bare_mutant = options.mutant is not None and not faults
    params = parse_params(family, options.param)
    trial = Trial(
        protocol=options.protocol,
        runtime=runtime,
        nodes=nodes,
        params=params,
        mutant=options.mutant,
        duration=duration,
        network=network,
        workload=workload,
        faults=faults,
        nemesis=_nemesis(options, Nemesis() if bare_mutant else None),
        invariants=options.invariants,
        codec=options.codec,
        **_given(
            seed=options.seed,
            warmup=options.warmup and duration_of(options.warmup, "--warmup"),
            liveness=options.liveness and duration_of(options.liveness, "--liveness"),
            clock_offset=options.clock_offset and duration_of(options.clock_offset, "--clock-offset"),
            clock_drift_ppm=options.clock_drift_ppm,
            actor_nodes=options.actor_nodes,
            link=_link(options),
            restart=_restart(options),
            generators=options.generators,
            service=_service(options),
            check_budget_s=options.check_budget,
        ),
    )
    trial.validate()
    _check_rest(trial)
    if options.mutant is not None:
        params = {**find_mutant(family, options.mutant).params, **params}
    build_configs(family, params, trial.nodes)
    return trial


def _link(options: RunOptions) -> Literal["tcp", "ray"] | None:
    if options.link is None:
        return None
    if options.link not in LINKS:
        raise unknown_name("link", options.link, LINKS)
    if options.runtime != "ray":
        raise UsageError("--link is of live trials: give --runtime ray too")
    return "ray" if options.link == "ray" else "tcp"


def _restart(options: RunOptions) -> Literal["supervisor", "ray"] | None:
    if options.restart is None:
        return None
    if options.restart not in RESTARTS:
        raise unknown_name("restart", options.restart, RESTARTS)
    if options.runtime != "ray":
        raise UsageError("--restart is of live trials: give --runtime ray too")
    return "ray" if options.restart == "ray" else "supervisor"


def _service(options: RunOptions) -> ServiceTimes | None:
    if options.service is None:
        return None
    check_service(options.service)
    if options.runtime != "sim":
        raise UsageError(f"--service is of simulated trials: leave it out, or --runtime {options.runtime}")
    return kept().apply(ServiceTimes()) if options.service == "calibrated" else None


def _torture(options: RunOptions, family: Family) -> Trial:
    """The trial of the full nemesis that the seed draws."""
    if options.runtime != "sim":
        raise UsageError(f"--torture exists in the simulator only, not in --runtime {options.runtime}")
    for field in fields(options):
        if field.name not in SHAPED_BY_SEED and getattr(options, field.name) != field.default:
            raise UsageError(f"--torture draws everything from the seed: leave --{field.name.replace('_', '-')} out")
    if options.nodes is not None:
        _nodes(options)
    trial = torture(
        options.protocol,
        1 if options.seed is None else options.seed,
        options.mutant,
        **_given(
            nodes=options.nodes,
            duration=options.duration and duration_of(options.duration, "--duration"),
            check_budget_s=options.check_budget,
        ),
    )
    trial = msgspec.structs.replace(trial, params={**trial.params, **parse_params(family, options.param)})
    trial.validate()
    _check_rest(trial)
    build_configs(family, trial.params, trial.nodes)
    return trial


def _check_world(options: RunOptions) -> None:
    """Refuse what would do nothing in this world: who asks for it believes that it does something."""
    others = LIVE_ONLY if options.runtime == "sim" else SIMULATED_ONLY
    for field in fields(options):
        if field.name in others and getattr(options, field.name) != field.default:
            name = field.name.replace("_", "-")
            if options.runtime == "sim":
                raise UsageError(f"--{name} is of live trials: give --runtime ray too")
            raise UsageError(f"--{'no-' if name == 'invariants' else ''}{name} is of simulated trials: leave it out")


def _check_rest(trial: Trial) -> None:
    """What ``Trial.validate`` leaves to whoever makes a trial by hand."""
    if trial.check_budget_s <= 0:
        raise UsageError(f"--check-budget {trial.check_budget_s:g} is out of range: seconds, above 0")
    if trial.actor_nodes < 0:
        raise UsageError(f"--actor-nodes {trial.actor_nodes} is out of range: 1 or more, or 0 to choose")
    if not 0 <= trial.clock_drift_ppm < 1e6:
        raise UsageError(f"--clock-drift-ppm {trial.clock_drift_ppm:g} is out of range: 0 to below 1000000")
