"""raft [expired-command-executed] fails linearizable: key 2: c3's compare-and-set 16 to 28 that found 28 (72.0 to 132.0 ms) saw a value that nobody wrote

148 faults, 232 operations, 6 clients, 5 nodes, 4 s shrunk to 4 faults, 6 operations, 132 steps.

See it with: python expired-command-executed.py, or bench run expired-command-executed.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="linearizable",
    mutant="expired-command-executed",
    nodes=5,
    clients=3,
    params={
        "snapshot_entries": "1",
        "snapshot_trailing": "0",
        "max_entries": "4",
        "reads": "lease",
        "max_sessions": "2",
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
         22  deliver n2>n5 AppendEntries #19 clock 246.651534ms
         23  deliver n1>n2 Appended #21 clock 247.776541ms
         24  deliver n2>n3 AppendEntries #19 clock 249.535293ms
         25  sync n5 #22 clock 254.696714ms
         26  sync n3 #24 clock 273.0636ms
         27  deliver n3>n2 Appended #26 clock 443.42257ms
         28  deliver n5>n2 Appended #25 clock 477.884871ms
         29  request c3 read k1 clock 564.71134ms
         30  admin n2 RemoveServer {"type":"RemoveServer","node":"n3"} clock 584.5772ms
         31  admin n2 RemoveServer {"type":"RemoveServer","node":"n4"} clock 584.5772ms
         32  end n2 clock 584.982194ms
         33  deliver n2>n1 AppendEntries #32 clock 585.799834ms
         34  deliver n2>n5 AppendEntries #32 clock 588.606113ms
         35  sync n5 #34 clock 596.651293ms
         36  deliver n5>n2 Appended #35 clock 604.45124ms
         37  request c3 write k2 16 clock 607.186044ms
         38  deliver c3>n2 OpenSession #37 clock 608.311328ms
         39  end n2 clock 608.311328ms
         40  deliver n2>n1 AppendEntries #39 clock 609.580471ms
         41  deliver n2>n5 AppendEntries #39 clock 611.111058ms
         42  sync n2 #38 clock 612.416265ms
         43  sync n5 #41 clock 615.156149ms
         44  sync n1 #40 clock 615.970079ms
         45  deliver n1>n2 Appended #44 clock 615.846773ms
         46  deliver n5>n2 Appended #43 clock 621.054593ms
         47  deliver n2>n1 AppendEntries #45 clock 621.596899ms
         48  sync n2 #45 clock 623.951647ms
         49  deliver n2>c3 Opened #48 clock 625.296295ms
         50  request c3 read k1 clock 798.876541ms
         51  timer c3 retry clock 825.296296ms
         52  disconnect c3 n1 clock 827.864556ms
         53  deliver c3>n3 ClientRequest #51 clock 829.508449ms
         54  deliver c3>n2 ClientRequest #50 clock 832.28069ms
         55  end n2 clock 832.28069ms
         56  deliver n3>c3 Refused #53 clock 834.722312ms
         57  deliver n2>n5 AppendEntries #55 clock 835.668696ms
         58  deliver c3>n2 ClientRequest #56 clock 837.228971ms
         59  end n2 clock 837.228971ms
         60  deliver n2>n1 AppendEntries #59 clock 841.106698ms
         61  deliver n5>n2 Appended #57 clock 841.580621ms
         62  deliver n2>n5 AppendEntries #61 clock 843.566235ms
         63  sync n2 #58 clock 844.280504ms
         64  request c2 write k1 25 clock 845.478085ms
         65  sync n5 #62 clock 847.611325ms
         66  deliver n5>n2 Appended #65 clock 850.125447ms
         67  sync n1 #60 clock 859.296474ms
         68  deliver n2>c3 Done #66 clock 863.442253ms
         69  disconnect c3 n2 clock 878.637902ms
         70  timer c2 retry clock 907.725923ms
         71  timer c2 retry clock 921.584557ms
         72  request c3 cas k2 16->28 clock 975.815438ms
         73  timer c2 retry clock 979.307763ms
         74  deliver c2>n1 OpenSession #73 clock 1.020563326s
         75  request c3 cas k2 16->29 clock 1.021230056s
         76  timer c3 retry clock 1.021399421s
         77  crash n2 clock 1.02353s
         78  deliver n1>c2 Refused #74 clock 1.024604497s
         79  deliver c3>n1 ClientRequest #76 clock 1.02520748s
         80  timer c3 retry clock 1.028681399s
         81  deliver n1>c3 Refused #79 clock 1.034800144s
         82  boot n2 clock 1.03996391s
         83  deliver c3>n5 ClientRequest #80 clock 1.092034908s
         84  deliver n5>c3 Refused #83 clock 1.093440785s
         85  timer c3 retry clock 1.106837786s
         86  timer c3 retry clock 1.109713244s
         87  deliver c3>n2 ClientRequest #86 clock 1.137063252s
         88  deliver n2>c3 Refused #87 clock 1.141094654s
         89  timer n2 election clock 1.194350431s
         90  deliver n2>n5 RequestVote #89 clock 1.194588426s
         91  deliver n5>n2 Vote #90 clock 1.196593197s
         92  timer c3 retry clock 1.19831341s
         93  sync n2 #91 clock 1.200638134s
         94  deliver n2>n5 RequestVote #93 clock 1.210285484s
         95  sync n5 #94 clock 1.214330574s
         96  deliver n5>n2 Vote #95 clock 1.217225393s
         97  deliver n2>n1 AppendEntries #96 clock 1.218837209s
         98  sync n1 #97 clock 1.224988113s
         99  deliver n1>n2 Appended #98 clock 1.227977851s
        100  deliver c3>n2 ClientRequest #84 clock 1.228470636s
        101  deliver c2>n2 OpenSession #78 clock 1.230672997s
        102  end n2 clock 1.230672997s
        103  sync n2 #101 clock 1.236067726s
        104  crash n2 clock 1.24204s
        105  deliver n2>n1 AppendEntries #102 clock 1.250336129s
        106  timer c3 retry clock 1.251198687s
        107  sync n1 #105 clock 1.254381884s
        108  boot n2 clock 1.268590373s
        109  timer c3 retry clock 1.279469071s
        110  timer c3 retry clock 1.287535479s
        111  timer c3 retry clock 1.291050561s
        112  timer c3 retry clock 1.31058598s
        113  timer c3 retry clock 1.313602341s
        114  timer n1 election clock 1.417976859s
        115  deliver n1>n2 RequestVote #114 clock 1.423572884s
        116  deliver n2>n1 Vote #115 clock 1.424732524s
        117  sync n1 #116 clock 1.428778279s
        118  deliver n1>n2 RequestVote #117 clock 1.428989129s
        119  sync n2 #118 clock 1.433034067s
        120  deliver n2>n1 Vote #119 clock 1.433487249s
        121  deliver n1>n2 AppendEntries #120 clock 1.438665594s
        122  timer c3 retry clock 1.442938747s
        123  sync n2 #121 clock 1.452347305s
        124  deliver n2>n1 Appended #123 clock 1.453411633s
        125  deliver c3>n1 OpenSession #112 clock 1.470331133s
        126  deliver c3>n1 ClientRequest #122 clock 1.474694654s
        127  end n1 clock 1.476140265s
        128  deliver n1>n2 AppendEntries #127 clock 1.478146905s
        129  sync n1 #126 clock 1.480659911s
        130  sync n2 #128 clock 1.483622851s
        131  deliver n2>n1 Appended #130 clock 1.484199611s
        132  deliver n1>c3 Done #131 clock 1.488505176s
    """,
)

if __name__ == "__main__":
    scenario.main()
