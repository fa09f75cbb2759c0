"""A sweep that a test kills: ``killed.py FOLDER JOBS``; with ``ray`` for jobs its trials are Ray tasks."""

from __future__ import annotations

import sys
from pathlib import Path

from bench.sweep import Options, Sweep, pools
from bench.trial import Trial

SEEDS = 20


def trial(nodes: int) -> Trial:
    return Trial(protocol="raft", nodes=nodes, params={"slow": 0.05})


sweep = Sweep(
    name="killed",
    question="Does anything get lost?",
    grid={"nodes": [1, 2, 3]},
    trial=trial,
    seeds=SEEDS,
    entry="tests.bench.sweep.fake:run_trial",
)

if __name__ == "__main__":
    if sys.argv[2] == "ray":
        pools.WORTH_RAY = 1
    jobs = None if sys.argv[2] == "ray" else int(sys.argv[2])
    result = sweep.run(Options(out=Path(sys.argv[1]), jobs=jobs, plain=True))
    print(f"done {len(result.rows)}")
