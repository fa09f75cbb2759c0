"""``bench floor``: what the machine or cluster does without a protocol."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from .options import option, verb

HELP = """Measure the floor: the bare link, a null protocol, a bare replicated log. No live result can pass it.

\b
Examples:
  bench floor
  bench floor --address 10.0.0.1:6379 --clients 64 --json
"""


@verb("floor", HELP)
@option("Options", "--clients", type=int, default=8, show_default=True, help="Of the bare log's closed loop.")
@option("Options", "--address", metavar="HOST:PORT", help="Of a running Ray cluster; without it, a local one starts.")
@option("Options", "--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(clients: int, address: str | None, as_json: bool) -> int:
    """Measure and print."""
    import msgspec

    from ..address import probe
    from ..calibration import calibrate
    from ..errors import UsageError
    from ..trial import Floor, ServiceTimes
    from .summary import duration, number

    if clients < 1:
        raise UsageError(f"--clients {clients} is out of range: at least 1")
    if address is not None:
        probe(address)
    measure: Any = importlib.import_module("bench.runtime.ray.floor").measure
    floor: Floor = measure(address, clients)
    if as_json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(floor), indent=2) + b"\n")
        return 0
    click.echo(f"link round trip  {duration(floor.link_rtt_s)}")
    click.echo(f"link             {number(floor.link_messages_s)} messages/s")
    click.echo(f"null protocol    {number(floor.null_messages_s)} messages/s")
    click.echo(f"bare log         {number(floor.log_ops_s)} operations/s with {clients} clients")
    times = calibrate(floor, ServiceTimes().fsync / 1e9)
    click.echo(
        f"for simulations  {duration(times.message / 1e9)} of CPU a message, {duration(times.wakeup / 1e9)} to wake up "
        f"(a Trial's service times; the default is {duration(ServiceTimes().message / 1e9)} and "
        f"{duration(ServiceTimes().wakeup / 1e9)})"
    )
    return 0
