"""raft [follower-read-joins-late] fails linearizable: key 0: c2's read of nil (41.0 to 44.0 ms) is stale: c1's compare-and-set 25 to 43 (22.0 to 40.0 ms) had replaced that value and ended before it began

82 faults, 285 operations, 3 clients, 3 nodes, 4 s shrunk to 0 faults, 7 operations, 44 steps.

See it with: python follower-read-joins-late.py, or bench run follower-read-joins-late.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="linearizable",
    mutant="follower-read-joins-late",
    nodes=3,
    clients=2,
    params={"reads": "follower", "sticky": "true", "pre_vote": "false", "membership_change": "single"},
    seed=42,
    steps="""
         1  boot n1 clock 0s
         2  boot n2 clock 0s
         3  boot n3 clock 0s
         4  boot c1 clock 0s
         5  boot c2 clock 0s
         6  timer n1 election clock 150.383085ms
         7  sync n1 #6 clock 154.814928ms
         8  deliver n1>n3 RequestVote #7 clock 159.59111ms
         9  sync n3 #8 clock 160.566183ms
        10  deliver n3>n1 Vote #9 clock 165.56233ms
        11  request c2 write k2 23 clock 773.141693ms
        12  disconnect c1 n2 clock 779.215261ms
        13  timer c2 retry clock 788.481639ms
        14  request c1 write k2 24 clock 815.565542ms
        15  request c2 write k0 25 clock 828.148587ms
        16  deliver c2>n1 ClientRequest #15 clock 840.491324ms
        17  deliver n1>n2 AppendEntries #10 clock 841.143336ms
        18  sync n2 #17 clock 851.813317ms
        19  deliver n1>n3 AppendEntries #10 clock 1.07888072s
        20  sync n3 #19 clock 1.119552864s
        21  request c2 read k2 clock 1.130866269s
        22  request c1 cas k0 25->43 clock 1.137267357s
        23  deliver c1>n1 ClientRequest #22 clock 1.143726187s
        24  request c2 read k1 clock 1.177659995s
        25  deliver c2>n3 ClientRequest #24 clock 1.181138873s
        26  end n3 clock 1.181138873s
        27  sync n1 #23 clock 1.189921834s
        28  deliver c2>n3 ClientRequest #21 clock 1.192437601s
        29  end n3 clock 1.192437601s
        30  deliver n3>n1 Appended #20 clock 1.211868932s
        31  deliver n3>n1 ReadIndex #26 clock 1.211928931s
        32  deliver n3>n1 ReadIndex #29 clock 1.211928931s
        33  end n1 clock 1.211928931s
        34  deliver n1>n3 AppendEntries #30 clock 1.214073478s
        35  sync n3 #34 clock 1.21692941s
        36  deliver n1>n2 AppendEntries #33 clock 1.217799667s
        37  deliver n2>n1 Appended #36 clock 1.218454426s
        38  deliver n3>n1 Appended #35 clock 1.220435333s
        39  deliver n1>n3 ReadAt #37.2 clock 1.223010773s
        40  deliver n1>c1 Done #38 clock 1.223465321s
        41  request c2 read k0 clock 1.226195439s
        42  deliver c2>n3 ClientRequest #41 clock 1.228525313s
        43  deliver n1>n3 ReadAt #37 clock 1.228857296s
        44  deliver n3>c2 Done #43 clock 1.235071926s
    """,
)

if __name__ == "__main__":
    scenario.main()
