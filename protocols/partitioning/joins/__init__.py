"""Joins of two partitioned tables: rows that match are brought together, one way or another."""

from .client import Amend, Client, ClientConfig, Join
from .messages import Joined, Row
from .worker import Worker, WorkerConfig

__all__ = ["Amend", "Client", "ClientConfig", "Join", "Joined", "Row", "Worker", "WorkerConfig"]
