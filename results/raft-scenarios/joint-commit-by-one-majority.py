"""raft [joint-commit-by-one-majority] fails leader_completeness: n1 became leader of term 2 without entry 4, which was committed in term 1

4 faults, 39 operations, 4 clients, 4 nodes, 0.523 s shrunk to 3 faults, 0 operations, 40 steps.

See it with: python joint-commit-by-one-majority.py, or bench run joint-commit-by-one-majority.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="leader_completeness",
    mutant="joint-commit-by-one-majority",
    nodes=4,
    clients=1,
    params={
        "reads": "follower",
        "snapshot_entries": "40",
        "snapshot_trailing": "10",
        "membership_change": "joint",
        "max_sessions": "8",
        "pre_vote": "false",
        "election_timeout_s": "0.03..0.05",
    },
    seed=188,
    steps="""
         1  boot n1
         2  boot n2
         3  boot n3
         4  boot n4
         5  timer n2 election
         6  sync n2 #5
         7  deliver n2>n3 RequestVote #6
         8  sync n3 #7
         9  deliver n2>n4 RequestVote #6
        10  sync n4 #9
        11  deliver n4>n2 Vote #10
        12  deliver n3>n2 Vote #8
        13  sync n2 #12
        14  deliver n2>n3 AppendEntries #12
        15  deliver n2>n4 AppendEntries #12
        16  sync n3 #14
        17  deliver n3>n2 Appended #16
        18  sync n4 #15
        19  deliver n4>n2 Appended #18
        20  admin n2 RemoveServer {"type":"RemoveServer","node":"n3"}
        21  end n2
        22  admin n2 RemoveServer {"type":"RemoveServer","node":"n4"}
        23  admin n2 RemoveServer {"type":"RemoveServer","node":"n1"}
        24  sync n2 #21
        25  deliver n2>n1 AppendEntries #12
        26  sync n1 #25
        27  deliver n1>n2 Appended #26
        28  deliver n2>n1 AppendEntries #27
        29  sync n1 #28
        30  deliver n1>n2 Appended #29
        31  deliver n2>n1 AppendEntries #30
        32  sync n2 #30
        33  sync n1 #31
        34  deliver n1>n2 Appended #33
        35  sync n2 #34
        36  timer n1 election
        37  sync n1 #36
        38  deliver n1>n4 RequestVote #37
        39  sync n4 #38
        40  deliver n4>n1 Vote #39
    """,
)

if __name__ == "__main__":
    scenario.main()
