"""raft [lease-outlives-promise] fails linearizable: key 4: c5's read of nil (40.0 to 42.0 ms) is stale: c1's write of 110 (21.0 to 39.0 ms) had replaced that value and ended before it began

28 faults, 204 operations, 6 clients, 3 nodes, 4 s shrunk to 0 faults, 2 operations, 42 steps.

See it with: python lease-outlives-promise.py, or bench run lease-outlives-promise.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="linearizable",
    mutant="lease-outlives-promise",
    nodes=3,
    clients=5,
    params={
        "snapshot_entries": "20",
        "snapshot_trailing": "5",
        "snapshot_chunk": "150",
        "membership_change": "single",
        "reads": "lease",
        "election_timeout_s": "0.2..0.25",
    },
    seed=154,
    steps="""
         1  boot n1 clock 0s
         2  boot n2 clock 0s
         3  boot n3 clock 0s
         4  boot c1 clock 0s
         5  boot c5 clock 0s
         6  timer n2 election clock 202.550178ms
         7  deliver n2>n3 RequestVote #6 clock 208.51548ms
         8  deliver n3>n2 Vote #7 clock 212.831944ms
         9  sync n2 #8 clock 214.12347ms
        10  deliver n2>n1 RequestVote #9 clock 221.767251ms
        11  sync n1 #10 clock 228.300694ms
        12  deliver n1>n2 Vote #11 clock 230.509847ms
        13  deliver n2>n1 AppendEntries #12 clock 237.446598ms
        14  deliver n2>n3 AppendEntries #12 clock 238.531415ms
        15  sync n1 #13 clock 238.7729ms
        16  sync n2 #12 clock 241.509545ms
        17  sync n3 #14 clock 245.428985ms
        18  timer n2 heartbeat clock 5.149892453s
        19  deliver n2>n1 AppendEntries #18 clock 5.156780693s
        20  deliver n1>n2 Appended #19 clock 5.16393787s
        21  request c1 write k4 110 clock 5.24549445s
        22  timer n3 election clock 5.360417309s
        23  deliver n3>n1 RequestVote #22 clock 5.363629931s
        24  deliver n1>n3 Vote #23 clock 5.36652216s
        25  sync n3 #24 clock 5.379546819s
        26  deliver n3>n1 RequestVote #25 clock 5.389418032s
        27  sync n1 #26 clock 5.394700735s
        28  deliver n1>n3 Vote #27 clock 5.399378082s
        29  deliver n3>n1 AppendEntries #28 clock 5.406271265s
        30  sync n1 #29 clock 5.411137847s
        31  deliver n1>n3 Appended #30 clock 5.416707144s
        32  timer c1 retry clock 5.44549445s
        33  deliver c1>n3 ClientRequest #32 clock 5.449396532s
        34  end n3 clock 5.449396532s
        35  deliver n3>n1 AppendEntries #34 clock 5.455505818s
        36  sync n1 #35 clock 5.459281199s
        37  sync n3 #33 clock 5.459555463s
        38  deliver n1>n3 Appended #36 clock 5.460298827s
        39  deliver n3>c1 Done #38 clock 5.475509023s
        40  request c5 read k4 clock 5.524569296s
        41  deliver c5>n2 ClientRequest #40 clock 5.531657487s
        42  deliver n2>c5 Done #41 clock 5.535178515s
    """,
)

if __name__ == "__main__":
    scenario.main()
