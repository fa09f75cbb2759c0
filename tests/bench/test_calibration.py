"""A simulation with calibrated service times shows the floor it was calibrated from."""

from pathlib import Path

import msgspec
import pytest

from bench import calibration
from bench.calibration import calibrate, keep, kept
from bench.errors import UsageError
from bench.run import run_trial
from bench.trial import Floor, ServiceTimes, Trial
from bench.workload import Workload


def floor(rtt: float, null: float) -> Floor:
    return Floor(link_rtt_s=rtt, link_messages_s=1e6, null_messages_s=null, log_ops_s=1.0)


def test_what_each_number_decides() -> None:
    times = calibrate(floor(300e-6, 50_000), 400e-6)
    assert (times.message, times.wakeup, times.fsync) == (20_000, 110_000, 400_000)
    assert times.byte == ServiceTimes().byte


def test_a_costly_protocol_leaves_nothing_for_waking_up() -> None:
    assert calibrate(floor(67e-6, 44_000), 250e-6).wakeup == 0


@pytest.mark.parametrize("null", [20_000.0, 50_000.0])
def test_the_simulated_null_protocol_reaches_the_measured_rate(null: float) -> None:
    """Closed loop, saturated: messages a second, both directions, within 15%."""
    times = calibrate(floor(0.0, null), 250e-6, ServiceTimes(byte=0.0))
    trial = Trial(
        protocol="null", nodes=1, duration=300_000_000, workload=Workload(clients=64), service=times, invariants=False
    )
    result, _ = run_trial(trial)
    assert 2 * result.throughput_ops_s == pytest.approx(null, rel=0.15)


def test_the_saturated_null_protocol_counts_where_it_was_measured() -> None:
    unhurried = msgspec.structs.replace(floor(300e-6, 2_000), null_peak_messages_s=50_000.0)
    assert calibrate(unhurried, 400e-6).message == 20_000


def test_a_kept_floor_calibrates_this_machine_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "results" / "local" / "floor.json"
    with pytest.raises(UsageError, match="run bench floor --save first"):
        kept(place)
    keep(msgspec.structs.replace(floor(300e-6, 50_000), fsync_p50_s=400e-6), place)
    found = kept(place)
    assert (found.message, found.wakeup, found.fsync) == (20_000, 110_000, 400_000)
    assert found.apply(ServiceTimes(byte=0.5, fsync_sigma=0.3)) == ServiceTimes(
        message=20_000, wakeup=110_000, fsync=400_000, byte=0.5, fsync_sigma=0.3
    )
    monkeypatch.setattr(calibration, "machine", lambda: {"id": "another"})
    with pytest.raises(UsageError, match="no floor of this machine"):
        kept(place)
    keep(floor(300e-6, 25_000), place)
    assert kept(place).message == 40_000
    monkeypatch.undo()
    assert kept(place) == found, "the other machine's floor has not replaced ours"


def test_a_damaged_file_is_replaced(tmp_path: Path) -> None:
    place = tmp_path / "floor.json"
    place.write_text("{")
    with pytest.raises(UsageError):
        kept(place)
    keep(floor(300e-6, 50_000), place)
    assert kept(place).message == 20_000
    assert [file.name for file in tmp_path.iterdir()] == ["floor.json"]


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written to"):
        keep(floor(300e-6, 50_000), tmp_path / "file" / "floor.json")
