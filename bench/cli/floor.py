"""``bench floor``: what the machine or cluster does without a protocol."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from .options import option, verb

if TYPE_CHECKING:
    from ..trial import Floor

HELP = """Measure the floor: bare links, a null protocol, a bare replicated log, delays and timers.

No live result can pass it. It takes about half a minute; every live trial measures a short one of its own.

\b
Examples:
  bench floor
  bench floor --save
  bench floor --address 10.0.0.1:6379 --clients 64 --json
"""


@verb("floor", HELP)
@option("Options", "--clients", type=int, default=8, show_default=True, help="Of null protocol and log, beside others.")
@option(
    "Options",
    "--address",
    metavar="HOST:PORT",
    help="Of a running Ray cluster, or auto.  [default: a local one starts]",
)
@option("Options", "--save", is_flag=True, help="Keep it for --service calibrated.")
@option("Options", "--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(clients: int, address: str | None, save: bool, as_json: bool) -> int:
    """Measure and print."""
    import msgspec

    from ..address import probe
    from ..calibration import PLACE, keep
    from ..errors import UsageError
    from .execute import progress
    from .summary import console

    if clients < 1:
        raise UsageError(f"--clients {clients} is out of range: at least 1")
    if address is not None:
        if save:
            raise UsageError("--save keeps the floor of this machine: leave --address out")
        probe(address)
    measure: Any = importlib.import_module("bench.runtime.ray.floor").measure
    with progress(quiet=False) as say:
        floor: Floor = measure(address, clients, whole=True, progress=say)
    if save:
        keep(floor)
    if as_json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(floor), indent=2) + b"\n")
        return 0
    out = console()
    for heading, lines in _sections(floor):
        out.print(heading, style="bold")
        width = max(len(line[0]) for line in lines)
        for name, text, remark in lines:
            out.print(f"  {name:<{width}}  {text:>26}" + (f"  {remark}" if remark else ""))
    if save:
        out.print(f"kept in {PLACE}")
    return 0


Lines = list[tuple[str, str, str]]


def _sections(floor: Floor) -> Iterator[tuple[str, Lines]]:
    """(heading, lines of (what, figure, remark))."""
    from ..calibration import calibrate
    from ..trial import ServiceTimes
    from .summary import duration, number

    def lateness(p50: float, p99: float) -> str:
        return f"p50 {duration(p50)}, p99 {duration(p99)}"

    rates: Lines = [
        (f"tcp, {window} under way", f"{number(rate)} messages/s", "the peak" if rate == floor.link_messages_s else "")
        for window, rate in floor.link_windows
    ]
    links: Lines = [("tcp, round trip", duration(floor.link_rtt_s), "one message under way"), *rates]
    if floor.ray_link_messages_s:
        ratio = floor.link_messages_s / floor.ray_link_messages_s
        links.append(
            (
                "actor calls, round trip",
                duration(floor.ray_link_rtt_s),
                f"{floor.ray_link_rtt_s / floor.link_rtt_s:.1f} x that of tcp",
            )
        )
        links.append(
            ("actor calls, peak", f"{number(floor.ray_link_messages_s)} messages/s", f"tcp: {ratio:.1f} x as many")
        )
    if floor.two_cores:
        remark = "2: whole cores; 1: two threads of one core"
        yield "Cores", [("two busy ones together", f"{floor.two_cores:.2f} x one alone", remark)]
    pinned = f"; tcp pinned to {_cores(floor.pinned[:2])}" if floor.pinned else ""
    yield f"Bare link, messages both ways together{pinned}", links
    null: Lines = [
        (f"tcp, {_clients(floor.clients)}", f"{number(floor.null_messages_s)} messages/s", ""),
        ("tcp, saturated", f"{number(floor.null_peak_messages_s)} messages/s", ""),
    ]
    if floor.null_exchange_messages_s:
        share = floor.null_exchange_messages_s / floor.link_messages_s
        rate = f"{number(floor.null_exchange_messages_s)} messages/s"
        null.append(("tcp, many requests an operation", rate, f"{share:.0%} of the bare link's peak"))
    if floor.ray_null_messages_s:
        ratio = floor.null_messages_s / floor.ray_null_messages_s
        rate = f"{number(floor.ray_null_messages_s)} messages/s"
        null.append((f"actor calls, {_clients(floor.clients)}", rate, f"tcp: {ratio:.1f} x as many"))
    yield "Null protocol, requests and answers together", null
    log: Lines = [(_clients(count), f"{number(rate)} operations/s", "") for count, rate in floor.log_clients]
    sync = ("one sync there", lateness(floor.fsync_p50_s, floor.fsync_p99_s), f"with {_clients(floor.clients)}")
    pinned = f"; pinned to {_cores(floor.pinned)}" if floor.pinned else ""
    yield f"Bare replicated log: leader, two followers, group commit, fdatasync{pinned}", [*log, sync]
    if floor.delays:
        yield (
            "Injected one-way delay, what comes on top",
            [
                (duration(each.asked_s), lateness(each.p50_s, each.p99_s), f"p50 {each.p50_s / each.asked_s:.1%} more")
                for each in floor.delays
            ],
        )
    yield (
        "Timers of 5 ms, how late",
        [
            ("idle", lateness(floor.timer_idle_p50_s, floor.timer_idle_p99_s), ""),
            ("every core busy", lateness(floor.timer_busy_p50_s, floor.timer_busy_p99_s), ""),
        ],
    )
    usual = ServiceTimes()
    times = calibrate(floor, floor.fsync_p50_s or usual.fsync / 1e9)
    yield (
        "Service times for simulations (--service calibrated)",
        [
            (name, duration(found / 1e9), f"default {duration(default / 1e9)}")
            for name, found, default in (
                ("CPU a message", times.message, usual.message),
                ("to wake up", times.wakeup, usual.wakeup),
                ("a sync", times.fsync, usual.fsync),
            )
        ],
    )


def _cores(pinned: Sequence[int]) -> str:
    cores = sorted(set(pinned))
    return f"core{'s' if len(cores) > 1 else ''} {', '.join(map(str, cores))}"


def _clients(count: int) -> str:
    return f"{count} client" + ("s" if count != 1 else "")
