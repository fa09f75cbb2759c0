"""Isolation of transactions, decided on their dependency graph; see :mod:`.checking`."""

from .checking import KINDS, check
from .levels import IMPLIES as LEVELS

__all__ = ["KINDS", "LEVELS", "check"]
