"""The reference in ``docs/reference``, written from docstrings: ``python -m bench.reference``.

``--check`` writes nothing and ends with 1 if a page is not what it would write.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

FOLDER = Path("docs") / "reference"
PAGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "protocols": (
        "Writing a protocol",
        (
            "protocols.node",
            "protocols.outcomes",
            "protocols.durable",
            "protocols.context",
            "protocols.handlers",
            "protocols.family",
            "protocols.requests",
            "protocols.statemachine",
        ),
    ),
    "trials": (
        "Trials and results",
        (
            "bench.trial",
            "bench.figures",
            "bench.harness",
            "bench.workload.spec",
            "bench.network.spec",
            "bench.network.latency",
            "bench.checkers.verdict",
        ),
    ),
    "faults": ("Faults", ("bench.faults.spec",)),
    "python": ("From Python", ("bench.python", "bench.sweep.api", "bench.scenario")),
    "extending": (
        "Extending",
        ("bench.plugins", "bench.systems.interface", "bench.network.measured", "bench.history.history"),
    ),
}
"""Page -> (title, modules)."""
SECTIONS = ("Args", "Attributes", "Class attributes", "Returns", "Raises", "Yields")
_ROLE = re.compile(r":\w+:`~?\.*([^`]+)`")
_ENTRY = re.compile(r"^([\w*][\w*, .]*?): (.*)$")


def pages() -> dict[str, str]:
    """The text of every page, by the name of its file."""
    found = {f"{name}.md": _page(title, modules) for name, (title, modules) in PAGES.items()}
    lines = ["# Reference", "", "Written from docstrings by `python -m bench.reference`; do not edit.", ""]
    for name, (title, modules) in PAGES.items():
        lines.append(f"- [{title}]({name}.md): {', '.join(f'`{module}`' for module in modules)}")
    return {"README.md": "\n".join(lines) + "\n", **found}


def _page(title: str, modules: tuple[str, ...]) -> str:
    parts = [f"# {title}", "", "Written from docstrings by `python -m bench.reference`; do not edit."]
    for name in modules:
        module = importlib.import_module(name)
        parts += ["", f"## `{name}`", "", *_text(module)]
        for member, value in _members(module):
            parts += ["", f"### `{_heading(member, value)}`", "", *_text(value)]
            if inspect.isclass(value):
                for method, function in _methods(value):
                    parts += ["", f"#### `{value.__name__}.{_heading(method, function)}`", "", *_text(function)]
    return "\n".join(parts).rstrip() + "\n"


def _members(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """Public classes and functions that the module itself defines and documents, in the order of the source."""
    own = [
        (name, value)
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module.__name__
        and value.__doc__
    ]
    yield from sorted(own, key=lambda each: inspect.getsourcelines(each[1])[1])


def _methods(cls: type) -> Iterator[tuple[str, Any]]:
    for name, value in vars(cls).items():
        function = value.fget if isinstance(value, property) else value
        if not name.startswith("_") and inspect.isfunction(function) and function.__doc__:
            yield name, value


def _heading(name: str, value: Any) -> str:
    if isinstance(value, property):
        return name
    if inspect.isclass(value):
        if not issubclass(value, msgspec.Struct):
            return f"class {name}"
        fields = [_field(value, each) for each in value.__struct_fields__]
        return f"{name}({', '.join(fields)})"
    signature = inspect.signature(value)
    parameters = [each.replace(annotation=inspect.Parameter.empty) for each in signature.parameters.values()]
    return f"{name}{signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty)}"


def _field(struct: type[msgspec.Struct], name: str) -> str:
    place = struct.__struct_fields__.index(name) - len(struct.__struct_fields__)
    defaults = struct.__struct_defaults__
    if -place > len(defaults) or defaults[place] is msgspec.NODEFAULT:
        return name
    default = defaults[place]
    text = repr(default) if isinstance(default, int | float | str | bool | type(None) | bytes) else "..."
    return f"{name}={text}"


def _text(value: Any) -> list[str]:
    """A docstring as Markdown."""
    target = value.fget if isinstance(value, property) else value
    document = inspect.cleandoc(target.__doc__ or "")
    lines: list[str] = []
    inside = literal = False
    for line in document.splitlines():
        line = _ROLE.sub(r"`\1`", line).replace("``", "`")
        stripped = line.strip()
        if stripped.rstrip(":") in SECTIONS and stripped.endswith(":"):
            inside, literal = True, False
            lines += ["", f"**{stripped.rstrip(':')}**", ""]
        elif inside and line.startswith("    ") and not line.startswith("     "):
            match = _ENTRY.match(stripped)
            lines.append(f"- `{match[1]}`: {match[2]}" if match else f"- {stripped}")
        elif inside and line.startswith("     "):
            lines.append(f"  {stripped}")
        elif inside and not stripped:
            lines.append("")
        else:
            inside = False
            if literal and stripped and not line.startswith(" "):
                literal = False
            lines.append(line[:-1] if line.endswith("::") else line)
            literal = literal or line.endswith("::")
    kept: list[str] = []
    for line in lines:
        if line or (kept and kept[-1]):
            kept.append(line)
    return kept


def main(arguments: list[str]) -> int:
    """Write the pages, or compare them."""
    stale = []
    for name, text in pages().items():
        path = FOLDER / name
        if not path.is_file() or path.read_text() != text:
            stale.append(name)
            if "--check" not in arguments:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
    if "--check" in arguments and stale:
        print(f"docs/reference is not up to date ({', '.join(stale)}): python -m bench.reference", file=sys.stderr)
        return 1
    print(f"{len(stale)} pages written" if "--check" not in arguments else "up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
