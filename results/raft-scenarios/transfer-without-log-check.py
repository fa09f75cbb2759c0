"""raft [transfer-without-log-check] fails election_safety: n3 and n2 were both leader in term 2

78 faults, 229 operations, 3 clients, 3 nodes, 4 s shrunk to 2 faults, 0 operations, 25 steps.

See it with: python transfer-without-log-check.py, or bench run transfer-without-log-check.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="election_safety",
    mutant="transfer-without-log-check",
    nodes=3,
    clients=1,
    seed=134,
    steps="""
         1  boot n1
         2  boot n2
         3  boot n3
         4  timer n2 election
         5  deliver n2>n3 RequestVote #4
         6  deliver n3>n2 Vote #5
         7  sync n2 #6
         8  deliver n2>n3 RequestVote #7
         9  sync n3 #8
        10  deliver n3>n2 Vote #9
        11  sync n2 #10
        12  deliver n2>n3 AppendEntries #10
        13  sync n3 #12
        14  deliver n3>n2 Appended #13
        15  admin n2 Drain {"type":"Drain"}
        16  crash n2
        17  deliver n2>n3 TimeoutNow #15
        18  boot n2
        19  timer n2 election
        20  deliver n2>n1 RequestVote #19
        21  deliver n1>n2 Vote #20
        22  sync n2 #21
        23  deliver n2>n1 RequestVote #22
        24  sync n1 #23
        25  deliver n1>n2 Vote #24
    """,
)

if __name__ == "__main__":
    scenario.main()
