"""Real servers: started, hurt, judged, and never left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from bench.errors import HarnessError, UsageError
from bench.faults.spec import Crash, Partition, Pause
from bench.provenance import ROOT
from bench.systems import drive, system_named
from bench.systems.driving import check_fault
from bench.systems.servers import LocalGroup, settings_of
from bench.workload.spec import Workload

SECOND = 1_000_000_000


class Small(LocalGroup):
    """Members that run a line of Python; they serve once their log says so."""

    def __init__(self, line: str) -> None:
        super().__init__("small", 2)
        self.line = line

    def command(self, member: str) -> list[str]:
        return [sys.executable, "-u", "-c", self.line]

    async def serves(self, member: str) -> bool:
        return "ready" in self.servers.log(member).read_text()

    async def disconnect(self) -> None:
        """No connections."""


def test_members_are_killed_paused_restarted_and_gone_at_the_end() -> None:
    async def scenario() -> None:
        group = Small("print('ready'); import time; time.sleep(600)")
        await group.begin()
        folder, pid = group.servers.folder, group.servers.pid("n1")
        group.pause("n2")
        assert psutil.Process(group.servers.pid("n2")).status() == psutil.STATUS_STOPPED
        group.kill("n1")
        assert not psutil.pid_exists(pid)
        assert not group.servers.alive("n1")
        await group.restart("n1")
        assert group.servers.alive("n1") and group.servers.pid("n1") != pid
        with pytest.raises(HarnessError, match="running already"):
            group.servers.again("n1")
        last = [group.servers.pid(name) for name in group.members]
        await group.close()
        assert not any(map(psutil.pid_exists, last)), "a stopped one, too"
        assert not folder.exists()

    asyncio.run(scenario())


def test_a_member_that_dies_while_it_starts_is_told_with_the_end_of_its_log() -> None:
    group = Small("import sys; print('no room on the disk'); sys.exit(3)")
    with pytest.raises(HarnessError, match="n1 ended with 3 while it started; its log ends:\nno room on the disk"):
        asyncio.run(group.begin())
    assert not group.servers.folder.exists()


def test_a_member_that_never_serves_is_given_up() -> None:
    group = Small("print('thinking'); import time; time.sleep(600)")

    async def scenario() -> None:
        try:
            group.servers.start("n1", group.command("n1"))
            await group.servers.ready("n1", lambda: group.serves("n1"), within_s=0.4)
        finally:
            await group.close()

    with pytest.raises(HarnessError, match=r"n1 does not serve after 0.4 s; its log ends:\nthinking"):
        asyncio.run(scenario())


def test_a_program_that_is_not_there_is_named() -> None:
    group = Small("")
    with pytest.raises(HarnessError, match="cannot be started: /no/such/program: No such file"):
        group.servers.start("n1", ["/no/such/program"])
    asyncio.run(group.close())


DRIVER = """
import asyncio, sys
sys.path.insert(0, {root!r})
from tests.bench.systems.test_systems import Small
async def main():
    group = Small("print('ready'); import time; time.sleep(600)")
    await group.begin()
    group.pause("n2")
    print(group.servers.folder, *(group.servers.pid(name) for name in group.members), flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


def test_a_killed_driver_leaves_no_process_and_no_folder() -> None:
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER.format(root=str(ROOT))], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert driver.stdout is not None
    folder, *pids = driver.stdout.readline().split()
    assert len(pids) == 2
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and (Path(folder).exists() or any(psutil.pid_exists(int(pid)) for pid in pids)):
        time.sleep(0.05)
    assert not Path(folder).exists()
    assert not [pid for pid in pids if psutil.pid_exists(int(pid))]


def test_what_cannot_be_asked_is_refused_in_a_sentence() -> None:
    with pytest.raises(UsageError, match="unknown setting of x 'elction_s': did you mean 'election_s'"):
        settings_of("x", {"election_s": 1.0}, {"elction_s": 2.0}, None)
    with pytest.raises(UsageError, match="install it"):
        settings_of("x", {}, {}, "install it")
    with pytest.raises(UsageError, match="crashes and pauses, not partition"):
        check_fault(Partition(at=0, shape="halves", target="n1", length=1), 3)
    with pytest.raises(UsageError, match="'n4' of a fault is none of leader"):
        check_fault(Crash(at=0, target="n4", down=None), 3)
    with pytest.raises(UsageError, match="did you mean 'etcd'"):
        system_named("ectd")


def present(name: str) -> object:
    """A mark that skips where the system is not installed, with what to install."""
    missing = system_named(name).missing()
    return pytest.mark.skipif(missing is not None, reason=str(missing))


@pytest.mark.live
@pytest.mark.external
@pytest.mark.parametrize("name", [pytest.param(name, marks=present(name)) for name in ("etcd", "pysyncobj")])
def test_a_group_survives_the_death_of_its_leader_and_is_judged(name: str) -> None:
    system = system_named(name)
    load = Workload(clients=6, keys=3, mix=(("read", 0.4), ("write", 0.4), ("cas", 0.2)))
    faults = (
        Crash(at=SECOND, target="leader", down=SECOND),
        Pause(at=5 * SECOND, target="follower", length=SECOND // 2),
    )
    settings = {"election_timeout_s": 0.5, "request_timeout_s": 1.0}
    driven = asyncio.run(drive(system, 3, load, 6.0, settings=settings, faults=faults))
    assert [kind for _, kind, _ in driven.faults] == ["crash", "pause"]
    back = driven.back_s()
    assert back is not None and 0.05 < back < 5.0, "its leader was killed, and another one was elected"
    assert driven.throughput_ops_s() > 10
    assert [verdict.verdict for verdict in driven.verdicts(system)] == ["valid"]
    assert len({operation.function for operation in driven.history}) == 3
    assert len(driven.cpu_s) >= 2
