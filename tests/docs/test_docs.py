"""What the documentation says is done, and comes out as it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench import reference
from bench.cli import VERBS
from tests.docs.running import ROOT, blocks, run_page

DOCS = ROOT / "docs"


def test_the_tutorial(tmp_path: Path) -> None:
    printed = run_page(DOCS / "tutorial.md", tmp_path)
    medians = dict(re.findall(r"^(\d)\s+([\d.]+)$", printed, re.MULTILINE))
    assert abs(float(medians["2"]) - 7.5) < 0.5
    assert abs(float(medians["9"]) - 12) < 0.5


def test_the_tutorials_protocol_is_short() -> None:
    nodes = next(block for block in blocks(DOCS / "tutorial.md") if block.saved == "copycat/nodes.py")
    server = nodes.text[nodes.text.index("class Server") :]
    lines = [line for line in server.splitlines() if line.strip()]
    assert len(lines) <= 60


def test_the_how_tos(tmp_path: Path) -> None:
    run_page(DOCS / "howto.md", tmp_path)


def test_every_how_to_is_of_a_verb() -> None:
    """And every verb that needs neither Ray nor a study has one."""
    named = re.findall(r"^## .*`bench (\w+)`", (DOCS / "howto.md").read_text(), re.MULTILINE)
    assert set(named) <= set(VERBS)
    assert {"list", "run", "sweep", "check", "replay", "report", "shrink", "explore"} <= set(named)


@pytest.mark.parametrize("page", sorted(reference.pages()))
def test_the_reference_is_up_to_date(page: str) -> None:
    written = (ROOT / reference.FOLDER / page).read_text()
    assert written == reference.pages()[page], "docstrings have changed: python -m bench.reference"


FOLDERS = ("docs", "experiments", "protocols", "bench", "results")
PAGES = [ROOT / "README.md", *sorted(page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name}: {target}"
