"""Figures: seaborn and matplotlib, drawn to be read on a phone, in print, in light and in dark.

Text, axes and grid are drawn in stand-in colours that :func:`to_svg` replaces by the page's own.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import numpy as np

from .model import interval_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, GRID, PAPER = "#010101", "#020202", "#030303"
"""Stand-ins for the page's text, grid and background colours."""
WIDTH, HEIGHT = 5.4, 3.5
"""Inches at 72 points: narrow enough that its 9 point text stays readable when scaled to a phone."""
SHOWN = 150
"""Simulated trials drawn as dots a group; bands and medians always use all."""


@dataclass(frozen=True)
class Series:
    """One colour of a figure: for each tick of the x axis, values of simulated and of live trials.

    ``model``: what a formula predicts for the median at each tick; empty for none.
    """

    label: str
    simulated: Sequence[Sequence[float]]
    live: Sequence[Sequence[float]]
    model: Sequence[float] = ()


@contextmanager
def style() -> Iterator[list[Any]]:
    """Drawing inside this context looks like the rest of the report; yields the (colour-blind safe) palette."""
    import matplotlib as mpl

    mpl.use("Agg")
    import seaborn as sns

    settings: dict[Any, Any] = {
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "font.size": 9.5,
        "axes.titlesize": 9.5,
        "axes.labelsize": 9.5,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": INK,
        "axes.linewidth": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.grid.axis": "y",
        "axes.axisbelow": True,
        "grid.color": GRID,
        "grid.linewidth": 0.6,
        "xtick.color": INK,
        "ytick.color": INK,
        "legend.frameon": False,
        "figure.facecolor": "none",
        "axes.facecolor": "none",
        "savefig.facecolor": "none",
        "figure.constrained_layout.use": True,
    }
    with mpl.rc_context(settings), warnings.catch_warnings():
        # seaborn 0.13 passes arguments that matplotlib 3.11 renamed; the pictures are right.
        warnings.filterwarnings("ignore", category=PendingDeprecationWarning, module="seaborn")
        warnings.filterwarnings("ignore", category=DeprecationWarning, module="seaborn")
        yield list(sns.color_palette("colorblind"))


def _spread(count: int, width: float) -> np.ndarray[Any, Any]:
    """Horizontal offsets within +-width/2 that look random and are the same each time."""
    golden = 0.6180339887
    return ((np.arange(count) * golden) % 1.0 - 0.5) * width


def _nice_log(axes: Axes, values: Sequence[float]) -> None:
    """A logarithmic axis with plain numbers, where the values span more than a factor of 6 and none is zero."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    positive = [value for value in values if value > 0]
    if (
        len(positive) < len(values)
        or not positive
        or min(positive) < max(positive) / 1e4
        or max(positive) / min(positive) < 6
    ):
        axes.set_ylim(bottom=0)
        return
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def band(axes: Axes, x: float, values: Sequence[float], colour: Any, *, width: float = 0.2) -> None:
    """Dots for trials, a thin line for their middle 90%, a thick one for the middle half, a tick for the median."""
    data = np.sort(np.asarray(values, dtype=float))
    if len(data) == 0:
        return
    shown = data if len(data) <= SHOWN else data[np.linspace(0, len(data) - 1, SHOWN).round().astype(int)]
    axes.scatter(
        x + _spread(len(shown), width), shown, s=5, color=colour, alpha=0.4, linewidths=0, zorder=2, rasterized=False
    )
    low, lower, median, upper, high = np.quantile(data, [0.05, 0.25, 0.5, 0.75, 0.95])
    axes.plot([x, x], [low, high], color=colour, linewidth=1.4, solid_capstyle="round", zorder=3)
    axes.plot([x, x], [lower, upper], color=colour, linewidth=5.5, solid_capstyle="butt", zorder=4)
    if upper - lower < 0.02 * upper:  # trials hardly differ: there is no band to cut the tick out of
        axes.plot([x - 0.08, x + 0.08], [median, median], color=colour, linewidth=2.4, solid_capstyle="butt", zorder=3)
    else:
        axes.plot([x - 0.045, x + 0.045], [median, median], color=PAPER, linewidth=1.8, zorder=5)


def distribution(series: Sequence[Series], ticks: Sequence[str], *, x_label: str, y_label: str) -> Figure:
    """Values by group and series: simulated trials as a distribution, live trials as diamonds over it."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    with style() as palette:
        figure = Figure(figsize=(WIDTH, HEIGHT))
        axes = figure.subplots()
        step = 0.8 / max(1, len(series))
        every: list[float] = []
        for i, one in enumerate(series):
            offset = (i - (len(series) - 1) / 2) * step
            for position, (simulated, live) in enumerate(zip(one.simulated, one.live, strict=True)):
                x = position + offset
                band(axes, x, simulated, palette[i], width=step * 0.75)
                axes.scatter(
                    [x + (k - (len(live) - 1) / 2) * step * 0.3 for k in range(len(live))],
                    live,
                    marker="D",
                    s=30,
                    facecolor=PAPER,
                    edgecolor=INK,
                    linewidths=1.1,
                    zorder=6,
                )
                every += [*simulated, *live]
            places = [position + offset + 0.42 * step for position in range(len(one.model))]
            axes.scatter(places, one.model, marker="<", s=26, color=INK, linewidths=0, zorder=7)
            every += one.model
        _nice_log(axes, every)
        axes.set_xticks(range(len(ticks)), ticks)
        axes.set_xlim(-0.55, len(ticks) - 0.45)
        axes.tick_params(axis="x", length=0)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        handles: list[Any] = [
            Line2D([], [], color=palette[i], linewidth=5, label=f"{one.label}, simulated" if one.label else "simulated")
            for i, one in enumerate(series)
        ]
        if any(len(values) for one in series for values in one.live):
            diamond = Line2D([], [], marker="D", linestyle="", markersize=5.5, label="live")
            diamond.set_markerfacecolor(PAPER)
            diamond.set_markeredgecolor(INK)
            handles.append(diamond)
        if any(len(one.model) for one in series):
            handles.append(Line2D([], [], marker="<", linestyle="", markersize=5.5, color=INK, label="model"))
        if len(handles) > 1:
            figure.legend(handles=handles, loc="outside upper left", ncols=3, handlelength=1.2, columnspacing=1.4)
        return figure


def stacked(
    parts: Sequence[tuple[str, Sequence[float]]],
    ticks: Sequence[str],
    *,
    x_label: str,
    spans: Sequence[tuple[float, float]] = (),
) -> Figure:
    """Horizontal bars made of parts, one a tick, first on top; ``spans``: of the whole of each, as a whisker."""
    from matplotlib.figure import Figure

    with style() as palette:
        figure = Figure(figsize=(WIDTH, 1.1 + 0.27 * len(ticks)))
        axes = figure.subplots()
        left = np.zeros(len(ticks))
        for i, (label, values) in enumerate(parts):
            lengths = np.nan_to_num(np.asarray(values, dtype=float))
            axes.barh(range(len(ticks)), lengths, left=left, height=0.68, color=palette[i], label=label, zorder=3)
            left += lengths
        for place, (low, high) in enumerate(spans):
            axes.plot([low, high], [place, place], color=INK, linewidth=1.2, zorder=4, solid_capstyle="butt")
        axes.set_yticks(range(len(ticks)), ticks)
        axes.invert_yaxis()
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(x_label)
        figure.legend(loc="outside upper left", ncols=len(parts), handlelength=1.0, columnspacing=1.4)
        return figure


def dots(
    rows: Sequence[tuple[str, Sequence[float], Sequence[float]]], *, x_label: str, names: tuple[str, str]
) -> Figure:
    """For each row the median of two groups with its 95% interval; of few values the mean and their range."""
    from matplotlib.figure import Figure

    with style() as palette:
        figure = Figure(figsize=(WIDTH, 1.1 + 0.27 * len(rows)))
        axes = figure.subplots()
        top = 0.0
        apart = 0.24 if all(any(row[i] for row in rows) for i in (1, 2)) else 0.0
        for i, (name, marker, colour) in enumerate(((names[0], "o", palette[0]), (names[1], "D", palette[1]))):
            labelled = False
            for position, row in enumerate(rows):
                values = (row[1], row[2])[i]
                found = interval_of(values)
                if found.n == 0:
                    continue
                y = position + (i - 0.5) * apart
                low, high = (min(values), max(values)) if found.few else (found.low, found.high)
                axes.plot([low, high], [y, y], color=colour, linewidth=1.6, zorder=3)
                top = max(top, found.estimate, high)
                axes.plot(
                    [found.estimate],
                    [y],
                    marker,
                    color=colour,
                    markersize=5,
                    zorder=4,
                    label=None if labelled else name,
                )
                labelled = True
        axes.set_yticks(range(len(rows)), [row[0] for row in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlim(0, top * 1.08 or 1)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
        axes.set_xlabel(x_label)
        if axes.get_legend_handles_labels()[0]:
            figure.legend(loc="outside upper left", ncols=2, handletextpad=0.4, columnspacing=1.4)
        return figure


def heat(
    tables: Sequence[tuple[str, Sequence[Sequence[float]]]],
    *,
    x_label: str,
    y_label: str,
    number: str = ".2g",
    line: Sequence[Sequence[bool]] = (),
    columns: Sequence[str] = (),
    rows_named: Sequence[str] = (),
) -> Figure:
    """Tables of numbers as colours, each with its own scale; rows and columns count from 1, row 1 at the bottom.

    Args:
        tables: (title, rows of numbers; NaN for none).
        number: format of a number from 1 to 100; larger ones are whole, smaller ones have two decimals.
        line: rows of truths of the same shape: a line is drawn between true and false.
        columns, rows_named: names instead of numbers; the first named row is at the top.
    """
    import seaborn as sns
    from matplotlib.figure import Figure

    with style():
        across = 2 if len(tables) > 1 and not rows_named else 1
        down = -(-len(tables) // across)
        figure = Figure(figsize=(WIDTH, 2.3 * down))
        places = figure.subplots(down, across, squeeze=False).flat

        def written(value: float) -> str:
            if np.isnan(value):
                return ""
            if value == 0 or abs(value) >= 100:
                return f"{value:.0f}"
            return f"{value:{number if abs(value) >= 1 else '.2f'}}"

        for at, (axes, (title, rows)) in enumerate(zip(places, tables, strict=False)):
            data = np.array(rows, dtype=float)
            sns.heatmap(
                data,
                ax=axes,
                annot=np.vectorize(written, otypes=[str])(data),
                fmt="",
                cbar=False,
                cmap="crest",
                annot_kws={"size": 7.5},
            )
            if not rows_named:
                axes.invert_yaxis()
            axes.grid(visible=False)
            axes.set_title(title)
            names = columns or [str(each + 1) for each in range(data.shape[1])]
            axes.set_xticks(np.arange(data.shape[1]) + 0.5, names, rotation=0)
            names = rows_named or [str(each + 1) for each in range(data.shape[0])]
            axes.set_yticks(np.arange(data.shape[0]) + 0.5, names, rotation=0)
            axes.tick_params(length=0)
            axes.set_xlabel(x_label if at // across == down - 1 else "")
            axes.set_ylabel(y_label if at % across == 0 else "")
            _border(axes, line)
        return figure


def _border(axes: Axes, truth: Sequence[Sequence[bool]]) -> None:
    """A thick line between the true and the false cells of a heat map."""
    for y, row in enumerate(truth):
        for x, true in enumerate(row):
            if x + 1 < len(row) and true != row[x + 1]:
                axes.plot([x + 1, x + 1], [y, y + 1], color="#d55e00", linewidth=3)
            if y + 1 < len(truth) and true != truth[y + 1][x]:
                axes.plot([x, x + 1], [y + 1, y + 1], color="#d55e00", linewidth=3)


def curves(
    lines: Sequence[tuple[str, Sequence[float], Sequence[float]]],
    *,
    x_label: str,
    y_label: str,
    dotted: Sequence[tuple[str, Sequence[float], Sequence[float]]] = (),
    log_x: bool = False,
) -> Figure:
    """Lines of (label, x, y); dotted ones, what a model says, have the colour of the line of the same label, if any."""
    from matplotlib.figure import Figure

    with style() as palette:
        figure = Figure(figsize=(WIDTH, HEIGHT))
        axes = figure.subplots()
        colours = {label: palette[at % len(palette)] for at, (label, _, _) in enumerate(lines)}
        for label, x, y in lines:
            axes.plot(x, y, marker="o", markersize=3.5, linewidth=1.4, color=colours[label], label=label)
        for label, x, y in dotted:
            axes.plot(x, y, linestyle=":", linewidth=1.6, color=colours.get(label, INK), zorder=1)
        if log_x:
            axes.set_xscale("log")
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        if lines:
            figure.legend(loc="outside upper left", ncols=3, handletextpad=0.4, columnspacing=1.2)
        return figure


def to_svg(figure: Figure, title: str, prefix: str) -> str:
    """The figure as an inline SVG that takes the page's colours and width.

    Args:
        figure: drawn within :func:`style`.
        title: read out by screen readers.
        prefix: put before every id, so that two figures of a page do not share any.
    """
    import matplotlib as mpl

    buffer = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": prefix, "font.family": "sans-serif"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    head = re.search(r'viewBox="([^"]+)"', svg)
    body = svg[svg.index(">") + 1 :]
    body = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', body)
    body = re.sub(r'href="#([^"]+)"', rf'href="#{prefix}-\1"', body)
    body = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", body)
    for stand_in, colour in ((INK, "currentColor"), (GRID, "var(--grid)"), (PAPER, "var(--paper)")):
        body = body.replace(stand_in, colour)
    # Fonts are the page's; matplotlib lists fallbacks for each piece of text.
    body = re.sub(r"font: ([\d.]+px) [^;\"]+", r"font-size: \1", body)
    body = re.sub(r"\n\s*", "\n", body)
    viewbox = head[1] if head else "0 0 400 300"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="{viewbox}" '
        f'class="figure" role="img" aria-label="{escape(title, {chr(34): "&quot;"})}">{body.strip()}'
    )


LIGHT = {INK: "#1b1f24", GRID: "#dfe3e8", PAPER: "#ffffff"}
"""What stands for the page's colours where there is no page."""
DPI = 150


def on_white(svg: str) -> str:
    """A figure of a page as a picture of its own."""
    for place, stand_in in (("currentColor", INK), ("var(--grid)", GRID), ("var(--paper)", PAPER)):
        svg = svg.replace(place, LIGHT[stand_in])
    return svg.replace("<svg ", '<svg font-family="sans-serif" style="background: #ffffff" ', 1)


def to_png(figure: Figure) -> bytes:
    """The figure as PNG on white, for a README."""
    _recolour(figure)
    figure.set_facecolor("#ffffff")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, facecolor="#ffffff", metadata={"Software": None})
    return buffer.getvalue()


def _recolour(figure: Figure) -> None:
    """Put plain colours in place of the stand-ins, wherever an artist has one."""
    from matplotlib.colors import to_hex, to_rgba, to_rgba_array

    def light(colour: Any) -> Any:
        alpha = to_rgba(colour)[3]
        return to_rgba(LIGHT.get(to_hex(colour), colour), alpha)

    for artist in figure.findobj():
        for name in ("color", "facecolor", "edgecolor", "markerfacecolor", "markeredgecolor"):
            read, write = getattr(artist, f"get_{name}", None), getattr(artist, f"set_{name}", None)
            if read is None or write is None:
                continue
            colour = read()
            if isinstance(colour, np.ndarray) and colour.ndim == 2:  # a collection has one an element
                if len(colour):
                    write([light(each) for each in to_rgba_array(colour)])
            elif not (isinstance(colour, str) and colour in ("none", "auto")):
                write(light(colour))
