"""Running the script of a scenario: the steps in words, the drawing, and the verdict."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import msgspec
from rich.console import Console
from rich.text import Text

from ..errors import EXIT_VALID, EXIT_VIOLATION, UsageError
from ..history.history import NEVER
from ..run import run_trial
from ..runtime.explore.notation import format_request
from ..runtime.explore.steps import TICK, Cluster, Step
from ..scenario import Scenario, load_script
from ..shrink.untimed import play
from .summary import console, print_summary
from .violation import print_violation

if TYPE_CHECKING:
    from ..checkers.verdict import Verdict

MOST = 200
"""Steps that are listed one by one."""


def run_script(path: str, *, quiet: bool = False, json_to: str | None = None) -> int:
    """Run it, show it; 1 if the violation shows, 0 if it does not, else the exit code of the trial.

    Raises:
        UsageError: it is no scenario, or cannot be.
    """
    scenario = load_script(path)
    if scenario.steps:
        return _run_steps(scenario, quiet, json_to)
    return _run_trial(scenario, quiet, json_to)


def _run_trial(scenario: Scenario, quiet: bool, json_to: str | None) -> int:
    from .store import encode

    trial = scenario.trial()
    result, _ = run_trial(trial)
    if json_to is not None:
        _write(encode(result), json_to)
    out = console(to_stderr=json_to == "-")
    if not quiet:
        print_summary(out, result, None)
        if result.verdict == "invalid":
            out.print()
            print_violation(out, result, None, command=False)
    if result.checks.get(scenario.fails) == "invalid":
        out.print(Text.assemble(("INVALID", "bold red"), f": {scenario.fails} fails"))
        return EXIT_VIOLATION
    out.print(f"{scenario.fails} does not fail here")
    return result.exit_code()


def _run_steps(scenario: Scenario, quiet: bool, json_to: str | None) -> int:
    schedule = scenario.schedule()
    try:
        cluster, verdict = play(schedule.trial, schedule.steps, scenario.fails, tracing=True, seeded=schedule.seeded)
    except ValueError as error:
        raise UsageError(str(error)) from None
    if json_to is not None:
        report = {
            "protocol": scenario.protocol,
            "mutant": scenario.mutant,
            "steps": len(cluster.done),
            "fails": scenario.fails,
            "verdict": "invalid" if verdict else "valid",
            "reason": verdict.reason if verdict else "",
        }
        _write(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n", json_to)
    show_steps(console(to_stderr=json_to == "-"), scenario, cluster, verdict, quiet=quiet)
    missed = len(schedule.steps) - len(cluster.done)
    if missed and not verdict:
        print(f"{missed} of its steps could not be carried out: the protocol is not the one it was written for")
    return EXIT_VIOLATION if verdict else EXIT_VALID


def _write(content: bytes, to: str) -> None:
    from pathlib import Path

    if to == "-":
        sys.stdout.buffer.write(content)
        sys.stdout.flush()
    else:
        Path(to).write_bytes(content)


def show_steps(
    out: Console, scenario: Scenario, cluster: Cluster, verdict: Verdict | None, *, quiet: bool = False
) -> None:
    """The numbered list, the space-time diagram, and what fails."""
    mutant = f" [{scenario.mutant}]" if scenario.mutant else ""
    if not quiet:
        steps = len(cluster.done)
        out.print(Text(f"{scenario.protocol}{mutant} · {scenario.nodes} nodes · {steps} steps", "bold"))
        for line in told(cluster):
            out.print(line, markup=False)
        out.print()
        out.print(Text(drawing(cluster, verdict)))
        out.print()
    if verdict is None:
        out.print(f"VALID: {scenario.fails} does not fail here")
    else:
        out.print(Text.assemble(("INVALID", "bold red"), f": {verdict.name}: {verdict.reason}"))


def told(cluster: Cluster) -> list[str]:
    """The steps in words, numbered, with what nodes said while they took them."""
    assert cluster.trace is not None
    said: dict[int, list[str]] = {}
    for event in cluster.trace:
        if event.kind in ("mark", "reply"):
            said.setdefault(event.at // TICK, []).append(f"{event.what} {event.detail}".strip())
    contents = {event.at // TICK: event.detail for event in cluster.trace if event.kind == "deliver"}
    width = len(str(len(cluster.done)))
    lines: list[str] = []
    for number, (step, since) in enumerate(zip(cluster.done, cluster.since, strict=True), 1):
        if number > MOST:
            return [*lines, f"... and {len(cluster.done) - MOST} more"]
        text = _words(step, since + 1, contents.get(number, ""))
        if said.get(number):
            text += f" -> {'; '.join(said[number])}"
        lines.append(f"{number:>{width}}. {text}")
    return lines


def _words(step: Step, since: int, contents: str) -> str:
    node = step.node
    match step.kind:
        case "deliver":
            again = " again" if step.copy else ""
            return f"{node} gets {step.what} of step {since} from {step.peer}{again}: {contents}"
        case "timer":
            what = step.what if isinstance(step.what, str) else "/".join(str(part) for part in step.what if part)
            return f"{node}'s timer {what} runs out"
        case "sync":
            return f"{node} has on disk what it wrote up to step {since}"
        case "crash":
            return f"{node} crashes" + (f", and {step.kept} unsynced records survive" if step.kept else "")
        case "boot":
            return f"{node} boots"
        case "lose":
            return f"{node}'s disk is {step.what}"
        case "full":
            return f"{node}'s disk is full"
        case "space":
            return f"{node}'s disk has space again"
        case "request":
            return f"{node} is asked to {format_request(step.request)}"
        case "admin":
            return f"the operator asks {node}: {type(step.request).__name__}"
        case "disconnect":
            return f"{node} sees its stream to {step.peer} break"
        case "end":
            return f"{node} has handled all that arrived"
    return f"{node}: {step.kind} {step.peer}"


def drawing(cluster: Cluster, verdict: Verdict | None) -> str:
    """The space-time diagram of all steps; a step is a millisecond."""
    from ..report.text import text_space_time

    assert cluster.trace is not None
    history = cluster.history()
    rows: tuple[Any, ...] = verdict.rows if verdict is not None else ()
    end = (len(cluster.done) + 1) * TICK
    for row in rows:
        if history.completed[row] != NEVER:
            end = max(end, int(history.completed[row]))
    nodes = [name for name in cluster.machines if any(step.node == name for step in cluster.done)]
    return text_space_time(
        sorted(cluster.trace, key=lambda event: event.at),
        around=end,
        nodes=nodes,
        window=(0, end),
        history=history,
        rows=rows,
    )
