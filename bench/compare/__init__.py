"""Comparing two runs: did anything change, by how much, and is that more than luck?"""

from .comparing import Change, Comparison, compare
from .sides import Side, load

__all__ = ["Change", "Comparison", "Side", "compare", "load"]
