"""Every page in a real browser: nothing logged, nothing loaded, nothing wider than a phone, and its controls work."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from bench.cli.command import command_of
from bench.report import render
from bench.sweep import RunFolder
from bench.trial import Result

from ...browser import Browser, Page, browsing, chromium
from .test_render import conclusion, description, rows

pytestmark = [
    pytest.mark.external,
    pytest.mark.skipif(chromium() is None, reason="there is no Chromium here (apt-get install chromium)"),
]
PHONE = 390


@pytest.fixture(scope="module", name="browser")
def fixture_browser() -> Iterator[Browser]:
    with browsing() as browser:
        yield browser


@pytest.fixture(name="tab")
def fixture_tab(browser: Browser) -> Page:
    return browser.page()


@pytest.fixture(scope="module", name="caught")
def fixture_caught() -> Result:
    """A real mutant's violation."""
    from bench.run import run_trial
    from bench.torture import torture

    found = (run_trial(torture("raft", seed, "half-is-a-majority"))[0] for seed in range(1, 20))
    return next(each for each in found if each.verdict == "invalid")


@pytest.fixture(scope="module", name="sweep_page")
def fixture_sweep_page(tmp_path_factory: pytest.TempPathFactory, caught: Result) -> Path:
    """A report of a sweep, with everything in it that can go wrong, and a violation that can be replayed."""
    files = RunFolder(tmp_path_factory.mktemp("run") / "sweep")
    files.create()
    files.describe(description())
    made = rows()
    made.append(msgspec.structs.replace(made[0], key="caught", finished=99.0, result=caught))
    files.append(made)
    return render(files.path, files.path / "report.html", conclusion())


@pytest.fixture(scope="module", name="trial_page")
def fixture_trial_page(tmp_path_factory: pytest.TempPathFactory, caught: Result) -> Path:
    folder = tmp_path_factory.mktemp("run") / "trial"
    folder.mkdir()
    (folder / "result.json").write_bytes(msgspec.json.encode(caught))
    return render(folder, folder / "report.html", again=command_of)


def clean(tab: Page, file: Path, fragment: str = "") -> None:
    """Open a page in both schemes, on a phone and on paper; it must be silent, alone, and fit."""
    address = file.as_uri()
    for width, dark, medium in ((1280, False, "screen"), (1280, True, "screen"), (PHONE, False, "screen"),
                                (1000, False, "print")):  # fmt: skip
        tab.look(width=width, dark=dark, medium=medium)
        tab.open("about:blank")
        tab.open(address + fragment)
        assert tab.seen.complaints == []
        asked = [each for each in tab.seen.requests if not each.startswith("data:")]
        assert [each.partition("#")[0] for each in asked] == [address]
        if medium == "screen":
            assert tab.run("document.documentElement.scrollWidth") <= width


def colours(tab: Page) -> list[str]:
    return [str(each) for each in tab.run("""(() => {
      const style = getComputedStyle(document.body);
      return [style.backgroundColor, style.color];
    })()""")]  # fmt: skip


def test_the_report_of_a_sweep(tab: Page, sweep_page: Path) -> None:
    clean(tab, sweep_page)
    clean(tab, sweep_page, "#violation-2")


def test_the_report_of_a_trial(tab: Page, trial_page: Path) -> None:
    clean(tab, trial_page)
    clean(tab, trial_page, "#violation-1")


def test_dark_is_dark_and_paper_is_white(tab: Page, sweep_page: Path) -> None:
    def brightness(text: str) -> int:
        return sum(int(part) for part in text[text.index("(") + 1 : -1].split(",")[:3])

    seen = {}
    for name, dark, medium in (("light", False, "screen"), ("dark", True, "screen"), ("paper", True, "print")):
        tab.look(dark=dark, medium=medium)
        tab.open(sweep_page.as_uri())
        paper, ink = map(brightness, colours(tab))
        seen[name] = paper > ink
    assert seen == {"light": True, "dark": False, "paper": True}


def test_a_table_is_sorted_by_its_headings(tab: Page, sweep_page: Path) -> None:
    tab.look()
    tab.open(sweep_page.as_uri())
    column = tab.run(
        "[...document.querySelectorAll('#table-cells th')].findIndex(h => h.textContent === 'unavailable')"
    )
    values = (
        f"[...document.querySelectorAll('#table-cells tbody tr')]"
        f".map(r => r.cells[{column}].dataset.v).filter(v => v !== '').map(Number)"
    )
    press = f"document.querySelectorAll('#table-cells th button')[{column}].click()"
    tab.run(press)
    up = tab.run(values)
    tab.run(press)
    down = tab.run(values)
    assert len(up) > 2
    assert up == sorted(up)
    assert down == sorted(up, reverse=True)


SHOWN = "[...document.querySelectorAll('#table-cells tbody tr')].filter(r => r.offsetHeight > 0).length"


def test_a_table_is_filtered_by_choice_and_by_words(tab: Page, sweep_page: Path) -> None:
    tab.look()
    tab.open(sweep_page.as_uri())
    every = tab.run(SHOWN)

    def choose(number: int, value: str) -> None:
        tab.run(f"""(() => {{
          const select = document.querySelectorAll('[data-for=table-cells] select')[{number}];
          select.value = {value!r};
          select.dispatchEvent(new Event('input'));
        }})()""")

    labels = "document.querySelectorAll('[data-for=table-cells] label')"
    assert tab.run(f"[...{labels}].map(l => l.firstChild.data.trim())") == ["nodes", "rtt", "world"]
    choose(0, "3")
    three = tab.run(SHOWN)
    assert 0 < three < every
    choose(2, "live")
    live = tab.run(SHOWN)
    assert 0 < live < three
    assert tab.run("document.querySelector('[data-for=table-cells] output').textContent") == f"{live} of {every} rows"
    choose(0, "")
    choose(2, "")
    tab.run("""(() => {
      const words = document.querySelector('[data-for=table-cells] input');
      words.value = 'LIVE 5';
      words.dispatchEvent(new Event('input'));
    })()""")
    assert 0 < tab.run(SHOWN) < every
    texts = tab.run(SHOWN.removesuffix(".length") + ".map(r => r.textContent)")
    assert all("live" in each and "5" in each for each in texts)


def test_what_is_saved_is_csv_with_every_trial(tab: Page, sweep_page: Path) -> None:
    tab.look()
    tab.open(sweep_page.as_uri())
    saved = {
        name: tab.run(f"fetch(document.querySelector('a[download=\"{name}\"]').href).then(r => r.text())")
        for name in ("trials.csv", "cells.csv")
    }
    trials = list(csv.DictReader(io.StringIO(saved["trials.csv"])))
    assert len(trials) == len(rows()) + 1
    assert {each["runtime"] for each in trials} == {"sim", "ray"}
    assert sum(each["verdict"] == "invalid" for each in trials) == 2
    cells = list(csv.DictReader(io.StringIO(saved["cells.csv"])))
    first = cells[0]
    assert (first["nodes"], first["rtt_s"], first["world"]) == ("3", "0.001", "simulated")
    assert (
        float(first["unavailable_s_low"]) <= float(first["unavailable_s_median"]) <= float(first["unavailable_s_high"])
    )


def test_a_violation_is_a_page_whose_diagram_tells_what_is_under_the_pointer(
    tab: Page, trial_page: Path, caught: Result
) -> None:
    tab.look(height=4000)
    tab.open(trial_page.as_uri())
    assert tab.run("document.querySelector('#violation-1').offsetHeight") == 0
    tab.run("document.querySelector('a[href=\"#violation-1\"]').click()")
    assert tab.run("document.querySelector('#whole').offsetHeight") == 0
    page = str(tab.run("document.querySelector('#violation-1').innerText"))
    assert caught.violations[0].reason in page
    assert f"bench replay {trial_page.parent}" in page
    assert f"bench run raft --torture --mutant half-is-a-majority --seed {caught.seed}" in page
    place = tab.run("""(() => {
      const middle = (each) => {
        const box = each.getBoundingClientRect();
        return [box.x + box.width / 2, box.y + box.height / 2];
      };
      // a message whose middle no mark of a server lies over
      const line = [...document.querySelectorAll('#violation-1 svg line')].find(
        (each) => each.querySelector('title')?.textContent.includes('→')
          && document.elementFromPoint(...middle(each)) === each);
      return [...middle(line), line.querySelector('title').textContent];
    })()""")
    tab.call("Input.dispatchMouseEvent", type="mouseMoved", x=place[0], y=place[1])
    box = "(() => { const b = document.getElementById('contents-of'); return b.hidden ? '' : b.textContent })()"
    told = str(tab.run(box))
    assert "→" in told
    assert "ms" in told
    tab.run("document.querySelector('.steps a').click()")
    assert tab.run("document.querySelector('#violation-1').offsetHeight") == 0
    assert tab.run("document.querySelector('#whole').offsetHeight") > 0


def test_what_the_page_carries_replays(tab: Page, trial_page: Path, caught: Result, tmp_path: Path) -> None:
    from bench.cli import store
    from bench.run import run_trial

    tab.look()
    tab.open(trial_page.as_uri())
    file = tmp_path / "carried.json"
    link = "document.querySelector('#violation-1 a[download]')"
    file.write_text(str(tab.run(f"fetch({link}.href).then(r => r.text())")))
    recorded = store.load(str(file))
    again, _ = run_trial(recorded.trial)
    assert again.trace_hash == caught.trace_hash
    assert again.violations[0].reason == caught.violations[0].reason


def test_print_holds_the_report_and_every_violation(tab: Page, sweep_page: Path, tmp_path: Path) -> None:
    tab.look(medium="print")
    tab.open(sweep_page.as_uri())
    shown = tab.run("[...document.querySelectorAll('.page')].map(p => p.offsetHeight > 0)")
    assert shown == [True, True]
    tab.pdf(tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")


def test_the_page_of_bench_check(tab: Page, tmp_path: Path) -> None:
    from bench.checkers.judging import Options, judge
    from bench.history.readers import read
    from bench.report.checked import write_page

    from ..cli.test_check import STALE, jsonl

    file = Path(jsonl(tmp_path / "stale.jsonl", STALE))
    recorded = read(file)
    verdicts = judge(recorded.history, "register", 20.0, Options(), format=recorded.format, path=file)
    clean(tab, write_page(tmp_path / "page.html", recorded, "register", verdicts, Options()))


def test_the_index_and_what_is_served(tab: Page, sweep_page: Path, trial_page: Path, tmp_path: Path) -> None:
    import shutil
    import threading

    from bench.cli.report import load
    from bench.report.index import write
    from bench.report.serving import Server, Site

    root = tmp_path / "runs"
    for page in (sweep_page, trial_page):
        shutil.copytree(page.parent, root / page.parent.name)
    clean(tab, write(root))
    with Server(Site(root, load), 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            tab.look()
            for path in ("", "sweep/", "trial/#violation-1"):
                tab.open("about:blank")
                tab.open(server.address + path)
                assert tab.seen.complaints == []
                asked = [each for each in tab.seen.requests if not each.startswith("data:")]
                assert all(each.startswith(server.address) for each in asked)
            assert tab.run("document.querySelector('#violation-1').offsetHeight > 0")
            tab.open(server.address + "sweep/")
            assert tab.run("document.querySelectorAll('[data-for=table-cells] select').length") == 3, "its script runs"
            tab.open(server.address)
            assert tab.run("[...document.querySelectorAll('.runs a')].map(a => a.getAttribute('href')).sort()") == [
                "/sweep/",
                "/trial/",
            ]
            tab.run("""(() => {
              const form = document.getElementById('find');
              form.words.value = 'half-is-a-majority';
              form.dispatchEvent(new Event('input'));
            })()""")
            shown = "[...document.querySelectorAll('.runs > li')].filter(li => li.offsetHeight > 0).length"
            assert tab.run(shown) == 1
        finally:
            server.shutdown()
            thread.join()


def test_a_script_in_the_files_of_a_run_does_not_run(tab: Page, sweep_page: Path, tmp_path: Path) -> None:
    import shutil
    import threading

    from bench.cli.report import load
    from bench.report.render import Kept
    from bench.report.serving import Server, Site

    evil = "<script>document.title = 'owned'</script>"
    root = tmp_path / "runs"
    shutil.copytree(sweep_page.parent, root / "sweep")
    kept = Kept("Yes.", (), (("t", "c", f"<svg onload=\"document.title = 'owned'\">{evil}</svg>"),))
    (root / "sweep" / "conclusion.json").write_bytes(msgspec.json.encode(kept))
    shutil.copytree(sweep_page.parent, root / "written")
    file = root / "written" / "report.html"
    file.write_text(file.read_text().replace("</main>", f"{evil}</main>"))
    with Server(Site(root, load), 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            tab.look()
            for name in ("sweep", "written"):
                tab.open(server.address + name + "/")
                assert tab.run("document.title") == "Which is <better>?"
                assert any("Content Security Policy" in each for each in tab.seen.complaints)
                assert tab.run("document.querySelectorAll('[data-for=table-cells] select').length") == 3
        finally:
            server.shutdown()
            thread.join()
