"""``bench explore``: every behaviour of a small cluster, up to bounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .options import NUMBER, option, verb

HELP = """Explore every behaviour of a small cluster running PROTOCOL: each order in which messages arrive, timers run
out, disks sync and servers crash, up to the bounds given. Invariants are checked in every state, and what clients saw
whenever an operation ends. The first violation is one with the fewest steps; it is listed, drawn, and kept as a script.

Seeds are a search, and this is a proof, but only of what is within the bounds: it says "valid" if it has seen all of
that, and "unknown" if a budget ended it before. All clocks agree, any timer that is set may run out next, and a message
may never arrive. What nodes draw at random is fixed; with --chance, every choice among few is tried.

\b
Examples:
  bench explore raft --nodes 3 --operations 2
  bench explore raft --operations 0 --timeouts 2 --param pre_vote=false --mutant double-vote
  bench explore raft --operations 0 --timeouts 2 --crashes 1 --budget 600
  bench run runs/20250101T120000-explore-raft/scenario.py

\b
Exit codes: 0 valid within the bounds, 1 violation, 2 wrong input, 3 unknown: not all was seen.
"""
SCOPE, BUDGET, OUTPUT = "Scope", "Budget", "Output"


@verb("explore", HELP)
@click.argument("protocol")
@option(SCOPE, "--nodes", type=int, default=3, show_default=True, help="Servers.")
@option(SCOPE, "--clients", type=int, help="Clients.  [default: 1]")
@option(SCOPE, "--operations", type=int, default=2, show_default=True, help="Of the clients in turn: write, read, ...")
@option(SCOPE, "--timeouts", type=int, default=1, show_default=True, help="Timers that may run out, in all.")
@option(SCOPE, "--crashes", type=int, default=0, show_default=True, help="Of servers, in all; they may boot again.")
@option(SCOPE, "--duplicates", type=int, default=0, show_default=True, help="Messages that may arrive twice, in all.")
@option(SCOPE, "--chance", is_flag=True, help="Try every way in which nodes may choose among few, as a server to ask.")
@option(SCOPE, "--depth", type=int, help="Steps at most.  [default: as many as there are]")
@option(SCOPE, "--param", multiple=True, metavar="NAME=VALUE", help="A parameter of the protocol; repeatable.")
@option(SCOPE, "--mutant", metavar="NAME", help="Explore this classic mistake instead of the real protocol.")
@option(BUDGET, "--budget", type=NUMBER, default=300.0, help="Seconds.  [default: 300]")
@option(BUDGET, "--states", type=int, default=1_000_000, show_default=True, help="Different states (0.5 GB a million).")
@option(OUTPUT, "--json", "json_to", metavar="FILE", help="Write what was found as JSON; - for standard output.")
@option(OUTPUT, "--no-store", is_flag=True, help="Do not keep a violation under runs/.")
@option(OUTPUT, "--quiet", is_flag=True, help="Print the verdict only.")
def command(protocol: str, json_to: str | None, no_store: bool, quiet: bool, **given: Any) -> int:
    """Validate everything, explore, show."""
    from ..errors import UsageError
    from .exploring import explore
    from .store import check_runs, check_writable

    least = {"nodes": 1, "clients": 0, "states": 1, "depth": 1}
    most = {"nodes": 9, "clients": 9, "operations": 16}
    for name in ("nodes", "clients", "operations", "timeouts", "crashes", "duplicates", "states", "depth"):
        value = given[name]
        low, high = least.get(name, 0), most.get(name)
        if value is not None and (value < low or (high is not None and value > high)):
            extent = f"{low} to {high}" if high is not None else f"at least {low}"
            raise UsageError(f"--{name} {value} is out of range: {extent}")
    if given["budget"] <= 0:
        raise UsageError(f"--budget {given['budget']:g} is out of range: seconds, above 0")
    if json_to not in (None, "-"):
        check_writable(Path(json_to))
    if not no_store:
        check_runs()
    return explore(protocol, given, json_to=json_to, store=not no_store, quiet=quiet)
