"""raft [no-consistency-check] fails log_matching: entry 2 of term 3 is Command(session='', sequence=0, request=None) after term 1 at n3, elsewhere Command(session='', sequence=0, request=None) after term 2

224 faults, 457 operations, 3 clients, 3 nodes, 4 s shrunk to 0 faults, 0 operations, 22 steps.

See it with: python no-consistency-check.py, or bench run no-consistency-check.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="log_matching",
    mutant="no-consistency-check",
    nodes=3,
    clients=1,
    params={"pre_vote": "false", "election_timeout_s": "0.05..0.06"},
    seed=24,
    steps="""
         1  boot n1
         2  timer n1 election
         3  sync n1 #2
         4  boot n3
         5  boot n2
         6  timer n3 election
         7  sync n3 #6
         8  deliver n3>n2 RequestVote #7
         9  sync n2 #8
        10  deliver n2>n3 Vote #9
        11  timer n1 election
        12  sync n1 #11
        13  deliver n1>n2 RequestVote #12
        14  sync n2 #13
        15  deliver n2>n1 Vote #14
        16  deliver n1>n2 AppendEntries #15
        17  timer n2 election
        18  sync n2 #17
        19  deliver n2>n3 RequestVote #18
        20  sync n3 #19
        21  deliver n3>n2 Vote #20
        22  deliver n2>n3 AppendEntries #21
    """,
)

if __name__ == "__main__":
    scenario.main()
