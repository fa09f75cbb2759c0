"""Which servers keep which keys: the ring that servers and clients share."""

from __future__ import annotations

from collections.abc import Sequence

from ...partitioning.ring import Ring


def zone_of(position: int, zones: Sequence[str]) -> str:
    """The zone of the server of that number (from 0): zones go round."""
    return zones[position % len(zones)] if zones else ""


def ring_of(servers: Sequence[str], vnodes: int, zones: Sequence[str]) -> Ring:
    """The ring of all servers, which are given in order of their numbers."""
    where = {server: zone_of(position, zones) for position, server in enumerate(servers)} if zones else {}
    return Ring(servers, vnodes, zones=where)
