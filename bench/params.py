"""A protocol's parameters: from ``--param name=value`` to the family's configuration Structs.

The parameters are the fields of the family's two Structs; types, defaults and documentation are read from there. A
name that both have goes to both.
"""

from __future__ import annotations

import enum
import inspect
import math
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

import msgspec

from protocols.family import Family

from .errors import UsageError, unknown_name
from .units import parse_duration, seconds

_TRUE = ("true", "on", "yes")
_FALSE = ("false", "off", "no")


class Parameter(NamedTuple):
    """One parameter, for help: ``type`` and ``default`` as people write them, ``role`` server, client or both."""

    name: str
    type: str
    default: str
    doc: str
    role: str = "server"


class _Field(NamedTuple):
    name: str
    annotation: Any
    default: Any
    structs: tuple[type[msgspec.Struct], ...]


def _fields(family: Family) -> dict[str, _Field]:
    """All parameters by name, the server's first."""
    found: dict[str, _Field] = {}
    for struct in (family.server_config, family.client_config):
        hints = typing.get_type_hints(struct)
        for field in msgspec.structs.fields(struct):
            known = found.get(field.name)
            if known is not None:
                if struct not in known.structs:
                    found[field.name] = known._replace(structs=(*known.structs, struct))
                continue
            default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
            found[field.name] = _Field(field.name, hints[field.name], default, (struct,))
    return found


def _field(family: Family, name: str) -> _Field:
    fields = _fields(family)
    if name not in fields:
        raise unknown_name(f"parameter of {family.name}", name, fields)
    return fields[name]


# --- from text ------------------------------------------------------------------------------------------------------


class _Unreadable(ValueError):
    """The text is not a value of the type."""


def _seconds(text: str) -> float:
    """``0.15`` (seconds) or ``150ms``."""
    try:
        return _number(text)
    except _Unreadable:
        try:
            return seconds(parse_duration(text))
        except (UsageError, OverflowError):
            raise _Unreadable from None


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise _Unreadable from None
    if not math.isfinite(number):
        raise _Unreadable
    return number


def _truth(text: str) -> bool:
    if text.lower() in (*_TRUE, *_FALSE):
        return text.lower() in _TRUE
    raise _Unreadable


def _choices(annotation: Any) -> tuple[Any, ...]:
    """The values of a Literal or an Enum; empty for other types."""
    if typing.get_origin(annotation) is Literal:
        return typing.get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return tuple(member.value for member in annotation)
    return ()


def _read(text: str, annotation: Any, in_seconds: bool) -> Any:
    """A value of the annotated type.

    Raises:
        _Unreadable: the text is none.
    """
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    for choice in _choices(annotation):
        if str(choice) == text:
            return choice
    if annotation is bool:
        return _truth(text)
    if annotation is int:
        try:
            return int(text)
        except ValueError:
            raise _Unreadable from None
    if annotation is float:
        return _seconds(text) if in_seconds else _number(text)
    if annotation is str:
        return text
    if origin in (types.UnionType, typing.Union):
        return _read_union(text, arguments, in_seconds)
    if origin is tuple:
        if len(arguments) == 2 and arguments[1] is not Ellipsis:
            parts = text.split("..")
        else:
            parts = text.replace("..", ",").split(",") if text else []
            arguments = (arguments[0],) * len(parts) if arguments[-1] is Ellipsis else arguments
        if len(parts) != len(arguments):
            raise _Unreadable
        return tuple(_read(part.strip(), each, in_seconds) for part, each in zip(parts, arguments, strict=True))
    raise _Unreadable


def _read_union(text: str, members: tuple[Any, ...], in_seconds: bool) -> Any:
    if type(None) in members and text.lower() == "none":
        return None
    # str takes anything, so it comes last
    for member in sorted((each for each in members if each is not type(None)), key=lambda each: each is str):
        try:
            return _read(text, member, in_seconds)
        except _Unreadable:
            continue
    raise _Unreadable


def _expected(annotation: Any, in_seconds: bool) -> tuple[str, str]:
    """(what it is, how it is written), for people."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    choices = _choices(annotation)
    if choices:
        return "|".join(map(str, choices)), str(choices[0])
    if annotation is bool:
        return "true or false", "true"
    if annotation is int:
        return "an integer", "64"
    if annotation is float:
        return ("seconds", "0.15 or 150ms") if in_seconds else ("a number", "0.5")
    if origin in (types.UnionType, typing.Union):
        parts = [_expected(each, in_seconds) for each in arguments if each is not type(None)]
        none = ["none"] if type(None) in arguments else []
        return " or ".join([what for what, _ in parts] + none), parts[0][1]
    if origin is tuple and len(arguments) == 2 and arguments[1] is not Ellipsis:
        if arguments == (float, float):
            return ("a range of seconds", "0.15..0.3 or 150ms..300ms") if in_seconds else ("a range", "0.1..0.9")
        return "a range", "1..2"
    if origin is tuple and arguments:
        return f"a list ({_expected(arguments[0], in_seconds)[0]})", "1,2,3"
    return "text", "name"


def _in_seconds(name: str) -> bool:
    return name.endswith("_s")


def parse_param(family: Family, text: str) -> tuple[str, Any]:
    """``election_timeout_s=150ms..300ms`` as (name, value); the value has the type that the field declares.

    Raises:
        UsageError: no such parameter, or not a value of its type.
    """
    name, equals, value = text.partition("=")
    name, value = name.strip(), value.strip()
    if not equals or not name:
        raise UsageError(f"parameter {text!r} is malformed: write name=value, as in election_timeout_s=0.15..0.3")
    field = _field(family, name)
    try:
        return name, _read(value, field.annotation, _in_seconds(name))
    except _Unreadable:
        choices = _choices(field.annotation)
        if choices:
            raise unknown_name(f"value of parameter {name}", value, map(str, choices)) from None
        what, example = _expected(field.annotation, _in_seconds(name))
        raise UsageError(f"parameter {name}={value!r} is not {what}: write {name}={example}") from None


def parse_params(family: Family, texts: Iterable[str]) -> dict[str, Any]:
    """Several ``name=value``.

    Raises:
        UsageError: one is wrong, or given twice.
    """
    params: dict[str, Any] = {}
    for text in texts:
        name, value = parse_param(family, text)
        if name in params:
            raise UsageError(f"parameter {name} is given twice")
        params[name] = value
    return params


# --- to configurations ----------------------------------------------------------------------------------------------


def build_configs(family: Family, params: Mapping[str, Any], nodes: int) -> tuple[Any, Any]:
    """The server's and the client's configuration.

    Args:
        family: the protocol.
        params: values by name, typed (a list will do for a tuple); the rest keep their defaults.
        nodes: servers in the cluster, which bound some parameters.

    Raises:
        UsageError: no such parameter, a value of another type, or out of range.
    """
    for name, value in params.items():
        field = _field(family, name)
        _check_type(field, value)
    configs = []
    for struct in (family.server_config, family.client_config):
        names = struct.__struct_fields__
        chosen = {name: value for name, value in params.items() if name in names}
        try:
            config: Any = msgspec.convert(chosen, struct)
            config.validate(nodes)
        except msgspec.ValidationError as error:
            raise UsageError(f"parameters of {family.name}: {error}") from None
        except ValueError as error:
            raise UsageError(f"parameter {error}") from None
        configs.append(config)
    return configs[0], configs[1]


def _check_type(field: _Field, value: Any) -> None:
    try:
        converted = msgspec.convert(value, field.annotation)
    except msgspec.ValidationError:
        choices = _choices(field.annotation)
        if choices:
            raise unknown_name(f"value of parameter {field.name}", str(value), map(str, choices)) from None
        what, _ = _expected(field.annotation, _in_seconds(field.name))
        raise UsageError(f"parameter {field.name}={value!r} is not {what}") from None
    numbers = converted if isinstance(converted, tuple) else (converted,)
    if any(isinstance(number, float) and not math.isfinite(number) for number in numbers):
        raise UsageError(f"parameter {field.name}={value!r} is not finite")


# --- for help -------------------------------------------------------------------------------------------------------


def format_value(value: Any) -> str:
    """A value as ``--param`` reads it back."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "none"
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    if isinstance(value, tuple | list):
        parts = [format_value(part) for part in value]
        return "..".join(parts) if len(parts) == 2 else ",".join(parts)
    return str(value)


def _attribute_docs(struct: type) -> dict[str, str]:
    """The ``Attributes:`` section of a class's docstring: name -> one paragraph. ``a, b: text`` documents both."""
    docs: dict[str, str] = {}
    names: list[str] = []
    inside, indent = False, 0
    for line in inspect.getdoc(struct).splitlines() if struct.__doc__ else ():  # type: ignore[union-attr]
        stripped = line.strip()
        if stripped == "Attributes:":
            inside, indent = True, len(line) - len(line.lstrip()) + 4
        elif inside and stripped:
            depth = len(line) - len(line.lstrip())
            if depth < indent:
                break
            head, colon, text = stripped.partition(":")
            if depth == indent and colon:
                names = [name.strip() for name in head.split(",")]
                docs.update(dict.fromkeys(names, text.strip()))
            else:
                docs.update({name: f"{docs[name]} {stripped}" for name in names})
    return docs


def describe(family: Family) -> list[Parameter]:
    """Every parameter of a protocol, the server's first, in the order of declaration."""
    described = []
    for field in _fields(family).values():
        both = len(field.structs) == 2
        role = "both" if both else "server" if field.structs[0] is family.server_config else "client"
        what, _ = _expected(field.annotation, _in_seconds(field.name))
        doc = _attribute_docs(field.structs[0]).get(field.name, "")
        described.append(Parameter(field.name, what, format_value(field.default), doc, role))
    return described
