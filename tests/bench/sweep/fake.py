"""A stand-in for running a trial: instant, with figures that follow from the trial, and a record of who ran what."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from bench.faults.spec import FaultRecord
from bench.trial import Latency, Messages, Operations, Recovery, Result, Trial

LOG = "QUORUMBENCH_TEST_LOG"


def run_trial(trial: Trial, **_: Any) -> tuple[Result, None]:
    """As ``bench.run.run_trial``; parameters ask for slowness, an exception, or the death of the process."""
    flag = trial.params.get("die_unless")
    if flag and not Path(flag).exists():
        Path(flag).touch()
        os._exit(9)
    if trial.params.get("die"):
        os._exit(9)
    if trial.params.get("fail"):
        raise ValueError("the disk is on fire")
    time.sleep(trial.params.get("slow", 0.0))
    if LOG in os.environ:
        with Path(os.environ[LOG]).open("a") as log:  # a line is written at once
            log.write(f"{trial.runtime} {trial.nodes} {trial.seed}\n")
    return result(trial), None


def result(spec: Trial, unavailable: float | None = None, **changes: Any) -> Result:
    """A plausible result; unavailability depends on nodes and seed."""
    value = spec.nodes / 10 + spec.seed / 1000 if unavailable is None else unavailable
    fields: dict[str, Any] = {
        "protocol": spec.protocol,
        "runtime": spec.runtime,
        "nodes": spec.nodes,
        "seed": spec.seed,
        "duration_s": spec.duration / 1e9,
        "params": spec.params,
        "operations": Operations(ok=400, fail=1, info=2),
        "throughput_ops_s": 100.0 + spec.seed,
        "latency_s": Latency(p50=0.002, p90=0.003, p99=0.01, p999=0.02, max=0.03),
        "unavailable_s": value,
        "unavailable_resolution_s": 0.02,
        "recovery_s": Recovery(detect=value * 0.6, elect=value * 0.3, commit=value * 0.1),
        "messages": Messages(server=1000, client=800),
        "messages_per_operation": 2.5,
        "trial": "complete",
        "verdict": "valid",
        "checks": {"linearizable": "valid", "election_safety": "valid", "liveness": "valid"},
        "leader_changes": 1,
        "leader_hit": True,
        "faults": (FaultRecord(kind="crash", targets=("n1",), start=10**9, end=2 * 10**9, detail="crash leader"),),
        "time_series": ((0.0, 100, 0.01), (1.0, 0, None), (2.0, 100, 0.02)),
        "took_s": 0.01,
        "spec": spec,
    }
    return Result(**(fields | changes))
