"""Drawings made to stand alone, fitted into a page: their colours become the page's, in light and in dark."""

from __future__ import annotations

import re

THEMED: dict[str, str] = {
    "#ffffff": "paper",
    "#fff": "paper",
    "#1d2733": "ink",
    "#66717e": "faint",
    "#d5dae0": "line",
    "#8b96a2": "rule",
    "#eef1f4": "hair",
    "#e6eaee": "hair",
    "#f3f5f8": "soft",
    "#b9c6d3": "pale",
    "#9aa3ad": "down",
    "#b08d57": "stall",
    "#8e6bbf": "cut",
    "#0072b2": "blue",
    "#d98c00": "orange",
    "#00846b": "green",
    "#b5528a": "pink",
    "#3a9bd9": "sky",
    "#c44500": "red",
    "#7a5c00": "olive",
    "#5b5fc7": "violet",
    "#4d4d4d": "grey",
}
"""Colour of a drawing -> name of the page's variable (``--d-NAME``) that takes its place; see style.css."""

_COLOUR = re.compile(r'\b(fill|stroke|stop-color)="(#[0-9a-f]{3,6})"')


def themed(svg: str) -> str:
    """The drawing with every colour that has a place in the page's scheme taken from there.

    Each keeps its own colour for where the page says nothing. Its background is left to the page.
    """
    svg = svg.replace('<rect width="100%" height="100%" fill="#ffffff"/>', "", 1)

    def page(match: re.Match[str]) -> str:
        name, colour = match.groups()
        variable = THEMED.get(colour)
        return match[0] if variable is None else f'{name}="var(--d-{variable}, {colour})"'

    return _COLOUR.sub(page, svg)
