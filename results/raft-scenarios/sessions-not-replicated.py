"""raft [sessions-not-replicated] fails linearizable: key 0: c2's read of 30 (213.0 to 215.0 ms) is stale: c1's write of 58 (168.0 to 200.0 ms), begun after c2's read of 30 (116.0 to 127.0 ms) had ended, had replaced that value and ended before it began

18 faults, 228 operations, 3 clients, 3 nodes, 4 s shrunk to 2 faults, 21 operations, 215 steps.

See it with: python sessions-not-replicated.py, or bench run sessions-not-replicated.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="linearizable",
    mutant="sessions-not-replicated",
    nodes=3,
    clients=3,
    params={"reads": "lease", "sticky": "true", "pre_vote": "false", "membership_change": "single"},
    seed=11,
    steps="""
          1  boot n1 clock 0s
          2  boot n2 clock 0s
          3  boot n3 clock 0s
          4  boot c1 clock 0s
          5  boot c2 clock 0s
          6  timer n3 election clock 425.44102ms
          7  sync n3 #6 clock 430.03642ms
          8  deliver n3>n1 RequestVote #7 clock 440.594949ms
          9  sync n1 #8 clock 442.196651ms
         10  deliver n1>n3 Vote #9 clock 449.38861ms
         11  deliver n3>n2 AppendEntries #10 clock 463.879177ms
         12  deliver n3>n1 AppendEntries #10 clock 464.566436ms
         13  sync n3 #10 clock 472.953503ms
         14  sync n1 #12 clock 537.471266ms
         15  sync n2 #11 clock 588.358198ms
         16  disconnect c1 n1 clock 675.853173ms
         17  request c1 read k0 clock 1.254394652s
         18  timer n3 heartbeat clock 1.274433612s
         19  deliver n3>n1 AppendEntries #18 clock 1.307262057s
         20  request c1 read k0 clock 1.315528106s
         21  timer c1 retry clock 1.317902486s
         22  request c1 read k0 clock 1.318559264s
         23  deliver n1>n3 Appended #19 clock 1.323844027s
         24  deliver c1>n3 ClientRequest #20 clock 1.324743436s
         25  deliver c1>n3 ClientRequest #22 clock 1.328522016s
         26  deliver n3>c1 Done #24 clock 1.335007835s
         27  deliver n3>c1 Done #25 clock 1.340212257s
         28  crash n2 clock 1.36442s
         29  crash n3 clock 1.36442s
         30  boot n2 clock 1.366597833s
         31  boot n3 clock 1.366371882s
         32  request c1 write k0 30 clock 1.370102134s
         33  request c1 read k1 clock 1.380178813s
         34  deliver c1>n3 ClientRequest #32 clock 1.389130222s
         35  deliver c1>n3 ClientRequest #33 clock 1.398443908s
         36  deliver n3>c1 Refused #34 clock 1.413514009s
         37  deliver n3>c1 Refused #35 clock 1.415920153s
         38  timer c1 retry clock 1.429613283s
         39  timer c1 retry clock 1.431345708s
         40  deliver c1>n3 ClientRequest #39 clock 1.454779999s
         41  deliver n3>c1 Refused #40 clock 1.461787994s
         42  request c1 cas k0 20->31 clock 1.463105446s
         43  timer c1 retry clock 1.472511443s
         44  request c1 write k1 32 clock 1.474793231s
         45  timer c1 retry clock 1.476484575s
         46  request c1 write k0 33 clock 1.477052084s
         47  deliver c1>n3 ClientRequest #46 clock 1.485403175s
         48  deliver c1>n3 ClientRequest #43 clock 1.485967702s
         49  deliver c1>n2 ClientRequest #45 clock 1.487298575s
         50  deliver n3>c1 Refused #48 clock 1.490106747s
         51  deliver n3>c1 Refused #47 clock 1.496049489s
         52  timer c1 retry clock 1.496100322s
         53  deliver c1>n1 ClientRequest #44 clock 1.498792529s
         54  deliver n2>c1 Refused #49 clock 1.503337523s
         55  timer c1 retry clock 1.504872269s
         56  timer c1 retry clock 1.506984739s
         57  deliver c1>n1 ClientRequest #42 clock 1.512343729s
         58  deliver c1>n2 ClientRequest #52 clock 1.514742585s
         59  deliver c1>n3 ClientRequest #55 clock 1.515518495s
         60  deliver n3>c1 Refused #59 clock 1.522539712s
         61  timer c1 retry clock 1.522778334s
         62  timer n3 election clock 1.52482749s
         63  deliver n2>c1 Refused #58 clock 1.526393377s
         64  deliver c1>n2 ClientRequest #56 clock 1.527756475s
         65  sync n3 #62 clock 1.532196018s
         66  timer c1 retry clock 1.534207385s
         67  deliver n2>c1 Refused #64 clock 1.538281342s
         68  timer c1 retry clock 1.539530252s
         69  deliver n3>n1 RequestVote #65 clock 1.539899223s
         70  timer c1 retry clock 1.541557208s
         71  request c2 read k0 clock 1.542254766s
         72  timer c1 retry clock 1.542805459s
         73  deliver c1>n3 ClientRequest #61 clock 1.542668579s
         74  deliver c1>n1 ClientRequest #38 clock 1.545021238s
         75  deliver n3>c1 Refused #73 clock 1.548018912s
         76  deliver c1>n3 ClientRequest #72 clock 1.548707796s
         77  timer c1 retry clock 1.5527314s
         78  sync n1 #69 clock 1.554362638s
         79  deliver c1>n2 ClientRequest #70 clock 1.557010038s
         80  timer c1 retry clock 1.562167434s
         81  deliver n3>c1 Refused #76 clock 1.564775189s
         82  deliver n2>c1 Refused #79 clock 1.569010015s
         83  deliver c1>n3 ClientRequest #80 clock 1.568868128s
         84  deliver n1>n3 Vote #78 clock 1.569198717s
         85  timer c1 retry clock 1.571935716s
         86  deliver n3>c1 Refused #83 clock 1.575671964s
         87  deliver n3>n1 AppendEntries #84 clock 1.577382298s
         88  timer c1 retry clock 1.577755412s
         89  sync n3 #84 clock 1.57795654s
         90  deliver n3>n2 AppendEntries #84 clock 1.57918409s
         91  timer c1 retry clock 1.580598793s
         92  sync n2 #90 clock 1.582008455s
         93  deliver c1>n1 ClientRequest #21 clock 1.582301492s
         94  sync n1 #87 clock 1.584298728s
         95  timer c1 retry clock 1.587598271s
         96  timer c1 retry clock 1.588650773s
         97  deliver n1>c1 Refused #94 clock 1.590065422s
         98  timer c2 retry clock 1.591303259s
         99  deliver c1>n3 ClientRequest #88 clock 1.591599345s
        100  deliver n2>n3 Appended #92 clock 1.591831005s
        101  timer c1 retry clock 1.592302228s
        102  deliver c1>n1 ClientRequest #96 clock 1.595917195s
        103  deliver c1>n3 ClientRequest #101 clock 1.60393545s
        104  timer c2 retry clock 1.608058689s
        105  deliver n1>c1 Refused #102 clock 1.61173968s
        106  deliver n1>n3 Appended #94 clock 1.612207188s
        107  deliver n3>n1 AppendEntries #106 clock 1.619719718s
        108  deliver c1>n3 ClientRequest #105 clock 1.620458879s
        109  request c1 write k1 38 clock 1.627721952s
        110  timer n3 heartbeat clock 1.644198717s
        111  deliver n3>n1 AppendEntries #110 clock 1.651568285s
        112  sync n3 #108 clock 1.660076964s
        113  deliver n3>c1 Done #112 clock 1.667277225s
        114  sync n1 #111 clock 1.672797453s
        115  request c2 read k0 clock 1.673849585s
        116  request c2 read k0 clock 1.770651303s
        117  timer c1 retry clock 1.827721952s
        118  deliver c2>n3 ClientRequest #116 clock 1.828448813s
        119  deliver n1>n3 Appended #114 clock 1.831377194s
        120  timer c2 retry clock 1.85143928s
        121  timer n3 heartbeat clock 1.869243717s
        122  deliver n3>n1 AppendEntries #121 clock 1.943647327s
        123  deliver n1>n3 Appended #122 clock 1.974689466s
        124  request c1 read k1 clock 1.978277089s
        125  timer c2 retry clock 1.983976202s
        126  timer c2 retry clock 1.990440869s
        127  deliver n3>c2 Done #123 clock 2.003846097s
        128  timer c2 retry clock 2.013816617s
        129  timer c2 retry clock 2.033664398s
        130  timer n2 election clock 2.035658832s
        131  request c1 read k1 clock 2.035540453s
        132  request c1 write k0 49 clock 2.041455261s
        133  sync n2 #130 clock 2.044441425s
        134  deliver n3>n2 AppendEntries #121 clock 2.05247739s
        135  deliver c1>n3 ClientRequest #109 clock 2.056701522s
        136  request c1 write k1 52 clock 2.078475664s
        137  request c1 read k0 clock 2.078645916s
        138  deliver n2>n3 Appended #134 clock 2.094835951s
        139  deliver n3>c1 Done #123 clock 2.100130289s
        140  timer c1 retry clock 2.110154763s
        141  timer c1 retry clock 2.112854155s
        142  timer c1 retry clock 2.11297242s
        143  timer c1 retry clock 2.118881s
        144  timer c1 retry clock 2.126773546s
        145  timer c1 retry clock 2.132609076s
        146  deliver c1>n1 ClientRequest #145 clock 2.137645797s
        147  timer c1 retry clock 2.139461392s
        148  timer c1 retry clock 2.142982078s
        149  deliver c1>n2 ClientRequest #144 clock 2.145203335s
        150  deliver n2>c1 Refused #149 clock 2.168882055s
        151  timer c1 retry clock 2.173725981s
        152  timer c1 retry clock 2.176511107s
        153  timer c1 retry clock 2.181292292s
        154  deliver n1>c1 Refused #146 clock 2.204642671s
        155  deliver n1>c1 Refused #78 clock 2.209812405s
        156  deliver c1>n3 ClientRequest #154 clock 2.226320517s
        157  deliver c1>n3 ClientRequest #153 clock 2.226531827s
        158  timer c1 retry clock 2.226806995s
        159  deliver c1>n3 ClientRequest #158 clock 2.227447186s
        160  sync n3 #138 clock 2.234923855s
        161  deliver c1>n3 ClientRequest #148 clock 2.235866667s
        162  timer n3 election clock 2.238975315s
        163  request c1 cas k0 44->56 clock 2.242955912s
        164  deliver n3>c1 Refused #160.3 clock 2.243107817s
        165  timer c1 retry clock 2.262187141s
        166  timer c1 retry clock 2.26655331s
        167  request c1 cas k1 43->57 clock 2.275661482s
        168  request c1 write k0 58 clock 2.275766565s
        169  deliver c1>n3 ClientRequest #166 clock 2.281109554s
        170  deliver c1>n3 ClientRequest #167 clock 2.28903247s
        171  sync n3 #162 clock 2.295803624s
        172  deliver n3>c1 Refused #171.2 clock 2.30464922s
        173  deliver n3>c1 Refused #171 clock 2.306132382s
        174  deliver n3>c1 Refused #161 clock 2.309754573s
        175  deliver n3>n1 RequestVote #171 clock 2.310658111s
        176  timer c1 retry clock 2.312113042s
        177  timer c1 retry clock 2.314021648s
        178  timer c1 retry clock 2.315438335s
        179  deliver n3>c1 Refused #160 clock 2.31574459s
        180  timer c1 retry clock 2.318038786s
        181  timer c1 retry clock 2.318136564s
        182  sync n1 #175 clock 2.323761791s
        183  timer c1 retry clock 2.329495396s
        184  deliver n3>n2 RequestVote #171 clock 2.329765276s
        185  timer c1 retry clock 2.331855295s
        186  sync n2 #184 clock 2.334144725s
        187  timer c1 retry clock 2.33420115s
        188  deliver n2>n3 Vote #186 clock 2.340350528s
        189  deliver c1>n3 ClientRequest #183 clock 2.344468585s
        190  deliver n3>n1 AppendEntries #188 clock 2.349865137s
        191  timer c1 retry clock 2.367823291s
        192  deliver c1>n3 ClientRequest #191 clock 2.367680314s
        193  deliver n1>n3 Appended #190 clock 2.544126398s
        194  deliver n3>n1 AppendEntries #193 clock 2.59110846s
        195  sync n1 #194 clock 2.613528553s
        196  deliver n1>n3 Appended #195 clock 2.776759478s
        197  deliver n3>n2 AppendEntries #188 clock 2.780955184s
        198  deliver n2>n3 Appended #197 clock 2.783004524s
        199  sync n3 #192 clock 2.834075983s
        200  deliver n3>c1 Done #199 clock 2.839644857s
        201  deliver n3>n2 AppendEntries #198 clock 2.87399939s
        202  timer n2 election clock 3.084781339s
        203  sync n2 #202 clock 3.088432084s
        204  deliver n3>n2 AppendEntries #110 clock 3.252450382s
        205  deliver n2>n3 Appended #204 clock 3.259083056s
        206  deliver n2>n3 RequestVote #203 clock 3.306088151s
        207  sync n3 #206 clock 3.318669823s
        208  deliver n3>n2 Vote #207 clock 3.338616482s
        209  deliver n2>n1 AppendEntries #208 clock 3.35737417s
        210  sync n1 #209 clock 3.363285707s
        211  sync n2 #208 clock 3.367826175s
        212  deliver n1>n2 Appended #210 clock 3.372638368s
        213  request c2 read k0 clock 3.413090118s
        214  deliver c2>n2 ClientRequest #213 clock 3.41710901s
        215  deliver n2>c2 Done #214 clock 3.520445353s
    """,
)

if __name__ == "__main__":
    scenario.main()
