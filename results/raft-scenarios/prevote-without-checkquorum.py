"""raft [prevote-without-checkquorum] fails liveness: 1 of 1 clients were not served within 30 s although a majority was up and connected (partition one-way leader at 1.015853395s for 30.000000001s)

25 faults, 228 operations, 3 clients, 3 nodes, 4 s shrunk to 0 faults, 1 operation, 1 client, 3 nodes, 0.0159 s.

See it with: python prevote-without-checkquorum.py, or bench run prevote-without-checkquorum.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="liveness",
    mutant="prevote-without-checkquorum",
    nodes=3,
    clients=1,
    seed=24,
    duration="15.853395ms",
    operations=[
        "c1 cas k2 120->131 at 5ms",
    ],
    more={
        "liveness": 30000000000,
        "split": True,
        "workload": {"keys": 3},
        "network": {"latency": "exponential(12.5ms)", "loss": 0.02},
    },
)

if __name__ == "__main__":
    scenario.main()
