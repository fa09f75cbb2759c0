"""raft [learner-counted-in-quorum] fails leader_completeness: n5 became leader of term 2 without entry 6, which was committed in term 1

38 faults, 195 operations, 5 clients, 5 nodes, 1.96 s shrunk to 2 faults, 2 operations, 85 steps.

See it with: python learner-counted-in-quorum.py, or bench run learner-counted-in-quorum.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="leader_completeness",
    mutant="learner-counted-in-quorum",
    nodes=5,
    clients=1,
    params={"snapshot_entries": "1", "snapshot_trailing": "0", "max_entries": "4", "reads": "lease"},
    seed=171,
    steps="""
         1  boot n1 clock 0s
         2  boot n2 clock 0s
         3  boot n3 clock 0s
         4  boot n4 clock 0s
         5  boot n5 clock 0s
         6  boot c1 clock 0s
         7  timer n1 election clock 167.694628ms
         8  deliver n1>n5 RequestVote #7 clock 168.336952ms
         9  deliver n1>n4 RequestVote #7 clock 168.484668ms
        10  deliver n5>n1 Vote #8 clock 169.296618ms
        11  deliver n4>n1 Vote #9 clock 169.390888ms
        12  sync n1 #11 clock 184.434642ms
        13  deliver n1>n2 RequestVote #12 clock 185.378404ms
        14  deliver n1>n3 RequestVote #12 clock 185.996224ms
        15  sync n2 #13 clock 200.421443ms
        16  sync n3 #14 clock 201.04384ms
        17  deliver n2>n1 Vote #15 clock 201.222083ms
        18  deliver n3>n1 Vote #16 clock 201.751941ms
        19  deliver n1>n2 AppendEntries #18 clock 202.042611ms
        20  deliver n1>n3 AppendEntries #18 clock 202.267373ms
        21  deliver n1>n4 AppendEntries #18 clock 202.460465ms
        22  sync n2 #19 clock 217.085649ms
        23  sync n3 #20 clock 217.31499ms
        24  sync n4 #21 clock 217.507657ms
        25  deliver n2>n1 Appended #22 clock 217.521372ms
        26  deliver n3>n1 Appended #23 clock 218.150653ms
        27  deliver n4>n1 Appended #24 clock 218.663728ms
        28  timer n1 heartbeat clock 501.312076ms
        29  deliver n1>n2 AppendEntries #28 clock 502.580468ms
        30  admin n1 RemoveServer {"type":"RemoveServer","node":"n4"} clock 535.320666ms
        31  end n1 clock 535.320666ms
        32  deliver n1>n3 AppendEntries #31 clock 627.991775ms
        33  timer n1 heartbeat clock 651.312077ms
        34  deliver n1>n4 AppendEntries #33 clock 652.610665ms
        35  deliver n1>n5 AppendEntries #33 clock 652.637877ms
        36  sync n4 #34 clock 667.657857ms
        37  sync n3 #32 clock 667.685064ms
        38  sync n5 #35 clock 667.682629ms
        39  deliver n3>n1 Appended #37 clock 743.193165ms
        40  deliver n4>n1 Appended #36 clock 743.25316ms
        41  deliver n5>n1 Appended #38 clock 743.502902ms
        42  deliver n2>n1 Appended #29 clock 744.249525ms
        43  deliver n1>n5 AppendEntries #41 clock 744.604566ms
        44  deliver n1>n2 AppendEntries #42 clock 745.644581ms
        45  end n1 clock 762.839474ms
        46  deliver n1>n3 AppendEntries #45 clock 763.882398ms
        47  sync n3 #46 clock 789.255361ms
        48  sync n5 #43 clock 789.648824ms
        49  deliver n3>n1 Appended #47 clock 790.112221ms
        50  sync n2 #44 clock 790.683707ms
        51  deliver n5>n1 Appended #48 clock 822.127769ms
        52  deliver n2>n1 Appended #50 clock 838.686102ms
        53  admin n1 RemoveServer {"type":"RemoveServer","node":"n2"} clock 851.199507ms
        54  end n1 clock 851.289499ms
        55  deliver n1>n3 AppendEntries #54 clock 852.299314ms
        56  deliver n1>n5 AppendEntries #54 clock 852.150281ms
        57  deliver n1>n2 AppendEntries #54 clock 852.378822ms
        58  sync n3 #55 clock 867.346931ms
        59  sync n5 #56 clock 867.195034ms
        60  sync n2 #57 clock 867.42186ms
        61  deliver n2>n1 Appended #60 clock 867.84103ms
        62  deliver n5>n1 Appended #59 clock 868.20019ms
        63  deliver n3>n1 Appended #58 clock 868.370419ms
        64  end n1 clock 868.370419ms
        65  deliver n1>n5 AppendEntries #64 clock 869.267909ms
        66  deliver n1>n2 AppendEntries #64 clock 869.937323ms
        67  sync n5 #65 clock 1.384197859s
        68  sync n2 #66 clock 1.391813763s
        69  request c1 cas k1 90->95 clock 1.934979538s
        70  request c1 write k1 97 clock 1.946471967s
        71  timer c1 retry clock 1.995282024s
        72  timer c1 retry clock 2.110398658s
        73  deliver c1>n1 ClientRequest #72 clock 2.11118199s
        74  end n1 clock 2.113181675s
        75  deliver n1>n2 AppendEntries #74 clock 2.11413207s
        76  sync n1 #73 clock 2.140273393s
        77  sync n2 #75 clock 2.141439692s
        78  deliver n2>n1 Appended #77 clock 2.14239338s
        79  timer n5 election clock 2.146034071s
        80  deliver n5>n3 RequestVote #79 clock 2.147767041s
        81  deliver n3>n5 Vote #80 clock 2.148370475s
        82  sync n5 #81 clock 2.163415228s
        83  deliver n5>n3 RequestVote #82 clock 2.16445956s
        84  sync n3 #83 clock 2.179507177s
        85  deliver n3>n5 Vote #84 clock 2.180141299s
    """,
)

if __name__ == "__main__":
    scenario.main()
