"""What other distributions register: a real one, installed into a folder, used by the command line and the battery."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

import bench

ROOT = Path(bench.__file__).parent.parent
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as an installer leaves it: the package, and beside it what its distribution says of itself."""
    source = ROOT / "tests" / "plugin"
    target = tmp_path_factory.mktemp("installed")
    shutil.copytree(source / "mychain", target / "mychain")
    project = tomllib.loads((source / "pyproject.toml").read_text())["project"]
    info = target / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = []
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return target


@pytest.fixture
def run(installed: Path, tmp_path: Path) -> Run:
    """Runs bench in an empty folder, with the distribution on the path."""

    def invoke(*arguments: str, module: str = "bench", cwd: Path = tmp_path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            env={**os.environ, "PYTHONPATH": f"{installed}{os.pathsep}{ROOT}"},
            cwd=cwd,
            capture_output=True,
            text=True,
            check=False,
        )

    return invoke


def test_a_protocol_runs_like_ours(run: Run) -> None:
    done = run("run", "mychain", "--workload", "my-hot", "--duration", "0.3", "--rate", "200")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "mychain · 3 nodes" in done.stdout
    assert "3 clients" in done.stdout
    assert "VALID" in done.stdout


def test_its_mutants_are_found_and_shrunk(run: Run) -> None:
    done = run("run", "mychain", "--mutant", "kept-in-memory", "--shrink")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "linearizable" in done.stdout
    assert "became 1 fault, 2 operations" in done.stdout


def test_it_can_be_explored(run: Run) -> None:
    scope = ("--nodes", "1", "--crashes", "1", "--operations", "2")
    done = run("explore", "mychain", "--mutant", "kept-in-memory", *scope)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "n1 crashes" in done.stdout
    real = run("explore", "mychain", *scope)
    assert real.returncode == 0, real.stdout + real.stderr


def test_it_is_listed_with_whose_it_is_and_what_is_broken(run: Run) -> None:
    shown = " ".join(run("list").stdout.split())
    assert "mychain one server keeps everything on its disk (1 mutants) [quorumbench-mychain]" in shown
    assert "mybroken BROKEN: protocol 'mybroken' of quorumbench-mychain cannot be loaded: ModuleNotFoundError" in shown
    assert "my-hot write 75%, read 25% [quorumbench-mychain]" in shown
    assert "my-register a dictionary [quorumbench-mychain]" in shown
    assert "my-nothing BROKEN: system 'my-nothing' of quorumbench-mychain is no bench.systems.System" in shown
    assert "patience_s=1" in run("list", "mychain").stdout


def test_a_system_is_driven_and_judged(run: Run) -> None:
    done = run("run", "my-register", "--duration", "0.3", "--clients", "4", "--keys", "2", "--workload", "register")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "linearizable valid" in done.stdout
    hurt = run("run", "my-register", "--duration", "0.6", "--keys", "2", "--fault", "crash n1 at 300ms for 1ms")
    assert hurt.returncode == 1, hurt.stdout + hurt.stderr
    assert "crash n1 at 0.3" in hurt.stdout
    assert "INVALID" in hurt.stdout, "it forgets everything when it is killed"


WHOSE = "of quorumbench-mychain"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("run", "mybroken"), 2, f"protocol 'mybroken' {WHOSE} cannot be loaded: ModuleNotFoundError"),
        (("run", "mymisnamed"), 2, "calls itself 'mychain'"),
        (("run", "mychian"), 2, "did you mean 'mychain'"),
        (("run", "raft", "--workload", "my-wrong"), 2, "is no bench.workload.spec.Workload"),
        (("run", "my-nothing"), 2, f"system 'my-nothing' {WHOSE} is no bench.systems.System"),
        (("run", "my-register", "--rate", "5"), 2, "--rate means nothing to my-register"),
        (("run", "my-register", "--fault", "partition halves at 1s for 1s"), 2, "can be given crashes and pauses"),
        (("run", "raft", "--workload", "my-hto"), 2, "did you mean 'my-hot'"),
        (("check", "h.jsonl", "--model", "my-missing"), 2, "cannot be loaded: AttributeError"),
        (("check", "h.jsonl", "--model", "my-raising"), 70, f"checker 'my-raising' {WHOSE} failed: ZeroDivi"),
    ],
)
def test_what_is_broken_is_one_sentence(
    run: Run, tmp_path: Path, arguments: tuple[str, ...], code: int, says: str
) -> None:
    history(tmp_path, 1)
    done = run(*arguments)
    assert done.returncode == code, done.stdout + done.stderr
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def history(folder: Path, seen: int) -> None:
    """A write of 1, and a read of ``seen``."""
    rows = [
        {"process": 0, "type": "invoke", "f": "write", "value": 1},
        {"process": 0, "type": "ok", "f": "write", "value": 1},
        {"process": 0, "type": "invoke", "f": "read", "value": None},
        {"process": 0, "type": "ok", "f": "read", "value": seen},
    ]
    import json

    (folder / "h.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize(("seen", "code"), [(1, 0), (2, 1)])
def test_a_checker_judges(run: Run, tmp_path: Path, seen: int, code: int) -> None:
    history(tmp_path, seen)
    done = run("check", "h.jsonl", "--model", "my-reads-see-writes")
    assert done.returncode == code, done.stdout + done.stderr
    assert "reads_see_writes" in done.stdout
    assert "No read sees a value that nobody wrote." in run("check", "--help").stdout


def test_what_is_broken_breaks_nothing_else(run: Run) -> None:
    assert run("run", "raft", "--duration", "0.2", "--no-store").returncode == 0
    assert run("list", "mutants").returncode == 0


def test_the_conformance_battery_takes_it(run: Run) -> None:
    """Some of it; ``pytest tests/protocols/test_conformance.py -k mychain`` runs all."""
    some = "mychain and (says_what or parameters or constructors or ambient or codec)"
    battery = ("tests/protocols/test_conformance.py", "-q", "-k", some, "-p", "no:cacheprovider", "-p", "no:xdist")
    done = run(*battery, module="pytest", cwd=ROOT)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "passed" in done.stdout or "[100%]" in done.stdout
