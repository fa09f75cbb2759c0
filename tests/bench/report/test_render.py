"""The report: complete, offline, and honest about what failed."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from bench.assess import failed
from bench.checkers import Verdict
from bench.errors import UsageError
from bench.report import model, render
from bench.report.model import number_text, seconds_text
from bench.sweep import Conclusion, Description, Panel, Row, RunFolder, SweepResult
from bench.trial import Bias, Floor, Latency, Result, Trial
from bench.workload import Workload

from ..sweep.fake import result

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS = tuple({"nodes": nodes, "rtt_s": rtt} for nodes in (3, 5) for rtt in (0.001, 0.02))
REASON = "the read of <17> saw a value overwritten before it began"


def rows() -> list[Row]:
    made: list[Row] = []

    def add(point: dict[str, Any], outcome: Result) -> None:
        key = f"key{len(made)}"
        made.append(Row(key=key, point=point, code_version="c", sitting=1, finished=float(len(made)), result=outcome))

    for point in POINTS:
        for seed in range(1, 11):
            add(point, result(Trial(protocol="raft", nodes=point["nodes"], seed=seed)))
    live = Trial(protocol="raft", nodes=3, runtime="ray", seed=1, workload=Workload(rate=150.0))
    floor = Floor(link_rtt_s=0.000081, link_messages_s=128_000.0, null_messages_s=260.0, log_ops_s=21_000.0)
    add(POINTS[0], result(live, floor=floor, bias=Bias(generator_lateness_p99_s=0.0031), harness_bound=True))
    add(POINTS[1], failed(live, "HarnessError: actor n2 did not answer", {}))
    add(POINTS[2], result(live, trial="void", void_reason="only 7 operations", verdict="unknown"))
    broken = Verdict(name="linearizable", verdict="invalid", reason=REASON)
    checks = {"linearizable": "invalid", "election_safety": "valid", "liveness": "unknown"}
    bad = Trial(protocol="raft", nodes=5, seed=99, duration=1_000_000)  # a short replay, and of another run
    add(POINTS[3], result(bad, verdict="invalid", violations=(broken,), checks=checks))
    return made


def description(**changes: Any) -> Description:
    fields: dict[str, Any] = {
        "name": "t",
        "question": "Which is <better>?",
        "points": POINTS,
        "code_version": "c",
        "biases": ("The link is too good.",),
        "sittings": ({"argv": ["x.py"], "commit": None, "code_version": "c", "time": "2026-01-02T03:04:05+00:00"},),
        "notes": ("The budget left no time for 3 of 8 live trials.",),
        "finished": True,
    }
    return Description(**(fields | changes))


@pytest.fixture(name="folder")
def fixture_folder(tmp_path: Path) -> Path:
    files = RunFolder(tmp_path / "run")
    files.create()
    files.describe(description())
    files.append(rows())
    return files.path


def drawn() -> Figure:
    from bench.report.plots import Series, distribution

    return distribution(
        [Series("3 nodes", [[0.1, 0.2], [1.0, 1.4]], [[0.15], []])], ["a", "b"], x_label="x", y_label="y [s]"
    )


def conclusion() -> Conclusion:
    return Conclusion(
        answer="Take the first.\nNot the second.",
        details=["Because of 40 trials."],
        panels=[Panel("Outage", "How to read it.", drawn)],
    )


class Outline(HTMLParser):
    """Tags in balance, ids, and what the page would load."""

    VOID = frozenset({"meta", "link", "br", "img"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag not in self.VOID:
            self.open.append(tag)
        if given.get("id"):
            self.ids.append(given["id"] or "")
        for name in ("src", "href", "xlink:href", "srcset"):
            if given.get(name):
                self.loads.append(given[name] or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag


def text(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", re.sub(r"(?s)<(style|script|svg).*?</\1>", " ", html)))


def test_it_answers_first_and_shows_everything_that_went_wrong(folder: Path, tmp_path: Path) -> None:
    html = render(folder, tmp_path / "report.html", conclusion()).read_text()
    words = text(html)
    order = [
        words.index(part)
        for part in ("Which is &lt;better&gt;?", "Take the first.", "Violations", "Figures", "Results", "Verdicts")
    ]
    assert order == sorted(order)
    for part in (
        "Not the second.",
        "Because of 40 trials.",
        "41 simulated trials",
        "3 live trials",
        "✗ 1 violation",
        "1 void",
        "1 failed",
        "failed: HarnessError: actor n2 did not answer",
        "void: only 7 operations",
        "violated: linearizable",
        "bounded by the harness",
        "the read of &lt;17&gt; saw",
        "The link is too good.",
        "The budget left no time for 3 of 8 live trials.",
        "81.0 µs",
        "128,000",
        "3.10 ms",
        "not a git checkout",
        "election safety",
        "messages/op",
        "p99.9",
    ):
        assert part in words, part


def test_the_violation_comes_with_a_file_and_the_command_that_replays_it(folder: Path, tmp_path: Path) -> None:
    html = render(folder, tmp_path / "report.html", conclusion()).read_text()
    file = folder / "violations" / "key43.json"
    assert f"bench replay {file}" in html
    assert msgspec.json.decode(file.read_bytes(), type=Result).violations[0].reason == REASON


def test_it_is_one_well_formed_offline_file(folder: Path, tmp_path: Path) -> None:
    out = render(folder, tmp_path / "report.html", conclusion())
    html = out.read_text()
    assert out.stat().st_size < 5_000_000
    outline = Outline()
    outline.feed(html)
    assert outline.open == []
    assert len(outline.ids) == len(set(outline.ids))
    assert [load for load in outline.loads if not load.startswith(("#", "data:"))] == []
    assert not re.search(r"@import|url\((?!#)", html)
    assert "prefers-color-scheme: dark" in html
    assert "@media print" in html
    assert html.count("<svg") == 3


def test_figures_take_the_colours_of_the_page(folder: Path, tmp_path: Path) -> None:
    html = render(folder, tmp_path / "report.html", conclusion()).read_text()
    assert "currentColor" in html
    assert not re.search(r"#0[123]0[123]0[123]", html)
    assert 'aria-label="Outage"' in html


def test_a_figure_that_cannot_be_drawn_leaves_the_rest(folder: Path, tmp_path: Path) -> None:
    def broken() -> Figure:
        raise ValueError("no data")

    bad = Conclusion("Yes.", panels=[Panel("Outage", "", broken)])
    words = text(render(folder, tmp_path / "report.html", bad).read_text())
    assert "This figure could not be drawn: ValueError: no data" in words
    assert "Results" in words


def test_rendered_again_from_the_folder_alone_it_says_the_same(folder: Path, tmp_path: Path) -> None:
    first = render(SweepResult.load(folder), tmp_path / "a.html", conclusion()).read_text()
    again = render(folder, tmp_path / "b.html").read_text()
    assert first == again


def test_a_single_result_is_a_report_too(tmp_path: Path) -> None:
    file = tmp_path / "out.json"
    file.write_bytes(msgspec.json.encode(result(Trial(protocol="raft"))))
    words = text(render(file, tmp_path / "report.html").read_text())
    assert "Raft on 3 nodes, simulated, served 101 operations a second, 99 of 100 within 10.0 ms." in words
    assert "Its longest outage lasted 301 ms. No violation was found." in words
    assert "Nothing ran live" in words


def test_a_sweep_of_which_nothing_finished_says_so(tmp_path: Path) -> None:
    files = RunFolder(tmp_path / "run")
    files.create()
    files.describe(description(finished=False, notes=()))
    words = text(render(files.path, tmp_path / "report.html").read_text())
    assert "No trial has finished." in words
    assert "The sweep has not ended yet." in words


def test_only_failed_trials_still_make_a_report(tmp_path: Path) -> None:
    files = RunFolder(tmp_path / "run")
    files.create()
    files.describe(description())
    files.append([row for row in rows() if row.result.error])
    words = text(render(files.path, tmp_path / "report.html").read_text())
    assert "no violation found" not in words
    assert "1 failed" in words


@pytest.mark.parametrize("content", [None, b"{}", b"not json"])
def test_what_is_no_result_says_so(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "out.json"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError, match=r"cannot be read|neither the folder of a sweep nor the JSON of a result"):
        render(file, tmp_path / "report.html")


def test_numbers_are_written_with_three_digits() -> None:
    assert [seconds_text(s) for s in (0.0741, 1.283, 0.0000813, 12.0, 0, None, float("nan"))] == [
        "74.1 ms",
        "1.28 s",
        "81.3 µs",
        "12.0 s",
        "0",
        "–",
        "–",
    ]
    assert [number_text(n) for n in (128000.4, 199.53, 2.5, None)] == ["128,000", "200", "2.50", "–"]


def test_a_real_mutants_violation_is_drawn(tmp_path: Path) -> None:
    from bench.run import run_trial
    from bench.torture import torture

    found = (run_trial(torture("raft", seed, "half-is-a-majority"))[0] for seed in range(1, 20))
    bad = next(each for each in found if each.verdict == "invalid")
    file = tmp_path / "result.json"
    file.write_bytes(msgspec.json.encode(bad))
    html = render(file, tmp_path / "report.html").read_text()
    article = html[html.index('<article class="page violation"') : html.index("</article>")]
    assert "<svg" in article
    assert f"bench replay {tmp_path}" in article
    assert bad.violations[0].name.replace("_", " ") in article
    outline = Outline()
    outline.feed(html)
    assert outline.open == []
    assert [load for load in outline.loads if not load.startswith(("#", "data:"))] == []


def test_trials_that_did_not_serve_again_are_counted_and_their_figures_are_beyond(tmp_path: Path) -> None:
    trial = Trial(protocol="raft", nodes=3)
    beyond = {"unavailable_censored": True, "latency_s": Latency(p50=0.002, censored=0.4)}
    outcomes = [result(trial, 0.3)] + [result(trial, 0.1, **beyond) for _ in range(2)]
    kept = [
        Row(key=f"k{i}", point=POINTS[0], code_version="c", sitting=1, finished=float(i), result=outcome)
        for i, outcome in enumerate(outcomes)
    ]
    made = SweepResult(tmp_path, description(), tuple(kept))
    table = model.cell_table(made)
    shown = {column.name: cell for column, cell in zip(table.columns, table.rows[0], strict=True)}
    assert shown["trials"].text == "3, 2 silent"
    assert "did not serve again" in shown["trials"].title
    assert (shown["p50"].text, shown["p99"].text) == ("2.00 ms", "beyond")
    assert shown["unavailable"].text.startswith("beyond")
    one = model.trial_table(made, kept[1:2])
    cells = {column.name: cell for column, cell in zip(one.columns, one.rows[0], strict=True)}
    assert cells["unavailable"].text == "over 100 ms"
    assert (cells["p50"].text, cells["p99"].text) == ("2.00 ms", "beyond")
    assert "40.00% of the operations were not acknowledged" in cells["p99"].title
    page = render(made, tmp_path / "report.html").read_text()
    assert "Not drawn: 2 of 3 trials, of which it is beyond what was observed." in page
