"""The exploration of ``bench explore``: its scope, its progress, and what is shown of it."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text

from protocols.family import Family
from protocols.requests import Cas, Read, Write

from ..errors import EXIT_UNKNOWN, EXIT_VALID, EXIT_VIOLATION, UsageError
from ..mutation import find_mutant, load_family
from ..params import build_configs, parse_params
from ..runtime.explore.canonical import NotComparable
from ..runtime.explore.search import Explorer, Found, Scope
from ..runtime.explore.steps import KINDS, Step
from ..scenario import of_schedule, write_script
from ..shrink.untimed import Schedule, bare, play
from ..trial import Trial
from ..workload.spec import Workload
from . import EXIT_INTERRUPTED
from .execute import progress
from .scenario import show_steps
from .store import RUNS
from .summary import console

_PLURALS = {"crash": "crashes"}
WHY = {
    "states": "the budget of states was spent (--states)",
    "time": "the time was up (--budget)",
    "depth": "steps beyond --depth were not taken",
    "interrupted": "it was interrupted",
}


def operations_of(family: Family, number: int, clients: int) -> tuple[tuple[int, Any], ...]:
    """The operations to explore: of the clients in turn; writes, reads and compare-and-sets of one key in turn.

    Raises:
        UsageError: the protocol's clients understand none of them, or there is no client.
    """
    if number and not clients:
        raise UsageError("operations need a client: give --clients too")
    known = [function for function in ("write", "read", "cas") if function in family.functions]
    if number and not known:
        raise UsageError(f"the clients of {family.name} offer no read, write or cas: explore it with --operations 0")
    found: list[tuple[int, Any]] = []
    written: bytes | None = None
    for index in range(number):
        value = (index + 1).to_bytes(8, "big") + bytes(8)
        function = known[index % len(known)]
        request: Any
        if function == "read":
            request = Read("k0")
        elif function == "write":
            request, written = Write("k0", value), value
        else:
            request, written = Cas("k0", written, value), value
        found.append((index % clients, request))
    return tuple(found)


def explore(protocol: str, given: dict[str, Any], *, json_to: str | None, store: bool, quiet: bool) -> int:
    """Explore, show, keep; returns the exit code.

    Raises:
        UsageError: the scope cannot be, or the protocol cannot be explored.
    """
    family = load_family(protocol, given["mutant"])
    typed = parse_params(family, given["param"])
    params = dict(typed)
    if given["mutant"] is not None:
        params = {**find_mutant(load_family(protocol), given["mutant"]).params, **params}
    clients = given["clients"] if given["clients"] is not None else int(given["operations"] > 0)
    scope = Scope(
        nodes=given["nodes"],
        clients=clients,
        operations=operations_of(family, given["operations"], clients),
        timeouts=given["timeouts"],
        crashes=given["crashes"],
        duplicates=given["duplicates"],
        depth=given["depth"],
        chance=given["chance"],
    )
    server_config, client_config = build_configs(family, params, scope.nodes)
    with progress(quiet) as say:
        explorer = Explorer(
            family, server_config, client_config, scope, states=given["states"], budget_s=given["budget"], say=say
        )
        try:
            found = explorer.run()
        except (NotComparable, NotImplementedError) as error:
            raise UsageError(f"{protocol} cannot be explored: {error}") from None
    trial = Trial(
        protocol=protocol,
        mutant=given["mutant"],
        nodes=scope.nodes,
        params=typed,
        workload=Workload(clients=max(1, clients)),
    )
    if json_to is not None:
        _write_json(json_to, trial, scope, found)
    out = console(to_stderr=json_to == "-")
    if not quiet:
        _show(out, trial, scope, found)
    if found.verdict is not None:
        _show_violation(out, trial, found, store, quiet)
    elif found.cut:
        out.print(Text.assemble(("UNKNOWN", "yellow"), f": no violation in what was seen, but {WHY[found.cut]}"))
    else:
        out.print(Text.assemble(("VALID", "green"), " within these bounds: every state was seen"))
    if found.cut == "interrupted":
        return EXIT_INTERRUPTED
    return {"valid": EXIT_VALID, "invalid": EXIT_VIOLATION}.get(found.word, EXIT_UNKNOWN)


def _bounds(scope: Scope) -> str:
    parts = [
        (scope.nodes, "server"),
        (scope.clients, "client"),
        (len(scope.operations), "operation"),
        (scope.timeouts, "timeout"),
        (scope.crashes, "crash"),
        (scope.duplicates, "duplicate"),
    ]
    words = [f"{count} {what if count == 1 else _PLURALS.get(what, what + 's')}" for count, what in parts]
    text = ", ".join(words)
    return text if scope.depth is None else f"{text}, {scope.depth} steps"


def _show(out: Console, trial: Trial, scope: Scope, found: Found) -> None:
    mutant = f" [{trial.mutant}]" if trial.mutant else ""
    out.print(Text(f"{trial.protocol}{mutant}: {_bounds(scope)}", "bold"))
    out.print(
        f"  {found.states:,} states, {found.transitions:,} steps between them, {found.terminal:,} where nothing can "
        f"follow; up to {found.depth} steps deep",
        markup=False,
    )
    rate = found.transitions / found.took_s if found.took_s else 0.0
    judged = f"{found.turns:,} turns of nodes computed, {found.histories:,} histories judged"
    out.print(f"  {judged}, in {found.took_s:.1f} s ({rate:,.0f} steps/s)", markup=False)


def schedule_of(trial: Trial, found: Found) -> Schedule:
    """The steps to the violation, as a schedule that shows it; its clocks say only as much as is needed."""
    assert found.verdict is not None
    for clocks in ((), ("timer",), KINDS):
        steps = tuple(_with_clock(step, step.kind in clocks) for step in found.steps)
        if play(trial, steps, found.verdict.name, seeded=False)[1] is not None:
            return Schedule(bare(trial), steps, found.verdict, seeded=False)
    raise AssertionError("what the search found, a cluster can do")


def _with_clock(step: Step, told: bool) -> Step:
    return step if told else msgspec.structs.replace(step, drift=0)


def _show_violation(out: Console, trial: Trial, found: Found, store: bool, quiet: bool) -> None:
    assert found.verdict is not None
    schedule = schedule_of(trial, found)
    scenario = of_schedule(schedule)
    cluster, verdict = play(schedule.trial, schedule.steps, found.verdict.name, tracing=True, seeded=False)
    show_steps(out, scenario, cluster, verdict, quiet=quiet)
    if not store:
        return
    folder = RUNS / f"{datetime.now(UTC).strftime('%Y%m%dT%H%M%S')}-explore-{trial.protocol}"
    path = folder / "scenario.py"
    folder.mkdir(parents=True, exist_ok=True)
    mutant = f" [{trial.mutant}]" if trial.mutant else ""
    why = f"{found.verdict.name}: {found.verdict.reason}"
    about = f"{trial.protocol}{mutant} fails {why}\n\nNo shorter way leads there."
    write_script(scenario, path, about.replace("\\", "\\\\").replace('"""', "'''"))
    if not quiet:
        out.print(Text.assemble(("see it with:    ", "dim"), (f"python {path}", "bold")))


def _write_json(to: str, trial: Trial, scope: Scope, found: Found) -> None:
    report = {
        "protocol": trial.protocol,
        "mutant": trial.mutant,
        "params": trial.params,
        "scope": {
            "nodes": scope.nodes,
            "clients": scope.clients,
            "operations": len(scope.operations),
            "timeouts": scope.timeouts,
            "crashes": scope.crashes,
            "duplicates": scope.duplicates,
            "depth": scope.depth,
            "chance": scope.chance,
        },
        "verdict": found.word,
        "cut": found.cut,
        "states": found.states,
        "transitions": found.transitions,
        "terminal": found.terminal,
        "depth": found.depth,
        "took_s": round(found.took_s, 3),
        "violation": None if found.verdict is None else {"name": found.verdict.name, "reason": found.verdict.reason},
        "steps": len(found.steps),
    }
    content = msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"
    if to == "-":
        sys.stdout.buffer.write(content)
        sys.stdout.flush()
    else:
        Path(to).write_bytes(content)
