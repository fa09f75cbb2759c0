"""raft [single-change-without-fix] fails election_safety: n2 and n4 were both leader in term 3

4 faults, 41 operations, 4 clients, 4 nodes, 0.533 s shrunk to 3 faults, 3 operations, 40 steps.

See it with: python single-change-without-fix.py, or bench run single-change-without-fix.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="election_safety",
    mutant="single-change-without-fix",
    nodes=4,
    clients=3,
    params={
        "reads": "follower",
        "snapshot_entries": "40",
        "snapshot_trailing": "10",
        "membership_change": "single",
        "pre_vote": "false",
        "election_timeout_s": "0.03..0.05",
    },
    seed=188,
    steps="""
         1  boot n1
         2  boot n2
         3  boot n3
         4  boot n4
         5  boot c3
         6  timer n2 election
         7  sync n2 #6
         8  deliver n2>n3 RequestVote #7
         9  sync n3 #8
        10  deliver n2>n4 RequestVote #7
        11  sync n4 #10
        12  deliver n4>n2 Vote #11
        13  deliver n3>n2 Vote #9
        14  deliver n2>n4 AppendEntries #13
        15  sync n4 #14
        16  request c3 read k1
        17  timer c3 retry
        18  request c3 write k0 9
        19  deliver n4>n2 Appended #15
        20  request c3 write k1 12
        21  deliver c3>n2 ClientRequest #20
        22  end n2
        23  deliver n2>n4 AppendEntries #22
        24  admin n2 RemoveServer {"type":"RemoveServer","node":"n3"}
        25  end n2
        26  admin n2 RemoveServer {"type":"RemoveServer","node":"n4"}
        27  admin n2 RemoveServer {"type":"RemoveServer","node":"n1"}
        28  deliver n2>n4 AppendEntries #25
        29  sync n4 #28
        30  deliver n4>n2 Appended #29
        31  deliver n4>n2 Appended #29.2
        32  timer n4 election
        33  sync n4 #32
        34  deliver n4>n2 RequestVote #33
        35  timer n2 election
        36  timer n4 election
        37  sync n4 #36
        38  deliver n4>n1 RequestVote #37
        39  sync n1 #38
        40  deliver n1>n4 Vote #39
    """,
)

if __name__ == "__main__":
    scenario.main()
