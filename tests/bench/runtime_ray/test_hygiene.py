"""What is left when the driver is interrupted or killed: nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.live

DRIVER = """
import sys
from bench.runtime.ray.session import RaySession
from bench.trial import Trial

with RaySession() as session:
    def tell(text):
        if text.startswith("load, 1"):
            names = [*map(str, session.cluster.pids), str(session.cluster.folder), str(session.cluster._ray_folder)]
            print("ready", *names, flush=True)
    session.run(Trial(protocol="raft", runtime="ray", nodes=3, duration=60_000_000_000), tell)
"""


def processes_of(folder: str) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if folder in command:
                found.append(f"{entry.name} {command[:120]}")
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGKILL, marks=pytest.mark.slow)])
def test_no_process_and_no_folder_outlives_the_driver(number: signal.Signals) -> None:
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
        start_new_session=True,
    )
    assert driver.stdout is not None and driver.stderr is not None
    try:
        line = driver.stdout.readline()
        assert line.startswith("ready"), driver.stderr.read()
        *pids, folder, ray_folder = line.split()[1:]
        assert len(pids) >= 4 and Path(folder).is_dir() and Path(ray_folder).is_dir()
        os.kill(int(pids[0]), signal.SIGSTOP)  # a stopped process must not be left behind either
        if number == signal.SIGINT:
            os.killpg(driver.pid, number)  # as Ctrl-C does it: to everybody in the foreground
        else:
            os.kill(driver.pid, number)
        driver.wait(20)
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            left = [pid for pid in pids if Path(f"/proc/{pid}").exists()] + processes_of(ray_folder)
            folders = [each for each in (folder, ray_folder) if Path(each).exists()]
            if not left and not folders:
                break
            time.sleep(0.05)
        assert not left and not folders
    finally:
        driver.kill()
        noise = driver.stderr.read()
    if number == signal.SIGINT:
        assert "(raylet)" not in noise and "raylet.cc" not in noise and "core_worker.cc" not in noise, noise
        assert noise.strip().endswith("KeyboardInterrupt")
