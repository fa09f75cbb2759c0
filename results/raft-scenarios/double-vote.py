"""raft [double-vote] fails election_safety: n3 and n2 were both leader in term 1

0 faults, 0 operations, 4 clients, 3 nodes, 4 s shrunk to 0 faults, 0 operations, 13 steps.

See it with: python double-vote.py, or bench run double-vote.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="election_safety",
    mutant="double-vote",
    nodes=3,
    clients=1,
    params={
        "pre_vote": "false",
        "max_entries": "2",
        "election_timeout_s": "0.08..0.16",
        "operation_timeout_s": "0.4",
    },
    seed=6,
    steps="""
         1  boot n1
         2  boot n2
         3  boot n3
         4  timer n3 election
         5  sync n3 #4
         6  timer n2 election
         7  sync n2 #6
         8  deliver n3>n1 RequestVote #5
         9  sync n1 #8
        10  deliver n2>n3 RequestVote #7
        11  deliver n1>n3 Vote #9
        12  sync n3 #11
        13  deliver n3>n2 Vote #12
    """,
)

if __name__ == "__main__":
    scenario.main()
