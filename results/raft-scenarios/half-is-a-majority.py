"""raft [half-is-a-majority] fails leader_completeness: n1 became leader of term 2 without entry 2, which was committed in term 1

24 faults, 56 operations, 6 clients, 5 nodes, 0.891 s shrunk to 0 faults, 2 operations, 10 steps.

See it with: python half-is-a-majority.py, or bench run half-is-a-majority.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="leader_completeness",
    mutant="half-is-a-majority",
    nodes=2,
    clients=3,
    params={"snapshot_entries": "1", "snapshot_trailing": "0", "max_entries": "4", "reads": "lease"},
    seed=1,
    steps="""
         1  boot n1
         2  boot n2
         3  boot c3
         4  timer n2 election
         5  deliver n2>n1 AppendEntries #4
         6  request c3 read k1
         7  request c3 write k1 24
         8  deliver c3>n2 ClientRequest #7
         9  sync n2 #8
        10  timer n1 election
    """,
)

if __name__ == "__main__":
    scenario.main()
