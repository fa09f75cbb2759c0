"""raft [change-before-last-committed] fails election_safety: n2 and n4 were both leader in term 3

4 faults, 41 operations, 4 clients, 4 nodes, 0.533 s shrunk to 3 faults, 3 operations, 41 steps.

See it with: python change-before-last-committed.py, or bench run change-before-last-committed.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="election_safety",
    mutant="change-before-last-committed",
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
        16  deliver n2>n3 AppendEntries #13
        17  sync n3 #16
        18  deliver n3>n2 Appended #17
        19  request c3 read k1
        20  timer c3 retry
        21  request c3 write k0 9
        22  deliver n4>n2 Appended #15
        23  request c3 write k1 12
        24  deliver c3>n2 ClientRequest #23
        25  sync n2 #24
        26  admin n2 RemoveServer {"type":"RemoveServer","node":"n3"}
        27  end n2
        28  admin n2 RemoveServer {"type":"RemoveServer","node":"n4"}
        29  admin n2 RemoveServer {"type":"RemoveServer","node":"n1"}
        30  deliver n2>n4 AppendEntries #27
        31  sync n4 #30
        32  deliver n4>n2 Appended #31
        33  timer n4 election
        34  sync n4 #33
        35  deliver n4>n2 RequestVote #34
        36  timer n2 election
        37  timer n4 election
        38  sync n4 #37
        39  deliver n4>n1 RequestVote #38
        40  sync n1 #39
        41  deliver n1>n4 Vote #40
    """,
)

if __name__ == "__main__":
    scenario.main()
