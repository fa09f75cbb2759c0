"""raft [change-before-last-committed] fails leader_completeness: n3 became leader of term 2 without entry 2, which was committed in term 1

4 faults, 45 operations, 4 clients, 4 nodes, 0.613 s shrunk to 2 faults, 0 operations, 22 steps.

See it with: python change-before-last-committed.py, or bench run change-before-last-committed.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="leader_completeness",
    mutant="change-before-last-committed",
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
         9  deliver n2>n3 AppendEntries #8
        10  sync n3 #9
        11  deliver n3>n2 Appended #10
        12  sync n2 #8
        13  admin n2 RemoveServer {"type":"RemoveServer","node":"n3"}
        14  admin n2 RemoveServer {"type":"RemoveServer","node":"n1"}
        15  end n2
        16  end n2
        17  sync n2 #16
        18  timer n3 election
        19  sync n3 #18
        20  deliver n3>n1 RequestVote #19
        21  sync n1 #20
        22  deliver n1>n3 Vote #21
    """,
)

if __name__ == "__main__":
    scenario.main()
