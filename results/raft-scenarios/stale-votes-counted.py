"""raft [stale-votes-counted] fails election_safety: n1 and n3 were both leader in term 2

8 faults, 93 operations, 5 clients, 3 nodes, 1.68 s shrunk to 0 faults, 0 operations, 16 steps.

See it with: python stale-votes-counted.py, or bench run stale-votes-counted.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="election_safety",
    mutant="stale-votes-counted",
    nodes=3,
    clients=1,
    params={"pre_vote": "false", "election_timeout_s": "0.02..0.03"},
    seed=751,
    steps="""
         1  boot n1
         2  boot n2
         3  boot n3
         4  timer n3 election
         5  sync n3 #4
         6  timer n1 election
         7  sync n1 #6
         8  timer n1 election
         9  deliver n1>n2 RequestVote #7
        10  sync n2 #9
        11  timer n3 election
        12  deliver n2>n1 Vote #10
        13  sync n3 #11
        14  deliver n3>n2 RequestVote #13
        15  sync n2 #14
        16  deliver n2>n3 Vote #15
    """,
)

if __name__ == "__main__":
    scenario.main()
