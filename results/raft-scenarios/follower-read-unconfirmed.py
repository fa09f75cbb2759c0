"""raft [follower-read-unconfirmed] fails linearizable: key 2: c1's read of nil (24.0 to 26.0 ms) is stale: c1's write of 1 (14.0 to 23.0 ms) had replaced that value and ended before it began

141 faults, 232 operations, 6 clients, 5 nodes, 4 s shrunk to 0 faults, 2 operations, 26 steps.

See it with: python follower-read-unconfirmed.py, or bench run follower-read-unconfirmed.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="linearizable",
    mutant="follower-read-unconfirmed",
    nodes=2,
    clients=1,
    params={"snapshot_entries": "1", "snapshot_trailing": "0", "max_entries": "4", "reads": "follower"},
    seed=1,
    steps="""
         1  boot n1
         2  boot n2
         3  boot c1
         4  timer n1 election
         5  deliver n1>n2 RequestVote #4
         6  deliver n2>n1 Vote #5
         7  sync n1 #6
         8  deliver n1>n2 RequestVote #7
         9  sync n2 #8
        10  deliver n2>n1 Vote #9
        11  deliver n1>n2 AppendEntries #10
        12  sync n2 #11
        13  deliver n2>n1 Appended #12
        14  request c1 write k2 1
        15  deliver c1>n2 ClientRequest #14
        16  deliver n2>c1 Refused #15
        17  deliver c1>n1 ClientRequest #16
        18  end n1
        19  deliver n1>n2 AppendEntries #18
        20  sync n2 #19
        21  deliver n2>n1 Appended #20
        22  sync n1 #17
        23  deliver n1>c1 Done #22
        24  request c1 read k2
        25  deliver c1>n2 ClientRequest #24
        26  deliver n2>c1 Done #25
    """,
)

if __name__ == "__main__":
    scenario.main()
