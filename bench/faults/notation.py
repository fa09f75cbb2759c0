"""Faults as people write them on the command line: ``crash leader at 5s for 2s``.

Every kind is a row of :data:`FORMS`: its positional words, then keywords with a value each, in any order. From the row
follow the parser, the formatter, the help, and every error.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import UsageError, unknown_name
from .spec import (
    SIM_ONLY,
    Byzantine,
    ClockDrift,
    ClockJump,
    Crash,
    CrashAtWrite,
    Cut,
    DrainRestart,
    Fault,
    FullDisk,
    LoseDisk,
    LossyLink,
    Membership,
    Partition,
    Pause,
    PowerLoss,
    ReceiveOmission,
    RetryStorm,
    RollingRestart,
    SendOmission,
    SlowDisk,
    SlowLink,
    SlowNode,
    Stall,
    ZoneLoss,
)
from .targets import SHAPES, ZONE, check_target
from .values import (
    DAMAGE,
    DELAY,
    FACTOR,
    LIE,
    OFFSET,
    PPM,
    SHARE,
    SMALL,
    START,
    TIME,
    WORD,
    Value,
    exact_duration,
    format_latency,
    format_links,
    parse_links,
)

__all__ = [
    "FORMS",
    "KINDS",
    "Form",
    "check_runtime",
    "exact_duration",
    "format_fault",
    "format_latency",
    "format_links",
    "parse_fault",
    "parse_links",
    "tag_of",
    "usage",
    "validate_target",
]

# --- forms -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Form:
    """One kind of fault.

    Attributes:
        make: the Struct.
        help: what happens, for people.
        words: positional fields, in order.
        keywords: keyword -> (field, how it is read).
        fixed: fields that follow from the kind.
        optional: values of fields (positional or not) that may be left out.
    """

    make: type[Any]
    help: str
    words: tuple[str, ...] = ("target",)
    keywords: Mapping[str, tuple[str, Value]] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    optional: Mapping[str, Any] = field(default_factory=dict)


_AT = {"at": ("at", START)}
_LENGTH = {**_AT, "for": ("length", TIME)}
_DOWN = {**_AT, "for": ("down", TIME)}
_VIA = {"via": ("target", WORD), **_AT}

FORMS: dict[str, Form] = {
    "crash": Form(
        Crash,
        "Killed (SIGKILL; within its process if others share it); back after the time given with what its disk kept, "
        "or never.",
        keywords=_DOWN,
        optional={"down": None},
    ),
    "crash-at-write": Form(
        CrashAtWrite,
        "Of the next servers to persist a key (a vote, say), one is killed just after it has said so (simulator only).",
        (),
        _DOWN,
    ),
    "power-loss": Form(PowerLoss, "All servers die at the same instant; all are back after the time given.", (), _DOWN),
    "rolling-restart": Form(
        RollingRestart,
        "One server after the other is drained, killed, and back after the time given; then a gap.",
        (),
        {**_DOWN, "gap": ("gap", SMALL)},
    ),
    "drain": Form(
        DrainRestart,
        "Asked to hand over its duties, killed after the grace, back after the time given.",
        keywords={**_AT, "grace": ("grace", SMALL), "for": ("down", TIME)},
    ),
    "lose-disk": Form(
        LoseDisk,
        "Killed, and back with an empty or a corrupt disk; unless said, one of the two (simulator only).",
        keywords={**_DOWN, "as": ("damage", DAMAGE)},
        optional={"damage": ""},
    ),
    "pause": Form(
        Pause,
        "Stopped (SIGSTOP; within its process if others share it) and continued; timers that ran out meanwhile all "
        "fire at once.",
        keywords=_LENGTH,
    ),
    "stall": Form(
        Stall, "Computes one more step, then stands still before its effects leave (simulator only).", keywords=_LENGTH
    ),
    "partition": Form(
        Partition,
        "Links are cut between groups of nodes; clients fall on random sides.",
        ("shape", "target"),
        _LENGTH,
        optional={"target": "random"},
    ),
    "cut": Form(Cut, "Exactly these links are cut: n1-n2 both ways, n1>n2 one way, with commas.", ("links",), _LENGTH),
    "slow-node": Form(SlowNode, "Its CPU takes so many times as long.", keywords={"by": ("factor", FACTOR), **_LENGTH}),
    "slow-link": Form(
        SlowLink,
        "Every message to or from it takes so much longer; any latency will do.",
        keywords={"by": ("extra", DELAY), **_LENGTH},
    ),
    "lossy-link": Form(
        LossyLink,
        "Messages to or from it are lost, and doubled, with these probabilities.",
        keywords={"by": ("loss", SHARE), "duplication": ("duplication", SHARE), **_LENGTH},
        optional={"duplication": 0.0},
    ),
    "send-omission": Form(
        SendOmission,
        "What it sends is lost with this probability; what is sent to it arrives.",
        keywords={"by": ("loss", SHARE), **_LENGTH},
    ),
    "receive-omission": Form(
        ReceiveOmission,
        "What is sent to it is lost with this probability; what it sends arrives.",
        keywords={"by": ("loss", SHARE), **_LENGTH},
    ),
    "byzantine": Form(
        Byzantine,
        "It lies, in one of the ways of its protocol (bench list PROTOCOL names them).",
        keywords={"as": ("behaviour", LIE), **_LENGTH},
    ),
    "slow-disk": Form(SlowDisk, "Every sync takes so much longer.", keywords={"by": ("extra", SMALL), **_LENGTH}),
    "full-disk": Form(FullDisk, "Writes fail for want of space.", keywords=_LENGTH),
    "clock-jump": Form(ClockJump, "Its wall clock jumps, either way.", keywords={"by": ("offset", OFFSET), **_AT}),
    "clock-drift": Form(
        ClockDrift,
        "Its clocks run fast, or slow, by so many parts per million.",
        keywords={"by": ("ppm", PPM), **_LENGTH},
    ),
    "zone-loss": Form(ZoneLoss, "All servers of the zone are killed; back after the time given.", ("zone",), _DOWN),
    "retry-storm": Form(
        RetryStorm, "Clients are cut off from the servers; then their retries arrive together.", (), _LENGTH
    ),
    "add": Form(
        Membership,
        "The operator asks a server to make the node a member.",
        ("node",),
        _VIA,
        {"action": "add"},
        {"target": "leader"},
    ),
    "remove": Form(
        Membership,
        "The operator asks a server to end the node's membership.",
        ("node",),
        _VIA,
        {"action": "remove"},
        {"target": "leader"},
    ),
}
"""By the first word of the notation: the tags of the faults, except that ``membership`` is written add or remove."""

KINDS: tuple[str, ...] = tuple(dict.fromkeys(form.make.__struct_config__.tag for form in FORMS.values()))
"""The tags of all faults."""


def tag_of(fault: Fault) -> str:
    """``crash``, ``power-loss`` ...: what names a fault's kind in records and in a nemesis."""
    return str(type(fault).__struct_config__.tag)


def usage(kind: str) -> str:
    """How a kind is written: ``crash TARGET at 2s [for 2s]``."""
    form = FORMS[kind]
    parts = [kind]
    for name in form.words:
        text = "|".join(SHAPES) if name == "shape" else "n1-n2,n1>n3" if name == "links" else name.upper()
        parts.append(f"[{text}]" if name in form.optional else text)
    for keyword, (name, value) in form.keywords.items():
        text = f"{keyword} {value.example}"
        parts.append(f"[{text}]" if name in form.optional else text)
    return " ".join(parts)


# --- parsing --------------------------------------------------------------------------------------------------------


def parse_fault(text: str) -> Fault:
    """Read one fault.

    Raises:
        UsageError: one sentence with the word that is wrong, what is allowed, and the nearest valid name.
    """
    words = _words(text)
    if not words:
        raise UsageError("the fault is empty: write for example 'crash leader at 5s for 2s'")
    kind, rest = words[0], words[1:]
    if kind in SHAPES:
        kind, rest = "partition", words
    if kind not in FORMS:
        raise unknown_name("fault", kind, FORMS)
    form = FORMS[kind]
    values: dict[str, Any] = {}
    for name in form.words:
        if not rest or rest[0] in form.keywords:
            if name in form.optional:
                continue
            raise UsageError(f"fault {text!r} names no {name}: write '{usage(kind)}'")
        word, rest = rest[0], rest[1:]
        if name == "shape" and word not in SHAPES:
            raise unknown_name("partition", word, SHAPES)
        values[name] = parse_links(word) if name == "links" else word
    _read_keywords(text, kind, form, rest, values)
    for keyword, (name, _) in form.keywords.items():
        if name not in values and name not in form.optional:
            raise UsageError(f"fault {text!r} lacks {keyword!r}: write '{usage(kind)}'")
    fault: Fault = form.make(**{**form.optional, **form.fixed, **values})
    return fault


def _read_keywords(text: str, kind: str, form: Form, words: list[str], values: dict[str, Any]) -> None:
    while words:
        keyword, words = words[0], words[1:]
        if keyword not in form.keywords:
            close = difflib.get_close_matches(keyword, form.keywords, n=1, cutoff=0.5)
            hint = f"did you mean {close[0]!r}, as in" if close else "write"
            raise UsageError(f"fault {text!r}: {keyword!r} is not understood: {hint} '{usage(kind)}'")
        name, value = form.keywords[keyword]
        if name in values:
            raise UsageError(f"fault {text!r} says {keyword!r} twice: write '{usage(kind)}'")
        if not words or words[0] in form.keywords:
            raise UsageError(f"fault {text!r}: {keyword!r} lacks its value: write '{usage(kind)}'")
        try:
            values[name] = value.parse(words[0])
        except UsageError as error:
            raise UsageError(f"fault {text!r}: {keyword!r} is wrong: {error}") from None
        words = words[1:]


def _words(text: str) -> list[str]:
    """Split at white space outside parentheses."""
    words, depth, current = [], 0, ""
    for char in text:
        depth += (char == "(") - (char == ")")
        if char.isspace() and depth <= 0:
            if current:
                words.append(current)
            current = ""
        else:
            current += char
    return [*words, current] if current else words


def format_fault(fault: Fault) -> str:
    """The notation of a fault; :func:`parse_fault` reads it back exactly (but for an ``Empirical`` latency)."""
    kind = fault.action if isinstance(fault, Membership) else tag_of(fault)
    form = FORMS[kind]
    parts = [kind]
    for name in form.words:
        value = getattr(fault, name)
        if name not in form.optional or value != form.optional[name]:
            parts.append(format_links(value) if name == "links" else value)
    for keyword, (name, how) in form.keywords.items():
        value = getattr(fault, name)
        if name not in form.optional or value != form.optional[name]:
            parts += [keyword, how.format(value)]
    return " ".join(parts)


# --- validation at the level of names -------------------------------------------------------------------------------


def validate_target(fault: Fault, servers: Sequence[str], clients: int, zones: Collection[str] = ()) -> None:
    """Check that what the fault names exists.

    Args:
        fault: any.
        servers: names of the servers.
        clients: how many clients there are, named ``c1`` ....
        zones: names of the zones.

    Raises:
        UsageError: it does not.
    """
    names = [f"c{index + 1}" for index in range(clients)]
    try:
        if isinstance(fault, ZoneLoss):
            check_target(ZONE + fault.zone, servers, names, zones)
        elif isinstance(fault, Cut):
            for node in dict.fromkeys(end for link in fault.links for end in link):
                if node not in servers and node not in names:
                    raise unknown_name("node", node, (*servers, *names))
        elif not isinstance(fault, CrashAtWrite | PowerLoss | RollingRestart | RetryStorm):
            check_target(fault.target, servers, names, zones)
        if isinstance(fault, Membership) and fault.node not in servers:
            raise UsageError(f"there is no server {fault.node!r}: they are {servers[0]} to {servers[-1]}")
    except UsageError as error:
        raise UsageError(f"fault '{format_fault(fault)}': {error}") from None


def check_runtime(fault: Fault, runtime: str) -> None:
    """Raise :class:`UsageError` if the fault cannot be made in that world."""
    if runtime != "sim" and isinstance(fault, SIM_ONLY):
        raise UsageError(f"fault '{format_fault(fault)}' exists in the simulator only: use --runtime sim")
