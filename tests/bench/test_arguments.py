"""Options of scripts: what cannot be is refused in one sentence with exit code 2, and nothing is run."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.arguments import integer, listed, one_of, real, script


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (integer(1), "3", 3),
        (integer(0, 3), "3", 3),
        (real(0), "0", 0.0),
        (listed(real(0)), "0.5, 2", [0.5, 2.0]),
        (listed(one_of("shape", ("a, b", "c")), ";"), "c;a, b", ["c", "a, b"]),
    ],
)
def test_what_can_be_is_read(kind: Callable[[str], Any], text: str, value: object) -> None:
    assert kind(text) == value


@pytest.mark.parametrize(
    ("kind", "text", "sentence"),
    [
        (integer(1), "0", "argument --x: 0 is out of range: at least 1"),
        (integer(1, 1024), "2000", "argument --x: 2000 is out of range: 1 to 1024"),
        (integer(1), "two", "argument --x: 'two' is not an integer: at least 1"),
        (real(0, above=True), "0", "argument --x: 0 is out of range: above 0"),
        (real(0), "nan", "argument --x: 'nan' is not a number: at least 0"),
        (listed(integer(1)), "1,,2", "argument --x: '' is not an integer: at least 1"),
        (
            listed(one_of("shape", ("paused", "killed"))),
            "paused,kiled",
            "argument --x: unknown shape 'kiled': did you mean 'killed'? (known: killed, paused)",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_its_range(
    kind: Callable[[str], Any], text: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = ArgumentParser()
    parser.add_argument("--x", type=kind)
    with pytest.raises(SystemExit) as ended:
        parser.parse_args(["--x", text])
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


def test_help_shows_what_an_option_is_if_it_is_not_given(capsys: pytest.CaptureFixture[str]) -> None:
    parser = script("About.\n\n    python this.py")
    parser.add_argument("--seeds", type=integer(1), default=3, help="trials of a cell")
    parser.add_argument("--live", type=integer(0), default=0, help="live trials")
    parser.add_argument("--draw", action="store_true", help="only draw")
    with pytest.raises(SystemExit) as ended:
        parser.parse_args(["--help"])
    said = capsys.readouterr().out
    assert ended.value.code == 0 and "    python this.py" in said
    assert "trials of a cell (default: 3)" in said and "live trials (default: 0)" in said and "only draw\n" in said


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["--seeds", "0"], "argument --seeds: 0 is out of range: at least 1"),
        (["--sedes", "3"], "unknown option '--sedes': did you mean '--seeds'?"),
        (["--sedes=3"], "unknown option '--sedes': did you mean '--seeds'?"),
        (["seeds=3"], "unexpected argument 'seeds=3': options begin with --"),
        (["--out", "FILE"], "argument --out: the folder FILE cannot be written to: File exists"),
        (["--out", "FILE/below"], "argument --out: the folder FILE/below cannot be written to: Not a directory"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    given: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    parser = script("About.")
    parser.add_argument("--seeds", type=integer(1), default=3, help="trials of a cell")
    parser.add_argument("--out", type=Path, default=Path("results/x"), help="folder")
    with pytest.raises(SystemExit) as ended:
        parser.parse_args([word.replace("FILE", str(tmp_path / "file")) for word in given])
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.startswith(f"bench: {sentence.replace('FILE', str(tmp_path / 'file'))}") and said.count("\n") == 1


def test_a_folder_is_only_tried(tmp_path: Path) -> None:
    parser = script("About.")
    parser.add_argument("--out", type=Path, default=tmp_path / "new" / "folder", help="folder")
    assert parser.parse_args([]).out == tmp_path / "new" / "folder"
    (tmp_path / "old").mkdir()
    parser.parse_args(["--out", str(tmp_path / "old")])
    assert [each.name for each in tmp_path.rglob("*")] == ["old"]
