"""``--help`` of every script in experiments/: each option says what it is, and what it is if it is not given."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

SCRIPTS = sorted(Path("experiments").glob("*/*.py"))
OPTION = re.compile(r"^ {2}(-\S.*)$")


def options(text: str) -> dict[str, str]:
    """Each option as the help writes it (``--seeds SEEDS``) and its words, joined over lines.

    Both argparse and click indent an option by two spaces and put its words two or more spaces behind it, or on lines
    that are indented by more than the option.
    """
    found: dict[str, str] = {}
    name: str | None = None
    for line in text.splitlines():
        head = OPTION.match(line)
        if head:
            name, _, words = head[1].partition("  ")
            found[name] = words.strip()
        elif name is not None and line.startswith("   "):
            found[name] = f"{found[name]} {line.strip()}".strip()
        else:
            name = None
    return found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("  --live LIVE      live\n                   trials\n\nnext", {"--live LIVE": "live trials"}),
        ("  --detectors DETECTORS\n                        to compare", {"--detectors DETECTORS": "to compare"}),
        ("  --mute MUTE\n  --out OUT  folder", {"--mute MUTE": "", "--out OUT": "folder"}),
    ],
)
def test_help_is_taken_apart(text: str, found: dict[str, str]) -> None:
    assert options(text) == found


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_help_explains_every_option(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", [str(path), "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(path), run_name="__main__")
    found = options(capsys.readouterr().out)
    assert ended.value.code == 0
    assert "-h, --help" in found and any(name.startswith("--out ") for name in found)
    mute = [name for name, words in found.items() if not re.sub(r"[(\[]default: .*", "", words).strip()]
    assert not mute, "options without a word of help"
    valued = {name: words for name, words in found.items() if " " in name and not name.startswith("-h,")}
    untold = [name for name, words in valued.items() if "default: " not in words]
    assert not untold, "options that take a value and do not say what it is if they are not given"


def test_serf_needs_somebody_left_to_declare_the_last_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr("sys.argv", ["serf_peer.py", "--agents", "3", "--kills", "3"])
        runpy.run_path("experiments/failure-detection/serf_peer.py", run_name="__main__")
    assert ended.value.code == 2
    assert "argument --kills: 3 is out of range: at most 2, --agents less one" in capsys.readouterr().err
