"""A failing run as a short script: ``python scenario.py`` or ``bench run scenario.py`` shows it again.

A scenario is either a schedule of steps (what arrives when, whose timer runs out, who crashes; see
:mod:`bench.runtime.explore.notation`), or a simulated trial with explicit faults and operations. Scripts are written by
``bench shrink`` and ``bench explore``, and can be edited by hand.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from .errors import UsageError
from .faults.notation import format_fault, format_latency, parse_fault
from .mutation import load_family
from .network.latency import Constant, Empirical, parse_latency
from .params import format_value, parse_params
from .runtime.explore.notation import format_step, parse_steps
from .trial import Trial
from .units import parse_duration
from .workload.script import format_call, parse_call

if TYPE_CHECKING:
    from .shrink.untimed import Schedule


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One failing run.

    Attributes:
        protocol, mutant: what runs.
        fails: the check that is expected to fail.
        nodes, clients: how many servers and clients.
        params: the protocol's parameters that differ from their defaults, as after ``--param``.
        seed: of what nodes draw (and in a trial links); None: as in ``bench explore``.
        steps: one a line; without them it is a trial.
        duration: of the load, as in ``1.5s`` (trial).
        faults, operations: in their notations (trial).
        more: other fields of :class:`bench.trial.Trial` (trial).
    """

    protocol: str
    fails: str
    mutant: str | None = None
    nodes: int = 3
    clients: int = 1
    params: Mapping[str, str] = field(default_factory=dict)
    seed: int | None = 1
    steps: str = ""
    duration: str = "1s"
    faults: Sequence[str] = ()
    operations: Sequence[str] = ()
    more: Mapping[str, Any] = field(default_factory=dict)

    def trial(self) -> Trial:
        """The trial; for steps, it only names the cluster.

        Raises:
            UsageError: something in the scenario cannot be.
        """
        family = load_family(self.protocol, self.mutant)
        params = parse_params(family, [f"{name}={value}" for name, value in self.params.items()])
        fields = dict(self.more)
        workload = {**fields.pop("workload", {}), "clients": self.clients}
        network = dict(fields.pop("network", {}))
        for name in ("latency", "client_latency"):
            if isinstance(network.get(name), str):
                network[name] = msgspec.to_builtins(parse_latency(network[name]))
        try:
            trial = msgspec.convert(
                {
                    **fields,
                    "protocol": self.protocol,
                    "mutant": self.mutant,
                    "nodes": self.nodes,
                    "seed": 1 if self.seed is None else self.seed,
                    "duration": parse_duration(self.duration),
                    "network": network,
                    "workload": workload,
                },
                Trial,
            )
        except msgspec.ValidationError as error:
            raise UsageError(f"the scenario is malformed: {error}") from None
        script = tuple(sorted(map(parse_call, self.operations), key=lambda call: call.at))
        trial = msgspec.structs.replace(
            trial,
            params=params,
            faults=tuple(parse_fault(text) for text in self.faults),
            workload=msgspec.structs.replace(trial.workload, script=script),
        )
        trial.validate()
        return trial

    def schedule(self) -> Schedule:
        """The steps as they stand; nothing is run.

        Raises:
            UsageError: a line is malformed.
        """
        from .checkers.verdict import Verdict
        from .shrink.untimed import Schedule

        family = load_family(self.protocol, self.mutant)
        steps = parse_steps(self.steps.splitlines(), family)
        return Schedule(self.trial(), steps, Verdict(name=self.fails, verdict="invalid"), self.seed is not None)

    def main(self) -> None:
        """Run and show it; the process ends with 1 if the violation shows, 0 if it does not."""
        from .cli import main

        main.main(["run", str(Path(sys.argv[0])), *sys.argv[1:]])


# --- scripts --------------------------------------------------------------------------------------------------------


def is_script(name: str) -> bool:
    """Whether ``bench run NAME`` means the script of a scenario, not a protocol."""
    return name.endswith(".py")


def load_script(path: str) -> Scenario:
    """The scenario of a script.

    Raises:
        UsageError: there is no such file, or it holds none.
    """
    if not Path(path).is_file():
        raise UsageError(f"there is no file {path}")
    try:
        found = runpy.run_path(path).get("scenario")
    except Exception as error:
        raise UsageError(f"{path} is no scenario: {type(error).__name__}: {error}") from None
    if not isinstance(found, Scenario):
        raise UsageError(f"{path} is no scenario: it defines no 'scenario = Scenario(...)'")
    return found


def of_schedule(schedule: Schedule) -> Scenario:
    """The scenario of a schedule of steps."""
    trial = schedule.trial
    width = len(str(len(schedule.steps)))
    lines = [f"{number:>{width}}  {format_step(step)}" for number, step in enumerate(schedule.steps, 1)]
    return Scenario(
        **_common(trial, schedule.verdict.name), seed=trial.seed if schedule.seeded else None, steps="\n".join(lines)
    )


def of_trial(trial: Trial, fails: str) -> Scenario:
    """The scenario of a simulated trial, as far as it is explicit."""
    plain = Trial(protocol=trial.protocol)
    more: dict[str, Any] = {}
    told = ("protocol", "mutant", "nodes", "seed", "params", "duration", "faults", "workload", "network")
    for name in Trial.__struct_fields__:
        value = getattr(trial, name)
        if name not in told and value != getattr(plain, name):
            more[name] = msgspec.to_builtins(value)
    for name in ("workload", "network"):
        value, usual = getattr(trial, name), getattr(plain, name)
        changed = {
            each: _builtins(getattr(value, each))
            for each in type(value).__struct_fields__
            if each not in ("clients", "script") and getattr(value, each) != getattr(usual, each)
        }
        if changed:
            more[name] = changed
    return Scenario(
        **_common(trial, fails),
        seed=trial.seed,
        duration=_exact(trial.duration),
        faults=[format_fault(fault) for fault in trial.faults],
        operations=[format_call(call) for call in trial.workload.script],
        more=more,
    )


def _builtins(value: Any) -> Any:
    tag = getattr(type(value), "__struct_config__", None)
    if tag is not None and tag.tag is not None and not isinstance(value, Empirical):
        return format_latency(value) if value != Constant(0) else "0s"
    return msgspec.to_builtins(value)


def _exact(ns: int) -> str:
    from .faults.notation import exact_duration

    return exact_duration(ns)


def _common(trial: Trial, fails: str) -> dict[str, Any]:
    return {
        "protocol": trial.protocol,
        "mutant": trial.mutant,
        "fails": fails,
        "nodes": trial.nodes,
        "clients": trial.workload.clients,
        "params": {name: format_value(value) for name, value in trial.params.items()},
    }


def write_script(scenario: Scenario, path: Path, about: str) -> None:
    """Write the script of a scenario; ``about`` heads it."""
    path.write_text(script_of(scenario, path.name, about))


def script_of(scenario: Scenario, name: str, about: str) -> str:
    """The source of the script."""
    usual = {each.name: each for each in Scenario.__dataclass_fields__.values()}
    lines = []
    for each in usual:
        value = getattr(scenario, each)
        always = each in ("protocol", "fails", "nodes", "clients", "seed")
        if not always and not value:
            continue
        if each == "duration" and scenario.steps:
            continue
        if each == "steps":
            body = "\n".join(f"        {line}" for line in value.splitlines())
            lines.append(f'    steps="""\n{body}\n    """,')
        elif isinstance(value, list) and value:
            items = "\n".join(f"        {_quoted(item)}," for item in value)
            lines.append(f"    {each}=[\n{items}\n    ],")
        elif isinstance(value, Mapping):
            lines.append(f"    {each}={_literal(value, '    ')},")
        else:
            lines.append(f"    {each}={_quoted(value)},")
    body = "\n".join(lines)
    return (
        f'"""{about}\n\nSee it with: python {name}, or bench run {name}\n"""\n\n'
        f"from bench.scenario import Scenario\n\nscenario = Scenario(\n{body}\n)\n\n"
        f'if __name__ == "__main__":\n    scenario.main()\n'
    )


def _literal(value: Any, indent: str) -> str:
    """As source, over several lines where one would be too long."""
    if isinstance(value, Mapping):
        items = [f"{_quoted(name)}: {_literal(each, indent + '    ')}" for name, each in value.items()]
        ends = "{}"
    elif isinstance(value, list | tuple):
        items = [_literal(each, indent + "    ") for each in value]
        ends = "[]"
    else:
        return _quoted(value)
    short = f"{ends[0]}{', '.join(items)}{ends[1]}"
    if len(indent) + len(short) < 100 and "\n" not in short:
        return short
    inside = f",\n{indent}    ".join(items)
    return f"{ends[0]}\n{indent}    {inside},\n{indent}{ends[1]}"


def _quoted(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) and '"' not in value and "\\" not in value else repr(value)
