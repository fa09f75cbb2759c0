"""Faults: typed events, the notation people write them in, and the seeded nemesis that makes them up."""

from .spec import Fault, FaultRecord, Nemesis

__all__ = ["Fault", "FaultRecord", "Nemesis"]
