"""raft [snapshot-drops-sessions] fails snapshot_safety: n1's snapshot at 10 has other sessions than the 10 committed entries make

30 faults, 68 operations, 6 clients, 5 nodes, 1.09 s shrunk to 2 faults, 7 operations, 111 steps.

See it with: python snapshot-drops-sessions.py, or bench run snapshot-drops-sessions.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="snapshot_safety",
    mutant="snapshot-drops-sessions",
    nodes=5,
    clients=6,
    params={
        "snapshot_entries": "5",
        "snapshot_trailing": "0",
        "max_entries": "4",
        "reads": "lease",
        "snapshot_chunk": "150",
    },
    seed=1,
    steps="""
          1  boot n2 clock 0s
          2  boot n3 clock 0s
          3  boot n4 clock 0s
          4  boot n5 clock 0s
          5  boot c1 clock 0s
          6  boot c2 clock 0s
          7  boot c4 clock 0s
          8  boot c5 clock 0s
          9  boot c6 clock 0s
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
         22  deliver n2>n4 AppendEntries #21 clock 172.423057ms
         23  deliver n2>n3 AppendEntries #21 clock 175.8756ms
         24  deliver n2>n5 AppendEntries #21 clock 176.276703ms
         25  sync n4 #22 clock 176.468001ms
         26  deliver n4>n2 Appended #25 clock 179.506069ms
         27  sync n3 #23 clock 179.920027ms
         28  sync n5 #24 clock 180.321793ms
         29  deliver n3>n2 Appended #27 clock 181.392437ms
         30  request c5 cas k1 8->14 clock 502.657786ms
         31  request c2 read k2 clock 508.977475ms
         32  request c4 cas k1 8->15 clock 549.573098ms
         33  deliver n5>n2 Appended #28 clock 586.3468ms
         34  deliver c5>n2 ClientRequest #30 clock 586.3468ms
         35  admin n2 RemoveServer {"type":"RemoveServer","node":"n3"} clock 586.3468ms
         36  admin n2 RemoveServer {"type":"RemoveServer","node":"n4"} clock 586.3468ms
         37  timer n2 heartbeat clock 586.3468ms
         38  end n2 clock 586.3468ms
         39  sync n2 #38 clock 590.691733ms
         40  deliver n2>n3 AppendEntries #37 clock 610.217901ms
         41  deliver n2>n3 AppendEntries #38.2 clock 616.224969ms
         42  sync n3 #41 clock 620.269396ms
         43  deliver n3>n2 Appended #42 clock 620.903135ms
         44  deliver n3>n2 Appended #42.2 clock 648.925169ms
         45  timer c2 retry clock 655.575269ms
         46  timer n2 heartbeat clock 661.346801ms
         47  deliver n2>n5 AppendEntries #46 clock 663.940361ms
         48  request c1 cas k0 10->18 clock 725.308306ms
         49  timer c5 retry clock 776.853156ms
         50  timer c4 retry clock 801.85238ms
         51  timer c4 retry clock 819.671897ms
         52  timer c4 retry clock 823.008313ms
         53  sync n5 #47 clock 838.584064ms
         54  deliver n5>n2 Appended #53 clock 839.527377ms
         55  deliver n2>n5 AppendEntries #54 clock 848.01884ms
         56  sync n5 #55 clock 852.063931ms
         57  boot n1 clock 860.140527ms
         58  timer c2 retry clock 1.084021793s
         59  timer c5 retry clock 1.085317863s
         60  timer c2 retry clock 1.120717816s
         61  timer n5 election clock 1.121694597s
         62  deliver n5>n1 RequestVote #61 clock 1.123654766s
         63  timer c5 retry clock 1.123560545s
         64  deliver n1>n5 Vote #62 clock 1.126526124s
         65  sync n5 #64 clock 1.130571214s
         66  timer c2 retry clock 1.13516391s
         67  timer c2 retry clock 1.139728403s
         68  request c6 write k0 35 clock 1.142149935s
         69  deliver c2>n3 ClientRequest #67 clock 1.142133675s
         70  deliver n3>c2 Refused #69 clock 1.14456074s
         71  deliver n5>n1 RequestVote #65 clock 1.144988545s
         72  timer c6 retry clock 1.147382347s
         73  sync n1 #71 clock 1.1490343s
         74  timer c6 retry clock 1.150500016s
         75  deliver n1>n5 Vote #73 clock 1.153289306s
         76  deliver n5>n2 AppendEntries #75 clock 1.157053192s
         77  sync n5 #75 clock 1.157364397s
         78  timer c6 retry clock 1.160742682s
         79  timer c2 retry clock 1.160870529s
         80  sync n2 #76 clock 1.16109813s
         81  deliver n2>n5 Appended #80 clock 1.164743843s
         82  timer n5 snapshot clock 1.164803845s
         83  deliver n5>n1 AppendEntries #75 clock 1.168316237s
         84  timer c6 retry clock 1.169298078s
         85  deliver n1>n5 Appended #83 clock 1.17250929s
         86  deliver n5>n1 InstallSnapshot #85 clock 1.175384153s
         87  deliver c6>n5 ClientRequest #84 clock 1.175718242s
         88  deliver c1>n5 ClientRequest #48 clock 1.175947151s
         89  deliver c4>n5 ClientRequest #52 clock 1.17759229s
         90  request c2 cas k0 33->37 clock 1.180761787s
         91  deliver c2>n5 ClientRequest #90 clock 1.182719024s
         92  end n5 clock 1.182929093s
         93  deliver n5>n2 AppendEntries #92 clock 1.183896866s
         94  sync n5 #91 clock 1.187778511s
         95  sync n2 #93 clock 1.189700355s
         96  deliver n2>n5 Appended #95 clock 1.193535133s
         97  deliver n5>c2 Done #96 clock 1.197158946s
         98  request c2 write k0 39 clock 1.226629437s
         99  deliver c2>n5 ClientRequest #98 clock 1.229405821s
        100  end n5 clock 1.229405821s
        101  sync n1 #86 clock 1.232516799s
        102  sync n5 #99 clock 1.233465912s
        103  deliver n5>n2 AppendEntries #100 clock 1.233429075s
        104  deliver n1>n5 Appended #101 clock 1.237195842s
        105  sync n2 #103 clock 1.237474012s
        106  deliver n5>n1 AppendEntries #104 clock 1.238942712s
        107  deliver n2>n5 Appended #105 clock 1.238849865s
        108  deliver c5>n5 ClientRequest #63 clock 1.259112796s
        109  end n5 clock 1.27177869s
        110  deliver n5>n1 AppendEntries #109 clock 1.276006357s
        111  timer n1 snapshot clock 1.276051365s
    """,
)

if __name__ == "__main__":
    scenario.main()
