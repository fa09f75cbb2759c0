"""Options of scripts that are no sweeps, for ``argparse``: what cannot be is refused in one sentence, before any work.

::

    parser = script(__doc__)
    parser.add_argument("--seeds", type=integer(1), default=3, help="trials of a cell")
    parser.add_argument("--skews", type=listed(real(0)), default="0.5,0.99", help="of Zipf's law")
    parser.add_argument("--shapes", type=listed(one_of("shape", SHAPES)), default=",".join(SHAPES), help="of faults")
"""

from __future__ import annotations

import math
import sys
from argparse import (
    Action,
    ArgumentDefaultsHelpFormatter,
    ArgumentParser,
    ArgumentTypeError,
    RawDescriptionHelpFormatter,
)
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from .errors import EXIT_USAGE, unknown_name

T = TypeVar("T")


class _Help(RawDescriptionHelpFormatter, ArgumentDefaultsHelpFormatter):
    """The script's own words as they stand, and after each option what it is if it is not given."""

    def _get_help_string(self, action: Action) -> str | None:
        plain = action.default is None or action.default is False  # nothing, or a flag; 0 is a default like any other
        return action.help if plain else super()._get_help_string(action)


class _Script(ArgumentParser):
    """Errors are one sentence, as everywhere in the bench; ``--out`` is known to be writable before any work."""

    def error(self, message: str) -> NoReturn:
        """End with exit code 2."""
        print(f"bench: {message} (see '{self.prog} --help')", file=sys.stderr)
        raise SystemExit(EXIT_USAGE)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Read the options; an unknown one is told with the nearest that there is."""
        found, strays = self.parse_known_args(args, namespace)
        if strays and strays[0].startswith("-"):
            name = strays[0].partition("=")[0]
            self.error(str(unknown_name("option", name, self._option_string_actions)))
        if strays:
            self.error(f"unexpected argument {strays[0]!r}: options begin with --")
        out = getattr(found, "out", None)
        if isinstance(out, Path):
            try:
                _check_folder(out)
            except OSError as error:
                self.error(f"argument --out: the folder {out} cannot be written to: {error.strerror}")
        return found


def _check_folder(out: Path) -> None:
    """Raise ``OSError`` unless files can be put into the folder; what had to be made for the test is removed."""
    made = [each for each in (out, *out.parents) if not each.exists()]
    try:
        out.mkdir(parents=True, exist_ok=True)
        trial = out / ".writable"
        trial.touch()
        trial.unlink()
    finally:
        for each in made:
            if each.is_dir():
                each.rmdir()


def script(about: str | None) -> ArgumentParser:
    """A parser for a script that is ``about`` something (its docstring)."""
    return _Script(description=about, formatter_class=_Help)


def integer(least: int, most: int | None = None) -> Callable[[str], int]:
    """An integer between two bounds, both allowed; no upper one if ``most`` is None."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise ArgumentTypeError(f"{text!r} is not an integer: {_range(least, most)}") from None
        return _within(value, least, most)

    return parse


def real(least: float, most: float | None = None, *, above: bool = False) -> Callable[[str], float]:
    """A finite number between two bounds, both allowed; ``above``: the lower one is not."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise ArgumentTypeError(f"{text!r} is not a number: {_range(least, most, above)}")
        return _within(value, least, most, above)

    return parse


def one_of(what: str, known: Iterable[str]) -> Callable[[str], str]:
    """One of some names, of a ``what``."""
    names = list(known)

    def parse(text: str) -> str:
        if text not in names:
            raise ArgumentTypeError(str(unknown_name(what, text, names)))
        return text

    return parse


def listed(kind: Callable[[str], T], separator: str = ",") -> Callable[[str], list[T]]:
    """One or more of a kind, with separators between."""

    def parse(text: str) -> list[T]:
        return [kind(part.strip()) for part in text.split(separator)]

    return parse


def _within(value: T, least: float, most: float | None, above: bool = False) -> T:
    assert isinstance(value, int | float)
    if value < least or (above and value == least) or (most is not None and value > most):
        raise ArgumentTypeError(f"{value:g} is out of range: {_range(least, most, above)}")
    return value


def _range(least: float, most: float | None, above: bool = False) -> str:
    if most is not None:
        return f"{'above ' if above else ''}{least:g} to {most:g}"
    return f"{'above' if above else 'at least'} {least:g}"
