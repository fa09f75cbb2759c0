"""As much of Clojure's notation (EDN) as Jepsen's logs use: nil, numbers, strings, keywords, symbols, vectors, maps."""

from __future__ import annotations

import re
from typing import Any, Final

_TOKEN: Final = re.compile(r'[\s,]*(?:([\[\]{}()])|"((?:[^"\\]|\\.)*)"|(#\{)|([^\s,\[\]{}()"]+))')
_INTEGER: Final = re.compile(r"[+-]?\d{1,30}N?\Z")
_FLOAT: Final = re.compile(r"[+-]?\d{1,30}(?:\.\d{0,30})?(?:[eE][+-]?\d{1,3})?M?\Z")
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r"}
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_CLOSES: Final = {"[": "]", "{": "}", "(": ")", "#{": "}"}
_WORDS: Final[dict[str, Any]] = {"nil": None, "true": True, "false": False}
DEEPEST: Final = 100


class Malformed(ValueError):
    """It is not EDN; the text says why."""


def parse(text: str) -> Any:
    """The one value that the text holds.

    Vectors, lists and sets become tuples, a map becomes a dict if it is the outermost value and else a tuple of pairs;
    a keyword keeps its colon, and a symbol is a string.

    Raises:
        Malformed: it is cut off, nested more than 100 deep, or not one value.
    """
    values: list[list[Any]] = [[]]
    closers: list[str] = []
    place, length = 0, len(text.rstrip(" \t\r\n,"))
    while place < length:
        match = _TOKEN.match(text, place, length)
        if match is None:
            raise Malformed(f"at character {place + 1}, {text[place : place + 20]!r} is cut off or no EDN")
        place = match.end()
        bracket, string, opens_set, word = match.groups()
        bracket = opens_set or bracket
        if bracket in _CLOSES:
            if len(closers) == DEEPEST:
                raise Malformed(f"it is nested more than {DEEPEST} deep")
            closers.append(_CLOSES[bracket] + bracket)
            values.append([])
        elif bracket:
            if not closers or closers[-1][0] != bracket:
                raise Malformed(f"at character {place}, {bracket!r} closes nothing")
            opened, inner = closers.pop()[1:], values.pop()
            values[-1].append(_map(inner, outermost=not closers) if opened == "{" else tuple(inner))
        elif string is not None:
            values[-1].append(_ESCAPE.sub(lambda each: _ESCAPES.get(each[1], each[1]), string))
        else:
            values[-1].append(_atom(word))
    if closers:
        raise Malformed(f"it is cut off: {closers[-1][0]!r} is missing")
    if len(values[0]) != 1:
        raise Malformed(f"it is {len(values[0])} values, not one")
    return values[0][0]


def _map(inner: list[Any], *, outermost: bool) -> Any:
    if len(inner) % 2:
        raise Malformed("a map has a key without a value")
    pairs = tuple(zip(inner[::2], inner[1::2], strict=True))
    if not outermost:
        return pairs
    try:
        return dict(pairs)
    except TypeError:
        raise Malformed("a key of the map is a map") from None


def _atom(word: str) -> Any:
    if word in _WORDS:
        return _WORDS[word]
    if _INTEGER.match(word):
        return int(word.rstrip("N"))
    if word[0] in "+-.0123456789":
        if _FLOAT.match(word):
            return float(word.rstrip("M"))
        raise Malformed(f"{word[:30]!r} is not a number")
    return word
