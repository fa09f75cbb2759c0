"""``bench list``: everything that has a name."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable

import click

from .options import verb

HELP = """List what there is, or everything about WHAT.

\b
WHAT is a protocol, or one of
  protocols  mutants  faults  workloads  latencies  networks  systems  sweeps  presets  studies  runs

\b
Examples:
  bench list                 an overview
  bench list raft            its parameters and mutants
  bench list faults          how faults are written
"""

Row = tuple[str, str]

LATENCIES: tuple[Row, ...] = (
    ("2ms", "Constant."),
    ("uniform(1ms, 3ms)", "Lowest and highest."),
    ("normal(2ms, 0.5ms)", "Mean and standard deviation, cut at 0."),
    ("lognormal(2ms, 0.5)", "Median, and standard deviation of the logarithm."),
    ("exponential(2ms)", "Mean."),
    ("pareto(1ms, 1.5)", "Lowest, and exponent of the tail."),
    ("mix(0.9: 1ms, 0.1: exponential(5ms))", "Each with its probability."),
)


def _table(title: str, rows: Iterable[Row]) -> None:
    """Two columns; the second is wrapped to the terminal."""
    rows = list(rows)
    formatter = click.HelpFormatter(width=min(120, max(80, shutil.get_terminal_size().columns)) - 2)
    with formatter.section(title):
        if rows:
            formatter.write_dl(rows, col_max=36)
        else:
            formatter.write_text("none")
    click.echo(formatter.getvalue())


def _protocols() -> None:
    from protocols.registry import MODULES

    from .. import plugins
    from ..mutation import load_family

    def about(name: str) -> str:
        family = load_family(name)
        return f"{family.summary} ({len(family.mutants)} mutants)"

    own = [(name, about(name)) for name in sorted(MODULES) if name not in plugins.names("protocols")]
    _table("Protocols", [*own, *plugins.rows("protocols", about)])


def _protocol(name: str) -> None:
    from ..mutation import load_family
    from ..params import describe

    family = load_family(name)
    click.echo(f"{family.name}: {family.summary}\n{family.paper}\n")
    for role in ("server", "client", "both"):
        rows = [
            (f"{each.name}={each.default}", f"{each.doc} [{each.type}]".strip())
            for each in describe(family)
            if each.role == role
        ]
        if rows:
            title = "Parameters of servers and clients" if role == "both" else f"Parameters of a {role}"
            _table(f"{title} (--param NAME=VALUE)", rows)
    _table("Mutants (--mutant NAME)", [(mutant.name, mutant.why) for mutant in family.mutants])
    if family.lies:
        _table("Byzantine behaviours (--fault 'byzantine n2 as NAME ...')", [(x.name, x.about) for x in family.lies])


def _mutants() -> None:
    from ..errors import UsageError
    from ..mutation import load_family
    from ..plugins import protocol_names

    for name in protocol_names():
        try:
            family = load_family(name)
        except UsageError:  # a broken plug-in: the list of protocols says why
            continue
        if family.mutants:
            _table(f"Mutants of {name}", [(mutant.name, mutant.why) for mutant in family.mutants])


def _faults() -> None:
    from ..faults.notation import FORMS, usage
    from ..faults.presets import PRESETS
    from ..faults.targets import WORDS

    _table("Faults (--fault)", [(usage(kind), form.help) for kind, form in FORMS.items()])
    click.echo(f"TARGET is a node (n1, c1 ...), zone:NAME, or one of {', '.join(WORDS)}.")
    click.echo(
        "host:SERVER (host:n3, host:leader) is every node of the process that this server shares: they are killed or\n"
        "stopped together, with their process. Where each node has its own process, it is that node.\n"
    )
    _table("Failure models (--faults)", [(name, preset.about) for name, preset in PRESETS.items()])


def _workloads() -> None:
    from .. import plugins
    from ..workload.spec import DISTRIBUTIONS, PRESETS

    mixes = [(name, ", ".join(f"{function} {share:.0%}" for function, share in mix)) for name, mix in PRESETS.items()]
    _table("Workloads (--workload)", [*mixes, *plugins.rows("workloads", _about_workload)])
    click.echo(f"Keys (--distribution): {', '.join(DISTRIBUTIONS)}.")


def _systems() -> None:
    from .. import plugins
    from ..systems import OURS

    rows = []
    for name, kind in sorted(OURS.items()):
        system = kind()
        missing = system.missing()
        rows.append((name, f"{system.about}{f'; {missing}' if missing else ''}"))
    _table("Real systems (bench run SYSTEM)", [*rows, *plugins.rows("systems", _about_system)])


def _about_system(name: str) -> str:
    from ..plugins import system

    found = system(name)
    assert found is not None
    return found.about


def _about_workload(name: str) -> str:
    from ..plugins import workload

    found = workload(name)
    assert found is not None
    return ", ".join(f"{function} {share:.0%}" for function, share in found.mix)


def _latencies() -> None:
    _table("Latencies, one way (--latency)", LATENCIES)


def _networks() -> None:
    from ..network.presets import ABOUT

    _table("Networks (--network)", ABOUT.items())


def _sweeps() -> None:
    from ..sweep.scripts import discover

    _table("Sweeps (bench sweep NAME)", [(script.name, script.summary) for script in discover()])
    verbs = {script.name for what in ("sweep", "study") for script in discover(what=what)}
    others = [script for script in discover(what=None) if script.name not in verbs]
    _table("Other experiments (python experiments/NAME.py)", [(script.name, script.summary) for script in others])


def _presets() -> None:
    from ..sweep.grid import show
    from ..sweep.presets import AXES

    rows = []
    for name, (values, about) in AXES.items():
        axis = "election_timeout_s" if name == "timeouts" else ""
        rows.append((f"@{name}", f"{about[0].upper()}{about[1:]}. [{', '.join(show(axis, each) for each in values)}]"))
    _table("Presets of axes (bench sweep NAME AXIS=@PRESET)", rows)


def _studies() -> None:
    from ..tune.scripts import discover

    _table("Studies (bench tune NAME)", [(script.name, script.summary) for script in discover()])


def _runs() -> None:
    from ..report.index import STUDY, SWEEP
    from .store import RESULT, RUNS, load

    rows = []
    for path in sorted(RUNS.glob(f"*/{RESULT}"))[-20:]:
        result = load(str(path)).result
        if result is not None:
            rows.append((path.parent.name, f"{result.runtime}, {result.nodes} nodes, {result.verdict}"))
    _table(f"Latest runs in {RUNS}/ (bench replay NAME, bench report NAME)", rows)
    grids = [(path, what) for file, what in ((SWEEP, "sweep"), (STUDY, "study")) for path in RUNS.glob(f"*/{file}")]
    latest = sorted(grids, key=lambda each: each[0].stat().st_mtime)[-20:]
    _table(
        f"Latest sweeps and studies in {RUNS}/ (bench report NAME)", [(path.parent.name, what) for path, what in latest]
    )


TOPICS: dict[str, Callable[[], None]] = {
    "protocols": _protocols,
    "mutants": _mutants,
    "faults": _faults,
    "workloads": _workloads,
    "systems": _systems,
    "latencies": _latencies,
    "networks": _networks,
    "sweeps": _sweeps,
    "presets": _presets,
    "studies": _studies,
    "runs": _runs,
}


@verb("list", HELP)
@click.argument("what", required=False)
def command(what: str | None) -> int:
    """Print one topic, one protocol, or the overview."""
    from ..errors import unknown_name
    from ..plugins import protocol_names

    if what is None:
        for topic in ("protocols", "faults", "workloads", "latencies", "networks", "systems", "sweeps", "studies"):
            TOPICS[topic]()
        click.echo("'bench list PROTOCOL' shows its parameters and mutants.")
    elif what in TOPICS:
        TOPICS[what]()
    elif what in protocol_names():
        _protocol(what)
    else:
        raise unknown_name("thing to list", what, (*TOPICS, *protocol_names()))
    return 0
