"""raft [term-not-persisted] fails election_safety: n1 and n2 were both leader in term 1

180 faults, 270 operations, 5 clients, 3 nodes, 4 s shrunk to 2 faults, 0 operations, 20 steps.

See it with: python term-not-persisted.py, or bench run term-not-persisted.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="election_safety",
    mutant="term-not-persisted",
    nodes=2,
    clients=1,
    params={
        "snapshot_entries": "20",
        "snapshot_trailing": "5",
        "snapshot_chunk": "150",
        "membership_change": "single",
    },
    seed=2,
    steps="""
         1  boot n2
         2  boot n1
         3  timer n1 election
         4  deliver n1>n2 RequestVote #3
         5  deliver n2>n1 Vote #4
         6  sync n1 #5
         7  deliver n1>n2 RequestVote #6
         8  sync n2 #7
         9  deliver n2>n1 Vote #8
        10  crash n1
        11  boot n1
        12  crash n2
        13  boot n2
        14  timer n2 election
        15  deliver n2>n1 RequestVote #14
        16  deliver n1>n2 Vote #15
        17  sync n2 #16
        18  deliver n2>n1 RequestVote #17
        19  sync n1 #18
        20  deliver n1>n2 Vote #19
    """,
)

if __name__ == "__main__":
    scenario.main()
