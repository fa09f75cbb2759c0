"""The simulator's service times, from what was measured live.

Two numbers of the floor decide. A saturated null protocol spends all its time on messages: each costs its sender and
its receiver one ``message``, and the server of an operation handles one and sends one, so that its rate of messages is
1 / ``message``. An unhurried round trip on the bare link is two batches of one message handled and one sent, so that
rtt = 2 * (``wakeup`` + 2 * ``message``); where the null protocol's own work exceeds that, ``wakeup`` is 0.
"""

from __future__ import annotations

import msgspec

from .trial import Floor, ServiceTimes


def calibrate(floor: Floor, fsync_s: float, base: ServiceTimes | None = None) -> ServiceTimes:
    """Service times for a simulation of the machine that ``floor`` was measured on.

    Args:
        floor: measured by ``bench floor`` or with a live trial.
        fsync_s: median seconds of one fdatasync there (``costs`` of a live result).
        base: what is not derived (cost a byte, spread of syncs) comes from here.
    """
    message = 1e9 / floor.null_messages_s
    wakeup = max(0.0, floor.link_rtt_s * 1e9 / 2 - 2 * message)
    return msgspec.structs.replace(
        base or ServiceTimes(), message=round(message), wakeup=round(wakeup), fsync=round(fsync_s * 1e9)
    )
