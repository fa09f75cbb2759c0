"""raft [vote-not-persisted] fails election_safety: n5 and n3 were both leader in term 1

142 faults, 191 operations, 4 clients, 5 nodes, 2.97 s shrunk to 1 fault, 0 operations, 30 steps.

See it with: python vote-not-persisted.py, or bench run vote-not-persisted.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="election_safety",
    mutant="vote-not-persisted",
    nodes=5,
    clients=1,
    params={
        "snapshot_entries": "20",
        "snapshot_trailing": "5",
        "snapshot_chunk": "150",
        "membership_change": "single",
    },
    seed=12,
    steps="""
         1  boot n1
         2  boot n2
         3  boot n3
         4  boot n4
         5  boot n5
         6  timer n5 election
         7  timer n3 election
         8  deliver n5>n3 RequestVote #6
         9  deliver n3>n4 RequestVote #7
        10  deliver n5>n1 RequestVote #6
        11  deliver n3>n1 RequestVote #7
        12  deliver n4>n3 Vote #9
        13  deliver n3>n5 Vote #8
        14  deliver n1>n3 Vote #11
        15  sync n3 #14
        16  deliver n1>n5 Vote #10
        17  sync n5 #16
        18  deliver n5>n4 RequestVote #17
        19  sync n4 #18
        20  deliver n3>n2 RequestVote #15
        21  sync n2 #20
        22  crash n2
        23  boot n2
        24  deliver n5>n2 RequestVote #17
        25  deliver n3>n1 RequestVote #15
        26  sync n1 #25
        27  deliver n2>n5 Vote #24
        28  deliver n2>n3 Vote #21
        29  deliver n4>n5 Vote #19
        30  deliver n1>n3 Vote #26
    """,
)

if __name__ == "__main__":
    scenario.main()
