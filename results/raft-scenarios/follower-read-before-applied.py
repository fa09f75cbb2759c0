"""raft [follower-read-before-applied] fails linearizable: key 2: c2's read of nil (40.0 to 50.0 ms) is stale: c2's write of 1 (24.0 to 39.0 ms) had replaced that value and ended before it began

148 faults, 232 operations, 6 clients, 5 nodes, 4 s shrunk to 0 faults, 2 operations, 50 steps.

See it with: python follower-read-before-applied.py, or bench run follower-read-before-applied.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="linearizable",
    mutant="follower-read-before-applied",
    nodes=5,
    clients=2,
    params={"snapshot_entries": "1", "snapshot_trailing": "0", "max_entries": "4", "reads": "follower"},
    seed=1,
    steps="""
         1  boot n1
         2  boot n2
         3  boot n3
         4  boot n4
         5  boot n5
         6  boot c2
         7  timer n2 election
         8  deliver n2>n3 RequestVote #7
         9  deliver n3>n2 Vote #8
        10  deliver n2>n4 RequestVote #7
        11  deliver n4>n2 Vote #10
        12  sync n2 #11
        13  deliver n2>n3 RequestVote #12
        14  deliver n2>n4 RequestVote #12
        15  sync n3 #13
        16  sync n4 #14
        17  deliver n3>n2 Vote #15
        18  deliver n4>n2 Vote #16
        19  deliver n2>n5 AppendEntries #18
        20  sync n5 #19
        21  deliver n2>n3 AppendEntries #18
        22  sync n3 #21
        23  deliver n3>n2 Appended #22
        24  request c2 write k2 1
        25  deliver c2>n3 ClientRequest #24
        26  deliver n3>c2 Refused #25
        27  deliver n5>n2 Appended #20
        28  deliver c2>n2 ClientRequest #26
        29  end n2
        30  deliver n2>n5 AppendEntries #29
        31  sync n2 #28
        32  sync n5 #30
        33  deliver n2>n3 AppendEntries #29
        34  deliver n5>n2 Appended #32
        35  deliver n2>n1 AppendEntries #18
        36  sync n3 #33
        37  deliver n3>n2 Appended #36
        38  sync n1 #35
        39  deliver n2>c2 Done #37
        40  request c2 read k2
        41  deliver c2>n3 ClientRequest #40
        42  end n3
        43  deliver n3>n2 ReadIndex #42
        44  end n2
        45  deliver n2>n5 AppendEntries #44
        46  deliver n2>n1 AppendEntries #44
        47  deliver n1>n2 Appended #46
        48  deliver n5>n2 Appended #45
        49  deliver n2>n3 ReadAt #48
        50  deliver n3>c2 Done #49
    """,
)

if __name__ == "__main__":
    scenario.main()
