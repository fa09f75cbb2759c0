"""What a user is left with when a process of a live run is killed: a sentence, the history so far, and nothing else."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from bench.checkers.registry import checks_for
from bench.errors import HarnessError
from bench.faults.spec import Pause
from bench.history.history import NEVER
from bench.history.storage import read_history
from bench.runtime.ray import session as session_module
from bench.runtime.ray import watch as watch_module
from bench.runtime.ray.liverun import LiveRun
from bench.runtime.ray.seat import answers
from bench.runtime.ray.session import RaySession
from bench.trial import Trial
from bench.workload.spec import Workload

pytestmark = pytest.mark.live
ROOT = Path(__file__).parents[3]
MS = 1_000_000
GONE_S = 15.0
"""Seconds in which everything of a dead driver has to be gone."""


class Bench:
    """A ``bench run`` of its own, with what it has started."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.scratch = Path(tempfile.mkdtemp(prefix="qbt", dir="/tmp"))  # short: Ray's sockets are below it
        self.memory: set[str] = set()
        command = ["run", "raft", "--runtime", "ray", "--duration", "60", "--liveness", "3"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench", *command, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(self.scratch)},
            start_new_session=True,
            # these tests may run in the background of a shell, where Ctrl-C is ignored and children inherit that
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.lines += iter(self.process.stderr.readline, "")

    def wait_for(self, text: str, timeout_s: float = 40) -> None:
        """Wait until it says so."""
        deadline = time.monotonic() + timeout_s
        while not any(text in line for line in list(self.lines)):
            assert time.monotonic() < deadline and self.process.poll() is None, self.lines
            time.sleep(0.02)

    @property
    def tree(self) -> dict[int, str]:
        """All processes it has started that live, and their commands."""
        parents = {pid: stat(pid)[1] for pid in pids()}
        found, fresh = set(), {self.process.pid}
        while fresh:
            found |= fresh
            fresh = {pid for pid, parent in parents.items() if parent in fresh} - found
        tree = {pid: command(pid) for pid in found - {self.process.pid} if stat(pid)[0] not in ("", "Z")}
        self.memory |= shared_memory(tree)
        return tree

    def hosts(self) -> list[int]:
        """The actors' processes in a trial: they are the ones that hold a node's files or stream the load."""
        return sorted(pid for pid, what in self.tree.items() if what.startswith("ray::Host"))

    def pid_of(self, node: str) -> int:
        """The process that syncs this node's log."""
        for pid in self.hosts():
            for fd in Path(f"/proc/{pid}/fd").iterdir():
                try:
                    if os.readlink(fd).endswith(f"/{node}/wal"):
                        return pid
                except OSError:
                    continue
        raise AssertionError(f"no process of {node} among {self.tree}")

    def end(self, timeout_s: float) -> int:
        """Its exit code."""
        code = self.process.wait(timeout_s)
        self._reader.join(5)
        return code

    def left(self, tree: dict[int, str]) -> list[str]:
        """What is still there of its processes and folders."""
        alive = [f"{pid} {what[:80]}" for pid, what in tree.items() if stat(pid)[0] not in ("", "Z", "X")]
        return (
            alive
            + [str(each) for each in self.scratch.iterdir()]
            + [each for each in self.memory if Path(each).exists()]
        )

    def assert_gone(self, tree: dict[int, str]) -> None:
        """Everything is gone within :data:`GONE_S`."""
        deadline = time.monotonic() + GONE_S
        while left := self.left(tree):
            assert time.monotonic() < deadline, left
            time.sleep(0.1)

    @property
    def history(self) -> Path:
        """The one history it has kept."""
        found = list(self.folder.glob("runs/*/history.parquet*"))
        assert len(found) == 1, found
        return found[0]


def pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def stat(pid: int) -> tuple[str, int]:
    """(state, parent)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "", 0
    return fields[0], int(fields[1])


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def shared_memory(tree: Iterable[int]) -> set[str]:
    """Files in /dev/shm that these processes have mapped."""
    found = set()
    for pid in tree:
        with suppress(OSError):
            maps = Path(f"/proc/{pid}/maps").read_text()
            found |= {f"/dev/shm/{name}" for name in re.findall(r" /dev/shm/(\S+)$", maps, re.MULTILINE)}
    return found


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    run = Bench(tmp_path)
    try:
        yield run
    finally:
        tree = run.tree
        if run.process.poll() is None:
            run.process.kill()
            run.process.wait()
        run.assert_gone(tree)
        run.scratch.rmdir()


def check_until(path: Path, at_least_s: float) -> None:
    """A history that can be judged, that goes so far, and in which nothing is wrong."""
    history = read_history(path)
    ended = history.completed[history.completed < NEVER]
    assert ended.max() / 1e9 > at_least_s
    for check in checks_for("register"):
        verdict = check(history, 20.0)
        assert verdict.verdict == "valid", verdict


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_driver_leaves_its_history_and_nothing_else(bench: Bench, number: signal.Signals) -> None:
    bench.wait_for("load, 4 of")
    tree = bench.tree
    assert len(bench.hosts()) >= 4
    began = time.monotonic()
    os.kill(bench.pid_of("n3"), signal.SIGSTOP)  # a stopped process must not be left behind either
    if number == signal.SIGINT:
        os.killpg(bench.process.pid, number)  # as Ctrl-C does it: to everybody in the foreground
    else:
        bench.process.send_signal(number)
    code = bench.end(20)
    bench.assert_gone(tree)
    if number == signal.SIGINT:
        assert code == 130 and time.monotonic() - began < 20
        assert f"what clients saw until then: bench check {bench.history.relative_to(bench.folder)}" in bench.lines[-1]
        assert bench.history.suffix == ".parquet"
        assert not [line for line in bench.lines if "raylet" in line or "core_worker" in line], "Ray's own noise"
    check_until(bench.history, 3.0)
    again = subprocess.run(
        [sys.executable, "-m", "bench", "check", str(bench.history.parent)],
        cwd=bench.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 0 and "VALID" in again.stdout, again


@pytest.mark.slow
@pytest.mark.parametrize(
    ("whom", "number", "sentence", "limit_s"),
    [
        ("the load", signal.SIGKILL, "the process of c1, c2, c3 ... died, and no fault had killed it", 25),
        ("n2", signal.SIGKILL, "the process of n2 died, and no fault had killed it", 25),
        ("n2", signal.SIGSTOP, r"the process of n2 \(pid \d+\) did not answer within 5 s: it was stopped", 35),
        ("raylet", signal.SIGKILL, r"Ray's raylet \(pid \d+\) died, and with it all processes of the trial", 40),
    ],
)
def test_a_process_that_no_fault_has_hit_ends_the_trial(
    bench: Bench, whom: str, number: signal.Signals, sentence: str, limit_s: float
) -> None:
    """In bounded time, with a sentence, exit code 70 and the history so far."""
    bench.wait_for("load, 3 of")
    tree = bench.tree
    if whom == "raylet":
        (pid,) = (pid for pid, what in tree.items() if "/raylet/raylet" in what.split(" ")[0])
    elif whom == "the load":
        servers = {bench.pid_of(name) for name in ("n1", "n2", "n3")}
        busy = {pid: cpu_of(pid) for pid in bench.hosts() if pid not in servers}
        pid = max(busy, key=lambda each: busy[each])
    else:
        pid = bench.pid_of(whom)
    os.kill(pid, number)
    began = time.monotonic()
    code = bench.end(limit_s)
    assert code == 70, bench.lines
    assert time.monotonic() - began < limit_s
    said = bench.lines[-1]
    assert re.search(sentence, said), bench.lines
    bench.assert_gone(tree)
    assert f"what clients saw until then: bench check {bench.history.relative_to(bench.folder)}" in said
    check_until(bench.history, 2.0)


def cpu_of(pid: int) -> int:
    """Ticks of CPU time."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


# --- from within ---------------------------------------------------------------------------------------------------


def trial(**changes: object) -> Trial:
    settings = {"duration": 300 * MS, "liveness": 500 * MS, "workload": Workload(clients=2)} | changes
    return Trial(protocol="raft", runtime="ray", **settings)  # type: ignore[arg-type]


def test_a_phase_that_never_ends_is_ended(ray_session: RaySession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "CREATE_S", 0.2)
    monkeypatch.setattr(watch_module, "GRACE_S", 1.0)

    def stuck(text: str) -> None:
        if text.startswith("load"):
            time.sleep(60)

    began = time.monotonic()
    with pytest.raises(HarnessError, match=r"the trial was stuck: the load took longer than 1\.5 s"):
        ray_session.run(trial(), stuck)
    assert time.monotonic() - began < 10
    assert ray_session.partial_history is not None and len(ray_session.partial_history) > 10
    ray_session.run(trial())  # the session is as good as before


@pytest.mark.parametrize("waits", ["for the supervisor", "for a process"])
def test_another_thread_than_the_main_one_is_set_free_too(
    ray_session: RaySession, monkeypatch: pytest.MonkeyPatch, waits: str
) -> None:
    """It gets no signals: it looks, or finds the processes that it waits for dead."""
    monkeypatch.setattr(session_module, "CREATE_S", 0.2)
    monkeypatch.setattr(watch_module, "GRACE_S", 1.0)
    monkeypatch.setattr(watch_module, "_AGAIN_S", 1.0)
    errors: list[BaseException] = []

    def stuck(run: LiveRun) -> str:
        if waits == "for the supervisor":
            while True:
                run.supervisor.wait(0.1)
        answers({"g1": run.supervisor.generator.seat.actor.marked.remote("nothing")}, 60, "to wait")  # type: ignore[union-attr]
        return ""

    monkeypatch.setattr(LiveRun, "_liveness", stuck)
    monkeypatch.setattr(session_module, "PROBE_MARGIN_S", 0.1)

    def run() -> None:
        try:
            ray_session.run(trial())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    assert [str(error) for error in errors] == ["the trial was stuck: the liveness phase took longer than 2.4 s"]
    assert type(errors[0]) is HarnessError


def test_silence_that_a_fault_asked_for_is_no_reason(ray_session: RaySession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "SILENT_S", 1.0)
    monkeypatch.setattr(watch_module, "BEAT_S", 0.25)
    faults = (Pause(at=100 * MS, target="leader", length=1800 * MS),)
    record = ray_session.run(trial(duration=2200 * MS, liveness=5000 * MS, faults=faults))
    assert [fault.end - fault.start > 1700 * MS for fault in record.faults if fault.end] == [True]


def test_the_history_follows_the_run(ray_session: RaySession, tmp_path: Path) -> None:
    """What is streamed while the run goes is less than a second behind, and a whole beginning at any time."""
    path = tmp_path / "h.parquet"
    left = tmp_path / "h.parquet.unfinished"
    behind: list[float] = []

    def look(text: str) -> None:
        if text.startswith(("load, 1", "load, 2")):
            history = read_history(left)
            second = float(text.split(" ")[1])
            behind.append(second - history.completed[history.completed < NEVER].max() / 1e9)
            assert all(check(history, 20.0).verdict == "valid" for check in checks_for("register"))

    record = ray_session.run(trial(duration=2500 * MS, workload=Workload(clients=8)), look, history=path)
    assert len(behind) == 2 and max(behind) < 1.0
    whole, streamed = record.history, read_history(left)
    ended = whole.completed[whole.completed < NEVER]
    behind.append((ended.max() - streamed.completed[streamed.completed < NEVER].max()) / 1e9)
    assert behind[-1] < 0.5
    known = set(zip(streamed.process.tolist(), streamed.invoked.tolist(), strict=True))
    early = whole.completed < ended.max() - 500 * MS
    assert known >= set(zip(whole.process[early].tolist(), whole.invoked[early].tolist(), strict=True))
    assert not path.exists()
