"""Mutants: a protocol family with one classic mistake made in its source.

A mutant is an edit of text. The family's package is imported a second time under another name with that edit applied,
so that the mistaken protocol is the real source but for those lines, and both can live in one process.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.abc
import importlib.util
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from protocols.family import Family, Mutant
from protocols.registry import MODULES, load

from .errors import UsageError, unknown_name
from .plugins import protocol_names, register_protocol

_SUFFIX = "__mutant_"


class MutationError(Exception):
    """An edit does not fit the source any more: its old text must occur exactly once."""


class _Loader(importlib.abc.Loader):
    def __init__(self, path: Path, edits: Sequence[tuple[str, str]]) -> None:
        self.path = path
        self.edits = edits

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        source = mutate(self.path.read_text(), self.edits, str(self.path))
        exec(compile(source, f"{self.path} [mutated]", "exec"), module.__dict__)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules of one mutated package: the same files, one of them edited."""

    def __init__(self, alias: str, package: str, mutant: Mutant) -> None:
        self.alias = alias
        self.package = package
        self.mutant = mutant

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name != self.alias and not name.startswith(self.alias + "."):
            return None
        original = importlib.util.find_spec(self.package + name[len(self.alias) :])
        if original is None or original.origin is None:
            return None
        file = Path(original.origin)
        edits = self.mutant.edits if name == f"{self.alias}.{self.mutant.file}" else ()
        spec = ModuleSpec(name, _Loader(file, edits), origin=f"{file} [mutated]", is_package=file.name == "__init__.py")
        if spec.submodule_search_locations is not None:
            spec.submodule_search_locations.append(str(file.parent))
        return spec


def mutate(source: str, edits: Sequence[tuple[str, str]], where: str = "source") -> str:
    """Apply the edits.

    Raises:
        MutationError: an old text does not occur exactly once.
    """
    for old, new in edits:
        found = source.count(old)
        if found != 1:
            raise MutationError(f"{where}: the text to replace occurs {found} times, not once:\n{old}")
        source = source.replace(old, new)
    return source


def find_mutant(family: Family, name: str) -> Mutant:
    """The mutant of that name.

    Raises:
        UsageError: there is none; names the nearest.
    """
    for mutant in family.mutants:
        if mutant.name == name:
            return mutant
    raise unknown_name(f"mutant of {family.name}", name, [mutant.name for mutant in family.mutants])


def load_family(protocol: str, mutant: str | None = None) -> Family:
    """The protocol, with one classic mistake if ``mutant`` names it.

    Raises:
        UsageError: no such protocol or mutant.
    """
    if not register_protocol(protocol):
        raise unknown_name("protocol", protocol, protocol_names())
    family = load(protocol)
    if mutant is None:
        return family
    found = find_mutant(family, mutant)
    package = MODULES[protocol]
    alias = package + _SUFFIX + mutant.replace("-", "_")
    module = sys.modules.get(alias)
    if module is None:
        finder = _Finder(alias, package, found)
        sys.meta_path.insert(0, finder)
        try:
            module = importlib.import_module(alias)
        except MutationError as error:
            raise UsageError(f"mutant {mutant!r} does not fit the source: {error}") from error
        finally:
            sys.meta_path.remove(finder)
    mutated = module.family
    assert isinstance(mutated, Family)
    return mutated


def diff(protocol: str, mutant: str) -> str:
    """The mutant as a unified diff of the real source, without context."""
    found = find_mutant(load_family(protocol), mutant)
    spec = importlib.util.find_spec(f"{MODULES[protocol]}.{found.file}")
    assert spec is not None and spec.origin is not None
    before = Path(spec.origin).read_text()
    after = mutate(before, found.edits, found.file)
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), f"{found.file}.py", f"{found.file}.py ({mutant})", lineterm="", n=1
    )
    return "\n".join(lines)


def changed_lines(protocol: str, mutant: str) -> int:
    """How many lines of the real source differ: lines removed or lines added, whichever is more."""
    body = [line for line in diff(protocol, mutant).splitlines()[2:] if line[:1] in "+-"]
    return max(sum(line[0] == "-" for line in body), sum(line[0] == "+" for line in body))
