"""The clock of a live process: CLOCK_MONOTONIC, or one that is wrong on purpose.

Everything that measures or compares times in the live runtime reads :func:`monotonic_ns` from here. Where
``QUORUMBENCH_CLOCK_OFFSET_S`` is set when Ray is started on a machine, the clocks of all processes there are ahead by
so many seconds: several raylets on one host then differ as machines do. Unset, it is the system's own function.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ...errors import HarnessError

OFFSET = "QUORUMBENCH_CLOCK_OFFSET_S"
"""Environment variable, read once a process."""
LARGEST_S = 1e6


def injected_offset(text: str) -> int:
    """ns that a clock is to be ahead, from the text of the variable; 0 if it is empty.

    Raises:
        HarnessError: it is not a number of seconds, or not a reasonable one.
    """
    if not text:
        return 0
    try:
        seconds = float(text)
    except ValueError:
        seconds = float("nan")
    if not abs(seconds) <= LARGEST_S:
        raise HarnessError(f"{OFFSET} {text!r} is not an offset: write seconds, within {LARGEST_S:g} of 0")
    return round(seconds * 1e9)


SHIFT = injected_offset(os.environ.get(OFFSET, ""))
"""ns that this process' clock is ahead of the kernel's."""


def _shifted() -> int:
    return time.monotonic_ns() + SHIFT


monotonic_ns: Callable[[], int] = _shifted if SHIFT else time.monotonic_ns


def clock_id() -> str:
    """Equal for processes whose :func:`monotonic_ns` can be compared: the same kernel, time namespace and offset."""
    found = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    with suppress(OSError):
        found += "/" + os.readlink("/proc/self/ns/time")
    return f"{found}{SHIFT:+d}" if SHIFT else found
