"""Reports: one offline HTML file that answers first and proves after."""

from .render import render

__all__ = ["render"]
