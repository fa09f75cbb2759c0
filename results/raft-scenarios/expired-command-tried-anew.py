"""raft [expired-command-tried-anew] fails linearizable: key 1: c1's read of 19 (99.0 to 163.0 ms) is stale: c2's write of 25 (70.0 to 93.0 ms), begun after c1's read of 19 (61.0 to 68.0 ms) had ended, had replaced that value and ended before it began

103 faults, 224 operations, 5 clients, 4 nodes, 4 s shrunk to 0 faults, 8 operations, 163 steps.

See it with: python expired-command-tried-anew.py, or bench run expired-command-tried-anew.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="linearizable",
    mutant="expired-command-tried-anew",
    nodes=4,
    clients=3,
    params={"pre_vote": "false", "election_timeout_s": "0.05..0.06", "max_sessions": "2"},
    seed=25,
    steps="""
          1  boot n1 clock 0s
          2  boot n2 clock 0s
          3  boot n3 clock 0s
          4  boot n4 clock 0s
          5  boot c1 clock 0s
          6  boot c2 clock 0s
          7  boot c3 clock 0s
          8  timer n2 election clock 51.668482ms
          9  sync n2 #8 clock 55.713488ms
         10  deliver n2>n1 RequestVote #9 clock 55.911762ms
         11  deliver n2>n4 RequestVote #9 clock 56.010743ms
         12  sync n1 #10 clock 59.956927ms
         13  sync n4 #11 clock 60.055208ms
         14  deliver n1>n2 Vote #12 clock 60.262524ms
         15  deliver n4>n2 Vote #13 clock 60.441486ms
         16  deliver n2>n4 AppendEntries #15 clock 60.81152ms
         17  deliver n2>n1 AppendEntries #15 clock 60.854608ms
         18  deliver n2>n3 AppendEntries #15 clock 60.940438ms
         19  sync n4 #16 clock 64.855985ms
         20  sync n1 #17 clock 64.899773ms
         21  sync n3 #18 clock 64.985995ms
         22  deliver n4>n2 Appended #19 clock 65.129119ms
         23  deliver n3>n2 Appended #21 clock 65.254808ms
         24  deliver n1>n2 Appended #20 clock 187.280489ms
         25  request c1 write k1 5 clock 193.636729ms
         26  timer c1 retry clock 280.431196ms
         27  request c1 cas k1 13->14 clock 417.225283ms
         28  timer c1 retry clock 422.174702ms
         29  deliver c1>n2 OpenSession #28 clock 422.437076ms
         30  end n2 clock 422.437076ms
         31  deliver n2>n1 AppendEntries #30 clock 422.788713ms
         32  deliver n2>n3 AppendEntries #30 clock 422.905187ms
         33  deliver n2>n4 AppendEntries #30 clock 423.011366ms
         34  sync n2 #29 clock 426.527083ms
         35  sync n1 #31 clock 426.833879ms
         36  sync n3 #32 clock 426.950744ms
         37  sync n4 #33 clock 427.055831ms
         38  deliver n3>n2 Appended #36 clock 427.146145ms
         39  deliver n4>n2 Appended #37 clock 427.392235ms
         40  deliver n2>c1 Opened #39 clock 428.890595ms
         41  deliver c1>n2 ClientRequest #40 clock 429.343566ms
         42  end n2 clock 429.343566ms
         43  deliver n2>n1 AppendEntries #42 clock 429.675559ms
         44  deliver n2>n3 AppendEntries #42 clock 429.816915ms
         45  deliver n2>n4 AppendEntries #42 clock 429.710756ms
         46  sync n2 #41 clock 433.433573ms
         47  sync n1 #43 clock 433.720724ms
         48  sync n3 #44 clock 433.862472ms
         49  deliver n1>n2 Appended #47 clock 434.089988ms
         50  deliver n3>n2 Appended #48 clock 434.149988ms
         51  deliver n2>c1 Done #50 clock 434.559015ms
         52  request c1 write k1 19 clock 501.281309ms
         53  deliver c1>n2 ClientRequest #52 clock 501.631961ms
         54  end n2 clock 501.631961ms
         55  deliver n2>n3 AppendEntries #54 clock 502.043009ms
         56  deliver n2>n4 AppendEntries #54 clock 502.082243ms
         57  sync n2 #53 clock 505.721967ms
         58  sync n3 #55 clock 506.088566ms
         59  sync n4 #56 clock 506.126708ms
         60  deliver n3>n2 Appended #58 clock 506.284144ms
         61  request c1 read k1 clock 506.299371ms
         62  deliver c1>n2 ClientRequest #61 clock 506.899611ms
         63  end n2 clock 506.899611ms
         64  deliver n2>n4 AppendEntries #63 clock 507.165447ms
         65  deliver n2>n3 AppendEntries #63 clock 507.454596ms
         66  deliver n4>n2 Appended #64 clock 507.535496ms
         67  deliver n3>n2 Appended #65 clock 507.756616ms
         68  deliver n2>c1 Done #67 clock 508.503702ms
         69  timer c1 retry clock 617.225284ms
         70  request c2 write k1 25 clock 675.304294ms
         71  timer c2 retry clock 679.944862ms
         72  timer c2 retry clock 692.839464ms
         73  deliver c2>n2 OpenSession #72 clock 692.953644ms
         74  end n2 clock 692.953644ms
         75  deliver n2>n4 AppendEntries #74 clock 693.21876ms
         76  deliver n2>n3 AppendEntries #74 clock 693.598679ms
         77  sync n2 #73 clock 697.04365ms
         78  sync n4 #75 clock 697.263225ms
         79  sync n3 #76 clock 697.644236ms
         80  deliver n4>n2 Appended #78 clock 697.672978ms
         81  deliver n3>n2 Appended #79 clock 698.151414ms
         82  deliver n2>c2 Opened #81 clock 705.245315ms
         83  deliver c2>n2 ClientRequest #82 clock 705.603045ms
         84  end n2 clock 705.603045ms
         85  deliver n2>n4 AppendEntries #84 clock 705.84383ms
         86  deliver n2>n3 AppendEntries #84 clock 706.04982ms
         87  timer c1 retry clock 707.027498ms
         88  sync n2 #83 clock 709.693052ms
         89  sync n4 #85 clock 709.888295ms
         90  sync n3 #86 clock 710.095377ms
         91  deliver n3>n2 Appended #90 clock 710.46167ms
         92  deliver n4>n2 Appended #89 clock 710.56502ms
         93  deliver n2>c2 Done #92 clock 717.950879ms
         94  timer c1 retry clock 1.053601059s
         95  timer c1 retry clock 1.107027498s
         96  timer c1 retry clock 1.108882661s
         97  timer c1 retry clock 1.140790256s
         98  timer c1 retry clock 1.156218039s
         99  request c1 read k1 clock 1.32069269s
        100  timer n3 election clock 1.327221065s
        101  sync n3 #100 clock 1.331266622s
        102  disconnect c3 n2 clock 1.334094221s
        103  deliver n3>n2 RequestVote #101 clock 1.390748592s
        104  deliver n3>n4 RequestVote #101 clock 1.391017078s
        105  sync n2 #103 clock 1.394793599s
        106  deliver n2>n3 Vote #105 clock 1.395388154s
        107  sync n4 #104 clock 1.395061543s
        108  deliver n4>n3 Vote #107 clock 1.395733556s
        109  deliver n3>n2 AppendEntries #108 clock 1.395878611s
        110  deliver n3>n4 AppendEntries #108 clock 1.395809627s
        111  sync n2 #109 clock 1.399923617s
        112  sync n4 #110 clock 1.399854093s
        113  deliver n2>n3 Appended #111 clock 1.40035173s
        114  deliver n4>n3 Appended #112 clock 1.400607546s
        115  request c1 cas k1 22->40 clock 1.400809783s
        116  request c3 cas k1 22->41 clock 1.415154634s
        117  deliver c3>n3 OpenSession #116 clock 1.415698812s
        118  deliver c1>n3 ClientRequest #87 clock 1.446450264s
        119  end n3 clock 1.449520499s
        120  deliver n3>n4 AppendEntries #119 clock 1.449615624s
        121  deliver n3>n2 AppendEntries #119 clock 1.450069881s
        122  sync n3 #118 clock 1.45359606s
        123  sync n4 #120 clock 1.453660089s
        124  sync n2 #121 clock 1.454114887s
        125  deliver n4>n3 Appended #123 clock 1.454343377s
        126  deliver n2>n3 Appended #124 clock 1.454578121s
        127  deliver n3>c1 Expired #126 clock 1.458893694s
        128  deliver c1>n3 OpenSession #115 clock 1.46667653s
        129  end n3 clock 1.46667653s
        130  deliver n3>n2 AppendEntries #129 clock 1.466707288s
        131  deliver n3>n4 AppendEntries #129 clock 1.466735421s
        132  sync n3 #128 clock 1.470752091s
        133  sync n2 #130 clock 1.470752294s
        134  sync n4 #131 clock 1.470779886s
        135  deliver n2>n3 Appended #133 clock 1.471207248s
        136  deliver n4>n3 Appended #134 clock 1.471593729s
        137  deliver n3>c1 Opened #136 clock 1.471706476s
        138  timer c1 retry clock 1.508790623s
        139  deliver c1>n3 OpenSession #138 clock 1.556981278s
        140  end n3 clock 1.556981278s
        141  deliver n3>n2 AppendEntries #140 clock 1.556950757s
        142  deliver n3>n4 AppendEntries #140 clock 1.556765104s
        143  sync n3 #139 clock 1.564049278s
        144  sync n2 #141 clock 1.564097221s
        145  deliver n2>n3 Appended #144 clock 1.564727966s
        146  sync n4 #142 clock 1.564349805s
        147  deliver n4>n3 Appended #146 clock 1.564906304s
        148  deliver n3>c1 Opened #147 clock 1.568494382s
        149  deliver c1>n3 ClientRequest #148 clock 1.569036268s
        150  sync n3 #149 clock 1.616146503s
        151  timer n3 heartbeat clock 1.67073356s
        152  deliver n3>n4 AppendEntries #151 clock 1.670644469s
        153  deliver n3>n2 AppendEntries #151 clock 1.671129552s
        154  sync n4 #152 clock 1.674688934s
        155  sync n2 #153 clock 1.675174558s
        156  deliver n2>n3 Appended #155 clock 1.675766813s
        157  deliver c1>n3 ClientRequest #138 clock 1.676663066s
        158  timer n3 heartbeat clock 1.770773965s
        159  deliver n3>n4 AppendEntries #158 clock 1.770685413s
        160  deliver n3>n2 AppendEntries #158 clock 1.770959501s
        161  deliver n4>n3 Appended #159 clock 1.771511841s
        162  deliver n2>n3 Appended #160 clock 1.77173117s
        163  deliver n3>c1 Done #162 clock 1.771826459s
    """,
)

if __name__ == "__main__":
    scenario.main()
