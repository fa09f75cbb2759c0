"""Clients ask any member whether another one is up."""

from __future__ import annotations

from ..asking import AskingClient


class Client(AskingClient):
    """Asks a random member, and after a while another."""
