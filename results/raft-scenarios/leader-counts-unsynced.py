"""raft [leader-counts-unsynced] fails leader_completeness: n1 became leader of term 2 without entry 1, which was committed in term 1

5 faults, 91 operations, 3 clients, 3 nodes, 0.854 s shrunk to 1 fault, 0 operations, 18 steps.

See it with: python leader-counts-unsynced.py, or bench run leader-counts-unsynced.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="leader_completeness",
    mutant="leader-counts-unsynced",
    nodes=3,
    clients=1,
    params={
        "pre_vote": "false",
        "max_entries": "2",
        "election_timeout_s": "0.08..0.16",
        "operation_timeout_s": "0.4",
    },
    seed=197,
    steps="""
         1  boot n1
         2  boot n2
         3  boot n3
         4  timer n3 election
         5  sync n3 #4
         6  deliver n3>n1 RequestVote #5
         7  sync n1 #6
         8  deliver n1>n3 Vote #7
         9  deliver n3>n2 AppendEntries #8
        10  sync n2 #9
        11  deliver n2>n3 Appended #10
        12  crash n3
        13  boot n3
        14  timer n1 election
        15  sync n1 #14
        16  deliver n1>n3 RequestVote #15
        17  sync n3 #16
        18  deliver n3>n1 Vote #17
    """,
)

if __name__ == "__main__":
    scenario.main()
