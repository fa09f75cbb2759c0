"""Options in sections, and numbers that are numbers: what the verbs share."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


class SectionedOption(click.Option):
    """An option that says under which heading of the help it stands."""

    def __init__(self, *names: Any, section: str = "Options", **attributes: Any) -> None:
        super().__init__(*names, **attributes)
        self.section = section


class SectionedCommand(click.Command):
    """Help with one heading a section, in order of first use."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections."""
        sections: dict[str, list[tuple[str, str]]] = {}
        options = [each for each in self.get_params(ctx) if isinstance(each, click.Option)]
        for each in sorted(options, key=lambda each: not isinstance(each, SectionedOption)):
            record = each.get_help_record(ctx)
            if record is not None:
                sections.setdefault(each.section if isinstance(each, SectionedOption) else "Other", []).append(record)
        for name, records in sections.items():
            with formatter.section(name):
                formatter.write_dl(records)


class Finite(click.ParamType[float]):
    """A number, neither infinite nor undefined."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it, or say that it is none."""
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a number", param, ctx)
        return number


NUMBER = Finite()


def option(section: str, *names: str, **attributes: Any) -> Callable[[F], F]:
    """A ``click.option`` under a heading."""
    return click.option(*names, cls=SectionedOption, section=section, **attributes)


def verb(name: str, text: str) -> Callable[[Callable[..., Any]], click.Command]:
    """A verb with sectioned help; ``\\b`` in its text keeps the lines of a paragraph."""
    return click.command(name, cls=SectionedCommand, help=text)
