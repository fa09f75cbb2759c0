"""Code on its way to other machines, who goes where, and what is said to those who are not let in. Without Ray."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bench.errors import HarnessError, UsageError
from bench.runtime.ray import access, bootstrap, shipping
from bench.runtime.ray.shipping import Place, spread


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    root = tmp_path / "sources"
    for name, text in {
        "bench/a.py": "A = 1",
        "bench/data/b.csv": "1,2",
        "protocols/c.py": "",
        "other/d.py": "",
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root / "bench" / "__pycache__").mkdir()
    (root / "bench" / "__pycache__" / "a.pyc").write_bytes(b"0")
    return root


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_the_same_sources_are_the_same_archive_and_an_edit_is_another(sources: Path) -> None:
    code, archive = shipping.pack(sources)
    assert zipfile.ZipFile(io.BytesIO(archive)).namelist() == ["protocols/c.py", "bench/a.py", "bench/data/b.csv"]
    os.utime(sources / "bench" / "a.py", (1, 1))
    assert shipping.pack(sources) == (code, archive)
    (sources / "bench" / "data" / "b.csv").write_text("1,3")
    assert shipping.pack(sources)[0] != code
    assert bootstrap.fingerprint(str(sources / "nothing")) == ""


def test_code_is_unpacked_once_and_repaired(sources: Path, temporary: Path) -> None:
    code, archive = shipping.pack(sources)
    folder = Path(bootstrap.unpack(archive, code))
    assert folder.is_relative_to(temporary) and (folder / "bench" / "a.py").read_text() == "A = 1"
    first = (folder / "bench" / "a.py").stat().st_ino
    assert bootstrap.unpack(b"", code) == str(folder), "it is there: the archive is not looked at"
    assert (folder / "bench" / "a.py").stat().st_ino == first
    (folder / "bench" / "a.py").write_text("A = 2")
    assert bootstrap.unpack(archive, code) == str(folder)
    assert (folder / "bench" / "a.py").read_text() == "A = 1"
    assert not list(folder.parent.glob("new-*"))


def test_workers_of_one_machine_unpack_at_the_same_moment(sources: Path, temporary: Path) -> None:
    code, archive = shipping.pack(sources)
    with ThreadPoolExecutor(8) as workers:
        for damaged in [False, True] * 15:
            if damaged:
                next(temporary.rglob("a.py")).write_text("A = 2")
            else:
                shutil.rmtree(temporary / f"quorumbench-{os.getuid()}", ignore_errors=True)
            folders = {task.result() for task in [workers.submit(bootstrap.unpack, archive, code) for _ in range(8)]}
            assert len(folders) == 1 and bootstrap.fingerprint(folders.pop()) == code


def test_code_nobody_has_used_for_long_is_removed(sources: Path, temporary: Path) -> None:
    code, archive = shipping.pack(sources)
    folder = Path(bootstrap.unpack(archive, code))
    old, recent = folder.parent / "old", folder.parent / "recent"
    old.mkdir()
    recent.mkdir()
    os.utime(old, (1, 1))
    os.utime(folder, (1, 1))
    bootstrap.unpack(archive, code)
    assert folder.exists() and recent.exists() and not old.exists()


def test_an_archive_that_is_not_what_it_says_is_refused(sources: Path, temporary: Path) -> None:
    _, archive = shipping.pack(sources)
    with pytest.raises(RuntimeError, match="is not what was sent"):
        bootstrap.unpack(archive, "0" * 32)
    assert [each.name for each in (temporary / f"quorumbench-{os.getuid()}").iterdir()] == []


def test_code_is_not_unpacked_where_others_can_write(sources: Path, temporary: Path) -> None:
    code, archive = shipping.pack(sources)
    base = temporary / f"quorumbench-{os.getuid()}"
    base.mkdir()
    base.chmod(0o777)
    with pytest.raises(RuntimeError, match="is not a folder that this user alone can write to"):
        bootstrap.unpack(archive, code)
    base.rmdir()
    base.symlink_to(sources)
    with pytest.raises(RuntimeError, match="is not a folder that this user alone can write to"):
        bootstrap.unpack(archive, code)


def test_the_disk_is_the_one_that_was_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(bootstrap.DISK, str(tmp_path))
    assert bootstrap.disk_folder() == str(tmp_path)
    monkeypatch.setenv(bootstrap.DISK, str(tmp_path / "nothing"))
    with pytest.raises(RuntimeError, match=r"QUORUMBENCH_DISK .* is not a folder that can be written to"):
        bootstrap.disk_folder()


def test_everything_that_a_host_imports_is_looked_for() -> None:
    listing = """
import sys, sysconfig
import bench.runtime.ray.host
where = sysconfig.get_path("purelib")
files = {name.partition(".")[0]: getattr(module, "__file__", None) or "" for name, module in sys.modules.items()}
print(*sorted(name for name, file in files.items() if file.startswith(where)))
"""
    done = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, check=True, timeout=60)
    ours = {name for name in done.stdout.split() if not name.startswith(("_", "typing_extensions"))}
    assert ours - set(shipping.PACKAGES) <= {"cffi"}, "cryptography brings cffi"
    assert set(shipping.PACKAGES) <= ours


def places(*zones: str) -> list[Place]:
    return [
        Place(node=f"r{number}", ip=f"10.0.0.{number}", zones=frozenset({zone} if zone else ()))
        for number, zone in enumerate(zones, 1)
    ]


def test_processes_are_spread_evenly() -> None:
    assert spread(places("", "", ""), [None] * 7) == ["r1", "r2", "r3", "r1", "r2", "r3", "r1"]


def test_a_node_goes_to_a_machine_of_its_zone() -> None:
    cluster = places("eu", "us", "eu")
    assert spread(cluster, ["us", "eu", "eu", "us", None]) == ["r2", "r1", "r3", "r2", "r1"]


def test_zones_without_machines_are_simulated_only() -> None:
    assert spread(places("eu", ""), ["tokyo", "paris", None]) == ["r1", "r2", "r1"]


def test_a_zone_that_lacks_a_machine_is_named() -> None:
    with pytest.raises(UsageError, match=r"zone 'ap' has no machine .* which has eu, us: .*'\{\"zone:ap\": 100\}'"):
        spread(places("eu", "us"), ["eu", "ap"])


def test_other_code_on_a_worker_is_a_failure_of_the_harness() -> None:
    shipping.same_code("1a", "1a", "10.0.0.2")
    with pytest.raises(HarnessError, match=r"the worker at 10\.0\.0\.2 runs code 2b and this process 1a"):
        shipping.same_code("2b", "1a", "10.0.0.2")


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"RAY_AUTH_TOKEN": "x"}, "wants a token: RAY_AUTH_MODE=token bench run raft --rate 'a b'"),
        ({}, "wants a token and there is none here: copy the head's ~/.ray/auth_token, then RAY_AUTH_MODE=token bench"),
        ({"RAY_AUTH_TOKEN": "x", "RAY_AUTH_MODE": "token"}, "wants a token other than that in RAY_AUTH_TOKEN: copy"),
    ],
)
def test_who_is_not_let_in_is_told_the_command(
    variables: dict[str, str], sentence: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    said = access.refusal("h:1", ["/x/bench", "run", "raft", "--rate", "a b"])
    assert said.startswith(f"the cluster at h:1 {sentence}")
    assert access.refusal("h:1", ["study.py", "--quick"]).endswith("RAY_AUTH_MODE=token python study.py --quick")
