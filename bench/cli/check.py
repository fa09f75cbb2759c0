"""``bench check``: a recorded history, judged."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import NUMBER, SectionedCommand, option

if TYPE_CHECKING:
    from ..checkers.verdict import Verdict

HELP = """Judge the recorded history in HISTORY: a file, the folder of a run, or part of its name in runs/.

\b
Examples:
  bench check runs/20250101T120000-raft-1a2b3c4d
  bench check 1a2b3c4d --model sequential --budget 60
  bench check etcd_001.log                          the format and the model are told by the content
  bench check history.jsonl --model list-append --level snapshot-isolation
  bench check history.jsonl --model queue --html violation.html

\b
Exit codes: 0 valid, 1 violation, 2 wrong input, 3 unknown.
"""


class CheckCommand(SectionedCommand):
    """Help that lists the models and the formats."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections, then the two lists."""
        from .. import plugins
        from ..checkers.registry import MODELS, model_named
        from ..history.readers import FORMATS

        super().format_options(ctx, formatter)
        with formatter.section("Models (--model)"):
            others = plugins.rows("checkers", lambda name: model_named(name).about)
            formatter.write_dl([*((model.name, model.about) for model in MODELS.values()), *others])
        with formatter.section("Formats (--format)"):
            formatter.write_dl(list(FORMATS.items()))


@click.command("check", cls=CheckCommand, help=HELP)
@click.argument("history")
@option("Options", "--model", metavar="NAME", help="What it must look like.  [default: told by its content]")
@option(
    "Options", "--format", "format_", metavar="NAME", help="How it is written down.  [default: told by its content]"
)
@option("Options", "--budget", type=NUMBER, default=20.0, help="Seconds for each checker.  [default: 20]")
@option("Options", "--json", "as_json", is_flag=True, help="Print the verdicts as JSON.")
@option("Options", "--html", metavar="FILE", help="Write a page with the drawing of what is wrong.")
@option(
    "Model",
    "--initial",
    metavar="VALUE",
    help="In the beginning (nil, a number, a string).  [default: 0 of jsonl and edn]",
)
@option(
    "Model",
    "--nil-reads",
    metavar="WORD",
    help="A read of nil saw nil (value), or anything (unknown).  [default: unknown of jsonl and edn, else value]",
)
@option(
    "Model",
    "--failed-cas",
    metavar="WORD",
    help="It saw another value (unequal), or who knows (unknown).  [default: unknown of jsonl and edn, else unequal]",
)
@option(
    "Model",
    "--level",
    metavar="NAME",
    help="Isolation level asked for.  [default: strict-serializable or serializable]",
)
@option("Model", "--total", type=int, metavar="N", help="Of a bank.  [default: what most reads saw]")
@option("Model", "--group-size", type=int, metavar="N", help="Keys that a long-fork read sees.  [default: any]")
@option("Model", "--lease", type=NUMBER, metavar="S", help="Seconds after which a lock expires.  [default: never]")
@option(
    "Model", "--stale-s", type=NUMBER, metavar="S", help="Seconds that a read may be stale.  [default: only measured]"
)
@option(
    "Model",
    "--stale-k",
    type=int,
    metavar="K",
    help="A read sees one of the last K versions.  [default: only measured]",
)
@option(
    "Model",
    "--quiescence",
    type=NUMBER,
    metavar="S",
    help="Seconds after the last write until reads count.  [default: 0]",
)
def command(
    history: str, model: str | None, format_: str | None, budget: float, as_json: bool, html: str | None, **told: Any
) -> int:
    """Read the history, run the checks of the model, and say what came out."""
    import msgspec

    from ..checkers.judging import judge, model_of, shaped
    from ..checkers.registry import model_named
    from ..checkers.verdict import merge
    from ..errors import EXIT_UNKNOWN, EXIT_VALID, EXIT_VIOLATION, UsageError
    from ..history.readers import read
    from . import store

    if budget <= 0:
        raise UsageError(f"--budget {budget:g} is out of range: seconds, above 0")
    if model is not None:
        model_named(model)
    options = _options(model, told)
    if html is not None:
        store.check_writable(Path(html))
    path = Path(history) if Path(history).is_file() else store.find_history(history)
    recorded = read(path, format_)
    name = model or model_of(recorded.history, path)
    verdicts = judge(recorded.history, name, budget, options, format=recorded.format, path=path)
    word = merge(verdict.verdict for verdict in verdicts)
    if html is not None:
        from ..report.checked import write_page

        seen = replace(recorded, history=shaped(recorded.history, name, path))
        write_page(Path(html), seen, name, verdicts, options, budget)
    if as_json:
        report = {
            "operations": len(recorded.history),
            "model": name,
            "format": recorded.format,
            "verdict": word,
            "checks": verdicts,
        }
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    else:
        what = "transactions" if hasattr(recorded.history, "transaction_of") else "operations"
        how = "" if recorded.format == "parquet" else f", format {recorded.format}"
        guessed = "" if model is not None or recorded.format == "parquet" else " (told by its content)"
        click.echo(f"{len(recorded.history):,} {what}{how}, model {name}{guessed}")
        for verdict in verdicts:
            _print(verdict)
        if html is not None:
            click.echo(f"drawn in {html}")
        click.echo(word.upper() if verdicts else "VALID: this model checks nothing")
    return {"valid": EXIT_VALID, "invalid": EXIT_VIOLATION}.get(word, EXIT_UNKNOWN)


def _options(model: str | None, told: dict[str, Any]) -> Any:
    """The options that were given, refused where the model does not know them.

    Raises:
        UsageError: it does not, or one has a value that it cannot have.
    """
    from ..checkers.judging import DEFAULT, Options
    from ..checkers.registry import MODELS, model_named
    from ..errors import UsageError, unknown_name

    for name, words in (("nil_reads", ("value", "unknown")), ("failed_cas", ("unequal", "unknown"))):
        if told[name] is not None and told[name] not in words:
            raise unknown_name(f"--{name.replace('_', '-')}", told[name], words)
    for name in ("total", "group_size", "lease", "stale_s", "stale_k", "quiescence"):
        if told[name] is not None and told[name] <= 0:
            raise UsageError(f"--{name.replace('_', '-')} {told[name]:g} is out of range: above 0")
    for name, value in told.items():
        if value is not None and model is not None and name not in model_named(model).options:
            having = ", ".join(each.name for each in MODELS.values() if name in each.options)
            raise UsageError(f"--{name.replace('_', '-')} says nothing to model {model} (it does to {having})")
    initial = told.pop("initial")
    return Options(initial=DEFAULT if initial is None else _value(initial), **told)


def _value(text: str) -> Any:
    if text in ("nil", "null"):
        return None
    try:
        return int(text)
    except ValueError:
        return text


def _print(verdict: Verdict) -> None:
    click.echo(f"{verdict.name}: {verdict.verdict}" + (f": {verdict.reason}" if verdict.reason else ""))
    for words in verdict.explanations:
        if words != verdict.reason:
            click.echo(f"  {words}")
    figures = [f"{name} {value:,g}" for name, value in verdict.figures.items() if name != "transactions"]
    if figures:
        click.echo(f"  measured: {', '.join(figures)}")
    for label, names in (("satisfied", verdict.satisfied), ("violated", verdict.violated)):
        if names:
            click.echo(f"  {label}: {', '.join(names)}")
