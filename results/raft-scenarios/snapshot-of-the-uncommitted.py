"""raft [snapshot-of-the-uncommitted] fails leader_append_only: n2, leader of term 1, compacted up to 6, beyond its commit index 5

0 faults, 8 operations, 6 clients, 5 nodes, 0.11 s shrunk to 0 faults, 5 operations, 52 steps.

See it with: python snapshot-of-the-uncommitted.py, or bench run snapshot-of-the-uncommitted.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="leader_append_only",
    mutant="snapshot-of-the-uncommitted",
    nodes=5,
    clients=5,
    params={
        "snapshot_entries": "5",
        "snapshot_trailing": "0",
        "max_entries": "4",
        "reads": "lease",
        "snapshot_chunk": "150",
    },
    seed=1,
    steps="""
         1  boot n1 clock 0s
         2  boot n2 clock 0s
         3  boot n3 clock 0s
         4  boot n4 clock 0s
         5  boot n5 clock 0s
         6  boot c1 clock 0s
         7  boot c2 clock 0s
         8  boot c4 clock 0s
         9  boot c5 clock 0s
        10  timer n2 election clock 150.167393ms
        11  deliver n2>n3 RequestVote #10 clock 153.639915ms
        12  deliver n3>n2 Vote #11 clock 153.915765ms
        13  deliver n2>n4 RequestVote #10 clock 154.697107ms
        14  deliver n4>n2 Vote #13 clock 155.999806ms
        15  sync n2 #14 clock 160.044743ms
        16  deliver n2>n4 RequestVote #15 clock 161.205362ms
        17  deliver n2>n5 RequestVote #15 clock 164.902001ms
        18  sync n4 #16 clock 165.250306ms
        19  sync n5 #17 clock 168.947092ms
        20  deliver n4>n2 Vote #18 clock 170.024884ms
        21  deliver n5>n2 Vote #19 clock 171.247118ms
        22  deliver n2>n1 AppendEntries #21 clock 171.5212ms
        23  sync n1 #22 clock 175.566956ms
        24  deliver n2>n3 AppendEntries #21 clock 175.8756ms
        25  deliver n2>n5 AppendEntries #21 clock 176.276703ms
        26  sync n3 #24 clock 179.920027ms
        27  sync n5 #25 clock 180.321793ms
        28  deliver n3>n2 Appended #26 clock 181.392437ms
        29  deliver n1>n2 Appended #23 clock 188.178771ms
        30  request c2 write k2 1 clock 191.97355ms
        31  request c1 write k1 2 clock 193.923322ms
        32  deliver c1>n5 ClientRequest #31 clock 195.813283ms
        33  deliver c2>n3 ClientRequest #30 clock 196.669232ms
        34  deliver n3>c2 Refused #33 clock 197.902171ms
        35  request c4 cas k0 nil->3 clock 198.341354ms
        36  deliver c2>n2 ClientRequest #34 clock 198.54154ms
        37  deliver n5>c1 Refused #32 clock 198.769ms
        38  deliver c1>n2 ClientRequest #37 clock 200.620452ms
        39  request c1 write k1 4 clock 231.904641ms
        40  deliver c1>n2 ClientRequest #39 clock 234.134564ms
        41  request c5 write k1 6 clock 269.990562ms
        42  deliver c4>n2 ClientRequest #35 clock 280.264637ms
        43  deliver c5>n2 ClientRequest #41 clock 283.315489ms
        44  end n2 clock 283.315489ms
        45  deliver n2>n3 AppendEntries #44 clock 287.821065ms
        46  deliver n2>n1 AppendEntries #44 clock 288.001566ms
        47  sync n2 #43 clock 288.369512ms
        48  sync n3 #45 clock 291.865492ms
        49  sync n1 #46 clock 292.047321ms
        50  deliver n3>n2 Appended #48 clock 293.426091ms
        51  deliver n1>n2 Appended #49 clock 294.586127ms
        52  timer n2 snapshot clock 294.646126ms
    """,
)

if __name__ == "__main__":
    scenario.main()
