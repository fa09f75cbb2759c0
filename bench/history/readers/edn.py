"""Clojure's notation (EDN), as Jepsen uses it, and its histories: ``history.edn``.

A history is a map an operation, ``{:type :invoke, :process 0, :f :write, :value 1, :time 5, :index 0}``, one after the
other or all in one vector or list, over as many lines as it pleases. Tags (``#jepsen.history.Op{...}``), comments and
what ``#_`` discards are passed over. What the keys mean is as in :mod:`.jsonl`; keywords in
values are strings without their colon, as where others make JSON of EDN.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from ..operations import Operation
from .events import OUTCOME, Paired, refuse, shown

_TOKEN: Final = re.compile(
    r"""(?:[\s,]|;[^\n]*+)*+  # nothing; possessive, or what a comment says would be read
    (?:([\[\]{}()]|\#\{) | "((?:[^"\\]|\\.)*)" | (\\. [^\s,\[\]{}()";]* | [^\s,\[\]{}()";]+))""",
    re.VERBOSE | re.DOTALL,
)
BRACKET, STRING, WORD = 1, 2, 3
_NOTHING: Final = re.compile(r"(?:[\s,]|;[^\n]*+)*+")
_INTEGER: Final = re.compile(r"[+-]?\d{1,30}N?\Z")
_FLOAT: Final = re.compile(r"[+-]?\d{1,30}(?:\.\d{0,30})?(?:[eE][+-]?\d{1,3})?M?\Z")
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r"}
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_CLOSES: Final = {"[": "]", "{": "}", "(": ")", "#{": "}"}
_WORDS: Final[dict[str, Any]] = {"nil": None, "true": True, "false": False}
DEEPEST: Final = 100


class Malformed(ValueError):
    """It is not EDN; the text says why.

    Attributes:
        place: in the text, of what is wrong.
    """

    def __init__(self, words: str, place: int = 0) -> None:
        super().__init__(words)
        self.place = place


_DISCARD: Final = object()
"""Stands before what ``#_`` takes away."""


def parse(text: str) -> Any:
    """The one value that the text holds.

    Vectors, lists and sets become tuples, a map becomes a dict if it is the outermost value and else a tuple of pairs;
    a keyword keeps its colon, and a symbol is a string.

    Raises:
        Malformed: it is cut off, nested more than 100 deep, or not one value.
    """
    values = [value for _, value in forms(text)]
    if len(values) != 1:
        raise Malformed(f"it is {len(values)} values, not one")
    return values[0]


def forms(text: str, *, inside: bool = False) -> Iterator[tuple[int, Any]]:
    """(place of its first character, value) of each of the values that the text holds, as :func:`parse` has them.

    Args:
        text: all of it.
        inside: go into a vector or list that is the first value: its elements are the values.

    Raises:
        Malformed: it is cut off, or nested more than 100 deep.
    """
    values: list[list[Any]] = [[]]
    closers: list[str] = []
    begun = place = 0
    entered = ""  # what closes the vector gone into
    match_token = _TOKEN.match
    own = values[0]
    while True:
        match = match_token(text, place)
        if match is None:
            place = _NOTHING.match(text, place).end()  # type: ignore[union-attr]
            if place == len(text):
                break
            raise Malformed(f"{_at(text, place)}{text[place : place + 20]!r} is cut off or no EDN", place)
        kind = match.lastindex
        token = match[kind]  # type: ignore[index]
        place = match.end()
        if kind == WORD and token[0] != "#" and closers:
            own.append(_WORDS[token] if token in _WORDS else token if token[0] == ":" else _atom(token, place))
            if len(own) > 1 and own[-2] is _DISCARD:
                del own[-2:]
            continue
        if len(values) == 1 and own[-1:] != [_DISCARD]:
            begun = match.start(kind)  # type: ignore[arg-type]
        bracket = token if kind == BRACKET else ""
        if bracket and inside and not closers and bracket in "[(":
            inside, entered = False, _CLOSES[bracket]
        elif bracket and not closers and bracket == entered:
            entered = ""
        elif bracket in _CLOSES:
            if len(closers) == DEEPEST:
                raise Malformed(f"it is nested more than {DEEPEST} deep", place)
            closers.append(_CLOSES[bracket] + bracket)
            values.append([])
        elif bracket:
            if not closers or closers[-1][0] != bracket:
                raise Malformed(f"{_at(text, place)}{bracket!r} closes nothing", place)
            opened, inner = closers.pop()[1:], values.pop()
            values[-1].append(_map(inner, place, outermost=not closers) if opened == "{" else tuple(inner))
        elif kind == STRING:
            own.append(_ESCAPE.sub(lambda each: _ESCAPES.get(each[1], each[1]), token) if "\\" in token else token)
        elif token.startswith("#_"):
            own.append(_DISCARD)
            place -= len(token) - 2
            continue
        elif not token.startswith("#") or token.startswith("##"):  # else the tag of what follows
            own.append(_atom(token, place))
        own = values[-1]
        while len(own) > 1 and own[-2] is _DISCARD and own[-1] is not _DISCARD:
            del own[-2:]
        if len(values) == 1 and own and own[-1] is not _DISCARD:
            yield begun, own.pop()
    if closers or entered:
        raise Malformed(f"it is cut off: {closers[-1][0] if closers else entered!r} is missing", begun)


def _at(text: str, place: int) -> str:
    return f"at character {place - text.rfind(chr(10), 0, place)}, "


def _map(inner: list[Any], place: int, *, outermost: bool) -> Any:
    if len(inner) % 2:
        raise Malformed("a map has a key without a value", place)
    pairs = tuple(zip(inner[::2], inner[1::2], strict=True))
    if not outermost:
        return pairs
    try:
        return dict(pairs)
    except TypeError:
        raise Malformed("a key of the map cannot be one", place) from None


def _atom(word: str, place: int) -> Any:
    if word in _WORDS:
        return _WORDS[word]
    if _INTEGER.match(word):
        return int(word.rstrip("N"))
    if word[0] in ".0123456789" or (word[0] in "+-" and word[1:2].isdigit()):
        if _FLOAT.match(word):
            return float(word.rstrip("M"))
        raise Malformed(f"{word[:30]!r} is not a number", place)
    return word


# --- histories ------------------------------------------------------------------------------------------------------


def read(path: Path) -> tuple[list[Operation], bool]:
    """The operations, and whether they have times.

    Raises:
        UsageError: a map is not such an operation, or cannot follow those before it.
    """
    from .jsonl import Line, note

    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        refuse(path, error.object.count(b"\n", 0, error.start) + 1, "this is not text in UTF-8")
    paired = Paired(path)
    number, counted, index = 1, 0, -1
    try:
        for place, found in forms(text, inside=True):
            number, counted = number + text.count("\n", counted, place), place
            if not isinstance(found, dict):
                refuse(path, number, f"this is not a map: {shown(found)!r}")
            index = note(paired, number, Line(**_fields(path, number, found)), index)
    except Malformed as error:
        refuse(path, text.count("\n", 0, error.place) + 1, f"this is not EDN: {error}")
    return paired.finish()


def _fields(path: Path, number: int, found: dict[Any, Any]) -> dict[str, Any]:
    """Those that say something, each of the type it must have."""
    kind = found.get(":type")
    if not isinstance(kind, str) or kind[1:] not in ("invoke", *OUTCOME):
        words = "has no :type" if kind is None else f"has the :type {shown(kind)}"
        refuse(path, number, f"the operation {words} (allowed: :invoke, {', '.join(f':{each}' for each in OUTCOME)})")
    fields: dict[str, Any] = {"type": kind[1:]}
    for name, allowed in (("f", str), ("process", (int, str)), ("time", int), ("index", int)):
        value = found.get(f":{name}")
        if value is not None and (isinstance(value, bool) or not isinstance(value, allowed)):
            refuse(path, number, f":{name} {shown(value)} is not {'a keyword' if allowed is str else 'a number'}")
        fields[name] = value
    if ":value" in found:
        fields["value"] = _plain(found[":value"])
    fields["key"] = _plain(found.get(":key"))
    return fields


def _plain(value: Any) -> Any:
    """The value with its keywords as strings."""
    if isinstance(value, tuple):
        return tuple([_plain(each) for each in value])
    return value[1:] if isinstance(value, str) and value[:1] == ":" else value
