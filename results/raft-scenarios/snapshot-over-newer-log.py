"""raft [snapshot-over-newer-log] fails leader_completeness: n2 became leader of term 4 without entry 2, which was committed in term 2

256 faults, 457 operations, 3 clients, 3 nodes, 4 s shrunk to 0 faults, 2 operations, 58 steps.

See it with: python snapshot-over-newer-log.py, or bench run snapshot-over-newer-log.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="leader_completeness",
    mutant="snapshot-over-newer-log",
    nodes=3,
    clients=1,
    params={
        "pre_vote": "false",
        "election_timeout_s": "0.05..0.06",
        "snapshot_entries": "1",
        "snapshot_trailing": "0",
        "max_entries": "4",
    },
    seed=24,
    steps="""
         1  boot n1
         2  boot n2
         3  boot n3
         4  boot c1
         5  timer n2 election
         6  sync n2 #5
         7  deliver n2>n3 RequestVote #6
         8  sync n3 #7
         9  deliver n3>n2 Vote #8
        10  deliver n2>n3 AppendEntries #9
        11  sync n3 #10
        12  deliver n3>n2 Appended #11
        13  sync n2 #9
        14  timer n2 heartbeat
        15  deliver n2>n3 AppendEntries #14
        16  timer n3 snapshot
        17  request c1 read k1
        18  request c1 write k4 184
        19  timer c1 retry
        20  timer c1 retry
        21  timer c1 retry
        22  timer n3 election
        23  sync n3 #22
        24  timer c1 retry
        25  timer c1 retry
        26  timer c1 retry
        27  timer c1 retry
        28  timer c1 retry
        29  deliver c1>n3 ClientRequest #28
        30  deliver c1>n3 ClientRequest #25
        31  deliver c1>n3 ClientRequest #20
        32  deliver n3>n1 RequestVote #23
        33  sync n1 #32
        34  deliver n1>n3 Vote #33
        35  sync n3 #34
        36  deliver n3>n1 AppendEntries #34
        37  deliver c1>n3 ClientRequest #17
        38  deliver n1>n3 Appended #36
        39  end n3
        40  deliver n3>n1 InstallSnapshot #39
        41  timer n3 heartbeat
        42  deliver n1>n3 SnapshotStored #40
        43  deliver n3>n1 InstallSnapshot #41
        44  deliver n3>n1 InstallSnapshot #42
        45  sync n1 #44
        46  deliver n1>n3 Appended #45
        47  deliver n3>n1 AppendEntries #46
        48  sync n1 #47
        49  deliver n1>n3 Appended #48
        50  deliver n3>n1 InstallSnapshot #38
        51  timer n1 election
        52  sync n1 #51
        53  deliver n1>n2 RequestVote #52
        54  timer n2 election
        55  sync n2 #54
        56  deliver n2>n1 RequestVote #55
        57  sync n1 #56
        58  deliver n1>n2 Vote #57
    """,
)

if __name__ == "__main__":
    scenario.main()
