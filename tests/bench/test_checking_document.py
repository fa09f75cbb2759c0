"""The document about ``bench check``: its files are written, its commands run, what they print is compared."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from bench.checkers.registry import MODELS
from bench.history.readers import FORMATS
from bench.provenance import ROOT

TEXT = (ROOT / "docs" / "checking.md").read_text()


def run(command: str, folder: Path) -> str:
    """What a shell prints, both streams."""
    command = re.sub(r"^bench ", f"{sys.executable} -m bench ", command)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["sh", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    return done.stderr + done.stdout


def test_its_examples(tmp_path: Path) -> None:
    files = re.findall(r"^```history (\S+)\n(.*?)^```", TEXT, re.S | re.M)
    assert len(files) >= 7
    for name, text in files:
        (tmp_path / name).write_text(text)
    commands = 0
    for block in re.findall(r"^```console\n(.*?)^```", TEXT, re.S | re.M):
        for example in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, expected = example.partition("\n")
            assert run(command, tmp_path) == expected, command
            commands += 1
    assert commands >= 10
    (python,) = re.findall(r"^```python\n(.*?)^```", TEXT, re.S | re.M)
    (tmp_path / "example.py").write_text(python)
    assert run(f"{sys.executable} example.py", tmp_path) == "linearizable valid \n"
    assert "<svg" in (tmp_path / "violation.html").read_text()


def test_it_names_every_format_and_only_models_there_are() -> None:
    for name in FORMATS:
        assert f"| `{name}` |" in TEXT
    table = TEXT[TEXT.index("## Models") : TEXT.index("Defaults differ")]
    for row in re.findall(r"^\| (`[^|]*) \|", table, re.M):
        for name in re.findall(r"`([a-z-]+)`", row):
            assert name in MODELS, name
