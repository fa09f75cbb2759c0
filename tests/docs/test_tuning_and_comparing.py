"""docs/tuning.md and docs/comparing.md: every command is run as it stands there, in one folder."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from bench.cli import main
from bench.provenance import ROOT

FENCE = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```", re.S | re.M)


def run(line: str) -> int:
    """The exit code of a command line."""
    with pytest.raises(SystemExit) as ended:
        main.main(shlex.split(line, comments=True)[1:])
    return int(ended.value.code or 0)


@pytest.mark.parametrize("name", ["tuning", "comparing"])
def test_every_command_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    commands = 0
    for language, file, text in FENCE.findall((ROOT / "docs" / f"{name}.md").read_text()):
        if language == "python":
            (tmp_path / file).write_text(text)
            continue
        for line in text.splitlines():
            assert line.startswith("bench "), line
            assert run(line) == 0, f"{line}\n{capsys.readouterr().err}"
            commands += 1
    assert commands >= 5
    if name == "tuning":
        assert (tmp_path / "runs/quorum/report.html").is_file()
        assert "Choose read 2, write 2" in (tmp_path / "runs/quorum/study.json").read_text()
    else:
        assert "NO DIFFERENCE" in capsys.readouterr().out
        assert (tmp_path / "comparison.json").is_file()
