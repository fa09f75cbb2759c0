"""Finalists measured live: what agrees with the simulation, what does not, and that kept trials are not run again."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bench.errors import UsageError
from bench.network import Constant, Network
from bench.trial import Trial
from bench.tune import Choice, Default, Objective, Study, StudyResult, TuneOptions, tune
from bench.tune.api import execute
from bench.tune.live import LiveResult, compared
from bench.tune.log import Log, Measurement
from bench.tune.study import FRESH
from bench.units import nanoseconds
from bench.workload.spec import Workload

from . import studies


@pytest.fixture(name="done", scope="module")
def fixture_done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, StudyResult, Path]:
    folder = tmp_path_factory.mktemp("study")
    study = studies.study()
    return study, tune(study, TuneOptions(out=folder, jobs=1, plain=True))[0], folder


def lived(done: tuple[Study, StudyResult, Path], factor: float, trials: int = 5, **changes: Any) -> LiveResult:
    """As if real trials had the simulated figures, but a cost that is ``factor`` times as high."""
    study, result, folder = done
    chosen = [each for each in result.finalists if each.front or each.default]
    log = Log(folder)
    live: dict[str, list[Measurement]] = {}
    for each in chosen:
        fresh = [one for one in log.kept.values() if one.seed > FRESH and one.point == each.point][:trials]
        live[each.name] = [
            msgspec.structs.replace(one, figures={**one.figures, "cost": one.figure("cost") * factor}, **changes)
            for one in fresh
        ]
    return compared(study, result, chosen, log, live)


def test_where_the_worlds_agree_it_says_so(done: tuple[Study, StudyResult, Path]) -> None:
    found = lived(done, 1.0)
    assert not any(row.differs for row in found.rows)
    assert all(order.same for order in found.orders) and found.orders
    assert any(
        line.startswith("cost: ") and "can be told apart" in line and "fewer than chance" not in line
        for line in found.answer
    )
    assert any("point the same way live." in line for line in found.answer)


def test_where_they_do_not_it_names_figure_and_candidates(done: tuple[Study, StudyResult, Path]) -> None:
    found = lived(done, 1.5, trials=8)
    assert {row.objective for row in found.rows if row.differs} == {"cost"}
    assert all(row.inside == 0 for row in found.rows if row.objective == "cost")
    (line,) = [line for line in found.answer if line.startswith("cost: ")]
    assert "0 of " in line and "1.49 to 1.51 times the simulated" in line and "differ for every one" in line
    assert "fewer than chance would leave there" in line


def test_an_order_that_turns_around_is_named(done: tuple[Study, StudyResult, Path]) -> None:
    study, result, folder = done
    chosen = [each for each in result.finalists if each.front or each.default]
    log = Log(folder)
    live = {
        each.name: [
            Measurement(
                key="", point=each.point, seed=i, figures={"cost": 9.0 if each.name == result.recommended else 1.0}
            )
            for i in range(3)
        ]
        for each in chosen
    }
    found = compared(study, result, chosen, log, live)
    turned = [order for order in found.orders if order.objective == "cost" and order.simulated not in (None, "beyond")]
    assert any(not order.same for order in turned)
    assert any("in cost" in line and "; not " in line for line in found.answer)


def test_violations_and_broken_constraints_are_counted(done: tuple[Study, StudyResult, Path]) -> None:
    found = lived(done, 1.0, verdict="invalid")
    assert found.violations == found.trials > 0
    assert any(f"live: {found.violations};" in line for line in found.answer)
    assert "a breakage" in found.broken["bold"]


def test_a_study_of_a_formula_has_nothing_to_run_live(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is nothing to run live"):
        execute(studies.study(), TuneOptions(out=tmp_path / "none", live=2))
    assert not (tmp_path / "none").exists()


# --- on real processes ------------------------------------------------------------------------------------------------


def raft(delay_s: float, heartbeat_s: float) -> Trial:
    return Trial(
        protocol="raft",
        nodes=3,
        params={"heartbeat_s": heartbeat_s},
        duration=nanoseconds(0.5),
        liveness=nanoseconds(2),
        network=Network(latency=Constant(nanoseconds(delay_s))),
        workload=Workload(clients=2, rate=100.0),
    )


SMALL = Study(
    name="small",
    question="How often should a leader of three be heard of?",
    parameters={"heartbeat_s": Choice((0.02, 0.06))},
    settings={"delay_s": 0.01},
    trial=raft,
    objectives=[Objective("traffic", lambda r: r.messages.server / r.duration_s, unit="messages/s")],
    defaults=[Default("often", {"heartbeat_s": 0.02})],
    candidates=2,
    looks=(2, 3),
    confirm=8,
)


@pytest.mark.live
@pytest.mark.slow
def test_finalists_run_live_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = TuneOptions(out=tmp_path, jobs=1, plain=True, live=2)
    assert execute(SMALL, options) == 0
    said = capsys.readouterr().out
    assert "finalists and defaults, 2 trials each:" in said and "traffic: " in said
    kept = (tmp_path / "live" / "trials.jsonl").read_text().splitlines()
    found = LiveResult.load(tmp_path)
    assert found is not None and found.trials == len(kept) == 4
    assert all(math.isfinite(float(row.live)) for row in found.rows if row.live is not None)
    assert json.loads(kept[0])["verdict"] == "valid"
    assert "Measured live" in (tmp_path / "report.html").read_text()
    assert execute(SMALL, options) == 0
    assert (tmp_path / "live" / "trials.jsonl").read_text().splitlines() == kept, "nothing is run twice"
    assert StudyResult.load(tmp_path).sittings == StudyResult.load(tmp_path).sittings[:1], "the search was not repeated"
