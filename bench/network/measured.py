"""Networks as somebody measured them: round trips between regions, or a trace of latencies, as CSV.

Round trips (``--network FILE.csv``), as a matrix or as a list of pairs; the first cell, or the name of the column, has
the unit (``_s``, ``_ms`` or ``_us``)::

    rtt_ms,  eu,  us,  jp          from,to,rtt_ms
    eu,     0.6,  80, 250          eu,us,80
    us,        , 0.6, 150          eu,jp,250
    jp,        ,    , 0.6          us,jp,150

What is empty is taken from the other half; where both are given, their mean counts. Within a region it is 0 unless
given. Servers and clients are placed in the regions in turn. As for the networks that come with quorumbench, one-way
delays are lognormal around half the round trip, with sigma 0.3.

A trace (``--latency FILE.csv``, ``--client-latency FILE.csv``) has a column ``latency_ms`` of one-way delays, or
``rtt_ms`` of round trips, which are halved; other columns are passed over. Delays are drawn from it, each message
independently. Of more than 1,000 values, 1,000 quantiles are kept.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import UsageError
from .latency import Empirical
from .presets import SIGMA
from .spec import Network, Regions

UNITS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000}
MOST_SAMPLES = 1000
MOST_REGIONS = 200
LONGEST_S = 3600

Row = tuple[int, list[str]]
"""(number of its line, cells)"""


def is_csv(text: str) -> bool:
    """Whether an option names a file of measurements."""
    return text.strip().lower().endswith(".csv")


def _rows(path: Path) -> Iterator[Row]:
    """The lines that are not empty."""
    if not path.is_file():
        raise UsageError(f"there is no file {path}")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            for cells in reader:
                stripped = [cell.strip() for cell in cells]
                if any(stripped):
                    yield reader.line_num, stripped
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} is no CSV: {error}") from None


def _unit(name: str, quantity: str) -> int:
    """ns of the unit that a column's name ends in; 0 if it is another quantity's."""
    what, _, unit = name.lower().rpartition("_")
    return UNITS.get(unit, 0) if what == quantity else 0


def _ns(path: Path, line: int, text: str, unit: int, what: str) -> int:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value * unit <= LONGEST_S * 1e9:
        raise UsageError(f"{path}, line {line}: {what} {text!r} is out of range: a number from 0 to an hour")
    return round(value * unit)


# --- round trips ----------------------------------------------------------------------------------------------------


def read_network(path: Path) -> Network:
    """The network of a file of round trips; see the module.

    Raises:
        UsageError: with the line that is wrong, or the pair that is missing.
    """
    rows = list(_rows(path))
    if not rows:
        raise UsageError(f"{path} is empty: write round trips between regions")
    line, header = rows[0]
    lowered = [cell.lower() for cell in header]
    if lowered[:2] == ["from", "to"] and len(header) == 3 and _unit(header[2], "rtt"):
        names, known = _pairs(path, rows[1:], _unit(header[2], "rtt"))
    elif _unit(header[0], "rtt"):
        names, known = _matrix(path, rows, _unit(header[0], "rtt"))
    else:
        raise UsageError(
            f"{path}, line {line}: the header is neither 'rtt_ms,REGION,REGION,...' nor 'from,to,rtt_ms' (or _s, _us)"
        )
    if len(names) > MOST_REGIONS:
        raise UsageError(f"{path} has {len(names)} regions; {MOST_REGIONS} at most")
    return Network(
        regions=Regions(
            names=names,
            rtt=tuple(tuple(_between(path, known, one, other) for other in names) for one in names),
            sigma=SIGMA,
            place=tuple(range(len(names))),
        )
    )


Known = dict[tuple[str, str], int]


def _between(path: Path, known: Known, one: str, other: str) -> int:
    given = [known[pair] for pair in ((one, other), (other, one)) if pair in known]
    if given:
        return sum(given) // len(given)
    if one == other:
        return 0
    raise UsageError(f"{path} has no round trip between {one} and {other}")


def _pairs(path: Path, rows: Sequence[Row], unit: int) -> tuple[tuple[str, ...], Known]:
    known: Known = {}
    for line, cells in rows:
        if len(cells) != 3 or not cells[0] or not cells[1]:
            raise UsageError(f"{path}, line {line}: a pair has 3 cells, from, to and the round trip")
        pair = (cells[0], cells[1])
        if pair in known:
            raise UsageError(f"{path}, line {line}: {cells[0]} to {cells[1]} is given a second time")
        known[pair] = _ns(path, line, cells[2], unit, "round trip")
    if not known:
        raise UsageError(f"{path} has a header and nothing below it")
    return tuple(dict.fromkeys(name for pair in known for name in pair)), known


def _matrix(path: Path, rows: Sequence[Row], unit: int) -> tuple[tuple[str, ...], Known]:
    line, header = rows[0]
    names = tuple(header[1:])
    if not names or not all(names) or len(set(names)) < len(names):
        raise UsageError(f"{path}, line {line}: the header names each region once, and none is empty")
    known: Known = {}
    seen: list[str] = []
    for line, cells in rows[1:]:
        if cells[0] not in names:
            raise UsageError(f"{path}, line {line}: region {cells[0]!r} is not in the header ({', '.join(names)})")
        if cells[0] in seen:
            raise UsageError(f"{path}, line {line}: region {cells[0]} has a second row")
        seen.append(cells[0])
        if len(cells) > len(names) + 1:
            raise UsageError(f"{path}, line {line}: {len(cells) - 1} round trips for {len(names)} regions")
        for other, text in zip(names, cells[1:], strict=False):
            if text:
                known[cells[0], other] = _ns(path, line, text, unit, f"round trip {cells[0]} to {other}")
    return names, known


# --- traces ---------------------------------------------------------------------------------------------------------


def read_latency(path: Path) -> Empirical:
    """The latency of a file of measurements; see the module.

    Raises:
        UsageError: with the line that is wrong.
    """
    rows = _rows(path)
    line, header = next(rows, (1, []))
    found = [(place, _unit(name, "latency"), 1) for place, name in enumerate(header) if _unit(name, "latency")]
    found += [(place, _unit(name, "rtt"), 2) for place, name in enumerate(header) if _unit(name, "rtt")]
    if len(found) != 1:
        raise UsageError(
            f"{path}, line {line}: the header names {len(found)} columns of latencies, not one: "
            f"latency_ms (one way) or rtt_ms (halved); _s and _us likewise"
        )
    ((place, unit, ways),) = found
    samples = []
    for line, cells in rows:
        if len(cells) <= place:
            raise UsageError(f"{path}, line {line}: there is no {header[place]} in it")
        samples.append(_ns(path, line, cells[place], unit, header[place]) // ways)
    if not samples:
        raise UsageError(f"{path} has a header and nothing below it")
    return Empirical(quantiles(samples, MOST_SAMPLES))


def quantiles(samples: Sequence[int], most: int) -> tuple[int, ...]:
    """The samples in order, or as many quantiles in their stead, in the middle of as many equal parts."""
    ordered = sorted(samples)
    if len(ordered) <= most:
        return tuple(ordered)
    return tuple(ordered[int((part + 0.5) * len(ordered) / most)] for part in range(most))
