"""Clients ask any server whether another one is up."""

from __future__ import annotations

from ..asking import AskingClient


class Client(AskingClient):
    """Asks a random server, and after a while another."""
