"""The floor: what this machine or cluster does without a protocol. No live result can pass it.

Measured are the bare link between two host processes (:mod:`.bare`), the null protocol on this very runtime, a bare
replicated log (:mod:`.bare_log`), and how late injected delays and timers are (:mod:`.precision`). Bare link and log
are pinned to cores; null protocol, delays and timers are the runtime's and run as they do in a trial.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakKeyDictionary

import msgspec

from ...trial import DelayError, Floor, Trial
from ...workload.spec import PRESETS, Workload
from .bare import LinkOrder, SpinOrder
from .bare_log import ClientsOrder, LogOrder
from .precision import DelayOrder, TimerOrder
from .seat import Seat, answers

if TYPE_CHECKING:
    from .session import RaySession

NULL_WARMUP_S = 0.2
"""Seconds at the start of the null protocol that do not count."""
NULL_CLIENTS = 64
"""Clients that saturate the null protocol."""
EXCHANGES, EXCHANGING = 64, 16
"""Requests an operation, all under way at once, and clients, where messages count and not operations: together as many
under way as the largest of ``WINDOWS``."""
WINDOWS = (16, 64, 256, 1024)
"""Messages under way on the bare link where its rate is measured."""
LOG_CLIENTS = (1, 16, 64, 256)
"""Of the bare log, where the whole floor is asked for."""
DELAYS = (300_000, 1_400_000, 2_500_000, 10_000_000, 100_000_000)
"""One-way delays in ns: some fall between the milliseconds that event loops round to."""
ANSWER_S = 15.0
_HEAD_START = 20_000_000
"""ns in which an order reaches all who are to begin at once."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.decode

Say = Callable[[str], None]


@dataclass(frozen=True)
class Lengths:
    """Seconds that each measurement takes."""

    rtt: float = 0.2
    rate: float = 0.15
    null: float = 0.7
    log_warmup: float = 0.15
    log: float = 0.6
    delays: float = 0.4
    timers: float = 0.4
    spin: float = 0.1


WHOLE = Lengths(rtt=0.6, rate=0.4, null=1.2, log_warmup=0.2, log=1.0, delays=2.5, timers=2.0, spin=0.5)
"""Where the floor is what is asked for, not the company of a trial."""


def measure(
    session: RaySession | str | None,
    clients: int,
    *,
    whole: bool = False,
    known: Floor | None = None,
    progress: Say | None = None,
) -> Floor:
    """Measure the floor, in about 4 s, or 25 s for the ``whole`` of it.

    Args:
        session: where; or the address of a cluster, or None for an embedded Ray, both only for this measurement.
        clients: of the closed loops of null protocol and bare log.
        whole: take longer, measure the bare log at several numbers of clients, and links by actor calls too.
        known: an earlier floor of this session, whose saturated null protocol need not be measured again.
        progress: called with a few words before each measurement.

    Raises:
        HarnessError: a process does not answer.
        UsageError: no cluster answers at the address.
    """
    say = progress or (lambda text: None)
    if session is None or isinstance(session, str):
        from .session import RaySession

        say("starting Ray")
        with RaySession(session) as own:
            return measure(own, clients, whole=whole, progress=progress)
    lengths = WHOLE if whole else Lengths()
    null, peak = _null(session, clients, lengths, say, 0.0 if known is None else known.null_peak_messages_s)
    seats = session.pool.take(4)
    folder = session.cluster.folder / "floor"
    try:
        bench = _Bench(seats, lengths, say)
        pinned = bench.pin()
        two_cores = bench.cores(pinned)
        rtt, windows = bench.link()
        log, fsync = bench.log([str(session.pool.folder(seat, folder)) for seat in seats], clients, whole)
        bench.unpin()
        delays = bench.delays()
        idle, busy = bench.timers()
    finally:
        _let_go(session, seats)
        shutil.rmtree(folder, ignore_errors=True)
    ray_rtt, ray_rate = _ray_link(session, say) if whole else (0.0, 0.0)
    ray_null = _null_rate(session, clients, lengths, say, "ray") if whole else 0.0
    exchange = _null_rate(session, EXCHANGING, lengths, say, exchanges=EXCHANGES) if whole else 0.0
    return Floor(
        clients=clients,
        link_rtt_s=rtt,
        link_messages_s=max(rate for _, rate in windows),
        link_windows=windows,
        pinned=pinned,
        two_cores=two_cores,
        null_messages_s=null,
        null_peak_messages_s=peak,
        null_exchange_messages_s=exchange,
        log_ops_s=dict(log)[clients],
        log_clients=log,
        fsync_p50_s=fsync[0],
        fsync_p99_s=fsync[1],
        delays=delays,
        timer_idle_p50_s=idle[0],
        timer_idle_p99_s=idle[1],
        timer_busy_p50_s=busy[0],
        timer_busy_p99_s=busy[1],
        ray_link_rtt_s=ray_rtt,
        ray_link_messages_s=ray_rate,
        ray_null_messages_s=ray_null,
    )


def with_ray_null(session: RaySession, floor: Floor) -> Floor:
    """A floor of this session with the null protocol over links of actor calls too; measured once a client count."""
    known = _ray_nulls.setdefault(session, {})
    if floor.clients not in known:
        known[floor.clients] = _null_rate(session, floor.clients, Lengths(), lambda text: None, "ray")
    return msgspec.structs.replace(floor, ray_null_messages_s=known[floor.clients])


_ray_nulls: WeakKeyDictionary[RaySession, dict[int, float]] = WeakKeyDictionary()


def _let_go(session: RaySession, seats: Sequence[Seat]) -> None:
    """Have the processes unpin themselves and close everything; who does not answer is ended, as it may be pinned."""
    for number, seat in enumerate(seats):
        try:
            for part in ("precision-stop", "stop", "unpin"):
                _ask({str(number): (part, b"")}, seats)
        except Exception:
            session.pool.kill(seat)
    session.pool.give_back(seats)


def _ask(parts: dict[str, tuple[str, bytes]], seats: Sequence[Seat]) -> dict[str, Any]:
    """Have seats (by number, as text) run parts; what they return, decoded."""
    refs = {name: seats[int(name)].actor.bare.remote(part, order) for name, (part, order) in parts.items()}
    found = answers(refs, ANSWER_S, "for the floor")
    return {name: _decode(answer) if answer else None for name, answer in found.items()}


class _Bench:
    """Four host processes at hand."""

    def __init__(self, seats: Sequence[Seat], lengths: Lengths, say: Say) -> None:
        self._seats = seats
        self._lengths = lengths
        self._say = say

    def _one(self, seat: int, part: str, order: Any = None) -> Any:
        return _ask({str(seat): (part, b"" if order is None else _encode(order))}, self._seats)[str(seat)]

    def _ip(self, seat: int) -> str:
        greeting = self._seats[seat].greeting
        assert greeting is not None
        return greeting.ip

    def pin(self) -> tuple[int, ...]:
        """Pin each process to a core, those of one machine to different ones as far as it has so many; the cores."""
        places: Counter[str] = Counter()
        orders = {}
        for number in range(len(self._seats)):
            machine = self._machine(number)
            orders[str(number)] = ("pin", _encode(places[machine]))
            places[machine] += 1
        cores = _ask(orders, self._seats)
        return tuple(cores[str(number)] for number in range(len(self._seats)))

    def cores(self, pinned: Sequence[int]) -> float:
        """Work that two busy cores of one machine do together, in that of one alone; 0 where no two are pinned so."""
        count = range(len(self._seats))
        apart = (
            (i, j) for i in count for j in count if self._machine(i) == self._machine(j) and pinned[i] != pinned[j]
        )
        if (pair := next(apart, None)) is None:
            return 0.0
        self._say("two cores at once")
        length = self._lengths.spin
        alone: float = self._spin(pair[:1], length)
        return (self._spin(pair, length) + self._spin(pair, length)) / (alone + self._spin(pair[1:], length))

    def _spin(self, seats: Sequence[int], length: float) -> float:
        """What these get done a second, all at once."""
        order = _encode(SpinOrder(self._one(seats[0], "clock") + _HEAD_START, length))
        return float(sum(_ask({str(seat): ("spin", order) for seat in seats}, self._seats).values()))

    def unpin(self) -> None:
        """What follows may run anywhere, as a trial does."""
        _ask({str(number): ("unpin", b"") for number in range(len(self._seats))}, self._seats)

    def link(self) -> tuple[float, tuple[tuple[int, float], ...]]:
        """(round trip in s, (messages under way, messages/s))."""
        self._say("the bare link")
        port, ip, lengths = self._one(0, "echo"), self._ip(0), self._lengths
        rtt, _ = self._one(1, "link", LinkOrder(ip, port, 1, lengths.rtt))
        rates = [(window, self._one(1, "link", LinkOrder(ip, port, window, lengths.rate))[1]) for window in WINDOWS]
        return rtt, tuple(rates)

    def log(
        self, folders: Sequence[str], clients: int, whole: bool
    ) -> tuple[tuple[tuple[int, float], ...], tuple[float, float]]:
        """((clients, operations/s), (median, 99th percentile) of the leader's syncs with ``clients`` in s)."""
        lengths = self._lengths
        orders = {str(number): ("follower", _encode(LogOrder(f"{folders[number]}/{number}"))) for number in (1, 2)}
        ports = _ask(orders, self._seats)
        followers = tuple((self._ip(int(name)), ports[name]) for name in ("1", "2"))
        port, ip = self._one(0, "leader", LogOrder(f"{folders[0]}/0", followers)), self._ip(0)
        rates, syncs = [], (0.0, 0.0)
        for count in sorted({clients, *LOG_CLIENTS}) if whole else (clients,):
            self._say(f"the bare replicated log, {count} client{'s' if count > 1 else ''}")
            order = ClientsOrder(ip, port, count, lengths.log_warmup, lengths.log)
            rates.append((count, self._one(3, "clients", order)))
            times = self._one(0, "sync-times")
            if count == clients:
                syncs = times
        return tuple(rates), syncs

    def delays(self) -> tuple[DelayError, ...]:
        """Of the runtime's injected delays, between two processes of one machine; empty if there are no such."""
        self._say("injected delays")
        count = range(len(self._seats))
        pairs = ((i, j) for i in count for j in count if i != j and self._machine(i) == self._machine(j))
        receiver, sender = next(pairs, (-1, -1))
        if receiver < 0:
            return ()  # a delay of one way cannot be measured between two clocks
        port = self._one(receiver, "delay-receive")
        self._one(sender, "delay-send", DelayOrder(self._ip(receiver), port, DELAYS, self._lengths.delays))
        found = self._one(receiver, "delay-errors")
        return tuple(
            DelayError(asked_s=asked / 1e9, p50_s=p50, p99_s=p99) for asked, (p50, p99) in sorted(found.items())
        )

    def _machine(self, seat: int) -> str:
        greeting = self._seats[seat].greeting
        assert greeting is not None
        return greeting.machine

    def timers(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Lateness of timers, (median, 99th percentile) in s: idle, and with every core busy."""
        self._say("timers")
        idle = self._one(0, "timers", TimerOrder(self._lengths.timers, False))
        self._say("timers, with every core busy")
        return idle, self._one(0, "timers", TimerOrder(self._lengths.timers, True))


def _null(session: RaySession, clients: int, lengths: Lengths, say: Say, peak: float) -> tuple[float, float]:
    """Messages/s of the null protocol, requests and answers together: with ``clients``, and saturated (``peak``)."""
    counts = dict.fromkeys((clients, clients if peak else max(clients, NULL_CLIENTS)))
    found = {count: _null_rate(session, count, lengths, say) for count in counts}
    return found[clients], max(peak, *found.values())


def _null_rate(
    session: RaySession,
    clients: int,
    lengths: Lengths,
    say: Say,
    link: Literal["tcp", "ray"] = "tcp",
    exchanges: int = 1,
) -> float:
    """Messages/s of the null protocol over links of one kind; ``exchanges``: requests an operation."""
    over = " over actor calls" if link == "ray" else ""
    over += f", {exchanges} requests an operation" if exchanges > 1 else ""
    say(f"the null protocol{over}, {clients} client{'s' if clients > 1 else ''}")
    trial = Trial(
        protocol="null",
        runtime="ray",
        nodes=1,
        link=link,
        params={"exchanges": exchanges},
        duration=round(lengths.null * 1e9),
        workload=Workload(clients=clients, mix=PRESETS["write-only"]),
    )
    completed, start = session.run(trial).history.completed, round(NULL_WARMUP_S * 1e9)
    counted = int(((completed >= start) & (completed < trial.duration)).sum())
    return 2 * exchanges * counted / (lengths.null - NULL_WARMUP_S)


def _ray_link(session: RaySession, say: Say) -> tuple[float, float]:
    """(round trip in s, messages/s) of a bare link by Ray's actor calls."""
    from .bare_ray import measure_ray_link

    say("a bare link by actor calls")
    return measure_ray_link(session)
