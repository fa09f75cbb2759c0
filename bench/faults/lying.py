"""Byzantine faults need a protocol that says what its liars say."""

from __future__ import annotations

from protocols.family import Family

from ..errors import UsageError, unknown_name
from .notation import format_fault
from .spec import Byzantine, Fault


def check_lie(fault: Fault, family: Family, runtime: str) -> None:
    """Raise :class:`UsageError` if a Byzantine fault names what servers of this protocol do not do in that world."""
    if not isinstance(fault, Byzantine):
        return
    names = [lie.name for lie in family.lies]
    if not names:
        raise UsageError(f"fault '{format_fault(fault)}': {family.name} has no Byzantine behaviours")
    if fault.behaviour not in names:
        raise unknown_name("behaviour", fault.behaviour, names)
    if runtime != "sim" and next(lie for lie in family.lies if lie.name == fault.behaviour).in_anothers_name:
        raise UsageError(
            f"fault '{format_fault(fault)}' speaks in another's name, which exists in the simulator only: live streams "
            "say who speaks"
        )
