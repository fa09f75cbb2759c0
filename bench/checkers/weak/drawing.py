"""The lattice of models as an offline SVG: what is satisfied, violated, and not decided."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from .lattice import IMPLIES

WIDTH, HEIGHT = 176, 46
_GAP_X, _GAP_Y, _MARGIN = 26, 44, 24
_LEGEND = 34

_LOOKS = {
    # word: (fill, line, dashes, sign, what it says); told apart by sign, line and text as well as by colour
    "valid": ("#d6e9f8", "#0b5c94", "", "✓", "satisfied"),
    "invalid": ("#fbdccb", "#b3420a", "", "✗", "violated"),
    "unknown": ("#f2f2f2", "#666666", "5 4", "?", "not decided"),
}
_ABSENT = ("#ffffff", "#bbbbbb", "2 4", "–", "does not apply")


def lattice(words: Mapping[str, str], title: str = "Models") -> str:
    """The drawing, the strongest models on top; an arrow leads from a model to what it implies.

    Args:
        words: model -> valid, invalid or unknown (:attr:`.lattice.Models.words`).
        title: of the figure.
    """
    levels = _levels()
    wide = max(len(level) for level in levels)
    total_w = 2 * _MARGIN + wide * WIDTH + (wide - 1) * _GAP_X
    total_h = 2 * _MARGIN + len(levels) * HEIGHT + (len(levels) - 1) * _GAP_Y + _LEGEND + 20
    at: dict[str, tuple[float, float]] = {}
    for depth, level in enumerate(levels):
        left = (total_w - len(level) * WIDTH - (len(level) - 1) * _GAP_X) / 2
        for place, model in enumerate(level):
            at[model] = (left + place * (WIDTH + _GAP_X), _MARGIN + 20 + depth * (HEIGHT + _GAP_Y))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total_w} {total_h}" width="{total_w}" '
        f'height="{total_h}" role="img" font-family="system-ui, sans-serif" font-size="13">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{total_w}" height="{total_h}" fill="#ffffff"/>',
        f'<text x="{_MARGIN}" y="{_MARGIN}" font-size="15" font-weight="600">{escape(title)}</text>',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#777777"/></marker></defs>',
    ]
    for model, weaker in IMPLIES.items():
        for each in weaker:
            (x, y), (to_x, to_y) = at[model], at[each]
            x, y, to_x = x + WIDTH / 2, y + HEIGHT, to_x + WIDTH / 2
            bend = (to_y - y) / 2
            parts.append(
                f'<path d="M{x:g} {y:g}C{x:g} {y + bend:g} {to_x:g} {to_y - bend:g} {to_x:g} {to_y - 1:g}" '
                'fill="none" stroke="#999999" stroke-width="1.2" marker-end="url(#tip)"/>'
            )
    for model, (x, y) in at.items():
        parts.append(_box(x, y, model, *_LOOKS.get(words.get(model, ""), _ABSENT)))
    y = total_h - _MARGIN - _LEGEND / 2
    for place, (fill, line, dashes, sign, says) in enumerate([*_LOOKS.values(), _ABSENT]):
        x = _MARGIN + place * 150
        parts.append(
            f'<rect x="{x}" y="{y:g}" width="18" height="14" rx="3" fill="{fill}" stroke="{line}"{_dashed(dashes)}/>'
            f'<text x="{x + 25}" y="{y + 12:g}" fill="#222222">{sign} {says}</text>'
        )
    parts.append("</svg>")
    return "\n".join(parts)


def _box(x: float, y: float, model: str, fill: str, line: str, dashes: str, sign: str, says: str) -> str:
    middle = x + WIDTH / 2
    return (
        f'<g><rect x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="6" fill="{fill}" stroke="{line}" '
        f'stroke-width="1.6"{_dashed(dashes)}/>'
        f'<text x="{middle:g}" y="{y + 19:g}" text-anchor="middle" font-weight="600" fill="#111111">'
        f"{escape(model)}</text>"
        f'<text x="{middle:g}" y="{y + 36:g}" text-anchor="middle" font-size="11" fill="{line}">{sign} {says}</text>'
        "</g>"
    )


def _dashed(dashes: str) -> str:
    return f' stroke-dasharray="{dashes}"' if dashes else ""


def _levels() -> list[list[str]]:
    depth: dict[str, int] = {}
    for model in IMPLIES:  # strong models come first
        above = [depth[each] for each, weaker in IMPLIES.items() if model in weaker]
        depth[model] = 1 + max(above, default=-1)
    return [[model for model in IMPLIES if depth[model] == level] for level in range(max(depth.values()) + 1)]
