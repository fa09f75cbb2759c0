"""raft [old-term-committed-by-counting] fails linearizable: key 1: c1's read of nil (32.0 to 41.0 ms) is stale: c1's write of 30 (13.0 to 22.0 ms) had replaced that value and ended before it began

211 faults, 457 operations, 3 clients, 3 nodes, 4 s shrunk to 1 fault, 2 operations, 41 steps.

See it with: python old-term-committed-by-counting.py, or bench run old-term-committed-by-counting.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="linearizable",
    mutant="old-term-committed-by-counting",
    nodes=3,
    clients=1,
    params={"pre_vote": "false", "election_timeout_s": "0.05..0.06", "max_entries": "1"},
    seed=24,
    steps="""
         1  boot n1
         2  boot n2
         3  boot n3
         4  boot c1
         5  timer n2 election
         6  sync n2 #5
         7  deliver n2>n1 RequestVote #6
         8  sync n1 #7
         9  deliver n1>n2 Vote #8
        10  deliver n2>n3 AppendEntries #9
        11  sync n3 #10
        12  deliver n3>n2 Appended #11
        13  request c1 write k1 30
        14  timer c1 retry
        15  timer c1 retry
        16  deliver c1>n2 ClientRequest #15
        17  end n2
        18  deliver n2>n3 AppendEntries #17
        19  sync n2 #16
        20  sync n3 #18
        21  deliver n3>n2 Appended #20
        22  deliver n2>c1 Done #21
        23  crash n2
        24  boot n2
        25  timer n2 election
        26  sync n2 #25
        27  deliver n2>n3 RequestVote #26
        28  sync n3 #27
        29  timer n1 election
        30  deliver n3>n2 Vote #28
        31  sync n1 #29
        32  request c1 read k1
        33  sync n2 #30
        34  deliver c1>n2 ClientRequest #32
        35  end n2
        36  deliver n2>n1 AppendEntries #35
        37  deliver n1>n2 Appended #36
        38  deliver n2>n1 AppendEntries #37
        39  sync n1 #38
        40  deliver n1>n2 Appended #39
        41  deliver n2>c1 Done #40
    """,
)

if __name__ == "__main__":
    scenario.main()
