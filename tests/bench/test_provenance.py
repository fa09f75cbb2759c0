"""Provenance holds anywhere, names no machine path, and changes with the code."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import bench
from bench import provenance

PACKAGE = Path(bench.__file__).resolve().parent.parent
ASK = "from bench import provenance as p; print(p.ROOT); print(p.code_version()); print(p.commit())"


def copy_to(folder: Path) -> None:
    for name in provenance.SOURCES:
        shutil.copytree(PACKAGE / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))


def ask(folder: Path) -> list[str]:
    done = subprocess.run([sys.executable, "-c", ASK], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_the_code_version_is_the_same_in_a_copy_without_git_and_changes_with_an_edit(tmp_path: Path) -> None:
    copy_to(tmp_path)
    root, version, commit = ask(tmp_path)
    assert Path(root) == tmp_path
    assert len(version) == 16
    assert commit == "(None, None)"
    (tmp_path / "bench" / "notes.txt").write_text("not a source")
    assert ask(tmp_path)[1] == version
    with (tmp_path / "protocols" / "node.py").open("a") as file:
        file.write("\n# an edit\n")
    assert ask(tmp_path)[1] != version


def test_an_edit_of_a_checkout_is_seen(tmp_path: Path) -> None:
    copy_to(tmp_path)
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@t", "-C", str(tmp_path)]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *command], check=True, capture_output=True)
    head, dirty = provenance.commit(tmp_path)
    assert head is not None
    assert len(head) == 40
    assert dirty is None
    provenance.commit.cache_clear()
    (tmp_path / "bench" / "errors.py").write_text("broken")
    assert provenance.commit(tmp_path)[1] is not None


def test_it_names_the_machine_but_neither_its_host_nor_its_paths() -> None:
    found = provenance.provenance([str(PACKAGE / "experiments" / "x.py"), "--seeds", "3"])
    assert found["argv"] == ["experiments/x.py", "--seeds", "3"]
    assert found["machine"]["cores"] >= 1
    assert found["versions"]["python"].startswith("3.")
    assert str(PACKAGE) not in repr(found)
    assert provenance.provenance(["/opt/elsewhere/bench", "run"])["argv"] == ["bench", "run"]
