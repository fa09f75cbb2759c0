"""raft [joint-election-by-one-majority] fails leader_completeness: n2 became leader of term 3 without entry 2, which was committed in term 2

8 faults, 30 operations, 6 clients, 5 nodes, 0.465 s shrunk to 2 faults, 0 operations, 49 steps.

See it with: python joint-election-by-one-majority.py, or bench run joint-election-by-one-majority.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="leader_completeness",
    mutant="joint-election-by-one-majority",
    nodes=5,
    clients=1,
    params={
        "snapshot_entries": "1",
        "snapshot_trailing": "0",
        "max_entries": "4",
        "reads": "lease",
        "membership_change": "joint",
        "pre_vote": "false",
        "election_timeout_s": "0.03..0.05",
    },
    seed=1,
    steps="""
         1  boot n1 clock 0s
         2  boot n2 clock 0s
         3  boot n3 clock 0s
         4  boot n4 clock 0s
         5  boot n5 clock 0s
         6  timer n2 election clock 30.022319ms
         7  sync n2 #6 clock 33.067272ms
         8  deliver n2>n3 RequestVote #7 clock 33.740395ms
         9  deliver n2>n4 RequestVote #7 clock 33.95222ms
        10  deliver n2>n5 RequestVote #7 clock 34.557117ms
        11  sync n3 #8 clock 36.784964ms
        12  deliver n3>n2 Vote #11 clock 36.828899ms
        13  sync n4 #9 clock 36.997177ms
        14  deliver n4>n2 Vote #13 clock 37.245707ms
        15  deliver n2>n3 AppendEntries #14 clock 37.37258ms
        16  deliver n2>n4 AppendEntries #14 clock 37.582837ms
        17  deliver n2>n1 AppendEntries #14 clock 38.333054ms
        18  sync n2 #14 clock 40.350659ms
        19  sync n3 #15 clock 40.417148ms
        20  deliver n3>n2 Appended #19 clock 40.840963ms
        21  sync n1 #17 clock 41.378622ms
        22  deliver n1>n2 Appended #21 clock 338.440191ms
        23  timer n1 election clock 370.483737ms
        24  sync n1 #23 clock 373.529305ms
        25  deliver n1>n4 RequestVote #24 clock 373.559552ms
        26  deliver n1>n3 RequestVote #24 clock 374.163802ms
        27  sync n4 #25 clock 376.604509ms
        28  deliver n4>n1 Vote #27 clock 377.110281ms
        29  sync n3 #26 clock 377.208371ms
        30  deliver n3>n1 Vote #29 clock 378.095288ms
        31  deliver n1>n3 AppendEntries #30 clock 378.19686ms
        32  deliver n1>n4 AppendEntries #30 clock 378.376749ms
        33  sync n1 #30 clock 381.200868ms
        34  sync n3 #31 clock 381.241429ms
        35  sync n4 #32 clock 381.421707ms
        36  deliver n3>n1 Appended #34 clock 381.608293ms
        37  timer n5 election clock 383.001633ms
        38  deliver n4>n1 Appended #35 clock 383.079709ms
        39  sync n5 #37 clock 386.046702ms
        40  admin n2 RemoveServer {"type":"RemoveServer","node":"n3"} clock 456.344108ms
        41  admin n2 RemoveServer {"type":"RemoveServer","node":"n4"} clock 456.344108ms
        42  end n2 clock 456.344108ms
        43  deliver n2>n5 AppendEntries #14 clock 457.179327ms
        44  deliver n5>n2 Appended #43 clock 457.440608ms
        45  timer n2 election clock 503.992374ms
        46  sync n2 #45 clock 507.037327ms
        47  deliver n2>n5 RequestVote #46 clock 507.149357ms
        48  sync n5 #47 clock 510.194425ms
        49  deliver n5>n2 Vote #48 clock 510.384786ms
    """,
)

if __name__ == "__main__":
    scenario.main()
