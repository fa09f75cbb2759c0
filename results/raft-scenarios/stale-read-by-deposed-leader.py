"""raft [stale-read-by-deposed-leader] fails linearizable: key 0: c4's read of nil (25.0 to 35.0 ms) is stale: c4's write of 1 (15.0 to 22.0 ms) had replaced that value and ended before it began

182 faults, 270 operations, 5 clients, 3 nodes, 4 s shrunk to 1 fault, 2 operations, 35 steps.

See it with: python stale-read-by-deposed-leader.py, or bench run stale-read-by-deposed-leader.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="linearizable",
    mutant="stale-read-by-deposed-leader",
    nodes=3,
    clients=4,
    params={
        "snapshot_entries": "20",
        "snapshot_trailing": "5",
        "snapshot_chunk": "150",
        "membership_change": "single",
    },
    seed=2,
    steps="""
         1  boot n1
         2  boot n2
         3  boot n3
         4  boot c4
         5  timer n2 election
         6  deliver n2>n1 RequestVote #5
         7  deliver n1>n2 Vote #6
         8  sync n2 #7
         9  deliver n2>n1 RequestVote #8
        10  sync n1 #9
        11  deliver n1>n2 Vote #10
        12  deliver n2>n1 AppendEntries #11
        13  sync n1 #12
        14  deliver n1>n2 Appended #13
        15  request c4 write k0 1
        16  deliver c4>n2 ClientRequest #15
        17  end n2
        18  deliver n2>n1 AppendEntries #17
        19  sync n1 #18
        20  deliver n1>n2 Appended #19
        21  sync n2 #16
        22  deliver n2>c4 Done #21
        23  crash n2
        24  boot n2
        25  request c4 read k0
        26  timer n2 election
        27  deliver n2>n3 RequestVote #26
        28  deliver n3>n2 Vote #27
        29  sync n2 #28
        30  deliver n2>n3 RequestVote #29
        31  sync n3 #30
        32  deliver n3>n2 Vote #31
        33  sync n2 #32
        34  deliver c4>n2 ClientRequest #25
        35  deliver n2>c4 Done #34
    """,
)

if __name__ == "__main__":
    scenario.main()
