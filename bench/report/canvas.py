"""Small things shared by the drawings: an SVG being written, colours, and a time axis that shortens quiet stretches."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from xml.sax import saxutils

# Okabe and Ito's palette without its yellow, which vanishes on white: told apart by colour-blind readers.
BLUE, ORANGE, GREEN, PINK, SKY, RED = "#0072b2", "#d98c00", "#00846b", "#b5528a", "#3a9bd9", "#c44500"
COLOURS = (BLUE, ORANGE, GREEN, PINK, SKY, "#7a5c00", "#5b5fc7", "#4d4d4d")
INK, FAINT, RULE = "#1d2733", "#66717e", "#d5dae0"
FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"


_UNPRINTABLE = {code: "�" for code in range(32) if code not in (9, 10, 13)}


def escape(text: str) -> str:
    """As character data of XML, which knows no control characters."""
    return saxutils.escape(text.translate(_UNPRINTABLE))


def text_width(text: str, size: float) -> float:
    """Roughly the width of a text in px; on the generous side for sans-serif fonts."""
    narrow = sum(character in "iljtfrI.,:;'|()[] " for character in text)
    wide = sum(character in "mwMWABCDEGHKNOQRSUVXYZ@→" for character in text)
    return size * (0.58 * len(text) - 0.22 * narrow + 0.14 * wide)


def fit(text: str, width: float, size: float) -> str:
    """The text, cut with an ellipsis to at most ``width`` px."""
    if text_width(text, size) <= width:
        return text
    while text and text_width(text + "…", size) > width:
        text = text[:-1]
    return text.rstrip() + "…"


def milliseconds(ns: float, resolution: float = 1e5) -> str:
    """``1234.5`` for 1.2345 s; decimals as the resolution (ns) asks for."""
    decimals = 0 if resolution >= 1e6 else 1 if resolution >= 1e5 else 2 if resolution >= 1e4 else 3
    return f"{ns / 1e6:.{decimals}f}"


class Canvas:
    """Collects SVG elements. Coordinates in px."""

    def __init__(self, width: float, height: float, title: str) -> None:
        self.width = width
        self.height = height
        self.title = title
        self.parts: list[str] = []

    def add(self, element: str, hover: str = "") -> None:
        """Append an element given without its closing ``/>``; ``hover`` is shown under the pointer."""
        name = element[1:].split(None, 1)[0]
        self.parts.append(f"{element}><title>{escape(hover)}</title></{name}>" if hover else f"{element}/>")

    def line(self, x1: float, y1: float, x2: float, y2: float, stroke: str, width: float = 1, extra: str = "") -> None:
        """A straight line."""
        self.add(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}" stroke-width="{width:g}"'
            f" {extra}"
        )

    def rect(
        self, x: float, y: float, width: float, height: float, fill: str, extra: str = "", hover: str = ""
    ) -> None:
        """A rectangle."""
        self.add(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{max(height, 0):.1f}" fill="{fill}"'
            f" {extra}",
            hover,
        )

    def text(
        self, x: float, y: float, text: str, size: float = 11, fill: str = INK, extra: str = "", hover: str = ""
    ) -> None:
        """A text whose baseline begins at (x, y)."""
        title = f"<title>{escape(hover)}</title>" if hover else ""
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" fill="{fill}" {extra}>{title}{escape(text)}</text>'
        )

    def cross(self, x: float, y: float, stroke: str, hover: str, size: float = 4.5) -> None:
        """An x: something was lost or died here."""
        self.add(
            f'<path d="M{x - size:.1f} {y - size:.1f}l{2 * size} {2 * size}M{x - size:.1f} {y + size:.1f}'
            f'l{2 * size} {-2 * size}" stroke="{stroke}" stroke-width="2.2" fill="none"',
            hover,
        )

    def svg(self) -> str:
        """The document: self-contained, no script, no external resource."""
        label = saxutils.quoteattr(self.title.translate(_UNPRINTABLE))
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width:.0f} {self.height:.0f}"'
            f' width="{self.width:.0f}" height="{self.height:.0f}" role="img" aria-label={label}'
            f' font-family="{FONT}">'
            f'<rect width="100%" height="100%" fill="#ffffff"/>{"".join(self.parts)}</svg>'
        )


class Axis:
    """Time to px, in order but not to scale: a quiet stretch is cut short, a crowded one is drawn out.

    Each gap between two instants gets between ``least`` and ``most`` px; what lies between is to scale, with the scale
    chosen so that the whole is about ``length`` px.
    """

    def __init__(self, instants: Sequence[int], origin: float, length: float, least: float, most: float) -> None:
        times = sorted(set(instants)) or [0]
        if len(times) == 1:
            times.append(times[0] + 1)
        gaps = [later - sooner for sooner, later in pairwise(times)]
        low, high = 1e-12, 1e3  # px per ns; the length grows with it
        for _ in range(80):
            middle = (low * high) ** 0.5
            if sum(min(max(gap * middle, least), most) for gap in gaps) > length:
                high = middle
            else:
                low = middle
        self.times = times
        self.places = [origin]
        self.cut = []
        for (sooner, later), gap in zip(pairwise(times), gaps, strict=True):
            self.places.append(self.places[-1] + min(max(gap * low, least), most))
            if gap * low > 3 * most:
                self.cut.append((sooner, later))

    @property
    def end(self) -> float:
        """px of the last instant."""
        return self.places[-1]

    def __call__(self, time: int) -> float:
        """px of any instant; those outside are drawn at the edge."""
        if time <= self.times[0]:
            return self.places[0]
        if time >= self.times[-1]:
            return self.places[-1]
        index = bisect_right(self.times, time) - 1
        share = (time - self.times[index]) / (self.times[index + 1] - self.times[index])
        return self.places[index] + share * (self.places[index + 1] - self.places[index])

    def ticks(self, apart: float) -> list[tuple[float, int]]:
        """(px, time) of instants to label, at least ``apart`` px from each other."""
        chosen = [(self.places[0], self.times[0])]
        for place, time in zip(self.places, self.times, strict=True):
            if place - chosen[-1][0] >= apart:
                chosen.append((place, time))
        return chosen
