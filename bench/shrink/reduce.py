"""Shrinks a failing simulated trial: less of everything, as long as the same check fails.

Every step proposes a smaller trial and keeps it if it still fails. Timing is chaotic: with one fault less every later
message comes at another moment, and what failed need not fail any more although nothing that matters is missing. So a
proposal may also be tried with other seeds, few at first, more when nothing else helps; the seed draws delays and
timeouts, but neither faults nor operations, which are explicit by then.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import msgspec

from ..errors import UsageError
from ..faults import spec
from ..faults.spec import Fault
from ..network.latency import Constant, mean_of
from ..network.spec import Network
from ..trial import ServiceTimes, Trial
from ..workload.spec import Call
from .ddmin import ddmin
from .explicit import explicit, with_calls, with_faults
from .oracle import Failure, run_against

MS = 1_000_000
WIDTHS = (1, 4, 16)
"""Seeds that a proposal is tried with, in one round after the other."""
SLACK = MS
"""ns of load kept behind the moment of the failure."""
LEAD = 5 * MS
"""ns kept in front of the first thing that happens."""


@dataclass(frozen=True)
class Size:
    """How large a failing trial is: what a shrink makes smaller."""

    faults: int
    operations: int
    clients: int
    nodes: int
    duration: int

    def __str__(self) -> str:
        return (
            f"{_count(self.faults, 'fault')}, {_count(self.operations, 'operation')}, "
            f"{_count(self.clients, 'client')}, {_count(self.nodes, 'node')}, {self.duration / 1e9:.3g} s"
        )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def size_of(failure: Failure) -> Size:
    """Counted on what ran: faults that fired, operations that were asked for in the load."""
    trial = failure.trial
    end = min(trial.duration, failure.record.load_end or trial.duration)
    script = trial.workload.script
    return Size(
        faults=len(trial.faults) if trial.nemesis is None else sum(each.start < end for each in failure.record.faults),
        operations=len(script) if script else int((failure.record.history.intended < end).sum()),
        clients=trial.workload.clients,
        nodes=trial.nodes,
        duration=end,
    )


class Shrinker:
    """One shrink under way. Interrupt :meth:`run` whenever you like: ``best`` is the smallest so far.

    Attributes:
        best: the smallest failing trial so far.
        first: the trial it began with, as it failed.
        runs: trials run so far.
        ended: why it ended: nothing more could be left out, or the time was up.
    """

    def __init__(
        self,
        failure: Failure,
        *,
        budget_s: float = 60.0,
        say: Callable[[str], None] = lambda text: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.first = self.best = failure
        self.check = failure.verdict.name
        self.runs = 0
        self.ended = ""
        self._say = say
        self._clock = clock
        self._deadline = clock() + budget_s
        self._width = 1
        self._failed: set[bytes] = set()

    def run(self) -> Failure:
        """Shrink until nothing more can be left out, or the time is up."""
        try:
            self._make_explicit()
            for self._width in WIDTHS:
                while self._round():
                    pass
            self._finish()
            self.ended = "nothing more could be left out"
        except _TimeIsUp:
            self.ended = "the time was up"
        return self.best

    # --- proposals ---------------------------------------------------------------------------------------------------

    def _try(self, trial: Trial, width: int | None = None) -> bool:
        """Whether the trial fails, with its seed or another; then it is the best."""
        for seed in range(trial.seed, trial.seed + (width or self._width)):
            if self._clock() > self._deadline:
                raise _TimeIsUp
            candidate = msgspec.structs.replace(trial, seed=seed)
            key = msgspec.msgpack.encode(candidate)
            if key in self._failed:
                continue
            self._failed.add(key)  # whatever comes of it: it is not worth another run
            self.runs += 1
            self._say(f"{size_of(self.best)}; {self.runs} trials tried")
            try:
                found = run_against(candidate, self.check)
            except UsageError:  # parameters or targets that cannot be
                return False
            if found is not None:
                self.best = self._cut_off(found)
                return True
        return False

    def _cut_off(self, found: Failure) -> Failure:
        """Without what was scheduled after the failure: the run stopped there, or only what led to it was judged."""
        if found.moment is None or found.verdict.at < 0:
            return found
        return Failure(_until(found.trial, found.moment + SLACK), found.verdict, found.moment, found.record)

    def _make_explicit(self) -> None:
        """Faults by name and operations by script; where that changes the run too much, what it was stays."""
        failure = self.first
        faults, both = explicit(failure.trial, failure.record)
        for trial in (faults,):
            if not self._try(trial, 4):
                return
        self._try(with_calls(self.best.trial, both.workload.script), 4)
        self._shorten()

    def _shorten(self) -> None:
        """A run that went on behind the failure ends with it, and grants no time to serve again, if that will do."""
        best = self.best
        if best.moment is not None and best.verdict.at < 0:
            self._try(msgspec.structs.replace(_until(best.trial, best.moment + SLACK), liveness=1), 1)

    def _round(self) -> bool:
        """Every kind of step once; whether anything became smaller."""
        before = size_of(self.best)
        for step in (self._faults, self._calls, self._clients, self._nodes, self._earlier, self._plainer):
            step()
        self._shorten()
        return size_of(self.best) != before

    # --- steps -------------------------------------------------------------------------------------------------------

    def _faults(self) -> None:
        if self.best.trial.nemesis is not None:
            return

        def fails(some: list[Fault]) -> Sequence[Fault] | None:
            return self.best.trial.faults if self._try(with_faults(self.best.trial, some)) else None

        ddmin(self.best.trial.faults, fails)

    def _calls(self) -> None:
        if not self.best.trial.workload.script:
            return

        def fails(some: list[Call]) -> Sequence[Call] | None:
            if not some:  # an empty script would be another kind of load
                return None
            return self.best.trial.workload.script if self._try(with_calls(self.best.trial, some)) else None

        ddmin(self.best.trial.workload.script, fails)

    def _clients(self) -> None:
        """Clients that ask for nothing go; then their operations are asked for by others."""
        for client in reversed(range(self.best.trial.workload.clients)):
            if self.best.trial.workload.clients > 1:
                self._try(_without_client(self.best.trial, client))

    def _nodes(self) -> None:
        for number in reversed(range(1, self.best.trial.nodes + 1)):
            if self.best.trial.nodes > 1:
                self._try(_without_server(self.best.trial, number))

    def _earlier(self) -> None:
        """The quiet time at the start, and that between any two things that happen, in halves."""
        for share in (1.0, 0.5):
            times = sorted({0, *(each.at for each in (*self.best.trial.faults, *self.best.trial.workload.script))})
            for before, after in reversed(list(pairwise(times))):
                gap = int((after - before - LEAD) * share)
                if gap > LEAD:
                    self._try(_pulled(self.best.trial, after, gap))

    def _plainer(self) -> None:
        for propose in _SIMPLER:
            for simpler in propose(self.best.trial):
                if simpler != self.best.trial:
                    self._try(simpler)

    def _finish(self) -> None:
        """Give the system its time to serve again, where that does not hide the failure: else it would fail too."""
        if self.best.trial.liveness != self.first.trial.liveness:
            self._try(msgspec.structs.replace(self.best.trial, liveness=self.first.trial.liveness), 1)


class _TimeIsUp(Exception):
    pass


# --- smaller trials -------------------------------------------------------------------------------------------------


def _until(trial: Trial, end: int) -> Trial:
    """The trial without what comes at ``end`` or later; operations that are not scripted come as before."""
    if end >= trial.duration:
        return trial
    faults = tuple(fault for fault in trial.faults if fault.at < end)
    workload = trial.workload
    if workload.script:
        kept = tuple(call for call in workload.script if call.at < end)
        if not kept:
            return trial
        workload = msgspec.structs.replace(workload, script=kept)
    return msgspec.structs.replace(trial, duration=end, warmup=0, faults=faults, workload=workload)


def _renamed(fault: Fault, names: dict[str, str]) -> Fault | None:
    """The fault among nodes with other names; None if it was about those that are gone."""
    if isinstance(fault, spec.Cut):
        links = tuple((names.get(a, a), names.get(b, b)) for a, b in fault.links if names.get(a, a) and names.get(b, b))
        return msgspec.structs.replace(fault, links=links) if links else None
    target = getattr(fault, "target", None)
    if target is None:
        return fault
    name = names.get(target, target)
    return msgspec.structs.replace(fault, target=name) if name else None


def _shifted_names(letter: str, gone: int, last: int) -> dict[str, str]:
    """``n2`` is gone, ``n3`` is ``n2`` now ...."""
    names = {f"{letter}{gone}": ""}
    names.update({f"{letter}{number}": f"{letter}{number - 1}" for number in range(gone + 1, last + 1)})
    return names


def _without_server(trial: Trial, number: int) -> Trial:
    names = _shifted_names("n", number, trial.nodes)
    faults = tuple(renamed for fault in trial.faults if (renamed := _renamed(fault, names)) is not None)
    return msgspec.structs.replace(trial, nodes=trial.nodes - 1, faults=faults)


def _without_client(trial: Trial, client: int) -> Trial:
    """Its operations are asked for by the client before it."""
    workload = trial.workload
    names = _shifted_names("c", client + 1, workload.clients)
    faults = tuple(renamed for fault in trial.faults if (renamed := _renamed(fault, names)) is not None)

    def other(number: int) -> int:
        return max(0, number - 1) if number >= client else number

    script = tuple(msgspec.structs.replace(call, client=other(call.client)) for call in workload.script)
    workload = msgspec.structs.replace(workload, clients=workload.clients - 1, script=script)
    return msgspec.structs.replace(trial, faults=faults, workload=workload)


def _pulled(trial: Trial, after: int, gap: int) -> Trial:
    """Everything from ``after`` on, ``gap`` ns earlier."""

    def earlier(at: int) -> int:
        return at - gap if at >= after else at

    faults = tuple(msgspec.structs.replace(fault, at=earlier(fault.at)) for fault in trial.faults)
    script = tuple(msgspec.structs.replace(call, at=earlier(call.at)) for call in trial.workload.script)
    workload = msgspec.structs.replace(trial.workload, script=script)
    duration = max(1, trial.duration - gap)
    return msgspec.structs.replace(trial, faults=faults, workload=workload, duration=duration)


def _plain_network(trial: Trial) -> Iterator[Trial]:
    network = trial.network
    if network.regions is None:
        constant = Constant(round(mean_of(network.latency) / 100_000) * 100_000)
        yield msgspec.structs.replace(trial, network=Network(latency=constant))
    for field in ("loss", "duplication", "fifo", "bandwidth", "client_latency"):
        plain = msgspec.structs.replace(trial.network, **{field: getattr(Network(), field)})
        yield msgspec.structs.replace(trial, network=plain)


def _plain_machines(trial: Trial) -> Iterator[Trial]:
    yield msgspec.structs.replace(trial, clock_offset=0, clock_drift_ppm=0.0)
    yield msgspec.structs.replace(trial, service=ServiceTimes())
    yield msgspec.structs.replace(trial, service=msgspec.structs.replace(trial.service, fsync_sigma=0.0))


def _plain_params(trial: Trial) -> Iterator[Trial]:
    yield msgspec.structs.replace(trial, params={})
    for name in trial.params:
        rest = {other: value for other, value in trial.params.items() if other != name}
        yield msgspec.structs.replace(trial, params=rest)


def _plain_load(trial: Trial) -> Iterator[Trial]:
    """Fewer keys, under the names they have."""
    used = max((call.key for call in trial.workload.script), default=trial.workload.keys - 1) + 1
    yield msgspec.structs.replace(trial, workload=msgspec.structs.replace(trial.workload, keys=used))


def _round_times(trial: Trial) -> Iterator[Trial]:
    """Times that can be read: whole milliseconds, where there are any."""

    def rounded(at: int) -> int:
        return round(at / MS) * MS

    faults = []
    for fault in trial.faults:
        changes = {"at": rounded(fault.at)}
        for field in ("down", "length"):
            value = getattr(fault, field, None)
            if value is not None and value >= MS:
                changes[field] = rounded(value)
        faults.append(msgspec.structs.replace(fault, **changes))
    script = tuple(msgspec.structs.replace(call, at=rounded(call.at)) for call in trial.workload.script)
    workload = msgspec.structs.replace(trial.workload, script=script)
    yield msgspec.structs.replace(trial, faults=tuple(sorted(faults, key=lambda fault: fault.at)), workload=workload)


_SIMPLER: tuple[Callable[[Trial], Iterable[Trial]], ...] = (
    _plain_network,
    _plain_machines,
    _plain_params,
    _plain_load,
    _round_times,
)
