"""The page that plays a run: what it holds, and that it plays in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from bench.errors import UsageError
from bench.faults.notation import parse_fault
from bench.mutation import load_family
from bench.playing import glance_of, play
from bench.report.player import content, write_page
from bench.run import run_trial
from bench.runtime.record import TraceEvent
from bench.trial import Trial
from bench.workload.spec import Workload
from protocols.consensus.raft.core import glance
from protocols.family import Glance

from ...browser import browsing, chromium

MS = 1_000_000
TRIAL = Trial(
    protocol="raft",
    duration=1_200 * MS,
    faults=(parse_fault("crash leader at 400ms for 300ms"),),
    workload=Workload(clients=2, rate=50.0),
)


def event(at: int, kind: str, node: str = "n1", peer: str = "", what: str = "", number: int = -1) -> TraceEvent:
    return TraceEvent(at * 1000, kind, node, peer, what, number, "x" * 500)


def test_messages_have_a_departure_and_an_arrival() -> None:
    events = [
        event(100, "boot"),
        event(110, "send", "n1", "n2", "Vote", 7),
        event(120, "send", "n2", "n1", "Vote", 8),
        event(150, "deliver", "n2", "n1", "Vote", 7),
        event(160, "crash"),
        event(190, "boot"),
        event(200, "crash"),
    ]
    seen = [
        (50_000, "n1", Glance("old", "0")),
        (90_000, "n1", Glance("follower", "1")),
        (155_000, "n1", Glance("leader", "2")),
    ]
    data = content(events, seen, [], ["n1", "n2"], [])
    assert [flight[:5] for flight in data["flights"]] == [[10, 50, "n1", "n2", "Vote"], [20, -1, "n2", "n1", "Vote"]]
    assert data["downs"] == [["n1", 60, 90], ["n1", 100, -1]]
    assert [(at, state.role) for at, _, state in data["states"]] == [(0, "follower"), (55, "leader")]
    assert [step[1] for step in data["steps"]] == ["boot", "deliver", "crash", "boot", "crash"]
    assert all(len(step[5]) <= 160 for step in data["steps"])


def test_a_page_is_of_the_same_run(tmp_path: Path) -> None:
    played = play(TRIAL)
    result, told = played.result, write_page(tmp_path / "run.html", played)
    again, _ = run_trial(TRIAL)
    assert result.trace_hash == again.trace_hash, "watching changes nothing"
    html = (tmp_path / "run.html").read_text()
    assert (
        "raft, seed 1: valid" in html
        and "AppendEntries" in html
        and "http" not in html.replace("http://www.w3.org/2000/svg", "")
    )
    assert told.split(" steps")[0].replace(",", "").isdigit()


def test_a_part_of_it(tmp_path: Path) -> None:
    played = play(TRIAL)
    told = write_page(tmp_path / "run.html", played, 400 * MS, 500 * MS)
    assert "0.4" in told and "0.5" in told
    with pytest.raises(UsageError, match="nothing happens in that part of the run"):
        write_page(tmp_path / "none.html", played, 10**13)
    assert not (tmp_path / "none.html").exists()


def test_what_cannot_be_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="only simulated runs can be played"):
        play(msgspec.structs.replace(TRIAL, runtime="ray"))
    with pytest.raises(UsageError, match="the page cannot be written to"):
        write_page(tmp_path / "no" / "run.html", play(TRIAL))


def test_what_is_drawn_of_a_server() -> None:
    raft = load_family("raft")
    assert raft.glance is glance

    class View(msgspec.Struct):
        role: str = "primary"
        epoch: int = 3
        keys: tuple[str, ...] = ()

    other = glance_of(load_family("null"), View())
    assert (other.role, other.facts) == ("primary", (("epoch", "3"),))
    assert glance_of(load_family("null"), None) == Glance("server", "")


@pytest.mark.external
@pytest.mark.skipif(chromium() is None, reason="there is no Chromium here (apt-get install chromium)")
def test_it_plays_steps_and_scrubs(tmp_path: Path) -> None:
    page = tmp_path / "run.html"
    write_page(page, play(TRIAL))
    with browsing() as browser:
        tab = browser.page()
        for width, dark in ((1280, False), (1280, True), (390, False)):
            tab.look(width=width, dark=dark)
            tab.open("about:blank")
            tab.open(page.as_uri() + "#t=450")
            assert tab.seen.complaints == []
            assert tab.run("document.documentElement.scrollWidth") <= width
        shown: Any = tab.run("document.getElementById('stage').textContent")
        assert "down" in shown and "follower" in shown, "the leader is dead at 450 ms"
        before: Any = tab.run("document.getElementById('clock').textContent")
        tab.run("document.getElementById('next').click()")
        after: Any = tab.run("document.getElementById('clock').textContent")
        assert float(after.split()[0]) > float(before.split()[0])
        tab.run("document.getElementById('back').click()")
        assert tab.run("document.getElementById('clock').textContent") != after
        tab.run(
            "(() => { const bar = document.getElementById('scrub'); bar.value = 1000000;"
            " bar.dispatchEvent(new Event('input')); })()"
        )
        assert "leader" in str(tab.run("document.getElementById('stage').textContent"))
