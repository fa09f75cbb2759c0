"""Making a violation of any model small without making it a different one.

What shows a violation is a set of operations that no linearization explains, *whatever the operations left out did*.
So those are not forgotten but made optional: each may still take effect, within its own time and with its own result,
or not. If even so there is no linearization, the whole has none: a linearization of the whole is one of these. And the
operations kept have none by themselves, since the others may all be left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic

import msgspec

from ..history.history import NEVER
from .jit import Call, Machine, search

SHRINK_S = 2.0
"""Seconds that making a violation small may take, beyond finding it."""
_LIMIT = 20_000
"""Configurations for one attempt; past it the attempt counts as failed, and what it left out is kept."""


def shrink(calls: Sequence[Call], stuck: Call, machine: Machine) -> list[Call]:
    """A small set of calls without a linearization, given that all calls have none and which answer was the obstacle.

    It is smallest in that no single one can be left out, unless time or memory ran out; then it is merely smaller.
    """
    deadline = monotonic() + SHRINK_S

    def violates(kept: set[int]) -> bool:
        some = [
            call if id(call) in kept else msgspec.structs.replace(call, optional=True)
            for call in past
            if id(call) in kept or not call.observes
        ]
        return search(some, machine, min(deadline, monotonic() + SHRINK_S / 4), _LIMIT).word == "invalid"

    # What began after the obstacle's end cannot explain anything before it; what ended after it need not have happened.
    past = [call for call in calls if call.start <= stuck.end]
    past = [
        call if call.end <= stuck.end else msgspec.structs.replace(call, optional=True, end=NEVER)
        for call in past
        if call.end <= stuck.end or not call.observes
    ]
    kept = [call for call in past if not call.optional]
    size = max(1, len(kept) // 2)
    while True:
        at = 0  # from the beginning: what is old matters least
        while at < len(kept) and monotonic() < deadline:
            rest = kept[:at] + kept[at + size :]
            if rest and violates({id(call) for call in rest}):
                kept = rest
            else:
                at += size
        if monotonic() >= deadline or size == 1:
            return kept
        size = max(1, size // 2)
