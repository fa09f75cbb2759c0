"""raft [compaction-forgotten-on-disk] fails state_machine_safety: n5 says that entry 5 is committed, but its log ends at 0

12 faults, 34 operations, 6 clients, 5 nodes, 0.572 s shrunk to 3 faults, 3 operations, 54 steps.

See it with: python compaction-forgotten-on-disk.py, or bench run compaction-forgotten-on-disk.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="state_machine_safety",
    mutant="compaction-forgotten-on-disk",
    nodes=5,
    clients=4,
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
         6  boot c3 clock 0s
         7  boot c4 clock 0s
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
        25  sync n5 #23 clock 180.321793ms
        26  deliver n3>n2 Appended #24 clock 181.392437ms
        27  deliver n5>n2 Appended #25 clock 181.437436ms
        28  deliver n1>n2 Appended #21 clock 188.178771ms
        29  request c4 cas k1 8->14 clock 502.657786ms
        30  request c3 read k1 clock 564.71134ms
        31  deliver c4>n2 ClientRequest #29 clock 586.3468ms
        32  admin n2 RemoveServer {"type":"RemoveServer","node":"n3"} clock 586.3468ms
        33  admin n2 RemoveServer {"type":"RemoveServer","node":"n4"} clock 586.3468ms
        34  request c3 write k2 16 clock 607.186044ms
        35  deliver c3>n2 ClientRequest #34 clock 608.311328ms
        36  end n2 clock 608.311328ms
        37  deliver n2>n3 AppendEntries #36 clock 610.217901ms
        38  deliver n2>n5 AppendEntries #36 clock 610.63913ms
        39  deliver n2>n1 AppendEntries #36 clock 611.16252ms
        40  sync n2 #36 clock 612.416265ms
        41  sync n1 #39 clock 617.609341ms
        42  sync n3 #37 clock 620.269396ms
        43  deliver n3>n2 Appended #42 clock 620.903135ms
        44  deliver n1>n2 Appended #41 clock 623.407547ms
        45  deliver n2>n1 AppendEntries #44 clock 641.975439ms
        46  sync n1 #45 clock 646.021194ms
        47  deliver n1>n2 Appended #46 clock 646.182007ms
        48  sync n2 #44 clock 650.301944ms
        49  timer n2 heartbeat clock 661.346801ms
        50  deliver n2>n5 AppendEntries #49 clock 663.940361ms
        51  timer n5 snapshot clock 664.000362ms
        52  sync n5 #51 clock 668.045452ms
        53  crash n5 clock 700.98ms
        54  boot n5 clock 756.81692ms
    """,
)

if __name__ == "__main__":
    scenario.main()
