"""raft [refusal-taken-as-failed] fails linearizable: key 0: c1's read of 117 (30.0 to 56.0 ms) saw a value that only c2's compare-and-set 86 to 117 (36.0 to 45.0 ms) could have written, which was told it failed

52 faults, 359 operations, 4 clients, 3 nodes, 4 s shrunk to 1 fault, 9 operations, 56 steps.

See it with: python refusal-taken-as-failed.py, or bench run refusal-taken-as-failed.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="linearizable",
    mutant="refusal-taken-as-failed",
    nodes=3,
    clients=2,
    params={
        "pre_vote": "false",
        "max_entries": "2",
        "election_timeout_s": "0.08..0.16",
        "operation_timeout_s": "0.3",
    },
    seed=6,
    steps="""
         1  boot n1 clock 0s
         2  boot n2 clock 0s
         3  boot n3 clock 0s
         4  boot c1 clock 0s
         5  boot c2 clock 0s
         6  timer n1 election clock 999.396863ms
         7  request c2 read k1 clock 1.008242521s
         8  sync n1 #6 clock 1.012918469s
         9  timer c2 retry clock 1.019086242s
        10  deliver n1>n2 RequestVote #8 clock 1.132035247s
        11  sync n2 #10 clock 1.132329434s
        12  deliver n2>n1 Vote #11 clock 1.134262275s
        13  request c2 cas k2 57->64 clock 1.692381555s
        14  deliver c2>n1 ClientRequest #13 clock 1.755559871s
        15  request c1 read k3 clock 1.771217069s
        16  sync n1 #14 clock 1.799239059s
        17  timer n1 heartbeat clock 1.894307273s
        18  deliver n1>n2 AppendEntries #17 clock 1.914870459s
        19  sync n2 #18 clock 1.930503842s
        20  deliver n2>n1 Appended #19 clock 1.934937861s
        21  deliver n1>c2 Done #20 clock 1.944473694s
        22  request c2 write k0 86 clock 2.071083824s
        23  deliver c2>n1 ClientRequest #22 clock 2.072812423s
        24  deliver n1>n3 AppendEntries #17 clock 2.0801239s
        25  sync n3 #24 clock 2.080359019s
        26  deliver n3>n1 Appended #25 clock 2.100450663s
        27  deliver n1>n3 AppendEntries #26 clock 2.102788647s
        28  sync n3 #27 clock 2.10315011s
        29  request c1 write k3 92 clock 2.135195815s
        30  request c1 read k0 clock 2.196829496s
        31  request c2 write k4 112 clock 2.596836098s
        32  timer c2 retry clock 2.604351055s
        33  timer c2 retry clock 2.62060864s
        34  timer c2 retry clock 2.62231692s
        35  request c2 write k2 115 clock 2.644602418s
        36  request c2 cas k0 86->117 clock 2.647643427s
        37  deliver c2>n3 ClientRequest #35 clock 2.665828415s
        38  deliver n3>c2 Refused #37 clock 2.682213943s
        39  timer c2 retry clock 2.68499119s
        40  timer c2 retry clock 2.686398507s
        41  deliver c2>n2 ClientRequest #36 clock 2.686780236s
        42  deliver c2>n2 ClientRequest #36 again clock 2.68684023s
        43  deliver n2>c2 Refused #41 clock 2.689111176s
        44  deliver n2>c2 Refused #42 clock 2.689171176s
        45  timer c2 retry clock 2.70078369s
        46  deliver c2>n1 ClientRequest #40 clock 2.859599686s
        47  end n1 clock 2.859599686s
        48  deliver n1>n3 AppendEntries #47 clock 2.86027538s
        49  sync n1 #46 clock 2.860685926s
        50  sync n3 #48 clock 2.862457927s
        51  deliver n3>n1 Appended #50 clock 2.863931777s
        52  deliver c1>n1 ClientRequest #30 clock 2.866922945s
        53  end n1 clock 2.866922945s
        54  deliver n1>n3 AppendEntries #53 clock 2.869377391s
        55  deliver n3>n1 Appended #54 clock 2.87105727s
        56  deliver n1>c1 Done #55 clock 2.874141567s
    """,
)

if __name__ == "__main__":
    scenario.main()
