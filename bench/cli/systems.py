"""``bench run SYSTEM``: a real server in place of a protocol, loaded, hurt and judged."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import msgspec
import numpy as np

from ..errors import UsageError
from .build import RunOptions, duration_of, parse_mix
from .store import check_writable

TAKEN = ("nodes", "seed", "duration", "clients", "workload", "mix", "keys", "fault", "param", "check_budget")
"""The options of ``bench run`` that mean something to a real system."""
DURATION_S = 5.0


def settings_of(texts: tuple[str, ...]) -> Mapping[str, float]:
    """``NAME=NUMBER`` options.

    Raises:
        UsageError: malformed.
    """
    found: dict[str, float] = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            found[name.strip()] = float(value)
        except ValueError:
            raise UsageError(f"--param {text!r} is malformed: write for example election_timeout_s=0.5") from None
    return found


def run_system(given: dict[str, Any], json_to: str | None, quiet: bool) -> int:
    """Run it and say what came of it.

    Raises:
        UsageError: an option that real systems have no use for, or a wrong value.
        HarnessError: it did not start.
    """
    from ..faults.notation import parse_fault
    from ..systems import drive, system_named
    from ..systems.driving import check_fault
    from ..workload.spec import PRESETS, Workload

    name = given["protocol"]
    usual = RunOptions(protocol=name)
    for option, value in given.items():
        if option not in (*TAKEN, "protocol") and value != getattr(usual, option):
            raise UsageError(
                f"--{option.replace('_', '-')} means nothing to {name}, which is a real server: its options are "
                f"{', '.join(f'--{each}' for each in TAKEN)}, --json and --quiet"
            )
    system = system_named(name)
    settings = settings_of(given["param"])
    nodes = given["nodes"] or 3
    if not 1 <= nodes <= 9:
        raise UsageError(f"nodes {nodes} is out of range: 1 to 9 servers on one machine")
    if given["workload"] is not None and given["mix"] is not None:
        raise UsageError("give --workload or --mix, not both")
    if given["workload"] is not None and given["workload"] not in PRESETS:
        raise UsageError(f"workload {given['workload']!r} is none of {', '.join(PRESETS)}")
    mix = parse_mix(given["mix"]) if given["mix"] else PRESETS[given["workload"] or "register"]
    workload = Workload(clients=given["clients"] or 8, keys=given["keys"] or 16, mix=mix)
    workload.validate()
    length_s = DURATION_S if given["duration"] is None else duration_of(given["duration"], "--duration") / 1e9
    faults = [check_fault(parse_fault(text), nodes) for text in given["fault"]]
    if json_to not in (None, "-"):
        check_writable(Path(json_to))
    if reason := system.missing():
        raise UsageError(reason)
    version = system.version()
    if not quiet:
        click.echo(f"{name} {version} · {nodes} servers · {workload.clients} clients · {length_s:g} s", err=True)
    driven = asyncio.run(
        drive(system, nodes, workload, length_s, settings=settings, faults=faults, seed=given["seed"] or 1)
    )
    verdicts = driven.verdicts(system, given["check_budget"] or 20.0)
    words = {verdict.verdict for verdict in verdicts}
    took = driven.latencies_s()
    if not len(took):
        click.echo("no operation was answered: nothing was measured")
        return 3
    quantiles = dict(zip(("p50", "p99"), (float(each) for each in np.quantile(took, [0.5, 0.99])), strict=True))
    figures = {
        "system": name,
        "version": version,
        "nodes": nodes,
        "throughput_ops_s": driven.throughput_ops_s(),
        "latency_s": quantiles,
        "back_s": driven.back_s(),
        "server_cpu_s": driven.cpu_s,
        "driver_cpu_s": driven.driver_cpu_s,
        "faults": [{"at_s": at / 1e9, "kind": kind, "target": whom} for at, kind, whom in driven.faults],
        "verdicts": {verdict.name: verdict.verdict for verdict in verdicts},
    }
    if json_to is not None:
        text = msgspec.json.format(msgspec.json.encode(figures), indent=2).decode()
        if json_to == "-":
            click.echo(text)
        else:
            Path(json_to).write_text(text + "\n")
    if not quiet and json_to != "-":
        click.echo(f"  throughput     {driven.throughput_ops_s():,.0f} operations/s")
        click.echo(f"  latency        p50 {quantiles['p50'] * 1e3:.2f} ms  p99 {quantiles['p99'] * 1e3:.2f} ms")
        for at, kind, whom in driven.faults:
            click.echo(f"  fault          {kind} {whom} at {at / 1e9:.2f} s")
        if driven.faults:
            back = driven.back_s()
            click.echo("  writes again   " + ("never" if back is None else f"{back:.2f} s after the first fault"))
        click.echo(f"  checks         {'  '.join(f'{verdict.name} {verdict.verdict}' for verdict in verdicts)}")
    for verdict in verdicts:
        if verdict.verdict == "invalid":
            click.echo(f"  {verdict.name}: {verdict.reason}")
    word = "invalid" if "invalid" in words else "unknown" if "unknown" in words else "valid"
    if json_to != "-":
        click.echo(word.upper())
    return {"valid": 0, "invalid": 1, "unknown": 3}[word]
