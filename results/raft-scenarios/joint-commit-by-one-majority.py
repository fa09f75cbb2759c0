"""raft [joint-commit-by-one-majority] fails leader_completeness: n1 became leader of term 4 without entry 10, which was committed in term 3

32 faults, 114 operations, 3 clients, 3 nodes, 1.23 s shrunk to 6 faults, 0 operations, 82 steps.

See it with: python joint-commit-by-one-majority.py, or bench run joint-commit-by-one-majority.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="leader_completeness",
    mutant="joint-commit-by-one-majority",
    nodes=3,
    clients=1,
    params={"membership_change": "joint", "pre_vote": "false", "election_timeout_s": "0.03..0.05"},
    seed=315,
    steps="""
         1  boot n1
         2  boot n2
         3  boot n3
         4  timer n2 election
         5  sync n2 #4
         6  deliver n2>n3 RequestVote #5
         7  sync n3 #6
         8  deliver n3>n2 Vote #7
         9  deliver n2>n1 AppendEntries #8
        10  deliver n2>n3 AppendEntries #8
        11  sync n1 #9
        12  sync n3 #10
        13  deliver n1>n2 Appended #11
        14  deliver n3>n2 Appended #12
        15  admin n2 RemoveServer {"type":"RemoveServer","node":"n2"}
        16  end n2
        17  deliver n2>n1 AppendEntries #16
        18  deliver n2>n3 AppendEntries #16
        19  sync n1 #17
        20  deliver n1>n2 Appended #19
        21  sync n3 #18
        22  deliver n3>n2 Appended #21
        23  end n2
        24  sync n2 #22
        25  deliver n2>n3 AppendEntries #22
        26  deliver n2>n1 AppendEntries #23
        27  sync n1 #26
        28  sync n3 #25
        29  deliver n1>n2 Appended #27
        30  deliver n3>n2 Appended #28
        31  deliver n2>n1 TimeoutNow #30
        32  sync n1 #31
        33  deliver n1>n3 RequestVote #32
        34  sync n3 #33
        35  deliver n3>n1 Vote #34
        36  sync n1 #35
        37  deliver n1>n3 AppendEntries #35
        38  sync n3 #37
        39  deliver n3>n1 Appended #38
        40  admin n1 RemoveServer {"type":"RemoveServer","node":"n1"}
        41  end n1
        42  deliver n1>n3 AppendEntries #41
        43  sync n3 #42
        44  deliver n3>n1 Appended #43
        45  sync n1 #44
        46  deliver n1>n3 AppendEntries #44
        47  sync n3 #46
        48  deliver n3>n1 Appended #47
        49  deliver n1>n3 TimeoutNow #48
        50  sync n3 #49
        51  admin n3 AddServer {"type":"AddServer","node":"n1"}
        52  end n3
        53  deliver n3>n1 AppendEntries #52
        54  sync n1 #53
        55  deliver n1>n3 Appended #54
        56  admin n3 AddServer {"type":"AddServer","node":"n2"}
        57  deliver n3>n1 AppendEntries #55
        58  sync n1 #57
        59  deliver n1>n3 Appended #58
        60  deliver n3>n2 AppendEntries #59
        61  sync n2 #60
        62  deliver n2>n3 Appended #61
        63  deliver n3>n2 AppendEntries #62
        64  sync n2 #63
        65  deliver n2>n3 Appended #64
        66  end n3
        67  sync n3 #66
        68  deliver n3>n1 AppendEntries #66
        69  admin n3 RemoveServer {"type":"RemoveServer","node":"n1"}
        70  admin n3 RemoveServer {"type":"RemoveServer","node":"n2"}
        71  sync n1 #68
        72  deliver n1>n3 Appended #71
        73  sync n3 #72
        74  deliver n3>n1 AppendEntries #72
        75  sync n1 #74
        76  deliver n1>n3 Appended #75
        77  sync n3 #76
        78  timer n1 election
        79  sync n1 #78
        80  deliver n1>n2 RequestVote #79
        81  sync n2 #80
        82  deliver n2>n1 Vote #81
    """,
)

if __name__ == "__main__":
    scenario.main()
