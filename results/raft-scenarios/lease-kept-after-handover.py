"""raft [lease-kept-after-handover] fails lease_safety: n4 read by its lease of term 1 while n2 led term 2

13 faults, 239 operations, 5 clients, 5 nodes, 2.48 s shrunk to 1 fault, 1 operation, 33 steps.

See it with: python lease-kept-after-handover.py, or bench run lease-kept-after-handover.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="lease_safety",
    mutant="lease-kept-after-handover",
    nodes=5,
    clients=1,
    params={
        "reads": "lease",
        "sticky": "true",
        "pre_vote": "false",
        "membership_change": "single",
        "election_timeout_s": "0.3..0.36",
        "max_entries": "64",
        "retry_s": "0.1",
    },
    seed=373,
    steps="""
         1  boot n1 clock 0s
         2  boot n2 clock 0s
         3  boot n3 clock 0s
         4  boot n4 clock 0s
         5  boot n5 clock 0s
         6  boot c1 clock 0s
         7  timer n4 election clock 2.525414425s
         8  sync n4 #7 clock 2.525481832s
         9  deliver n4>n2 RequestVote #8 clock 2.525628837s
        10  sync n2 #9 clock 2.525684486s
        11  deliver n2>n4 Vote #10 clock 2.52755993s
        12  deliver n4>n1 RequestVote #8 clock 2.532467444s
        13  sync n1 #12 clock 2.53253785s
        14  deliver n1>n4 Vote #13 clock 2.545333754s
        15  sync n4 #14 clock 2.662709509s
        16  deliver n4>n2 AppendEntries #14 clock 2.667321054s
        17  sync n2 #16 clock 2.669092824s
        18  deliver n2>n4 Appended #17 clock 2.672372055s
        19  deliver n4>n3 AppendEntries #14 clock 2.682285069s
        20  sync n3 #19 clock 2.682399648s
        21  admin n4 Drain {"type":"Drain"} clock 2.683516614s
        22  deliver n3>n4 Appended #20 clock 2.684463731s
        23  deliver n4>n2 TimeoutNow #21 clock 2.702117935s
        24  sync n2 #23 clock 2.702168766s
        25  deliver n2>n3 RequestVote #24 clock 2.702440695s
        26  sync n3 #25 clock 2.70250516s
        27  deliver n2>n5 RequestVote #24 clock 2.706141129s
        28  sync n5 #27 clock 2.706206102s
        29  request c1 read k0 clock 2.70643407s
        30  deliver n3>n2 Vote #26 clock 2.708297858s
        31  deliver n5>n2 Vote #28 clock 2.71374264s
        32  timer c1 retry clock 2.806434071s
        33  deliver c1>n4 ClientRequest #32 clock 2.80896609s
    """,
)

if __name__ == "__main__":
    scenario.main()
