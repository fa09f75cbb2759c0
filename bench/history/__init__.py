"""Histories: what the clients of a run asked and were told, as columns."""

from .history import FAIL, INFO, NEVER, NIL, NOTHING, OK, History, HistoryBuilder

__all__ = ["FAIL", "INFO", "NEVER", "NIL", "NOTHING", "OK", "History", "HistoryBuilder"]
