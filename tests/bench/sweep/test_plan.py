"""What runs next: looks, searches, and that a sweep which is resumed decides as one that never stopped."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from bench.errors import UsageError
from bench.stats.knee import KneeSearch, Saturation, judge, knee
from bench.stats.looks import Precision
from bench.sweep import Options, Sweep, SweepResult, curve, curve_panel, knees, settings
from bench.sweep.conclusions import answer, looks, remarks
from bench.sweep.grid import expand
from bench.sweep.plan import Fixed, UntilNarrow
from bench.trial import Latency, Result, Trial
from bench.workload.spec import Workload

from . import fake

FAKE = "tests.bench.sweep.fake:run_trial"


def build(nodes: int) -> Trial:
    return Trial(protocol="raft", nodes=nodes)


def noisy(trial: Trial, sigma: float) -> Result:
    """An outage of about nodes / 10 s, spread by ``sigma``."""
    rng = np.random.default_rng(trial.seed)
    return fake.result(trial, trial.nodes / 10 * float(rng.lognormal(0, sigma)))


def sweep(**changes: Any) -> Sweep:
    fields: dict[str, Any] = {"name": "t", "question": "?", "grid": {"nodes": [1, 9]}, "trial": build, "entry": FAKE}
    return Sweep(**(fields | changes))


def options(out: Path, **changes: Any) -> Options:
    return Options(**({"out": out, "jobs": 1, "plain": True} | changes))


# --- looks ---------------------------------------------------------------------------------------------------------


def test_passes_alternate_so_that_a_drift_hits_all_cells_alike() -> None:
    cells = expand({"nodes": [1, 2, 3]}, build)
    plan = Fixed(cells, 2, alternate=True)
    taken = [item for _ in range(7) if (item := plan.take()) is not None]
    assert [(cell.point["nodes"], seed) for cell, seed in taken] == [(1, 1), (2, 1), (3, 1), (3, 2), (2, 2), (1, 2)]
    assert plan.wanted() == 0


def test_a_cell_waits_for_all_trials_of_a_look_whatever_their_order() -> None:
    (cell,) = expand({"nodes": [1]}, build)
    plan = UntilNarrow([cell], Precision(metric="unavailable_s", width=0.05, most=40))
    seeds = [item[1] for _ in range(25) if (item := plan.take()) is not None]
    assert seeds == list(range(1, 21)), "no look before 20"
    for seed in reversed(seeds[1:]):
        plan.tell(cell, seed, noisy(cell.trial("sim", seed), 0.5))
    assert plan.take() is None, "seed 1 is missing: stopping without it would favour what ends early"
    plan.tell(cell, 1, noisy(cell.trial("sim", 1), 0.5))
    assert plan.take() == (cell, 21)


def test_seeds_are_added_where_the_interval_is_wide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fake, "run_trial", lambda t, **_: (noisy(t, 0.02 if t.nodes == 1 else 1.5), None))
    asked = Precision(metric="unavailable_s", width=0.05, step=10, most=50)
    result = sweep(precision=asked).run(options(tmp_path / "run"))
    counts = Counter(row.result.nodes for row in result.rows)
    assert counts == {1: 20, 9: 50}
    seen = dict(looks(result))
    assert seen["nodes 1"].narrow and not seen["nodes 9"].narrow
    told = " ".join(remarks(result))
    assert "20 to 50 seeds a cell" in told
    assert "1 of 2 cells did not get there; the widest, nodes 9, is at +-" in told
    assert answer(result).startswith("nodes 1 is the best by unavailable; the next, nodes 9, is at")


@pytest.mark.parametrize("stopped_after", [7, 45])
def test_a_sweep_that_is_stopped_goes_on_as_if_it_had_not_been(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped_after: int
) -> None:
    asked = Precision(metric="unavailable_s", width=0.1, step=10, most=60)

    def make(limit: float) -> Any:
        calls = iter(range(1000))

        def run_trial(trial: Trial, **_: Any) -> tuple[Result, None]:
            if next(calls) >= limit:
                raise KeyboardInterrupt
            return noisy(trial, 0.1 if trial.nodes == 1 else 0.4), None

        return run_trial

    monkeypatch.setattr(fake, "run_trial", make(math.inf))
    whole = sweep(precision=asked).run(options(tmp_path / "whole"))
    monkeypatch.setattr(fake, "run_trial", make(stopped_after))
    assert sweep(precision=asked).run(options(tmp_path / "parts")).interrupted
    monkeypatch.setattr(fake, "run_trial", make(math.inf))
    parts = sweep(precision=asked).run(options(tmp_path / "parts"))
    assert {row.key for row in parts.rows} == {row.key for row in whole.rows}
    assert looks(parts) == looks(whole)


def test_a_number_of_seeds_that_is_asked_for_is_just_that(tmp_path: Path) -> None:
    asked = Precision(metric="unavailable_s", width=1e-9, most=40)
    assert len(sweep(precision=asked).run(options(tmp_path / "a", seeds=3)).rows) == 6
    narrow = sweep().run(options(tmp_path / "b", precision=0.5))
    assert Counter(row.result.nodes for row in narrow.rows) == {1: 20, 9: 20}
    with pytest.raises(UsageError, match="either seeds or a precision"):
        sweep().run(options(tmp_path / "c", seeds=3, precision=0.5))
    with pytest.raises(UsageError, match="unknown metric 'p99': did you mean 'p99_s'"):
        sweep(precision=Precision(metric="p99", width=0.1)).run(options(tmp_path / "d"))
    assert not (tmp_path / "c").exists()


# --- knees ---------------------------------------------------------------------------------------------------------


def loaded(nodes: int, rate: float) -> Trial:
    return Trial(protocol="raft", nodes=nodes, workload=Workload(rate=rate))


def queueing(trial: Trial, **_: Any) -> tuple[Result, None]:
    """M/M/1 with a capacity of 10,000 / nodes: the 99th percentile is ln(100) / (capacity - rate)."""
    rate = trial.workload.rate or 0.0
    left = 10_000 / trial.nodes - rate
    if left <= 0:
        reason = "the load fell short: while nothing was wrong, 10 operations were answered where 99 were asked for"
        return fake.result(trial, trial="void", verdict="unknown", void_reason=reason), None
    noise = 1 + trial.seed / 1000
    p99 = math.log(100) / left * noise
    found = Latency(p50=p99 * math.log(2) / math.log(100), p99=p99)
    return fake.result(trial, latency_s=found, throughput_ops_s=rate), None


def knee_of(nodes: int, bound: float) -> float:
    return 10_000 / nodes - math.log(100) / bound


SEARCH: dict[str, Any] = {
    "grid": {"nodes": [1, 4], "rate": [500.0, 1000.0, 2000.0]},
    "trial": loaded,
    "seeds": 3,
    "metric": "p99_s",
    "saturation": Saturation(at_most=0.01, seeds=3, resolution=0.03),
}


def test_the_knee_is_found_beyond_the_grid_and_inside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fake, "run_trial", queueing)
    result = sweep(**SEARCH).run(options(tmp_path / "run"))
    found = {setting["nodes"]: each for setting, each in knees(result)}
    for nodes in (1, 4):
        assert found[nodes].rate is not None and found[nodes].above is not None
        assert found[nodes].rate <= knee_of(nodes, 0.01) <= found[nodes].above <= found[nodes].rate * 1.031
    assert len(result.rows) == 3 * len(result.description.points), "each rate has its seeds"
    assert "nodes 1: p99 within 10 ms holds up to 9,5" in answer(result)
    assert result.frame()["cell"].min() >= 0, "rates that the search went to are cells like others"
    tighter = {setting["nodes"]: each for setting, each in knees(result, at_most=0.005)}
    assert (tighter[1].rate or 0) < (found[1].rate or 0)


@pytest.mark.parametrize("stopped_after", [10, 40])
def test_a_search_that_is_stopped_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped_after: int) -> None:
    monkeypatch.setattr(fake, "run_trial", queueing)
    whole = sweep(**SEARCH).run(options(tmp_path / "whole"))
    calls = iter(range(1000))

    def stopping(trial: Trial, **_: Any) -> tuple[Result, None]:
        if next(calls) >= stopped_after:
            raise KeyboardInterrupt
        return queueing(trial)

    monkeypatch.setattr(fake, "run_trial", stopping)
    assert sweep(**SEARCH).run(options(tmp_path / "parts")).interrupted
    monkeypatch.setattr(fake, "run_trial", queueing)
    parts = sweep(**SEARCH).run(options(tmp_path / "parts"))
    assert {row.key for row in parts.rows} == {row.key for row in whole.rows}
    assert len(parts.rows) == len(whole.rows)
    assert knees(parts)[0][1].rate == knees(whole)[0][1].rate


def test_a_violation_ends_what_a_system_carries() -> None:
    assert judge(100, [0.001] * 5, 0.01).passed
    broken = judge(100, [0.001] * 5, 0.01, violated=1)
    assert not broken.passed and broken.sure
    found = knee([judge(50, [0.001] * 5, 0.01), broken], 0.01)
    assert (found.rate, found.above, found.violated) == (50, 100, 1)
    assert "(there a property broke)" in found.sentence()


def test_what_says_nothing_of_the_system_passes_nothing() -> None:
    unfit = judge(100, [math.nan] * 5, 0.01)
    assert not unfit.passed and not unfit.sure and unfit.unfit == 5
    assert knee([unfit], 0.01).sentence() == "no trial says anything of the system"
    assert not judge(100, [math.inf] * 3 + [0.001] * 2, 0.01).passed, "most trials did not keep up"


def test_a_search_knows_its_limits() -> None:
    asked = Saturation(at_most=0.01)
    never, always = KneeSearch(asked, [100.0]), KneeSearch(asked, [100.0])
    for _ in range(20):
        for rate in never.wanted():
            never.tell(judge(rate, [1.0] * 5, 0.01))
        for rate in always.wanted():
            always.tell(judge(rate, [0.001] * 5, 0.01))
    assert (min(never.loads), never.found().rate) == (pytest.approx(100 / 64, rel=0.02), None)
    assert (max(always.loads), always.found().above) == (6400, None)
    assert "it is not saturated there" in always.found().sentence()
    assert "holds at no rate tried" in never.found().sentence()


def test_a_curve_shows_throughput_and_what_did_not_keep_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fake, "run_trial", queueing)
    result = sweep(**SEARCH).run(options(tmp_path / "run"))
    by_nodes = {setting["nodes"]: curve(loads) for setting, loads in settings(result, "rate")}
    points = by_nodes[4]
    assert [p.load for p in points] == sorted(p.load for p in points)
    kept = [p for p in points if p.trials]
    assert all(p.latency["p99_s"].estimate > p.latency["p50_s"].estimate for p in kept)
    panel = curve_panel(result, predict=lambda setting, rate: 0.001)
    drawn = panel.draw()
    assert drawn.axes[0].get_xlabel() == "throughput [operations/s]"
    assert len(drawn.axes[0].lines) >= 6
    with pytest.raises(UsageError, match="unknown axis 'rates': did you mean 'rate'"):
        settings(result, "rates")


def test_open_and_closed_loops_are_not_mixed(tmp_path: Path) -> None:
    def either(rate: float) -> Trial:
        return Trial(protocol="raft", workload=Workload(rate=rate if rate > 1 else None))

    result = sweep(grid={"rate": [1.0, 2.0]}, trial=either, seeds=1).run(options(tmp_path / "run"))
    with pytest.raises(UsageError, match="open and closed loops"):
        curve(settings(result, "rate")[0][1])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"saturation": Saturation(at_most=0.01, axis="rates")}, "unknown axis of a load 'rates': did you mean 'rate'"),
        ({"saturation": Saturation(at_most=-1)}, "at_most -1 is out of range"),
        ({"saturation": Saturation(at_most=0.01, metric="p9_s")}, "did you mean 'p9"),
        ({"grid": {"nodes": [1], "rate": [0.0]}}, "rate 0 is out of range"),
        (
            {"grid": {"nodes": [1], "size": ["big"]}, "trial": lambda nodes, size: build(nodes)}
            | {"saturation": Saturation(at_most=0.01, axis="size")},
            "the axis size holds 'big': a load to search over is a rate above 0",
        ),
        ({"metric": "unavailable"}, "did you mean 'unavailable_s'"),
    ],
)
def test_a_search_that_cannot_be_is_refused(changes: dict[str, Any], reason: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=reason):
        sweep(**(SEARCH | changes)).run(options(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_a_script_whose_conclusion_fails_keeps_its_trials(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def conclude(result: SweepResult) -> Any:
        raise KeyError("p98_s")

    code = sweep(conclude=conclude, seeds=2).main(["--out", str(tmp_path / "run"), "--jobs", "1", "--plain"])
    captured = capsys.readouterr()
    assert code == 2
    assert "the script's conclude fails: KeyError: 'p98_s'; the trials are kept in" in captured.err
    assert "report:" in captured.out
    assert len(SweepResult.load(tmp_path / "run").rows) == 4


def test_cells_that_are_alike_are_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fake, "run_trial", lambda t, **_: (fake.result(t, 0.1 + (t.seed * 37 % 20) / 1000), None))
    result = sweep(seeds=20).run(options(tmp_path / "run"))
    assert answer(result) == "This grid cannot tell these cells apart by unavailable: 20 trials a cell."
    assert answer(result) in remarks(result)


def test_the_order_of_live_trials_is_tested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from contextlib import contextmanager

    from bench.sweep import live as live_module

    runs = iter(range(1000))

    @contextmanager
    def session(address: str | None) -> Any:
        yield lambda trial: fake.result(trial, trial.nodes / 10 * (1 + next(runs) / 10))

    monkeypatch.setattr(live_module, "live_session", session)
    result = sweep(seeds=0, live=8).run(options(tmp_path / "run"))
    told = [each for each in remarks(result) if "Live trials share" in each]
    assert len(told) == 1
    assert "Order matters: unavailable is higher in later trials" in told[0]


def test_a_cell_with_a_violation_is_not_ranked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_trial(trial: Trial, **_: Any) -> tuple[Result, None]:
        found = fake.result(trial, 0.1 * trial.nodes)
        wrong = trial.nodes == 1 and trial.seed == 3
        return msgspec.structs.replace(found, verdict="invalid" if wrong else found.verdict), None

    monkeypatch.setattr(fake, "run_trial", run_trial)
    told = answer(sweep(seeds=20).run(options(tmp_path / "run")))
    assert told == "1 of 2 cells violate what they promise (nodes 1); no two others are left to compare."
