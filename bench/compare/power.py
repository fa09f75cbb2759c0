"""What a comparison would see, and how often it is wrong: ``python -m bench.compare.power``.

Two sides are drawn from one assumed noise, or with one metric of one cell made worse, compared, and counted. The noise
is lognormal: a ``noise`` of 0.05 is a standard deviation of 5% between trials of the same cell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..trial import Latency, Messages, Operations, Recovery, Result, Trial
from .comparing import ALPHA, METRICS, Comparison, compare
from .sides import Side

CELLS = ("a (simulated)", "b (simulated)", "c (simulated)", "d (simulated)")
"""As many cells, each with five metrics, are compared at once: what is corrected for."""


def drawn(
    rng: np.random.Generator, trials: int, noise: float, slower: float = 0.0, cells: Sequence[str] = CELLS
) -> Side:
    """A side of assumed trials; in the first cell p99 is longer by the share ``slower``."""
    return Side(
        name="assumed",
        cells={
            cell: tuple(_result(rng, seed, noise, 1 + slower * (cell == cells[0])) for seed in range(trials))
            for cell in cells
        },
    )


def _result(rng: np.random.Generator, seed: int, noise: float, factor: float) -> Result:
    """Throughput and latencies of a trial are correlated: a disturbed trial is worse in all of them."""
    common, own = rng.normal(size=2)
    p50 = 0.002 * float(np.exp(noise * 0.3 * common))
    p99 = 0.010 * factor * float(np.exp(noise * (0.6 * common + 0.8 * own)))
    outage = float(max(0.0, rng.normal(0.0, 0.05)))
    return Result(
        protocol="assumed",
        runtime="sim",
        nodes=3,
        seed=seed,
        duration_s=1.0,
        params={},
        operations=Operations(ok=1000),
        throughput_ops_s=1000 * float(np.exp(-noise * 0.5 * (common + rng.normal()))),
        latency_s=Latency(p50=p50, p90=p50 * 2, p99=p99, p999=p99 * 2, max=p99 * 3),
        unavailable_s=outage,
        recovery_s=Recovery(),
        messages=Messages(server=4000),
        messages_per_operation=4.0 * float(np.exp(0.01 * rng.normal())),
        trial="complete",
        verdict="valid",
        checks={},
        spec=Trial(protocol="assumed", seed=seed),
    )


def share(
    repetitions: int,
    seen: Callable[[Comparison], bool],
    sides: Callable[[int], tuple[Side, Side]],
    alpha: float = ALPHA,
) -> float:
    """In which share of repetitions something is seen; ``sides`` gets the number of the repetition."""
    hits = 0
    for number in range(repetitions):
        before, after = sides(number)
        hits += seen(compare(before, after, metrics=METRICS, alpha=alpha))
    return hits / repetitions


def false_alarms(repetitions: int, trials: int, noise: float, alpha: float = ALPHA) -> float:
    """Share of comparisons of equal sides in which any difference is reported."""

    def sides(number: int) -> tuple[Side, Side]:
        rng = np.random.default_rng((number, trials))
        return drawn(rng, trials, noise), drawn(rng, trials, noise)

    return share(repetitions, lambda found: found.different, sides, alpha)


def power(repetitions: int, trials: int, noise: float, slower: float, alpha: float = ALPHA) -> float:
    """Share of comparisons in which a p99 that is longer by ``slower`` in one cell is reported as a regression."""

    def sides(number: int) -> tuple[Side, Side]:
        rng = np.random.default_rng((number, trials))
        return drawn(rng, trials, noise), drawn(rng, trials, noise, slower)

    def seen(found: Comparison) -> bool:
        return any(each.metric == "p99_s" and each.cell == CELLS[0] for each in found.regressions)

    return share(repetitions, seen, sides, alpha)


def main(repetitions: int = 100) -> None:
    """Print the table of docs/comparing.md."""
    print(f"{repetitions} repetitions, {len(CELLS)} cells of {len(METRICS)} metrics, alpha {ALPHA:g}")
    print(f"{'noise':>6} {'trials':>7} {'false alarms':>13} {'+10% seen':>10} {'+20% seen':>10}")
    for noise in (0.05, 0.08, 0.12):
        for trials in (10, 30):
            alarms = false_alarms(repetitions, trials, noise)
            found = [power(repetitions, trials, noise, slower) for slower in (0.1, 0.2)]
            print(f"{noise:6.0%} {trials:7} {alarms:13.0%} {found[0]:10.0%} {found[1]:10.0%}", flush=True)


if __name__ == "__main__":
    main()
