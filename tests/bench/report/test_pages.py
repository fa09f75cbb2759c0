"""The parts of a report, each by itself: advice, set-up, figures over time, files to save, Markdown, violations."""

from __future__ import annotations

import base64
import csv
import io
import re
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import numpy as np
import pytest

from bench.faults.spec import Crash, FaultRecord
from bench.history.storage import write_history
from bench.report import advice, downloads, model, one, overtime, render, setup, violations
from bench.report.markdown import plain, write_markdown
from bench.report.theme import THEMED, themed
from bench.run import run_trial
from bench.sweep import Description, Row, SweepResult
from bench.trial import FaultRecovery, Latency, Recovery, Result, Trial
from bench.workload import Workload

from ..sweep.fake import result
from .test_render import conclusion, text

TIMEOUTS = ((0.05, 0.1), (0.15, 0.3), (0.5, 1.0))


def sweep(folder: Path, medians: list[float], spread: float = 0.1, **changes: object) -> SweepResult:
    """A cell a median, twenty trials each."""
    points = tuple({"nodes": 3, "election_timeout_s": timeout} for timeout in TIMEOUTS[: len(medians)])
    made = []
    for point, median in zip(points, medians, strict=True):
        for seed in range(20):
            value = median * (1 + spread * (seed - 9.5) / 10)
            outcome = result(Trial(protocol="raft", seed=seed), value)
            made.append(
                Row(key=f"{point}{seed}", point=point, code_version="c", sitting=1, finished=0.0, result=outcome)
            )
    description = Description(name="t", question="Which?", points=points, finished=True, **changes)  # type: ignore[arg-type]
    return SweepResult(folder, description, tuple(made))


# --- advice ---------------------------------------------------------------------------------------------------------


def test_reversed_data_reverse_the_advice(tmp_path: Path) -> None:
    first = advice.answer(sweep(tmp_path, [0.1, 0.2, 0.8]))
    assert first.startswith("Election timeout 50-100 ms is the best by unavailable; the next, election timeout 150-300")
    assert "Its median is 100 ms" in first
    last = advice.answer(sweep(tmp_path, [0.8, 0.2, 0.1]))
    assert last.startswith("Election timeout 500-1000 ms is the best by unavailable")


def test_of_throughput_more_is_better(tmp_path: Path) -> None:
    made = sweep(tmp_path, [0.1, 0.2], metric="throughput_ops_s")
    rows = tuple(
        msgspec.structs.replace(
            row, result=msgspec.structs.replace(row.result, throughput_ops_s=rate + row.result.seed)
        )
        for rate, row in zip([100.0] * 20 + [500.0] * 20, made.rows, strict=True)
    )
    told = advice.answer(SweepResult(tmp_path, made.description, rows))
    assert told.startswith("Election timeout 150-300 ms is the best by throughput")
    assert "Its median is 510" in told


def test_cells_that_cannot_be_told_apart_are_said_so(tmp_path: Path) -> None:
    told = advice.answer(sweep(tmp_path, [0.1, 0.1001, 0.0999], spread=0.5))
    assert told.startswith("This grid cannot tell these cells apart by unavailable")
    told = advice.answer(sweep(tmp_path, [0.1, 0.1001, 0.8], spread=0.5))
    assert "and cannot be told from election timeout 150-300 ms; the rest are worse." in told


def test_a_cell_with_a_violation_is_never_the_best(tmp_path: Path) -> None:
    made = sweep(tmp_path, [0.1, 0.2, 0.8])
    bad = msgspec.structs.replace(made.rows[0], result=msgspec.structs.replace(made.rows[0].result, verdict="invalid"))
    broken = SweepResult(tmp_path, made.description, (bad, *made.rows[1:]))
    told = advice.answer(broken)
    assert told.startswith("A property that must hold was violated: election timeout 50-100 ms (1 of 20 trials).")
    assert "Election timeout 150-300 ms is the best" in told
    words = text(render(broken, tmp_path / "a.html", conclusion()).read_text())
    assert words.index("was violated: election timeout 50-100 ms") < words.index("Take the first."), (
        "before what a script concludes"
    )


def test_the_advice_is_the_reports_first_sentence(tmp_path: Path) -> None:
    words = text(render(sweep(tmp_path, [0.1, 0.2, 0.8]), tmp_path / "a.html").read_text())
    assert words.index("is the best by unavailable") < words.index("Figures")


def test_where_an_axis_is_the_load_there_is_a_curve(tmp_path: Path) -> None:
    points = tuple({"nodes": nodes, "rate": rate} for nodes in (3, 5) for rate in (100.0, 200.0, 400.0))
    rows = []
    for point in points:
        for seed in range(10):
            trial = Trial(protocol="raft", nodes=int(point["nodes"]), seed=seed, workload=Workload(rate=point["rate"]))
            outcome = result(trial, throughput_ops_s=point["rate"] * 0.99, latency_s=Latency(p50=0.002, p99=0.01))
            rows.append(
                Row(key=f"{point}{seed}", point=point, code_version="c", sitting=1, finished=0.0, result=outcome)
            )
    made = SweepResult(tmp_path, Description(name="t", question="?", points=points, finished=True), tuple(rows))
    html = render(made, tmp_path / "a.html").read_text()
    assert 'aria-label="Latency by throughput"' in html
    assert "could not be drawn" not in html
    assert 'aria-label="Latency by throughput"' not in render(made, tmp_path / "b.html", conclusion()).read_text()


# --- a single trial -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", name="crashed")
def fixture_crashed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """A simulated run with a crash, kept as ``bench run`` keeps it."""
    trial = Trial(
        protocol="raft",
        duration=2_000_000_000,
        faults=(Crash(target="leader", at=500_000_000, down=300_000_000),),
    )
    outcome, record = run_trial(trial)
    folder = tmp_path_factory.mktemp("run") / "crashed"
    folder.mkdir()
    write_history(record.history, folder / "history.parquet")
    outcome = msgspec.structs.replace(outcome, history="history.parquet")
    (folder / "result.json").write_bytes(msgspec.json.encode(outcome))
    return folder, outcome


def test_a_trial_over_time_shows_its_outage_and_its_fault(crashed: tuple[Path, Result]) -> None:
    folder, outcome = crashed
    history = one.stored_history(render_load(folder))
    assert history is not None
    series = overtime.series_of(outcome, history)
    assert series.step == 0.02
    assert len(series.rate) == 100
    assert sum(series.rate) * series.step == pytest.approx(sum(count for _, count, _ in outcome.time_series), abs=20)
    # nothing is acknowledged for as long as the outage lasted, from the crash on
    silent = np.asarray(series.rate[25:60]) == 0
    assert outcome.unavailable_s is not None
    assert silent.sum() * series.step == pytest.approx(outcome.unavailable_s, abs=0.06)
    html = render(folder, folder.parent / "a.html").read_text()
    assert html.count('class="figure"') == 2
    assert re.search(r"<text[^>]*>crash n\d</text>", html), "the band carries its name"


def render_load(folder: Path) -> SweepResult:
    from bench.report.render import load

    return load(folder)


def test_without_a_history_the_result_is_drawn_second_by_second(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_bytes(msgspec.json.encode(result(Trial(protocol="raft"))))
    words = text(render(tmp_path, tmp_path / "a.html").read_text())
    assert "In steps of 1 s." in words
    assert "The tail of the response time" not in words


def test_many_faults_get_a_strip(tmp_path: Path) -> None:
    faults = tuple(
        FaultRecord(kind=kind, targets=("n1",), start=i * 10**8, end=i * 10**8 + 5 * 10**7)
        for i, kind in enumerate(["crash", "pause"] * 5)
    )
    (tmp_path / "result.json").write_bytes(msgspec.json.encode(result(Trial(protocol="raft"), faults=faults)))
    html = render(tmp_path, tmp_path / "a.html").read_text()
    assert ">pause</text>" in html
    assert "Bars at the top: faults" in html


def test_recovery_is_told_fault_by_fault(tmp_path: Path) -> None:
    recoveries = (
        FaultRecovery(kind="crash", at=1.0, targets=("n1",), detect=0.2, elect=0.01, commit=0.002, p99_back=0.7),
        FaultRecovery(kind="pause", at=3.0, targets=("n2",)),
    )
    trial = result(Trial(protocol="raft"), recoveries=recoveries, steady_s=0.25)
    (tmp_path / "result.json").write_bytes(msgspec.json.encode(trial))
    words = text(render(tmp_path, tmp_path / "a.html").read_text())
    assert "1.00 s crash n1 200 ms 10.0 ms 2.00 ms 700 ms" in words
    assert "steady from 250 ms" in words


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"unavailable_s": 0.25}, "Its longest outage lasted 250 ms. No violation was found."),
        ({"unavailable_s": 0.25, "unavailable_censored": True}, "had not served for 250 ms when the load ended"),
        ({"unavailable_s": 0.0}, "No outage longer than chance was seen."),
        ({"trial": "void", "void_reason": "only 7 operations"}, "The trial is void and its figures mean nothing"),
        ({"error": "HarnessError: n2 is gone"}, "failed: HarnessError: n2 is gone"),
        ({"verdict": "unknown"}, "Whether it is correct could not be decided."),
    ],
)
def test_the_answer_of_a_trial_follows_from_its_figures(changes: dict[str, object], expected: str) -> None:
    made = msgspec.structs.replace(result(Trial(protocol="raft")), **changes)
    assert expected in one.answer(made)


def test_what_ran_is_said_once_and_what_varied_is_listed(tmp_path: Path) -> None:
    told = dict(setup.setup(sweep(tmp_path, [0.1, 0.2, 0.8])))
    assert told["protocol"] == "raft"
    assert told["load"].startswith("8 clients, closed loop")
    assert told["election timeout, varied"] == "50-100 ms, 150-300 ms, 500-1000 ms"
    assert told["nodes"] == "3"
    assert told["seeds"] == "0 to 19"
    assert told["faults"] == "none"


def test_a_figure_that_no_trial_has_gets_no_column(tmp_path: Path) -> None:
    made = sweep(tmp_path, [0.1, 0.2])
    plain_rows = tuple(
        msgspec.structs.replace(row, result=msgspec.structs.replace(row.result, recovery_s=Recovery()))
        for row in made.rows
    )
    with_parts = [column.name for column in model.cell_table(made).columns]
    without = [column.name for column in model.cell_table(SweepResult(tmp_path, made.description, plain_rows)).columns]
    assert "elect" in with_parts
    assert "p99 back" not in with_parts
    assert {"detect", "elect", "commit"}.isdisjoint(without)
    assert "p99.9" in without


# --- files to save --------------------------------------------------------------------------------------------------


def saved(file: downloads.Download | None) -> str:
    assert file is not None
    return base64.b64decode(file.href.partition(",")[2]).decode()


def test_csv_of_trials_and_cells(tmp_path: Path) -> None:
    made = sweep(tmp_path, [0.1, 0.2, 0.8])
    trials = list(csv.DictReader(io.StringIO(saved(downloads.trials_csv(made)))))
    assert len(trials) == 60
    assert {each["election_timeout_s"] for each in trials} == {"0.05..0.1", "0.15..0.3", "0.5..1"}
    cells = list(csv.DictReader(io.StringIO(saved(downloads.cells_csv(made)))))
    assert [float(each["unavailable_s_median"]) for each in cells] == pytest.approx([0.1, 0.2, 0.8], rel=1e-3)
    assert [each["valid"] for each in cells] == ["20"] * 3


def test_what_is_too_large_is_left_in_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "MOST_BYTES", 1000)
    made = sweep(tmp_path, [0.1, 0.2])
    assert downloads.trials_csv(made) is None
    assert "All of them are too many for this file" not in render(made, tmp_path / "a.html").read_text()


# --- Markdown -------------------------------------------------------------------------------------------------------


def test_markdown_has_the_answer_the_tables_and_figures_that_exist(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    made = sweep(folder, [0.1, 0.2, 0.8])
    render(made, folder / "report.html", conclusion())
    words = write_markdown(made, folder / "report.md").read_text()
    assert words.startswith("## Which?\n\nTake the first.\n")
    assert "\n- Because of 40 trials.\n" in words
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", words)
    assert pictures[0] == "figures/own-0.png"
    assert len(pictures) == 3
    for picture in pictures:
        assert (folder / picture).read_bytes().startswith(b"\x89PNG")
    lines = [line for line in words.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in lines[:5]}) == 1


def test_a_png_is_on_white_with_readable_text(tmp_path: Path) -> None:
    from PIL import Image

    from bench.report.markdown import draw_png

    file = tmp_path / "a.png"
    assert draw_png(conclusion().panels[0], file)
    with Image.open(file) as picture:
        counted = picture.convert("RGB").getcolors(maxcolors=1 << 24)
    assert counted is not None
    colours = {colour for _, colour in counted}
    assert max(counted)[1] == (255, 255, 255)
    assert (223, 227, 232) in colours, "the grid is pale"
    assert (2, 2, 2) not in colours, "no stand-in is left"


def test_markdown_is_not_taken_for_markup() -> None:
    assert plain("a|b <i>*c*</i>\n_d_ `e`") == r"a\|b \<i\>\*c\*\</i\> \_d\_ \`e\`"


# --- violations -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", name="caught")
def fixture_caught() -> Result:
    from bench.torture import torture

    found = (run_trial(torture("raft", seed, "stale-read-by-deposed-leader"))[0] for seed in range(2, 60))
    return next(each for each in found if any(verdict.rows for verdict in each.violations))


def test_a_violation_of_clients_is_shown_by_their_operations(caught: Result, tmp_path: Path) -> None:
    (tmp_path / "result.json").write_bytes(msgspec.json.encode(caught))
    (page,), total = violations.shown(render_load(tmp_path))
    assert total == 1
    assert [heading for heading, _ in page.drawings] == [
        "What the clients saw",
        "Space-time diagram of the window around it",
    ]
    for _, drawing in page.drawings:
        ElementTree.fromstring(drawing)
    assert page.operations is not None
    rows = next(verdict.rows for verdict in caught.violations if verdict.rows)
    assert len(page.operations.rows) == len(rows)
    assert page.command == f"bench replay {tmp_path}"
    assert page.faults is not None


def test_a_violation_of_other_code_says_why_it_is_not_drawn(caught: Result, tmp_path: Path) -> None:
    other = msgspec.structs.replace(caught, trace_hash="another")
    (tmp_path / "result.json").write_bytes(msgspec.json.encode(other))
    (page,), _ = violations.shown(render_load(tmp_path))
    assert page.drawings == []
    assert "the code has changed since" in page.missing


def test_a_live_violation_is_not_said_to_be_replayable(caught: Result, tmp_path: Path) -> None:
    spec = msgspec.structs.replace(caught.spec, runtime="ray")
    lived = msgspec.structs.replace(caught, runtime="ray", spec=spec)
    (tmp_path / "result.json").write_bytes(msgspec.json.encode(lived))
    (page,), _ = violations.shown(render_load(tmp_path))
    assert page.command == ""
    assert page.carried is None
    assert "leaves no trace" in page.missing


def test_many_violations_stay_within_time_and_size(caught: Result, tmp_path: Path) -> None:
    point = {"nodes": caught.nodes}
    made = tuple(
        Row(key=f"k{i}", point=point, code_version="c", sitting=1, finished=float(i), result=caught) for i in range(60)
    )
    many = SweepResult(tmp_path, Description(name="t", question="?", points=(point,), finished=True), made)
    out = render(many, tmp_path / "a.html")
    html = out.read_text()
    assert out.stat().st_size < 5_000_000
    assert html.count('<article class="page violation"') == violations.SHOWN
    assert "The first 40 of 60." in text(html)
    assert "Not drawn here, as there are many" in html


def test_every_colour_of_a_diagram_is_the_pages(caught: Result, tmp_path: Path) -> None:
    (tmp_path / "result.json").write_bytes(msgspec.json.encode(caught))
    (page,), _ = violations.shown(render_load(tmp_path))
    html = render(tmp_path, tmp_path / "a.html").read_text()
    for _, drawing in page.drawings:
        plain_colours = set(re.findall(r'(?:fill|stroke)="(#[0-9a-f]+)"', drawing))
        assert plain_colours <= {"#000"}, "of invisible lines only"
        for name in re.findall(r"var\(--d-(\w+)", drawing):
            assert html.count(f"--d-{name}:") >= 2, f"--d-{name} has a colour in light and in dark"
    assert set(re.findall(r"var\(--d-(\w+)", themed('<rect fill="#0072b2"/>'))) == {THEMED["#0072b2"]}
