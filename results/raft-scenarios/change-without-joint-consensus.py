"""raft [change-without-joint-consensus] fails leader_completeness: n2 became leader of term 3 without entry 2, which was committed in term 2

8 faults, 30 operations, 6 clients, 5 nodes, 0.465 s shrunk to 2 faults, 0 operations, 50 steps.

See it with: python change-without-joint-consensus.py, or bench run change-without-joint-consensus.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="leader_completeness",
    mutant="change-without-joint-consensus",
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
        10  sync n3 #8 clock 36.784964ms
        11  deliver n3>n2 Vote #10 clock 36.828899ms
        12  sync n4 #9 clock 36.997177ms
        13  deliver n4>n2 Vote #12 clock 37.245707ms
        14  deliver n2>n3 AppendEntries #13 clock 37.37258ms
        15  deliver n2>n4 AppendEntries #13 clock 37.582837ms
        16  deliver n2>n5 AppendEntries #13 clock 38.322359ms
        17  deliver n2>n1 AppendEntries #13 clock 38.333054ms
        18  sync n1 #17 clock 55.678243ms
        19  sync n3 #14 clock 56.602097ms
        20  sync n5 #16 clock 56.685833ms
        21  deliver n1>n2 Appended #18 clock 58.196449ms
        22  deliver n3>n2 Appended #19 clock 338.130116ms
        23  deliver n5>n2 Appended #20 clock 338.339684ms
        24  timer n1 election clock 370.483737ms
        25  sync n1 #24 clock 373.529305ms
        26  deliver n1>n4 RequestVote #25 clock 373.559552ms
        27  deliver n1>n3 RequestVote #25 clock 374.163802ms
        28  sync n4 #26 clock 376.604509ms
        29  deliver n4>n1 Vote #28 clock 377.110281ms
        30  sync n3 #27 clock 377.208371ms
        31  deliver n3>n1 Vote #30 clock 378.095288ms
        32  deliver n1>n3 AppendEntries #31 clock 378.19686ms
        33  deliver n1>n4 AppendEntries #31 clock 378.376749ms
        34  sync n1 #31 clock 381.200868ms
        35  sync n3 #32 clock 381.241429ms
        36  sync n4 #33 clock 381.421707ms
        37  deliver n3>n1 Appended #35 clock 381.608293ms
        38  deliver n4>n1 Appended #36 clock 383.079709ms
        39  timer n1 snapshot clock 383.124717ms
        40  timer n1 heartbeat clock 438.09529ms
        41  timer n1 heartbeat clock 453.095291ms
        42  admin n2 RemoveServer {"type":"RemoveServer","node":"n3"} clock 456.344108ms
        43  admin n2 RemoveServer {"type":"RemoveServer","node":"n4"} clock 456.344108ms
        44  end n2 clock 457.440608ms
        45  deliver n1>n2 InstallSnapshot #41 clock 469.642264ms
        46  timer n2 election clock 503.992374ms
        47  sync n2 #46 clock 507.037327ms
        48  deliver n2>n5 RequestVote #47 clock 507.149357ms
        49  sync n5 #48 clock 510.194425ms
        50  deliver n5>n2 Vote #49 clock 510.384786ms
    """,
)

if __name__ == "__main__":
    scenario.main()
