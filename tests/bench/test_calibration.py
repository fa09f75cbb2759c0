"""A simulation with calibrated service times shows the floor it was calibrated from."""

import pytest

from bench.calibration import calibrate
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
