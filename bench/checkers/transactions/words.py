"""Cycles in words and as drawings."""

from __future__ import annotations

from html import escape
from math import cos, pi, sin

from ...history.transactions import NIL
from .cycles import Cycle
from .graph import KIND_NAMES, PROCESS, REALTIME, RW, WR, WW
from .recovered import Columns

_COLOURS = {WW: "#b3261e", WR: "#1a56b0", RW: "#7a3e9d", PROCESS: "#5f6368", REALTIME: "#5f6368"}


def step(c: Columns, one: int, two: int, edge: tuple[int, int, int, int], lists: bool) -> str:
    """Why ``one`` came before ``two``."""
    kind, key, before, after = edge
    a, b, k = c.name(one), c.name(two), c.say_key(key)
    if kind == PROCESS:
        return f"process {int(c.transactions.process[one])} ran {a} before {b}"
    if kind == REALTIME:
        return f"{a} had ended before {b} began"
    x, y = c.say(before), c.say(after)
    if kind == WW:
        return (
            f"{b} appended {y} to {k} after {a} appended {x}" if lists else f"{b} overwrote {k} = {x} of {a} with {y}"
        )
    if kind == WR:
        return f"{b} observed what {a} {'appended to' if lists else 'wrote to'} {k}: {x}"
    if lists:
        if before == NIL:
            return f"{a} observed {k} empty, that is before {b} appended {y}"
        return f"{a} observed {k} up to {x} and not {y}, which {b} appended"
    return f"{a} observed {k} = {x}, which {b} overwrote with {y}"


def sentence(c: Columns, cycle: Cycle, lists: bool) -> str:
    """The cycle in words: the transactions, then why each came before the next."""
    rows = cycle.rows
    shown = dict.fromkeys(rows)
    said = [f"{c.name(row)} = {{{c.words(row)}}}" for row in list(shown)[:12]]
    steps = [
        step(c, one, two, edge, lists) for one, two, edge in zip(rows, (*rows[1:], rows[0]), cycle.edges, strict=True)
    ]
    skew = cycle.anomaly.startswith("G2-item") and len(rows) == 2 and all(edge[0] == RW for edge in cycle.edges)
    name = f"{cycle.anomaly} (write skew)" if skew else cycle.anomaly
    chain = "; ".join(steps)
    return f"{name}: let {', '.join(said)}. Then {chain}: a cycle, each before the next and the last before the first."


def chain(c: Columns, edges: list[tuple[int, int, int, int]], count: int) -> str:
    """``T1 (wr x) T2 (rw y) T3``. Edges are (source, target, kind, key); nodes from ``count`` on are left out."""
    if not edges:
        return "what they are themselves"
    said: list[str] = []
    for source, target, kind, key in edges:
        if source < count and (not said or said[-1] != c.name(source)):
            said.append(c.name(source))
        if kind in KIND_NAMES:
            said.append(f"({KIND_NAMES[kind]}{f' {c.say_key(key)}' if key >= 0 else ''})")
        if target < count:
            said.append(c.name(target))
    return " ".join(said)


def cycle_svg(c: Columns, cycle: Cycle, lists: bool = True) -> str:
    """The cycle as a drawing: transactions in a ring, an arrow for each dependency. SVG, complete in itself."""
    count = len(cycle.rows)
    radius = max(150.0, 46.0 * count)
    width, height = 2 * radius + 460, 2 * radius + 150
    cx, cy = width / 2, height / 2 + 10
    angle = [2 * pi * place / count - pi / 2 for place in range(count)]
    spots = [(cx + radius * cos(each), cy + radius * 0.8 * sin(each)) for each in angle]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" font-family="system-ui, sans-serif" font-size="12" role="img" '
        f'aria-label="{escape(cycle.anomaly)}">',
        f'<rect width="100%" height="100%" fill="#ffffff"/><text x="12" y="22" font-size="15" font-weight="600">'
        f"{escape(cycle.anomaly)}</text>",
        "<defs>",
    ]
    kinds = sorted({edge[0] for edge in cycle.edges})
    parts += [
        f'<marker id="a{kind}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" '
        f'orient="auto-start-reverse"><path d="M0 0 L10 5 L0 10 z" fill="{_COLOURS[kind]}"/></marker>'
        for kind in kinds
    ]
    parts.append("</defs>")
    for place, edge in enumerate(cycle.edges):
        (x1, y1), (x2, y2) = spots[place], spots[(place + 1) % count]
        length = max(((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5, 1.0)
        ux, uy = (x2 - x1) / length, (y2 - y1) / length
        bend = 40.0 if count == 2 else 14.0
        mx, my = (x1 + x2) / 2 + uy * bend, (y1 + y2) / 2 - ux * bend
        dash = ' stroke-dasharray="5 4"' if edge[0] in (PROCESS, REALTIME) else ""
        colour = _COLOURS[edge[0]]
        why = step(c, cycle.rows[place], cycle.rows[(place + 1) % count], edge, lists)
        parts.append(
            f'<path d="M{x1 + ux * 22:.1f} {y1 + uy * 22:.1f} Q{mx:.1f} {my:.1f} {x2 - ux * 24:.1f} '
            f'{y2 - uy * 24:.1f}" fill="none" stroke="{colour}" stroke-width="2"{dash} marker-end="url(#a{edge[0]})">'
            f"<title>{escape(why)}</title></path>"
        )
        label = KIND_NAMES[edge[0]] + (f" {c.say_key(edge[1])}" if edge[1] >= 0 else "")
        parts.append(
            f'<text x="{(x1 + x2) / 2 + uy * bend * 0.8:.1f}" y="{(y1 + y2) / 2 - ux * bend * 0.8:.1f}" '
            f'fill="{colour}" text-anchor="middle" stroke="#ffffff" stroke-width="4" '
            f'paint-order="stroke">{escape(label)}</text>'
        )
    for row, (x, y) in zip(cycle.rows, spots, strict=True):
        words = c.words(row, 6)
        short = words if len(words) <= 60 else words[:57] + "..."
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="20" fill="#f3f6fc" stroke="#3c4043" stroke-width="1.5">'
            f"<title>{escape(c.name(row) + ': ' + words)}</title></circle>"
            f'<text x="{x:.1f}" y="{y + 4:.1f}" text-anchor="middle">T{row + 1}</text>'
            f'<text x="{x:.1f}" y="{y + (36 if y >= cy else -28):.1f}" text-anchor="middle" font-size="11" '
            f'fill="#3c4043">{escape(short)}</text>'
        )
    parts.append("</svg>")
    return "".join(parts)
