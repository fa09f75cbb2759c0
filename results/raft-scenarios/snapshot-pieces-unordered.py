"""raft [snapshot-pieces-unordered] fails no_handler_crash: n2: UnicodeDecodeError: 'utf-8' codec can't decode byte 0x92 in position 14: invalid start byte (in restore:79)

129 faults, 232 operations, 6 clients, 5 nodes, 4 s shrunk to 0 faults, 6 operations, 3 clients, 5 nodes, 3.74 s.

See it with: python snapshot-pieces-unordered.py, or bench run snapshot-pieces-unordered.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="no_handler_crash",
    mutant="snapshot-pieces-unordered",
    nodes=5,
    clients=3,
    params={"reads": "lease"},
    seed=7,
    duration="3.737407286s",
    operations=[
        "c3 write k2 72 at 1.84s",
        "c3 write k1 74 at 1.845s",
        "c1 write k2 75 at 1.985s",
        "c3 write k1 76 at 1.999s",
        "c1 write k1 77 at 2.091s",
        "c3 write k2 89 at 2.351s",
    ],
    more={
        "liveness": 30000000000,
        "split": True,
        "workload": {"keys": 3},
        "network": {"latency": "exponential(3.75ms)", "loss": 0.02, "fifo": True},
    },
)

if __name__ == "__main__":
    scenario.main()
