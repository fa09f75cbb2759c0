"""A server: replica, coordinator and repairer in one."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from ...node import Node
from .items import Item
from .messages import (
    Answer,
    Compare,
    Differ,
    Exchange,
    Fill,
    Filled,
    Forwarded,
    Get,
    HandedOff,
    Handoff,
    Hint,
    Identity,
    Put,
    Query,
    Replicate,
    Replicated,
)
from .repair import Repair
from .replica import View


class Server(Repair, Node):
    """One server of the store; all are alike."""

    messages: ClassVar[Any] = (
        Get
        | Put
        | Forwarded
        | Replicate
        | Replicated
        | Query
        | Answer
        | Handoff
        | HandedOff
        | Compare
        | Differ
        | Exchange
        | Fill
        | Filled
    )
    stored: ClassVar[Mapping[str, Any]] = MappingProxyType({"item:": Item, "hint:": Hint, "identity": Identity})

    def inspect(self) -> View:
        """See :class:`View`."""
        return View(
            self.store,
            self.hinted,
            self.ledger,
            self.events,
            self.forgot,
            self.identity.joining,
            self.config,
            self.servers,
        )
