"""The floor: what this machine or cluster does without a protocol. No live result can pass it.

Three measurements, each below a second: the bare link between two host processes (round trip, and messages a second),
the null protocol on this very runtime, and a bare replicated log, written without the runtime: a leader and two
followers, group commit, fdatasync.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ...trial import Floor, Trial
from ...workload.spec import PRESETS, Workload
from .bare import ClientsOrder, LinkOrder, LogOrder
from .pool import Seat, answers

if TYPE_CHECKING:
    from .session import RaySession

RTT_S, RATE_S, NULL_S, LOG_WARMUP_S, LOG_S = 0.3, 0.5, 0.8, 0.2, 0.8
NULL_CLIENTS = 64
ANSWER_S = 10.0

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.decode


def measure(session: RaySession | str | None, clients: int) -> Floor:
    """Measure the floor, in about 4 s.

    Args:
        session: where; or the address of a cluster, or None for an embedded Ray, both only for this measurement.
        clients: of the bare log's closed loop.

    Raises:
        HarnessError: a process does not answer.
        UsageError: no cluster answers at the address.
    """
    if session is None or isinstance(session, str):
        from .session import RaySession

        with RaySession(session) as own:
            return measure(own, clients)
    null = _null(session)
    seats = session.pool.take(4)
    folder = session.cluster.folder / "floor"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        rtt, rate = _link(seats)
        log = _log(seats, folder, clients)
    finally:
        with contextlib.suppress(Exception):
            _ask(dict.fromkeys(map(str, range(4)), ("stop", b"")), seats)
        session.pool.give_back(seats)
        shutil.rmtree(folder, ignore_errors=True)
    return Floor(link_rtt_s=rtt, link_messages_s=rate, null_messages_s=null, log_ops_s=log)


def _ask(parts: dict[str, tuple[str, bytes]], seats: list[Seat]) -> dict[str, Any]:
    """Have seats (by number, as text) run parts; what they return, decoded."""
    refs = {name: seats[int(name)].actor.bare.remote(part, order) for name, (part, order) in parts.items()}
    found = answers(refs, ANSWER_S, "for the floor")
    return {name: _decode(answer) if answer else None for name, answer in found.items()}


def _ip(seat: Seat) -> str:
    assert seat.greeting is not None
    return seat.greeting.ip


def _link(seats: list[Seat]) -> tuple[float, float]:
    port = _ask({"0": ("echo", b"")}, seats)["0"]
    order = LinkOrder(_ip(seats[0]), port, RTT_S, RATE_S)
    rtt, rate = _ask({"1": ("link", _encode(order))}, seats)["1"]
    return rtt, rate


def _log(seats: list[Seat], folder: Path, clients: int) -> float:
    orders = {str(number): ("follower", _encode(LogOrder(str(folder / str(number))))) for number in (1, 2)}
    ports = _ask(orders, seats)
    followers = tuple((_ip(seats[int(name)]), ports[name]) for name in ("1", "2"))
    port = _ask({"0": ("leader", _encode(LogOrder(str(folder / "0"), followers)))}, seats)["0"]
    order = ClientsOrder(_ip(seats[0]), port, clients, LOG_WARMUP_S, LOG_S)
    rate: float = _ask({"3": ("clients", _encode(order))}, seats)["3"]
    return rate


def _null(session: RaySession) -> float:
    """Messages a second, requests and answers together, of the null protocol at its fullest."""
    trial = Trial(
        protocol="null",
        runtime="ray",
        nodes=1,
        duration=round(NULL_S * 1e9),
        workload=Workload(clients=NULL_CLIENTS, mix=PRESETS["write-only"]),
    )
    record = session.run(trial)
    completed = record.history.completed
    return 2 * int(((completed >= 0) & (completed < trial.duration)).sum()) / NULL_S
