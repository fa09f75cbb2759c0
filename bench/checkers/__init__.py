"""Checkers: functions of a history (and, in the simulator, of global state) to a verdict with evidence."""

from .verdict import Verdict, merge

__all__ = ["Verdict", "merge"]
