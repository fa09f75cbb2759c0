"""The same protocol under a name that it does not have."""

from . import family

__all__ = ["family"]
