"""raft [corrupt-disk-trusted] fails leader_completeness: n3 became leader of term 2 without entry 1, which was committed in term 1

73 faults, 309 operations, 6 clients, 5 nodes, 4 s shrunk to 4 faults, 0 operations, 34 steps.

See it with: python corrupt-disk-trusted.py, or bench run corrupt-disk-trusted.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="leader_completeness",
    mutant="corrupt-disk-trusted",
    nodes=5,
    clients=1,
    params={"reads": "lease", "sticky": "true", "pre_vote": "false", "membership_change": "single"},
    seed=142,
    steps="""
         1  boot n1 clock 0s
         2  boot n2 clock 0s
         3  boot n3 clock 0s
         4  boot n4 clock 0s
         5  boot n5 clock 0s
         6  timer n4 election clock 158.562009ms
         7  sync n4 #6 clock 162.380502ms
         8  deliver n4>n3 RequestVote #7 clock 162.542049ms
         9  deliver n4>n1 RequestVote #7 clock 163.463043ms
        10  sync n3 #8 clock 172.705025ms
        11  deliver n3>n4 Vote #10 clock 173.838978ms
        12  sync n1 #9 clock 181.27483ms
        13  deliver n1>n4 Vote #12 clock 181.91095ms
        14  deliver n4>n5 AppendEntries #13 clock 252.797844ms
        15  deliver n4>n2 AppendEntries #13 clock 252.771895ms
        16  sync n4 #13 clock 252.910561ms
        17  sync n2 #15 clock 254.006539ms
        18  deliver n2>n4 Appended #17 clock 261.708343ms
        19  sync n5 #14 clock 266.084059ms
        20  deliver n5>n4 Appended #19 clock 266.151088ms
        21  crash n2 clock 341.11ms
        22  crash n5 clock 1.16906s
        23  lose n2 corrupt clock 1.2247s
        24  boot n2 clock 1.224480935s
        25  lose n5 corrupt clock 1.33399s
        26  boot n5 clock 1.333981652s
        27  timer n3 election clock 4.496574798s
        28  sync n3 #27 clock 4.547765614s
        29  deliver n3>n5 RequestVote #28 clock 4.546853824s
        30  deliver n3>n2 RequestVote #28 clock 4.546791962s
        31  sync n2 #30 clock 4.551104946s
        32  deliver n2>n3 Vote #31 clock 4.553872093s
        33  sync n5 #29 clock 4.565266368s
        34  deliver n5>n3 Vote #33 clock 4.568022387s
    """,
)

if __name__ == "__main__":
    scenario.main()
