"""The simulator's service times, from what was measured live.

Two numbers of the floor decide. A saturated null protocol spends all its time on messages: each costs its sender and
its receiver one ``message``, and the server of an operation handles one and sends one, so that its rate of messages is
1 / ``message``. An unhurried round trip on the bare link is two batches of one message handled and one sent, so that
rtt = 2 * (``wakeup`` + 2 * ``message``); where the null protocol's own work exceeds that, ``wakeup`` is 0.

The last floor of each machine is kept in ``results/local/floor.json``, so that simulations can be calibrated from it.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

import msgspec

from .errors import UsageError, unknown_name
from .provenance import machine
from .trial import Floor, ServiceTimes

PLACE = Path("results/local/floor.json")
"""In the current folder; not for git."""
Service = Literal["default", "calibrated"]
"""Whence simulations take their service times: the same on every machine, or from this one's floor."""
SERVICES: tuple[str, ...] = get_args(Service)


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """What calibrates a simulation; kept with each sweep that uses it.

    Attributes:
        machine: see :func:`bench.provenance.machine`, its ``id``.
        measured: when, UTC, ISO 8601.
        message, wakeup, fsync: service times, ns.
    """

    machine: str
    measured: str
    message: int
    wakeup: int
    fsync: int

    def apply(self, base: ServiceTimes) -> ServiceTimes:
        """``base`` with these times; what is not derived (cost a byte, spread of syncs) stays."""
        return msgspec.structs.replace(base, message=self.message, wakeup=self.wakeup, fsync=self.fsync)


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A floor as it is kept."""

    measured: str
    floor: Floor


def calibrate(floor: Floor, fsync_s: float, base: ServiceTimes | None = None) -> ServiceTimes:
    """Service times for a simulation of the machine that ``floor`` was measured on.

    Args:
        floor: measured by ``bench floor`` or with a live trial.
        fsync_s: median seconds of one fdatasync there (``fsync_p50_s`` of a floor, ``costs`` of a live result).
        base: what is not derived (cost a byte, spread of syncs) comes from here.
    """
    message = 1e9 / (floor.null_peak_messages_s or floor.null_messages_s)
    wakeup = max(0.0, floor.link_rtt_s * 1e9 / 2 - 2 * message)
    return msgspec.structs.replace(
        base or ServiceTimes(), message=round(message), wakeup=round(wakeup), fsync=round(fsync_s * 1e9)
    )


def keep(floor: Floor, place: Path = PLACE) -> None:
    """Remember a floor of this machine, in place of an earlier one; those of other machines stay.

    Raises:
        UsageError: the file cannot be written.
    """
    floors = {**_floors(place), machine()["id"]: Kept(measured=_now(), floor=floor)}
    beside = place.with_suffix(f".{os.getpid()}.tmp")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(msgspec.json.format(msgspec.json.encode(floors), indent=2) + b"\n")
        os.replace(beside, place)
    except OSError as error:
        raise UsageError(f"the floor cannot be written to {place}: {error.strerror}") from None


def kept(place: Path = PLACE) -> Calibration:
    """The calibration from the last floor of this machine.

    Raises:
        UsageError: none was measured.
    """
    found = _floors(place).get(machine()["id"])
    if found is None:
        raise UsageError(
            f"no floor of this machine is kept in {place}, so nothing can be calibrated: run bench floor --save first"
        )
    floor = found.floor
    times = calibrate(floor, floor.fsync_p50_s or ServiceTimes().fsync / 1e9)
    return Calibration(
        machine=machine()["id"],
        measured=found.measured,
        message=times.message,
        wakeup=times.wakeup,
        fsync=times.fsync,
    )


def check_service(service: str) -> None:
    """Raise :class:`UsageError` unless it is one of :data:`SERVICES`."""
    if service not in SERVICES:
        raise unknown_name("service", service, SERVICES)


def _floors(place: Path) -> dict[str, Kept]:
    """By machine; a file that cannot be read is as good as none, for the next floor replaces it."""
    try:
        return msgspec.json.decode(place.read_bytes(), type=dict[str, Kept])
    except (OSError, msgspec.MsgspecError):
        return {}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
