"""raft [half-is-a-majority] fails leader_completeness: n1 became leader of term 2 without entry 4, which was committed in term 1

24 faults, 56 operations, 6 clients, 5 nodes, 0.895 s shrunk to 2 faults, 1 operation, 37 steps.

See it with: python half-is-a-majority.py, or bench run half-is-a-majority.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="leader_completeness",
    mutant="half-is-a-majority",
    nodes=5,
    clients=4,
    params={"snapshot_entries": "1", "snapshot_trailing": "0", "max_entries": "4", "reads": "lease"},
    seed=1,
    steps="""
         1  boot n1 clock 0s
         2  boot n2 clock 0s
         3  boot n3 clock 0s
         4  boot n4 clock 0s
         5  boot n5 clock 0s
         6  boot c4 clock 0s
         7  timer n2 election clock 150.167393ms
         8  deliver n2>n3 RequestVote #7 clock 153.639915ms
         9  deliver n3>n2 Vote #8 clock 153.915765ms
        10  sync n2 #9 clock 157.960703ms
        11  deliver n2>n3 RequestVote #10 clock 158.073711ms
        12  sync n3 #11 clock 162.118138ms
        13  deliver n3>n2 Vote #12 clock 164.232165ms
        14  deliver n2>n1 AppendEntries #13 clock 165.72731ms
        15  deliver n2>n4 AppendEntries #13 clock 166.630328ms
        16  deliver n2>n5 AppendEntries #13 clock 170.483764ms
        17  sync n4 #15 clock 170.675272ms
        18  sync n1 #14 clock 170.913126ms
        19  deliver n4>n2 Appended #17 clock 173.71335ms
        20  deliver n1>n2 Appended #18 clock 465.784772ms
        21  admin n2 RemoveServer {"type":"RemoveServer","node":"n3"} clock 576.346955ms
        22  admin n2 RemoveServer {"type":"RemoveServer","node":"n4"} clock 576.346955ms
        23  timer n2 heartbeat clock 576.346955ms
        24  end n2 clock 576.346955ms
        25  sync n2 #24 clock 580.691887ms
        26  sync n5 #16 clock 590.668704ms
        27  deliver n5>n2 Appended #26 clock 590.708906ms
        28  deliver n2>n5 AppendEntries #27 clock 597.299273ms
        29  sync n5 #28 clock 605.344453ms
        30  deliver n5>n2 Appended #29 clock 605.98241ms
        31  timer n2 heartbeat clock 651.346955ms
        32  deliver n2>n1 AppendEntries #31 clock 653.138251ms
        33  request c4 write k0 23 clock 809.833267ms
        34  deliver c4>n2 ClientRequest #33 clock 824.020445ms
        35  sync n2 #34 clock 840.020197ms
        36  timer n1 election clock 1.066562568s
        37  sync n1 #36 clock 1.070608323s
    """,
)

if __name__ == "__main__":
    scenario.main()
