"""raft [deposed-taken-as-failed] fails linearizable: key 1: c2's read of 71 (18.0 to 37.0 ms) saw a value that only c1's write of 71 (10.0 to 21.0 ms) could have written, which was told it failed

18 faults, 347 operations, 6 clients, 3 nodes, 4 s shrunk to 0 faults, 2 operations, 37 steps.

See it with: python deposed-taken-as-failed.py, or bench run deposed-taken-as-failed.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="linearizable",
    mutant="deposed-taken-as-failed",
    nodes=2,
    clients=2,
    params={"pre_vote": "false", "election_timeout_s": "0.05..0.06", "operation_timeout_s": "0.3"},
    seed=19,
    steps="""
         1  boot n1 clock 0s
         2  boot n2 clock 0s
         3  boot c1 clock 0s
         4  boot c2 clock 0s
         5  timer n2 election clock 1.323338737s
         6  sync n2 #5 clock 1.34576322s
         7  deliver n2>n1 RequestVote #6 clock 1.347881699s
         8  sync n1 #7 clock 1.349481362s
         9  deliver n1>n2 Vote #8 clock 1.350932485s
        10  request c1 write k1 71 clock 1.507245732s
        11  timer c1 retry clock 1.513244932s
        12  deliver c1>n1 ClientRequest #11 clock 1.724526264s
        13  deliver n1>c1 Refused #12 clock 1.744752694s
        14  timer n1 election clock 2.350226481s
        15  sync n1 #14 clock 2.35959246s
        16  deliver c1>n2 ClientRequest #10 clock 2.362305123s
        17  deliver n1>n2 RequestVote #15 clock 2.362305123s
        18  request c2 read k1 clock 2.371877963s
        19  sync n2 #17 clock 2.381925125s
        20  deliver n2>c1 Deposed #19 clock 2.382496077s
        21  timer c1 retry clock 2.395689336s
        22  timer n2 election clock 2.417897237s
        23  sync n2 #22 clock 2.428316134s
        24  deliver n2>n1 RequestVote #23 clock 2.428187438s
        25  sync n1 #24 clock 2.431842501s
        26  deliver n1>n2 Vote #25 clock 2.433005106s
        27  deliver n2>n1 AppendEntries #26 clock 2.433056891s
        28  sync n2 #26 clock 2.433839841s
        29  deliver n1>n2 Appended #27 clock 2.434032329s
        30  deliver n2>n1 AppendEntries #29 clock 2.436403551s
        31  deliver c2>n2 ClientRequest #18 clock 2.43954215s
        32  end n2 clock 2.43954215s
        33  sync n1 #30 clock 2.440761953s
        34  deliver n2>n1 AppendEntries #32 clock 2.44109488s
        35  deliver n1>n2 Appended #33 clock 2.442931238s
        36  deliver n1>n2 Appended #34 clock 2.442991231s
        37  deliver n2>c2 Done #36 clock 2.454616533s
    """,
)

if __name__ == "__main__":
    scenario.main()
