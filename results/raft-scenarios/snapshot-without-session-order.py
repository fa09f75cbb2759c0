"""raft [snapshot-without-session-order] fails session_agreement: after 6 entries n1 remembers 2 sessions from 4 to 5, n2 2 from 5 to 4

18 faults, 44 operations, 6 clients, 5 nodes, 0.678 s shrunk to 2 faults, 6 operations, 65 steps.

See it with: python snapshot-without-session-order.py, or bench run snapshot-without-session-order.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="session_agreement",
    mutant="snapshot-without-session-order",
    nodes=5,
    clients=3,
    params={
        "snapshot_entries": "5",
        "snapshot_trailing": "0",
        "max_entries": "4",
        "reads": "lease",
        "max_sessions": "5",
        "snapshot_chunk": "150",
    },
    seed=1,
    steps="""
         1  boot n1 clock 0s
         2  boot n2 clock 0s
         3  boot n3 clock 0s
         4  boot n4 clock 0s
         5  boot n5 clock 0s
         6  boot c2 clock 0s
         7  boot c3 clock 0s
         8  timer n2 election clock 150.167393ms
         9  deliver n2>n3 RequestVote #8 clock 153.639915ms
        10  deliver n3>n2 Vote #9 clock 153.915765ms
        11  deliver n2>n4 RequestVote #8 clock 154.697107ms
        12  deliver n4>n2 Vote #11 clock 155.999806ms
        13  sync n2 #12 clock 160.044743ms
        14  deliver n2>n4 RequestVote #13 clock 161.205362ms
        15  deliver n2>n5 RequestVote #13 clock 164.902001ms
        16  sync n4 #14 clock 165.250306ms
        17  sync n5 #15 clock 168.947092ms
        18  deliver n4>n2 Vote #16 clock 170.024884ms
        19  deliver n5>n2 Vote #17 clock 171.247118ms
        20  deliver n2>n1 AppendEntries #19 clock 171.5212ms
        21  sync n1 #20 clock 175.566956ms
        22  deliver n2>n3 AppendEntries #19 clock 175.8756ms
        23  deliver n2>n5 AppendEntries #19 clock 176.276703ms
        24  sync n3 #22 clock 179.920027ms
        25  request c2 cas k2 9->13 clock 455.575268ms
        26  sync n5 #23 clock 455.641766ms
        27  deliver n3>n2 Appended #24 clock 460.029777ms
        28  deliver n5>n2 Appended #26 clock 476.83309ms
        29  request c2 read k2 clock 508.977475ms
        30  request c2 read k0 clock 579.441563ms
        31  deliver n1>n2 Appended #21 clock 583.895774ms
        32  admin n2 RemoveServer {"type":"RemoveServer","node":"n3"} clock 583.895774ms
        33  admin n2 RemoveServer {"type":"RemoveServer","node":"n4"} clock 583.895774ms
        34  end n2 clock 583.895774ms
        35  sync n2 #34 clock 588.285706ms
        36  deliver n2>n3 AppendEntries #34 clock 615.843905ms
        37  deliver n2>n1 AppendEntries #34 clock 617.180747ms
        38  sync n3 #36 clock 625.358375ms
        39  sync n1 #37 clock 632.996416ms
        40  deliver n3>n2 Appended #38 clock 634.27671ms
        41  deliver n1>n2 Appended #39 clock 640.132221ms
        42  timer c2 retry clock 655.575269ms
        43  timer n2 heartbeat clock 733.895775ms
        44  request c2 write k0 19 clock 748.066272ms
        45  deliver c2>n2 OpenSession #44 clock 782.170028ms
        46  request c3 write k0 20 clock 799.476887ms
        47  request c3 write k0 21 clock 803.368119ms
        48  deliver c3>n2 OpenSession #47 clock 831.584264ms
        49  timer n2 heartbeat clock 831.584264ms
        50  deliver n2>n1 AppendEntries #49 clock 832.255322ms
        51  deliver n2>n5 AppendEntries #49 clock 832.244971ms
        52  sync n1 #50 clock 836.301077ms
        53  sync n5 #51 clock 836.290062ms
        54  deliver n5>n2 Appended #53 clock 838.157026ms
        55  sync n2 #48 clock 839.58414ms
        56  deliver n2>c2 Opened #55 clock 841.120986ms
        57  deliver c2>n2 ClientRequest #56 clock 848.348645ms
        58  end n2 clock 848.348645ms
        59  sync n2 #57 clock 852.423582ms
        60  deliver n2>n5 AppendEntries #58 clock 853.82987ms
        61  sync n5 #60 clock 857.87496ms
        62  deliver n5>n2 Appended #61 clock 860.45089ms
        63  timer n2 snapshot clock 860.49589ms
        64  deliver n1>n2 Appended #52 clock 862.504807ms
        65  deliver n2>n1 InstallSnapshot #64 clock 863.569453ms
    """,
)

if __name__ == "__main__":
    scenario.main()
