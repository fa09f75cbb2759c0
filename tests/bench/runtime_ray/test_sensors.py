"""What the kernel says of a machine, in all the shapes in which it says it, and where it says nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench.runtime.ray.sensors import Disk, Sensor, disk_under, steal_ticks, throttled


def test_steal_is_the_eighth_figure(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 1 20 800 5 0 2 72 0 0\ncpu0 1 1 1 1 1 1 1 1\n")
    assert steal_ticks(stat) == (72, 1000)
    stat.write_text("cpu  100 1 20 800\n")
    assert steal_ticks(stat) is None
    assert steal_ticks(tmp_path / "none") is None
    assert steal_ticks() is not None


def cgroups(tmp_path: Path, own: str, files: dict[str, str]) -> tuple[int, int] | None:
    (tmp_path / "own").write_text(own)
    for name, text in files.items():
        file = tmp_path / "fs" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return throttled(tmp_path / "fs", tmp_path / "own")


V2 = "usage_usec 5\nnr_periods 9\nnr_throttled {}\nthrottled_usec {}\n"


def test_throttling_of_control_groups_2(tmp_path: Path) -> None:
    files = {"cpu.stat": "usage_usec 5\n", "a/b/cpu.stat": V2.format(0, 0), "a/cpu.stat": V2.format(7, 1500)}
    assert cgroups(tmp_path, "0::/a/b\n", files) == (7, 1_500_000), "the group above is the one that is limited"


def test_throttling_of_control_groups_1(tmp_path: Path) -> None:
    files = {"cpu,cpuacct/x/cpu.stat": "nr_periods 4\nnr_throttled 2\nthrottled_time 123456\n"}
    assert cgroups(tmp_path, "4:cpu,cpuacct:/x\n2:memory:/x\n0::/\n", files) == (2, 123_456)


def test_throttling_of_a_container_whose_group_is_not_visible(tmp_path: Path) -> None:
    files = {"cpu/cpu.stat": "nr_periods 4\nnr_throttled 3\nthrottled_time 5\n"}
    assert cgroups(tmp_path, "4:cpu:/docker/1234\n", files) == (3, 5)


@pytest.mark.parametrize("own", ["0::/\n", "2:memory:/x\n", ""])
def test_where_no_group_limits_the_cpu_nothing_is_said(tmp_path: Path, own: str) -> None:
    assert cgroups(tmp_path, own, {"cpu.stat": "usage_usec 5\n"}) is None
    assert throttled(tmp_path / "fs", tmp_path / "none") is None


def mounts(tmp_path: Path, *lines: str) -> Path:
    file = tmp_path / "mountinfo"
    file.write_text("".join(line + "\n" for line in lines))
    return file


def test_the_file_system_under_a_folder(tmp_path: Path) -> None:
    number = tmp_path.stat().st_dev
    device = f"{os.major(number)}:{os.minor(number)}"
    root = f"20 1 {device} / / rw - ext4 /dev/sda1 rw"
    assert disk_under(tmp_path, mounts(tmp_path, root)) == Disk("ext4", "/dev/sda1", True)
    memory = f"21 20 0:99 / {tmp_path} rw - tmpfs none rw"
    deeper = f"22 20 {device} / {tmp_path} rw shared:1 - xfs /dev/sdb rw"
    assert disk_under(tmp_path / "not" / "yet", mounts(tmp_path, root, memory, deeper)) == Disk("xfs", "/dev/sdb", True)
    elsewhere = f"23 20 {device} / /elsewhere rw - xfs /dev/sdc rw"
    assert disk_under(tmp_path, mounts(tmp_path, root, elsewhere)) == Disk("ext4", "/dev/sda1", True)


@pytest.mark.parametrize(
    ("kind", "durable"),
    [
        ("tmpfs none rw", False),
        ("ramfs none rw", False),
        ("overlay overlay rw,lowerdir=/a", None),
        ("overlay overlay rw,volatile", False),
        ("fuse.sshfs host: rw", None),
        ("nfs4 host:/ rw", None),
        ("btrfs /dev/sda rw", True),
    ],
)
def test_where_a_sync_means_something(tmp_path: Path, kind: str, durable: bool | None) -> None:
    # not the number that files there have, as with btrfs: the longest path decides
    lines = mounts(tmp_path, "20 1 8:1 / / rw - ext4 /dev/sda1 rw", f"21 20 0:99 / {tmp_path} rw - {kind}")
    found = disk_under(tmp_path, lines)
    assert found is not None and (found.file_system, found.durable) == (kind.split()[0], durable)


def test_shared_memory_is_no_disk() -> None:
    if not Path("/dev/shm").is_mount():
        pytest.skip("no /dev/shm is mounted here")
    found = disk_under(Path("/dev/shm"))
    assert found is not None and (found.file_system, found.durable) == ("tmpfs", False)


def test_nothing_is_said_without_a_list_of_mounts(tmp_path: Path) -> None:
    assert disk_under(tmp_path, tmp_path / "none") is None
    assert disk_under(tmp_path, mounts(tmp_path, "garbage", "20 1 8:1 / - ext4")) is None


def test_a_sensor_covers_the_load_only(tmp_path: Path) -> None:
    sensor = Sensor()
    sensor.end()
    first = sensor.report("m", "127.0.0.1", tmp_path)
    end = os.times().elapsed + 0.05
    while os.times().elapsed < end:
        pass
    assert sensor.report("m", "127.0.0.1", tmp_path) == first
    assert first.cores >= 1 and first.disk is not None
