"""Reports: one offline HTML file that answers first and proves after."""

from .render import render, single

__all__ = ["render", "single"]
