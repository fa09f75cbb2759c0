"""raft [single-change-without-fix] fails leader_completeness: n3 became leader of term 2 without entry 1, which was committed in term 1

4 faults, 45 operations, 4 clients, 4 nodes, 0.613 s shrunk to 2 faults, 0 operations, 18 steps.

See it with: python single-change-without-fix.py, or bench run single-change-without-fix.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="leader_completeness",
    mutant="single-change-without-fix",
    nodes=3,
    clients=1,
    params={
        "reads": "follower",
        "snapshot_entries": "40",
        "snapshot_trailing": "10",
        "membership_change": "single",
        "max_sessions": "8",
        "pre_vote": "false",
        "election_timeout_s": "0.03..0.05",
    },
    seed=188,
    steps="""
         1  boot n1
         2  boot n2
         3  boot n3
         4  timer n2 election
         5  sync n2 #4
         6  deliver n2>n3 RequestVote #5
         7  sync n3 #6
         8  deliver n3>n2 Vote #7
         9  admin n2 RemoveServer {"type":"RemoveServer","node":"n3"}
        10  admin n2 RemoveServer {"type":"RemoveServer","node":"n1"}
        11  end n2
        12  end n2
        13  sync n2 #12
        14  timer n3 election
        15  sync n3 #14
        16  deliver n3>n1 RequestVote #15
        17  sync n1 #16
        18  deliver n1>n3 Vote #17
    """,
)

if __name__ == "__main__":
    scenario.main()
