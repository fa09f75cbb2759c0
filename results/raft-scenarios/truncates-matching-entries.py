"""raft [truncates-matching-entries] fails leader_completeness: n3 became leader of term 2 without entry 2, which was committed in term 1

4 faults, 159 operations, 3 clients, 5 nodes, 1.37 s shrunk to 0 faults, 1 operation, 46 steps.

See it with: python truncates-matching-entries.py, or bench run truncates-matching-entries.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="leader_completeness",
    mutant="truncates-matching-entries",
    nodes=5,
    clients=3,
    params={
        "pre_vote": "false",
        "membership_change": "single",
        "election_timeout_s": "0.02..0.03",
        "snapshot_entries": "50",
    },
    seed=4,
    steps="""
         1  boot n1
         2  boot n2
         3  boot n3
         4  boot n4
         5  boot n5
         6  boot c3
         7  timer n1 election
         8  sync n1 #7
         9  deliver n1>n4 RequestVote #8
        10  deliver n1>n2 RequestVote #8
        11  sync n4 #9
        12  sync n2 #10
        13  deliver n4>n1 Vote #11
        14  deliver n2>n1 Vote #12
        15  deliver n1>n3 AppendEntries #14
        16  sync n3 #15
        17  deliver n1>n2 AppendEntries #14
        18  timer n1 heartbeat
        19  sync n2 #17
        20  deliver n2>n1 Appended #19
        21  deliver n3>n1 Appended #16
        22  timer n1 heartbeat
        23  deliver n1>n2 AppendEntries #22
        24  request c3 write k0 24
        25  deliver n1>n3 AppendEntries #22
        26  deliver c3>n1 ClientRequest #24
        27  timer n1 heartbeat
        28  deliver n1>n3 AppendEntries #27
        29  deliver n1>n2 AppendEntries #27
        30  deliver n1>n2 AppendEntries #18
        31  sync n1 #26
        32  deliver n1>n5 AppendEntries #27
        33  deliver n1>n3 AppendEntries #18
        34  sync n3 #28
        35  sync n2 #30
        36  deliver n2>n1 Appended #35
        37  deliver n3>n1 Appended #34
        38  deliver n1>n5 AppendEntries #22
        39  timer n3 election
        40  sync n3 #39
        41  deliver n3>n5 RequestVote #40
        42  deliver n3>n2 RequestVote #40
        43  sync n5 #41
        44  sync n2 #42
        45  deliver n5>n3 Vote #43
        46  deliver n2>n3 Vote #44
    """,
)

if __name__ == "__main__":
    scenario.main()
