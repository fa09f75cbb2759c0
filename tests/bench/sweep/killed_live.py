"""A sweep of live trials that a test disturbs: ``killed_live.py FOLDER``."""

from __future__ import annotations

import sys
from pathlib import Path

from bench.sweep import Options, Sweep
from bench.sweep.presets import closed_loop

LIVE = 4

sweep = Sweep(
    name="killed_live",
    question="Does anything get lost?",
    grid={"clients": [1, 2]},
    trial=lambda clients: closed_loop("null", clients, nodes=1, load_s=0.6, warmup_s=0.0),
    seeds=0,
    live=LIVE,
    metric="p50_s",
)

if __name__ == "__main__":
    result = sweep.run(Options(out=Path(sys.argv[1]), plain=True))
    print(f"done {len(result.rows)}")
