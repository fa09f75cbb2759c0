"""Many torture trials at once: how often the real protocol fails (never), and how soon each mutant does.

``python -m bench.campaign raft --seeds 10000`` runs the real protocol and reports events, coverage and time;
``python -m bench.campaign raft --matrix`` runs every mutant until it is caught and reports by what, at which seed.

Exit codes: 0 if the protocol passed (or every mutant was caught where it passes), 1 after a violation (or if a mutant
was not caught), 3 if a verdict was not reached, or if no seed was rich enough to count.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from .errors import EXIT_UNKNOWN, EXIT_USAGE, EXIT_VALID, EXIT_VIOLATION, UsageError, worst_exit
from .mutation import changed_lines, load_family
from .provenance import provenance
from .run import run_trial
from .torture import torture

RICH = 5000
"""Events of a seed that had time to go through a fault and what follows from it; how many seeds had them is told."""
_RICH = f"seeds_with_{RICH}"
LEAST_OK = 50
"""A seed with fewer ok operations proves nothing, nor does one without a fault or without a change of leader."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What one seed brought.

    Attributes:
        failed: checks that found a violation, in order of name.
        unknown: checks that ran out of time.
        counts: whether the run was rich enough to count: operations, a fault, a change of leader.
        marks: how often each mark was made (coverage).
        faults: how often each kind of fault fired.
    """

    seed: int
    failed: tuple[str, ...]
    unknown: tuple[str, ...]
    reason: str
    counts: bool
    events: int
    ok: int
    marks: dict[str, int]
    faults: dict[str, int]


def judge(protocol: str, mutant: str | None, seed: int) -> Outcome:
    """Run one torture trial and sum it up."""
    result, record = run_trial(torture(protocol, seed, mutant))
    failed = tuple(sorted(name for name, word in result.checks.items() if word == "invalid"))
    unknown = tuple(sorted(name for name, word in result.checks.items() if word == "unknown"))
    leaders = [mark for mark in record.leaders if mark[0] > 0]
    has_leaders = load_family(protocol).leader is not None
    return Outcome(
        seed=seed,
        failed=failed,
        unknown=() if failed else unknown,
        reason=result.violations[0].reason if result.violations else "",
        counts=result.operations.ok >= LEAST_OK and bool(record.faults) and (bool(leaders) or not has_leaders),
        events=result.events,
        ok=result.operations.ok,
        marks=dict(result.coverage),
        faults=dict(Counter(fault.kind for fault in record.faults)),
    )


def _judge(work: tuple[str, str | None, int]) -> Outcome:
    return judge(*work)


def campaign(protocol: str, mutant: str | None, seeds: range, jobs: int) -> Iterator[Outcome]:
    """Outcomes in the order of the seeds; close the iterator to stop early."""
    if jobs == 1:
        yield from (judge(protocol, mutant, seed) for seed in seeds)
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap(_judge, [(protocol, mutant, seed) for seed in seeds], chunksize=4)


def summary(protocol: str, seeds: range, jobs: int, say: Any) -> dict[str, Any]:
    """Run the real protocol on all the seeds."""
    began, said = time.monotonic(), 0.0
    marks: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    events: list[int] = []
    failures: list[dict[str, Any]] = []
    counted = unknown = operations = 0
    try:
        for done, outcome in enumerate(campaign(protocol, None, seeds, jobs), 1):
            marks.update(outcome.marks)
            faults.update(outcome.faults)
            events.append(outcome.events)
            operations += outcome.ok
            counted += outcome.counts
            unknown += bool(outcome.unknown)
            if outcome.failed:
                failures.append({"seed": outcome.seed, "failed": outcome.failed, "reason": outcome.reason})
                say(f"seed {outcome.seed}: {', '.join(outcome.failed)}: {outcome.reason}")
            if outcome.unknown:
                say(f"seed {outcome.seed}: {', '.join(outcome.unknown)}: unknown, the time for checking ran out")
            took = time.monotonic() - began
            if took - said > 10:
                said = took
                say(f"{done}/{len(seeds)} seeds, {counted} count, {len(failures)} failed, {took:.0f} s")
    except KeyboardInterrupt:
        say(f"interrupted after {len(events)} seeds; the figures are of those")
    if not events:
        raise SystemExit(130)
    took = time.monotonic() - began
    return {
        "protocol": protocol,
        "seeds": [seeds.start, seeds.start + len(events) - 1],
        "counted": counted,
        "violations": failures,
        "unknown": unknown,
        "events_a_seed": {
            "mean": round(sum(events) / len(events)),
            "min": min(events),
            "max": max(events),
            _RICH: sum(many >= RICH for many in events),
        },
        "ok_operations": operations,
        "took_s": round(took, 1),
        "jobs": jobs,
        "coverage": dict(sorted(marks.items())),
        "faults": dict(sorted(faults.items())),
        "provenance": provenance(),
    }


def read_earlier(protocol: str, path: str | None) -> dict[str, Any]:
    """The campaign that a file holds.

    Raises:
        UsageError: there is none, or it is another protocol's.
    """
    if path is None or not Path(path).exists():
        raise UsageError("--resume needs --json with the file of a campaign that has begun")
    try:
        earlier: dict[str, Any] = msgspec.json.decode(Path(path).read_bytes())
        known, _ = earlier["protocol"], earlier["seeds"][1]
    except (msgspec.DecodeError, KeyError, TypeError, IndexError):
        raise UsageError(f"{path} does not hold a campaign") from None
    if known != protocol:
        raise UsageError(f"{path} holds a campaign of {known}, not of {protocol}")
    return earlier


def merged(earlier: dict[str, Any], later: dict[str, Any]) -> dict[str, Any]:
    """The figures of two campaigns over neighbouring seeds; each keeps its provenance in ``parts``."""

    def part(of: dict[str, Any]) -> dict[str, Any]:
        return {name: of[name] for name in ("seeds", "took_s", "jobs", "provenance")}

    ran = [each["seeds"][1] - each["seeds"][0] + 1 for each in (earlier, later)]
    means = [each["events_a_seed"]["mean"] for each in (earlier, later)]
    return {
        "protocol": later["protocol"],
        "seeds": [earlier["seeds"][0], later["seeds"][1]],
        **{name: earlier[name] + later[name] for name in ("counted", "violations", "unknown")},
        "events_a_seed": {
            "mean": round((means[0] * ran[0] + means[1] * ran[1]) / sum(ran)),
            "min": min(earlier["events_a_seed"]["min"], later["events_a_seed"]["min"]),
            "max": max(earlier["events_a_seed"]["max"], later["events_a_seed"]["max"]),
            _RICH: sum(each["events_a_seed"].get(_RICH, 0) for each in (earlier, later)),
        },
        "ok_operations": earlier["ok_operations"] + later["ok_operations"],
        "took_s": round(earlier["took_s"] + later["took_s"], 1),
        "jobs": later["jobs"],
        **{
            name: dict(sorted((Counter(earlier[name]) + Counter(later[name])).items()))
            for name in ("coverage", "faults")
        },
        "parts": [*earlier.get("parts", [part(earlier)]), part(later)],
        "provenance": later["provenance"],
    }


def matrix(protocol: str, names: tuple[str, ...], limit: int, jobs: int, say: Any) -> dict[str, Any]:
    """Run each mutant from seed 1 on until it is caught; the unmutated protocol must pass the same seeds.

    It passes a seed if every check was decided and found nothing: of a seed that nobody could judge, a mutant's being
    caught there says nothing.
    """
    rows = []
    for mutant in load_family(protocol).mutants:
        if names and mutant.name not in names:
            continue
        began = time.monotonic()
        caught: Outcome | None = None
        outcomes = campaign(protocol, mutant.name, range(1, limit + 1), jobs)
        tried = 0
        for outcome in outcomes:
            tried += 1
            if outcome.failed:
                caught = outcome
                break
        outcomes.close()  # type: ignore[attr-defined]
        real = None if caught is None else judge(protocol, None, caught.seed)
        word = "valid" if real is None else "invalid" if real.failed else "unknown" if real.unknown else "valid"
        rows.append(
            {
                "mutant": mutant.name,
                "why": mutant.why,
                "lines": changed_lines(protocol, mutant.name),
                "seed": None if caught is None else caught.seed,
                "tried": tried,
                "caught_by": [] if caught is None else list(caught.failed),
                "reason": "" if caught is None else caught.reason,
                "real_passes_that_seed": word == "valid",
                "real_verdict": word,
                "took_s": round(time.monotonic() - began, 1),
            }
        )
        by = "NOT CAUGHT" if caught is None else ", ".join(caught.failed)
        by += "" if word == "valid" else f", BUT THE REAL PROTOCOL IS {word.upper()} THERE"
        say(f"{mutant.name}: {by} ({tried} seeds, {rows[-1]['took_s']} s)")
    return {"protocol": protocol, "limit": limit, "rows": rows, "provenance": provenance()}


def exit_code(report: dict[str, Any]) -> int:
    """Of a campaign: 1 outranks 3, as everywhere.

    Of the real protocol: 1 after a violation, 3 if a seed's verdict is unknown or no seed counts. Of a matrix: 1 if a
    mutant was not caught or the real protocol fails where one was, 3 if it is unknown there whether it does.
    """
    if "rows" in report:
        rows = report["rows"]
        bad = any(row["seed"] is None or row["real_verdict"] == "invalid" for row in rows)
        undecided = not rows or any(row["real_verdict"] == "unknown" for row in rows)
    else:
        bad = bool(report["violations"])
        undecided = report["unknown"] > 0 or report["counted"] == 0
    return worst_exit([EXIT_VIOLATION if bad else EXIT_VALID, EXIT_UNKNOWN if undecided else EXIT_VALID])


@click.command()
@click.argument("protocol")
@click.option("--seeds", default=1000, show_default=True, help="How many seeds the real protocol runs.")
@click.option("--first", default=1, show_default=True, help="The first seed.")
@click.option("--matrix", "as_matrix", is_flag=True, help="Run every mutant until it is caught instead.")
@click.option("--mutant", "mutants", multiple=True, help="With --matrix: only this one (repeatable).")
@click.option("--limit", default=1000, show_default=True, help="With --matrix: seeds a mutant at most.")
@click.option("--jobs", type=int, default=lambda: len(os.sched_getaffinity(0)), help="Processes [default: one a core].")
@click.option("--resume", is_flag=True, help="Go on where the campaign in the --json file ended; figures add up.")
@click.option("--json", "path", type=click.Path(dir_okay=False), help="Write the figures here.")
def main(
    protocol: str,
    seeds: int,
    first: int,
    as_matrix: bool,
    mutants: tuple[str, ...],
    limit: int,
    jobs: int,
    resume: bool,
    path: str | None,
) -> None:
    """Put PROTOCOL under the full nemesis, many times."""
    earlier: dict[str, Any] | None = None
    try:
        load_family(protocol)
        if resume:
            earlier = read_earlier(protocol, path)
            first = earlier["seeds"][1] + 1
        for name in mutants:
            load_family(protocol, name)
    except UsageError as error:
        click.echo(f"bench: {error}", err=True)
        raise SystemExit(EXIT_USAGE) from None
    if as_matrix:
        report = matrix(protocol, mutants, limit, jobs, click.echo)
    else:
        report = summary(protocol, range(first, first + seeds), jobs, click.echo)
        if earlier is not None:
            report = merged(earlier, report)
        shown = {name: value for name, value in report.items() if name != "provenance"}
        click.echo(msgspec.json.format(msgspec.json.encode(shown)).decode())
    if path is not None:
        Path(path).write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    raise SystemExit(exit_code(report))


if __name__ == "__main__":
    main()
