"""raft [snapshots-mixed] fails snapshot_safety: n3's snapshot at 30 has other sessions than the 30 committed entries make

99 faults, 197 operations, 6 clients, 5 nodes, 3.26 s shrunk to 12 faults, 21 operations, 378 steps.

See it with: python snapshots-mixed.py, or bench run snapshots-mixed.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="snapshot_safety",
    mutant="snapshots-mixed",
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
          1  boot n1 clock 0s
          2  boot n2 clock 0s
          3  boot n3 clock 0s
          4  boot n4 clock 0s
          5  boot n5 clock 0s
          6  boot c1 clock 0s
          7  boot c2 clock 0s
          8  boot c3 clock 0s
          9  boot c4 clock 0s
         10  boot c5 clock 0s
         11  boot c6 clock 0s
         12  timer n2 election clock 150.167393ms
         13  deliver n2>n3 RequestVote #12 clock 153.639915ms
         14  deliver n3>n2 Vote #13 clock 153.915765ms
         15  deliver n2>n4 RequestVote #12 clock 154.697107ms
         16  deliver n4>n2 Vote #15 clock 155.999806ms
         17  sync n2 #16 clock 160.044743ms
         18  deliver n2>n4 RequestVote #17 clock 161.205362ms
         19  deliver n2>n5 RequestVote #17 clock 164.902001ms
         20  sync n4 #18 clock 165.250306ms
         21  sync n5 #19 clock 168.947092ms
         22  deliver n4>n2 Vote #20 clock 170.024884ms
         23  deliver n5>n2 Vote #21 clock 171.247118ms
         24  deliver n2>n1 AppendEntries #23 clock 171.5212ms
         25  sync n1 #24 clock 175.566956ms
         26  deliver n2>n3 AppendEntries #23 clock 175.8756ms
         27  deliver n2>n5 AppendEntries #23 clock 176.276703ms
         28  sync n3 #26 clock 179.920027ms
         29  sync n5 #27 clock 180.321793ms
         30  deliver n3>n2 Appended #28 clock 181.392437ms
         31  deliver n5>n2 Appended #29 clock 181.437436ms
         32  deliver n1>n2 Appended #25 clock 188.178771ms
         33  request c4 write k0 5 clock 266.112879ms
         34  deliver c4>n2 ClientRequest #33 clock 280.264637ms
         35  end n2 clock 280.264637ms
         36  deliver n2>n3 AppendEntries #35 clock 280.356103ms
         37  sync n2 #34 clock 284.369574ms
         38  sync n3 #36 clock 284.40053ms
         39  request c4 write k2 7 clock 284.785141ms
         40  deliver n3>n2 Appended #38 clock 285.412419ms
         41  deliver n2>n1 AppendEntries #35 clock 288.001566ms
         42  sync n1 #41 clock 292.047321ms
         43  deliver n2>n5 AppendEntries #35 clock 293.462891ms
         44  deliver n1>n2 Appended #42 clock 294.586127ms
         45  sync n5 #43 clock 297.507981ms
         46  deliver n2>c4 Done #44 clock 298.126341ms
         47  request c4 read k1 clock 395.94612ms
         48  timer c4 retry clock 398.341354ms
         49  deliver c4>n2 ClientRequest #47 clock 398.841219ms
         50  timer c4 retry clock 426.940302ms
         51  request c4 write k2 12 clock 445.959111ms
         52  timer c4 retry clock 471.396708ms
         53  timer c4 retry clock 479.541616ms
         54  timer c4 retry clock 492.907749ms
         55  timer c4 retry clock 493.997546ms
         56  timer c4 retry clock 499.33856ms
         57  timer c4 retry clock 517.956359ms
         58  request c4 cas k1 8->15 clock 549.573098ms
         59  timer c4 retry clock 571.269451ms
         60  admin n2 RemoveServer {"type":"RemoveServer","node":"n3"} clock 586.3468ms
         61  admin n2 RemoveServer {"type":"RemoveServer","node":"n4"} clock 586.3468ms
         62  timer n2 heartbeat clock 586.3468ms
         63  end n2 clock 586.3468ms
         64  sync n2 #63 clock 590.691733ms
         65  deliver n2>n5 AppendEntries #63.2 clock 592.668749ms
         66  timer c4 retry clock 595.94612ms
         67  sync n5 #65 clock 600.668928ms
         68  deliver n5>n2 Appended #67 clock 600.708752ms
         69  request c3 write k2 16 clock 607.186044ms
         70  deliver n2>n3 AppendEntries #62 clock 610.217901ms
         71  deliver n3>n2 Appended #70 clock 614.385455ms
         72  deliver n2>n3 AppendEntries #63.2 clock 616.224969ms
         73  sync n3 #72 clock 620.269396ms
         74  deliver n3>n2 Appended #73 clock 620.903135ms
         75  timer c3 retry clock 764.71134ms
         76  timer c4 retry clock 783.789523ms
         77  timer c4 retry clock 801.85238ms
         78  request c2 cas k2 16->22 clock 808.832051ms
         79  disconnect c4 n1 clock 819.497817ms
         80  timer c4 retry clock 823.008313ms
         81  timer c4 retry clock 831.658726ms
         82  deliver c3>n2 ClientRequest #75 clock 834.03529ms
         83  timer n2 heartbeat clock 834.03529ms
         84  timer c4 retry clock 842.296492ms
         85  deliver n2>n5 AppendEntries #83 clock 847.958839ms
         86  deliver n2>c4 Done #71 clock 850.029653ms
         87  sync n5 #85 clock 852.063931ms
         88  sync n2 #82 clock 860.774998ms
         89  disconnect c4 n2 clock 878.438311ms
         90  disconnect c5 n2 clock 878.476997ms
         91  timer c4 retry clock 899.33856ms
         92  deliver c4>n5 ClientRequest #77 clock 900.981137ms
         93  deliver n5>c4 Refused #92 clock 903.732673ms
         94  request c5 write k0 27 clock 911.496159ms
         95  timer n3 election clock 914.604678ms
         96  deliver c5>n3 ClientRequest #94 clock 916.453159ms
         97  timer c4 retry clock 917.956359ms
         98  deliver n3>c5 Refused #96 clock 926.657422ms
         99  timer c5 retry clock 936.90906ms
        100  timer c4 retry clock 939.399214ms
        101  timer c4 retry clock 945.230182ms
        102  timer c4 retry clock 954.893215ms
        103  request c5 cas k2 17->28 clock 975.815438ms
        104  deliver c5>n5 ClientRequest #103 clock 979.33411ms
        105  deliver n5>c5 Refused #104 clock 979.759142ms
        106  timer c5 retry clock 991.138392ms
        107  deliver c5>n1 ClientRequest #106 clock 995.051248ms
        108  timer c4 retry clock 995.946121ms
        109  timer c4 retry clock 996.043685ms
        110  deliver n1>c5 Refused #107 clock 997.418508ms
        111  timer c5 retry clock 1.013437834s
        112  deliver c5>n3 ClientRequest #111 clock 1.017474163s
        113  deliver n3>c5 Refused #112 clock 1.023155898s
        114  disconnect c4 n2 clock 1.024364773s
        115  timer c5 retry clock 1.034345839s
        116  request c1 write k1 30 clock 1.03793739s
        117  request c5 write k1 31 clock 1.043425024s
        118  request c3 write k0 32 clock 1.047315595s
        119  request c1 read k1 clock 1.050822013s
        120  request c4 write k0 33 clock 1.055398907s
        121  timer c5 retry clock 1.062947312s
        122  timer c4 retry clock 1.064237301s
        123  timer c1 retry clock 1.07568583s
        124  timer c4 retry clock 1.078633812s
        125  timer c1 retry clock 1.080829344s
        126  timer c4 retry clock 1.081933805s
        127  timer c5 retry clock 1.085317863s
        128  timer c4 retry clock 1.08631958s
        129  timer c4 retry clock 1.099934927s
        130  timer c5 retry clock 1.102201324s
        131  timer c1 retry clock 1.102912354s
        132  timer n5 election clock 1.121694597s
        133  deliver n5>n1 RequestVote #132 clock 1.123654766s
        134  timer c5 retry clock 1.123560545s
        135  deliver n1>n5 Vote #133 clock 1.126526124s
        136  timer c1 retry clock 1.127982077s
        137  sync n5 #135 clock 1.130571214s
        138  timer c5 retry clock 1.132161164s
        139  timer c2 retry clock 1.13516391s
        140  timer c5 retry clock 1.141347918s
        141  timer c1 retry clock 1.141487145s
        142  request c6 write k0 35 clock 1.142149935s
        143  deliver n5>n1 RequestVote #137 clock 1.144988545s
        144  timer c3 retry clock 1.146337193s
        145  timer c6 retry clock 1.147382347s
        146  sync n1 #143 clock 1.1490343s
        147  timer c6 retry clock 1.150500016s
        148  deliver n1>n5 Vote #146 clock 1.153289306s
        149  timer c5 retry clock 1.154038403s
        150  timer c1 retry clock 1.154620168s
        151  deliver n5>n2 AppendEntries #148 clock 1.157053192s
        152  sync n5 #148 clock 1.157364397s
        153  timer c1 retry clock 1.157755715s
        154  timer c6 retry clock 1.160742682s
        155  sync n2 #151 clock 1.16109813s
        156  deliver n5>n1 AppendEntries #148 clock 1.163327857s
        157  deliver n1>n5 Appended #156 clock 1.164036523s
        158  deliver n2>n5 Appended #155 clock 1.164743843s
        159  timer n5 snapshot clock 1.164803845s
        160  timer c3 retry clock 1.166585567s
        161  deliver c3>n5 ClientRequest #160 clock 1.167024563s
        162  deliver n5>n1 AppendEntries #157 clock 1.168316237s
        163  timer c6 retry clock 1.169298078s
        164  sync n1 #162 clock 1.172361992s
        165  request c4 cas k1 24->36 clock 1.172879036s
        166  timer c5 retry clock 1.173605981s
        167  deliver c5>n1 ClientRequest #140 clock 1.174719193s
        168  deliver n1>c5 Refused #167 clock 1.174789156s
        169  deliver c6>n5 ClientRequest #163 clock 1.175718242s
        170  deliver c1>n5 ClientRequest #136 clock 1.175947151s
        171  timer c1 retry clock 1.177789788s
        172  timer c5 retry clock 1.179629795s
        173  admin n5 AddServer {"type":"AddServer","node":"n3"} clock 1.187296545s
        174  end n5 clock 1.187296545s
        175  request c1 write k2 38 clock 1.19992067s
        176  timer c5 retry clock 1.201449524s
        177  deliver c1>n5 ClientRequest #175 clock 1.209069445s
        178  timer c5 retry clock 1.211113715s
        179  timer c5 retry clock 1.22258616s
        180  deliver c5>n2 ClientRequest #179 clock 1.224994217s
        181  timer c5 retry clock 1.2291126s
        182  deliver n2>c5 Refused #180 clock 1.231373984s
        183  deliver n5>n3 AppendEntries #174 clock 1.235382483s
        184  sync n3 #183 clock 1.23942691s
        185  timer c5 retry clock 1.241895233s
        186  disconnect c4 n3 clock 1.242839534s
        187  disconnect c5 n3 clock 1.242894268s
        188  deliver c5>n1 ClientRequest #185 clock 1.244351232s
        189  deliver c5>n4 ClientRequest #181 clock 1.245572635s
        190  deliver n4>c5 Refused #189 clock 1.24574404s
        191  deliver n1>c5 Refused #188 clock 1.254434495s
        192  timer n4 election clock 1.308863918s
        193  deliver n4>n3 RequestVote #192 clock 1.309886003s
        194  deliver n3>n4 Vote #193 clock 1.311792711s
        195  sync n4 #194 clock 1.315837655s
        196  request c4 read k1 clock 1.355966026s
        197  request c2 cas k0 39->48 clock 1.395512241s
        198  deliver c2>n5 ClientRequest #197 clock 1.399096118s
        199  deliver n1>n5 Appended #164 clock 1.418926022s
        200  deliver n5>n1 AppendEntries #199 clock 1.420431891s
        201  deliver c1>n5 ClientRequest #116 clock 1.420689021s
        202  deliver c4>n5 ClientRequest #126 clock 1.427385096s
        203  timer c5 retry clock 1.432541412s
        204  deliver c5>n5 ClientRequest #203 clock 1.43336921s
        205  timer c5 retry clock 1.434345839s
        206  deliver c5>n5 ClientRequest #191 clock 1.436287639s
        207  end n5 clock 1.436287639s
        208  deliver n5>n1 AppendEntries #207 clock 1.436706799s
        209  deliver c5>n5 ClientRequest #182 clock 1.440185391s
        210  end n5 clock 1.440185391s
        211  sync n1 #208 clock 1.444753301s
        212  deliver n5>n1 AppendEntries #210 clock 1.454750069s
        213  sync n1 #212 clock 1.458795825s
        214  deliver n1>n5 Appended #213 clock 1.460455424s
        215  timer c5 retry clock 1.517220521s
        216  admin n5 RemoveServer {"type":"RemoveServer","node":"n3"} clock 1.732858742s
        217  admin n5 RemoveServer {"type":"RemoveServer","node":"n2"} clock 1.789270003s
        218  admin n5 AddServer {"type":"AddServer","node":"n4"} clock 1.789345005s
        219  request c5 cas k1 59->68 clock 1.882372784s
        220  deliver c5>n5 ClientRequest #219 clock 1.883294839s
        221  sync n5 #220 clock 1.88735493s
        222  timer n5 heartbeat clock 1.903334312s
        223  deliver n5>n1 AppendEntries #222 clock 1.904980737s
        224  sync n1 #223 clock 1.909026492s
        225  timer n5 snapshot clock 1.911801113s
        226  sync n5 #225 clock 1.919801292s
        227  deliver n1>n5 Appended #224 clock 1.920500937s
        228  deliver n5>c5 Done #227 clock 1.920639763s
        229  deliver n5>n4 AppendEntries #222 clock 1.922179826s
        230  deliver n4>n5 Appended #229 clock 1.925730261s
        231  deliver n5>n4 InstallSnapshot #230 clock 1.929102565s
        232  deliver n4>n5 SnapshotStored #231 clock 1.931113414s
        233  deliver n5>n4 InstallSnapshot #232 clock 1.932553939s
        234  timer c5 retry clock 1.93362263s
        235  deliver n4>n5 SnapshotStored #233 clock 1.979072579s
        236  deliver n5>n4 InstallSnapshot #235 clock 1.980741597s
        237  sync n4 #236 clock 1.996169988s
        238  deliver n4>n5 Appended #237 clock 1.996629718s
        239  deliver n5>n4 AppendEntries #238 clock 2.004361801s
        240  sync n4 #239 clock 2.008406745s
        241  deliver n4>n5 Appended #240 clock 2.013045172s
        242  end n5 clock 2.013045172s
        243  deliver n5>n4 AppendEntries #241 clock 2.016832697s
        244  sync n5 #241 clock 2.017120263s
        245  deliver n5>n1 AppendEntries #242 clock 2.021330164s
        246  sync n1 #245 clock 2.029590751s
        247  deliver n1>n5 Appended #246 clock 2.031179124s
        248  end n5 clock 2.031179124s
        249  deliver n5>n4 AppendEntries #248 clock 2.032801685s
        250  sync n4 #249 clock 2.03684663s
        251  timer n4 election clock 2.210528837s
        252  deliver n4>n1 RequestVote #251 clock 2.219786397s
        253  deliver n1>n4 Vote #252 clock 2.2205868s
        254  sync n4 #253 clock 2.224631744s
        255  deliver n4>n1 RequestVote #254 clock 2.225278301s
        256  sync n1 #255 clock 2.229324056s
        257  deliver c4>n4 ClientRequest #196 clock 2.229297545s
        258  deliver n1>n4 Vote #256 clock 2.232830466s
        259  deliver n4>n1 AppendEntries #258 clock 2.235788332s
        260  deliver c4>n4 ClientRequest #124 clock 2.244368735s
        261  deliver n1>n4 Appended #259 clock 2.244944969s
        262  deliver n4>n1 AppendEntries #261 clock 2.25146643s
        263  sync n1 #262 clock 2.255572196s
        264  deliver n1>n4 Appended #263 clock 2.258780699s
        265  admin n4 RemoveServer {"type":"RemoveServer","node":"n4"} clock 2.299638235s
        266  sync n4 #260 clock 2.303698179s
        267  timer n4 heartbeat clock 2.307830466s
        268  deliver n4>n1 AppendEntries #267 clock 2.308640073s
        269  deliver c4>n4 ClientRequest #102 clock 2.364544678s
        270  end n4 clock 2.3743458s
        271  deliver n4>n1 AppendEntries #270 clock 2.37505583s
        272  sync n1 #271 clock 2.379101585s
        273  deliver n4>n5 AppendEntries #267 clock 2.389312618s
        274  deliver n1>n4 Appended #272 clock 2.390052873s
        275  sync n5 #273 clock 2.393357708s
        276  deliver n5>n4 Appended #275 clock 2.39994474s
        277  end n4 clock 2.39994474s
        278  deliver n4>n5 AppendEntries #276 clock 2.400325084s
        279  sync n4 #276 clock 2.404019684s
        280  sync n5 #278 clock 2.404370174s
        281  deliver n4>n1 AppendEntries #277 clock 2.405493578s
        282  deliver n5>n4 Appended #280 clock 2.406044487s
        283  sync n1 #281 clock 2.409539333s
        284  deliver n1>n4 Appended #283 clock 2.409189575s
        285  deliver n4>n1 TimeoutNow #284 clock 2.415690447s
        286  sync n1 #285 clock 2.419736202s
        287  deliver n1>n5 RequestVote #286 clock 2.420684542s
        288  sync n5 #287 clock 2.424729633s
        289  deliver n5>n1 Vote #288 clock 2.427046951s
        290  deliver n1>n5 AppendEntries #289 clock 2.4307063s
        291  sync n1 #289 clock 2.431107709s
        292  sync n5 #290 clock 2.434751391s
        293  deliver n5>n1 Appended #292 clock 2.436877645s
        294  admin n1 AddServer {"type":"AddServer","node":"n4"} clock 2.500661698s
        295  end n1 clock 2.500661698s
        296  timer n1 heartbeat clock 2.502046951s
        297  deliver n1>n5 AppendEntries #296 clock 2.50190107s
        298  deliver n1>n4 AppendEntries #295 clock 2.502750866s
        299  sync n4 #298 clock 2.50679581s
        300  deliver n4>n1 Appended #299 clock 2.580402895s
        301  deliver n1>n4 AppendEntries #300 clock 2.582056967s
        302  sync n4 #301 clock 2.586101911s
        303  deliver n4>n1 Appended #302 clock 2.588559354s
        304  sync n1 #303 clock 2.592620112s
        305  deliver n5>n1 Appended #297 clock 2.639700297s
        306  deliver n1>n4 AppendEntries #303 clock 2.641087983s
        307  deliver n1>n5 AppendEntries #305 clock 2.648964982s
        308  sync n5 #307 clock 2.653010072s
        309  deliver n5>n1 Appended #308 clock 2.660658035s
        310  end n1 clock 2.660956644s
        311  sync n1 #309 clock 2.665032404s
        312  deliver n1>n4 AppendEntries #310 clock 2.666185658s
        313  timer n4 snapshot clock 2.706454047s
        314  sync n4 #313 clock 2.714453937s
        315  request c5 cas k2 78->88 clock 2.716095029s
        316  timer c5 retry clock 2.787558556s
        317  timer c5 retry clock 2.79810355s
        318  timer n1 heartbeat clock 2.877091961s
        319  crash n1 clock 2.87972s
        320  disconnect c1 n1 clock 2.880502405s
        321  boot n1 clock 2.882647988s
        322  timer n4 election clock 3.03138096s
        323  deliver n4>n1 RequestVote #322 clock 3.034464453s
        324  deliver n1>n4 Vote #323 clock 3.040665898s
        325  sync n4 #324 clock 3.044710842s
        326  timer n2 election clock 3.045356312s
        327  deliver n4>n1 RequestVote #325 clock 3.045995339s
        328  timer c5 retry clock 3.045189234s
        329  deliver c4>n2 ClientRequest #129 clock 3.046684066s
        330  sync n1 #327 clock 3.050041095s
        331  deliver n1>n4 Vote #330 clock 3.04968305s
        332  sync n4 #331 clock 3.053757994s
        333  deliver c5>n3 ClientRequest #317 clock 3.088925396s
        334  deliver c6>n4 ClientRequest #154 clock 3.106103927s
        335  end n4 clock 3.106103927s
        336  deliver c5>n4 ClientRequest #328 clock 3.10799727s
        337  timer n4 heartbeat clock 3.12468305s
        338  deliver n4>n5 AppendEntries #337 clock 3.129910734s
        339  deliver n4>n1 AppendEntries #337 clock 3.134505248s
        340  timer n3 election clock 3.134732313s
        341  deliver n3>n5 RequestVote #340 clock 3.135793188s
        342  sync n1 #339 clock 3.138551003s
        343  deliver n3>n1 RequestVote #340 clock 3.139651974s
        344  deliver n4>n5 AppendEntries #331 clock 3.140083824s
        345  deliver n1>n3 Vote #343 clock 3.142466874s
        346  deliver n1>n4 Appended #342 clock 3.142906055s
        347  sync n3 #345 clock 3.1465113s
        348  deliver c5>n4 ClientRequest #172 clock 3.228874553s
        349  end n4 clock 3.234713766s
        350  sync n4 #348 clock 3.235441638s
        351  deliver n4>n5 AppendEntries #284 clock 3.239306697s
        352  deliver n4>n1 AppendEntries #349 clock 3.241143495s
        353  sync n1 #352 clock 3.249189997s
        354  deliver n4>c5 Done #350 clock 3.252839019s
        355  admin n4 AddServer {"type":"AddServer","node":"n3"} clock 3.253945053s
        356  end n4 clock 3.253945053s
        357  deliver n4>n3 AppendEntries #356 clock 3.260532407s
        358  deliver n3>c5 Refused #333 clock 3.262512597s
        359  deliver n3>n4 Appended #357 clock 3.265197977s
        360  deliver n4>n3 InstallSnapshot #359 clock 3.26500892s
        361  deliver n3>n4 SnapshotStored #360 clock 3.269398728s
        362  deliver n1>n4 Appended #353 clock 3.271570105s
        363  deliver n4>n3 InstallSnapshot #361 clock 3.27214344s
        364  deliver n3>n4 SnapshotStored #363 clock 3.274371036s
        365  deliver n4>n3 InstallSnapshot #364 clock 3.282685561s
        366  admin n4 RemoveServer {"type":"RemoveServer","node":"n3"} clock 3.28457463s
        367  end n4 clock 3.28457463s
        368  admin n4 AddServer {"type":"AddServer","node":"n3"} clock 3.284634629s
        369  end n4 clock 3.284634629s
        370  deliver n4>n3 InstallSnapshot #367 clock 3.286437195s
        371  deliver n3>n4 SnapshotStored #365 clock 3.287630204s
        372  timer n4 snapshot clock 3.300894039s
        373  deliver n4>c5 Done #362 clock 3.303244237s
        374  deliver n4>n3 AppendEntries #369 clock 3.350674633s
        375  deliver n3>n4 Appended #374 clock 3.352783806s
        376  deliver n4>n3 InstallSnapshot #375 clock 3.355275636s
        377  deliver n3>n4 SnapshotStored #376 clock 3.357826677s
        378  deliver n4>n3 InstallSnapshot #377 clock 3.370679447s
    """,
)

if __name__ == "__main__":
    scenario.main()
