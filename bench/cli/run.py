"""``bench run``: one trial, judged."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from .options import NUMBER, option, verb

HELP = """Run one trial of PROTOCOL and judge it.

Latencies are one way, with a unit (2ms). A TIME takes one too (500ms, 2s), or is in seconds.

\b
Examples:
  bench run raft
  bench run raft --nodes 5 --runtime ray --clients 16 --duration 10 \\
      --latency "lognormal(2ms, 0.5)" --fault "crash leader at 5s for 2s" \\
      --param election_timeout_s=0.15..0.3 --seed 7 --json out.json
  bench run raft --rate 500 --nemesis crash,partition
  bench run raft --mutant vote-not-persisted

Live nodes that share a process (--actor-nodes) crash and pause one by one, within it; the target host:n3, or any that
takes in all nodes of a process, kills or stops the process. With --restart ray, a fault's down time does not apply to
killed processes: Ray starts them again at once.

A mutant without --seed is tried with one seed after the other (for some seconds) until a violation shows, under the
full nemesis (--torture) unless other options shape the trial.

PROTOCOL may also be the script of a scenario, as written by 'bench shrink' and 'bench explore', or a real system
(etcd, see 'bench list systems'), which runs as processes of this machine: closed loop, crashes and pauses.

'bench list' shows the protocols, their parameters and mutants, and how faults are written.
"""
TRIAL, LOAD, NETWORK, FAULTS, OUTPUT = "Trial", "Load", "Network", "Faults", "Output"
DISTRIBUTION = "Of keys: uniform, zipfian, hotspot, latest or sequential.  [default: uniform; of ycsb-d, latest]"


@verb("run", HELP)
@click.argument("protocol")
@option(TRIAL, "--runtime", default="sim", show_default=True, metavar="sim|ray", help="Virtual time or real processes.")
@option(TRIAL, "--nodes", type=int, help="Servers.  [default: 3]")
@option(TRIAL, "--seed", type=int, help="Of everything random.  [default: 1]")
@option(TRIAL, "--duration", metavar="TIME", help="Of the load.  [default: 1 in sim, 5 with faults; 10 live]")
@option(TRIAL, "--warmup", metavar="TIME", help="At the start, checked but not measured.  [default: 0]")
@option(TRIAL, "--liveness", metavar="TIME", help="Granted after the heal to serve again.  [default: 10]")
@option(TRIAL, "--param", multiple=True, metavar="NAME=VALUE", help="A parameter of the protocol; repeatable.")
@option(TRIAL, "--mutant", metavar="NAME", help="Run this classic mistake instead of the real protocol.")
@option(
    TRIAL,
    "--service",
    metavar="default|calibrated",
    help="What work costs: the same anywhere, or from this machine's floor (sim).  [default: default]",
)
@option(LOAD, "--clients", type=int, help="Client nodes.  [default: 8]")
@option(LOAD, "--rate", type=NUMBER, help="Operations a second (open loop).  [default: a closed loop]")
@option(LOAD, "--arrival", type=click.Choice(["poisson", "constant"]), help="Of an open loop.  [default: poisson]")
@option(
    LOAD,
    "--workload",
    metavar="PRESET",
    help="Mix by name, such as ycsb-a.  [default: register, or what it can of that]",
)
@option(LOAD, "--mix", metavar="F=SHARE,...", help="Mix by shares: read=0.9,write=0.1.  [default: the workload's]")
@option(LOAD, "--keys", type=int, help="Number of keys.  [default: 16]")
@option(LOAD, "--distribution", metavar="NAME", help=DISTRIBUTION)
@option(LOAD, "--skew", type=NUMBER, help="Exponent of zipfian and latest.  [default: 0.99]")
@option(LOAD, "--zipf", type=NUMBER, metavar="SKEW", help="Short for --distribution zipfian --skew SKEW.")
@option(LOAD, "--value-bytes", type=int, help="Size of a value.  [default: 16]")
@option(
    NETWORK,
    "--network",
    metavar="NAME",
    help="By name (bench list networks), or a .csv of round trips.  [default: none]",
)
@option(NETWORK, "--latency", metavar="LATENCY", help='One way: 2ms, "lognormal(2ms, 0.5)", a .csv ...  [default: 0]')
@option(
    NETWORK, "--client-latency", metavar="LATENCY", help="Between clients and servers.  [default: as between servers]"
)
@option(NETWORK, "--loss", type=NUMBER, help="Probability that a message is lost.  [default: 0]")
@option(NETWORK, "--duplication", type=NUMBER, help="Probability that a message arrives twice.  [default: 0]")
@option(NETWORK, "--fifo", is_flag=True, help="Links keep the order of sending.")
@option(NETWORK, "--bandwidth", type=NUMBER, help="Bytes a second a directed link; 0: no limit.  [default: 0]")
@option(NETWORK, "--clock-offset", metavar="TIME", help="Wall clocks start within +-TIME (sim).  [default: 0]")
@option(NETWORK, "--clock-drift-ppm", type=NUMBER, metavar="PPM", help="Clocks run within +-PPM (sim).  [default: 0]")
@option(FAULTS, "--fault", multiple=True, metavar="FAULT", help='"crash leader at 5s for 2s"; repeatable.')
@option(FAULTS, "--faults", multiple=True, metavar="MODEL", help="A failure model: crash, omission, timing ...")
@option(
    FAULTS,
    "--nemesis",
    is_flag=False,
    flag_value="general",
    metavar="[KINDS]",
    help="Seeded random faults, of these kinds (crash,partition) or the general set.",
)
@option(FAULTS, "--nemesis-interval", metavar="TIME", help="Mean time between two.  [default: 0.5]")
@option(FAULTS, "--nemesis-length", metavar="TIME", help="Mean length.  [default: 0.4]")
@option(FAULTS, "--torture", is_flag=True, help="The seed draws cluster, network, load and dense faults (sim).")
@option(OUTPUT, "--json", "json_to", metavar="FILE", help="Write the result as JSON; - for standard output.")
@option(OUTPUT, "--no-store", is_flag=True, help="Do not keep the run under runs/.")
@option(OUTPUT, "--shrink", is_flag=True, help="Make a violation small, and keep it as a script beside the run (sim).")
@option(OUTPUT, "--quiet", is_flag=True, help="Print the verdict only.")
@option(OUTPUT, "--baseline", metavar="RUN", help="Compare with an earlier run; exit code 4 for a regression.")
@option(
    OUTPUT,
    "--tolerate",
    multiple=True,
    metavar="NAME=SHARE",
    help="May be worse than the --baseline by: p99_s=5%; repeatable.",
)
@option(OUTPUT, "--force", is_flag=True, help="Compare with a --baseline of another machine, too.")
@option(OUTPUT, "--check-budget", type=NUMBER, help="Seconds for each checker.  [default: 20]")
@option(OUTPUT, "--invariants/--no-invariants", default=True, help="Check global state after each step (sim).")
@option(OUTPUT, "--codec", is_flag=True, help="Send every message through its codec (sim; live, all are).")
@option("Cluster", "--address", metavar="HOST:PORT", help="Of a Ray cluster, or auto.  [default: a local one starts]")
@option("Cluster", "--link", metavar="tcp|ray", help="What carries messages between actors.  [default: tcp]")
@option(
    "Cluster",
    "--actor-nodes",
    type=int,
    help="Nodes an actor; one crashes alone, host:n3 is n3's process.  [default: 1 up to ten nodes, else 10]",
)
@option(
    "Cluster",
    "--restart",
    metavar="supervisor|ray",
    help="Of killed processes: as scheduled, or by Ray, at once.  [default: supervisor]",
)
@option("Cluster", "--generators", type=int, help="Processes that drive the load, apart if they can.  [default: 1]")
def command(
    json_to: str | None,
    no_store: bool,
    quiet: bool,
    shrink: bool,
    address: str | None,
    baseline: str | None,
    tolerate: tuple[str, ...],
    force: bool,
    **given: Any,
) -> int:
    """Validate everything, run, keep, show."""
    if given["protocol"].endswith(".py"):
        return _script(given, json_to, quiet)
    if _is_system(given["protocol"]):
        from .systems import run_system

        return run_system(given, json_to, quiet)
    from ..address import probe
    from ..errors import UsageError
    from .build import RunOptions, build_trial
    from .execute import Output, execute
    from .store import check_runs, check_writable

    options = RunOptions(**given)
    trial = build_trial(options)
    output = Output(json_to=json_to, store=not no_store, quiet=quiet, shrink=shrink, force=force)
    if baseline is None and (tolerate or force):
        raise UsageError(f"--{'tolerate' if tolerate else 'force'} is of a comparison: give --baseline RUN too")
    if baseline is not None:
        from .compare import read_baseline, shares

        output = replace(output, baseline=read_baseline(baseline, force), tolerated=shares(tolerate))
    if shrink and (no_store or trial.runtime != "sim"):
        raise UsageError("--shrink is of simulated runs that are kept: for a live run, 'bench shrink RUN' afterwards")
    if output.json_path is not None:
        check_writable(output.json_path)
    if output.store:
        check_runs()
    if address is not None:
        if trial.runtime != "ray":
            raise UsageError("--address is of a live cluster: give --runtime ray too")
        probe(address)
    return execute(options, trial, output, address)


def _is_system(name: str) -> bool:
    from ..plugins import protocol_names
    from ..systems import system_names

    return name in system_names() and name not in protocol_names()


def _script(given: dict[str, Any], json_to: str | None, quiet: bool) -> int:
    """Of a scenario."""
    from pathlib import Path

    from ..errors import UsageError
    from .build import RunOptions
    from .scenario import run_script
    from .store import check_writable

    usual = RunOptions(protocol="")
    for name, value in given.items():
        if name != "protocol" and value != getattr(usual, name):
            raise UsageError(f"a scenario says itself what is run: leave --{name.replace('_', '-')} out")
    if json_to not in (None, "-"):
        check_writable(Path(json_to))
    return run_script(given["protocol"], quiet=quiet, json_to=json_to)
