"""Looking for the first seed under which a mutant shows its mistake."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import msgspec

from ..errors import HarnessError
from ..mutation import find_mutant, load_family
from ..run import run_trial
from ..sweep.pools import Here, Pool, Processes
from ..trial import Result, Trial
from .build import RunOptions, build_trial

HUNT_S = 6.5
"""Seconds for which new seeds are tried: with start, diagram and summary, an answer within ten."""
SAY_EVERY_S = 1.0
SHAPING = ("protocol", "runtime", "nodes", "duration", "param", "mutant", "check_budget", "seed", "torture")
"""Options that the full nemesis understands; with any other, a hunt varies only the seed of the trial they describe."""


@dataclass(frozen=True)
class Found:
    """What a hunt brought.

    Attributes:
        trial: the first that violates, else the last one tried.
        results: of the seeds tried, in order, up to and including that trial's.
    """

    trial: Trial
    results: tuple[Result, ...]


def wanted(options: RunOptions) -> bool:
    """Whether to look for a seed: a simulated mutant for which none was named."""
    return options.mutant is not None and options.seed is None and options.runtime == "sim"


def default_pool() -> Pool:
    """A process a core, or this one where there is only one."""
    cores = len(os.sched_getaffinity(0))
    return Here() if cores == 1 else Processes(cores)


def hunt(
    options: RunOptions,
    say: Callable[[str], None],
    *,
    budget_s: float = HUNT_S,
    make_pool: Callable[[], Pool] | None = None,
) -> Found:
    """Try seeds until one violates or the time is up: first the one noted with the mutant, if any, then from 1 on.

    Of several that violate the lowest counts.

    Args:
        options: of a mutant; under the full nemesis unless they shape the trial otherwise.
        say: progress.
        budget_s: no new seed is started after it.
        make_pool: where trials run; :func:`default_pool` by default.

    Raises:
        HarnessError: a trial failed.
    """
    shaped = any(
        getattr(options, field.name) != field.default for field in fields(options) if field.name not in SHAPING
    )
    options = replace(options, torture=options.torture or not shaped)
    known = _known_seed(options)
    if known > 1:
        trial = build_trial(replace(options, seed=known))
        result, _ = run_trial(trial)
        if result.verdict == "invalid":
            return Found(trial, (result,))
    pool = (make_pool or default_pool)()
    try:
        results = _search(options, say, pool, time.monotonic() + budget_s)
    finally:
        pool.close()
    last = max(results)
    broken = [seed for seed, result in results.items() if result.verdict == "invalid"]
    last = min(broken, default=last)
    tried = tuple(results[seed] for seed in sorted(results) if seed <= last)
    return Found(build_trial(replace(options, seed=last)), tried)


def _known_seed(options: RunOptions) -> int:
    """The seed that a long search noted for this mutant (a rare one outlasts a hunt), for untouched torture trials."""
    touched = options.nodes != RunOptions.nodes or options.duration != RunOptions.duration or options.param
    if options.mutant is None or not options.torture or touched:
        return 1
    return find_mutant(load_family(options.protocol), options.mutant).seed


def _search(options: RunOptions, say: Callable[[str], None], pool: Pool, deadline: float) -> dict[int, Result]:
    results: dict[int, Result] = {}
    under_way: set[int] = set()
    following, said = 1, 0.0
    end: int | None = None  # the lowest seed that violates, as far as is known
    while True:
        while end is None and len(under_way) < pool.workers and (time.monotonic() < deadline or following == 1):
            trial = build_trial(replace(options, seed=following))
            pool.submit(following, msgspec.json.encode(trial))
            under_way.add(following)
            following += 1
        if not any(end is None or seed < end for seed in under_way):
            return results
        if time.monotonic() - said > SAY_EVERY_S:
            said = time.monotonic()
            say(f"looking for a violation of {options.mutant}: seed {following - 1}")
        for tag, answer in pool.collect(0.5):
            seed = int(str(tag))
            under_way.discard(seed)
            if isinstance(answer, str):
                raise HarnessError(f"seed {seed}: {answer}")
            result = msgspec.json.decode(answer, type=Result)
            if result.error is not None:
                raise HarnessError(f"seed {seed}: {result.error}")
            results[seed] = result
            if result.verdict == "invalid":
                end = seed if end is None else min(end, seed)
