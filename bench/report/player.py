"""A simulated run as one offline page that plays it: roles, terms, logs, messages on their way; play, step, scrub."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from protocols.family import Glance

from ..errors import UsageError
from ..faults.spec import FaultRecord
from ..playing import Played
from ..runtime.record import TraceEvent
from ..trial import Result
from .render import environment

MOST = 20_000
"""Steps in a page: a browser takes more, but nobody looks at them."""
LONG = 160
"""Characters of a message's contents that are kept."""


def write_page(out: Path, played: Played, start: int | None = None, until: int | None = None) -> str:
    """Write the page that plays a run.

    Args:
        out: the HTML file.
        played: the run; see :func:`bench.playing.play`.
        start, until: ns from the start of the load; only that part is played. None: from the first boot, to the end.

    Returns:
        a sentence on what the page holds.

    Raises:
        UsageError: nothing happens in that part, or the file cannot be written.
    """
    trial, result = played.trial, played.result
    events = [event for event in played.events if _within(event.at, start, until)]
    if not events:
        raise UsageError("nothing happens in that part of the run")
    cut = len(events) > MOST
    events = events[:MOST]
    data = content(events, played.glances, played.faults, played.servers, played.clients)
    title = f"{trial.protocol}{f' ({trial.mutant})' if trial.mutant else ''}, seed {trial.seed}"
    html = (
        environment()
        .get_template("player.html")
        .render(title=title, verdict=result.verdict, reason=_reason(result), data=_script(data), cut=cut, most=MOST)
    )
    try:
        out.write_text(html, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"the page cannot be written to {out}: {error.strerror}") from None
    span = f"{events[0].at / 1e9:.3f} s to {events[-1].at / 1e9:.3f} s"
    return f"{len(events):,} steps, {span}{' (the rest is left out)' if cut else ''}"


def _within(at: int, start: int | None, until: int | None) -> bool:
    return (start is None or at >= start) and (until is None or at <= until)


def _reason(result: Result) -> str:
    return result.violations[0].reason if result.violations else ""


def content(
    events: Sequence[TraceEvent],
    glances: Sequence[tuple[int, str, Glance]],
    faults: Sequence[FaultRecord],
    servers: Sequence[str],
    clients: Sequence[str],
) -> dict[str, Any]:
    """What the page's script draws; times in microseconds from the first event.

    ``steps``: [time, kind, node, peer, what, detail]. ``flights``: [sent, arrives or -1 if it is lost or arrives after
    the end, from, to, type, contents]. ``states``: [time, server, glance], the last one before the first event
    included. ``downs``: [node, from, to or -1].
    """
    zero, end = events[0].at, events[-1].at

    def micros(at: int) -> float:
        return round((at - zero) / 1e3, 1)

    arrivals = {event.id: event.at for event in events if event.kind == "deliver"}
    flights = [
        [
            micros(event.at),
            micros(arrivals[event.id]) if event.id in arrivals else -1,
            event.node,
            event.peer,
            event.what,
            event.detail[:LONG],
        ]
        for event in events
        if event.kind == "send"
    ]
    before: dict[str, tuple[int, str, Glance]] = {}
    states = []
    for at, node, seen in glances:
        if at <= zero:
            before[node] = (zero, node, seen)
        elif at <= end:
            states.append((at, node, seen))
    return {
        "servers": list(servers),
        "clients": list(clients),
        "zero": zero / 1e3,
        "end": micros(end),
        "steps": [
            [micros(event.at), event.kind, event.node, event.peer, event.what, event.detail[:LONG]]
            for event in events
            if event.kind not in ("send", "durable")
        ],
        "flights": flights,
        "states": [[micros(at), node, seen] for at, node, seen in (*before.values(), *states)],
        "downs": _downs(events, micros),
        "faults": [
            [micros(fault.start), -1 if fault.end is None else micros(fault.end), fault.detail or fault.kind]
            for fault in faults
        ],
    }


def _downs(events: Sequence[TraceEvent], micros: Any) -> list[list[Any]]:
    """When nodes were down, by their crashes and boots."""
    since: dict[str, float] = {}
    found: list[list[Any]] = []
    for event in events:
        if event.kind == "crash":
            since[event.node] = micros(event.at)
        elif event.kind == "boot" and event.node in since:
            found.append([event.node, since.pop(event.node), micros(event.at)])
    return [*found, *([node, at, -1] for node, at in since.items())]


def _script(data: Any) -> str:
    """JSON that may stand inside a script element."""
    return msgspec.json.encode(data).decode().replace("</", "<\\/")
