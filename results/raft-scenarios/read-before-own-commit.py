"""raft [read-before-own-commit] fails linearizable: key 1: c1's read of nil (33.0 to 41.0 ms) is stale: c1's compare-and-set nil to 9 (14.0 to 21.0 ms) had replaced that value and ended before it began

18 faults, 228 operations, 3 clients, 3 nodes, 4 s shrunk to 1 fault, 4 operations, 41 steps.

See it with: python read-before-own-commit.py, or bench run read-before-own-commit.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="linearizable",
    mutant="read-before-own-commit",
    nodes=3,
    clients=1,
    params={"reads": "lease", "sticky": "true", "pre_vote": "false", "membership_change": "single"},
    seed=11,
    steps="""
         1  boot n1 clock 0s
         2  boot n3 clock 0s
         3  boot c1 clock 0s
         4  timer n3 election clock 425.44102ms
         5  sync n3 #4 clock 430.03642ms
         6  deliver n3>n1 RequestVote #5 clock 440.594949ms
         7  sync n1 #6 clock 442.196651ms
         8  deliver n1>n3 Vote #7 clock 449.38861ms
         9  deliver n3>n1 AppendEntries #8 clock 464.566436ms
        10  sync n1 #9 clock 537.471266ms
        11  deliver n1>n3 Appended #10 clock 651.791157ms
        12  request c1 cas k1 nil->7 clock 692.086933ms
        13  request c1 write k1 8 clock 698.098631ms
        14  request c1 cas k1 nil->9 clock 714.182009ms
        15  deliver c1>n3 ClientRequest #14 clock 725.128177ms
        16  end n3 clock 725.128177ms
        17  deliver n3>n1 AppendEntries #16 clock 732.974988ms
        18  sync n1 #17 clock 745.521134ms
        19  sync n3 #15 clock 745.641856ms
        20  deliver n1>n3 Appended #18 clock 750.575522ms
        21  deliver n3>c1 Done #20 clock 781.738078ms
        22  timer c1 retry clock 3.930735254s
        23  timer c1 retry clock 3.96305407s
        24  crash n3 clock 4.01916s
        25  timer c1 retry clock 4.022961461s
        26  boot n2 clock 4.049375094s
        27  boot n3 clock 4.048705578s
        28  timer n3 election clock 4.265781054s
        29  sync n3 #28 clock 4.275431774s
        30  deliver n3>n1 RequestVote #29 clock 4.285788866s
        31  deliver n3>n2 RequestVote #29 clock 4.289758733s
        32  sync n1 #30 clock 4.288870329s
        33  request c1 read k1 clock 4.291687388s
        34  sync n2 #31 clock 4.292194716s
        35  deliver n2>n3 Vote #34 clock 4.304005748s
        36  deliver c1>n3 ClientRequest #33 clock 4.316505985s
        37  end n3 clock 4.334161768s
        38  sync n3 #35 clock 4.336577418s
        39  deliver n3>n1 AppendEntries #37 clock 4.336140355s
        40  deliver n1>n3 Appended #39 clock 4.340681012s
        41  deliver n3>c1 Done #40 clock 4.363917874s
    """,
)

if __name__ == "__main__":
    scenario.main()
