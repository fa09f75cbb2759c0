"""raft [expiry-by-own-clock] fails session_agreement: after 3 entries n2 remembers 2 sessions from 2 to 3, n1 1 from 3 to 3

0 faults, 15 operations, 6 clients, 5 nodes, 0.215 s shrunk to 0 faults, 2 operations, 35 steps.

See it with: python expiry-by-own-clock.py, or bench run expiry-by-own-clock.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="session_agreement",
    mutant="expiry-by-own-clock",
    nodes=3,
    clients=1,
    params={
        "snapshot_entries": "1",
        "snapshot_trailing": "0",
        "max_entries": "4",
        "reads": "lease",
        "max_sessions": "2",
    },
    seed=1,
    steps="""
         1  boot n1 clock 0s
         2  boot n2 clock 0s
         3  boot n3 clock 0s
         4  boot c1 clock 0s
         5  timer n1 election clock 150.167393ms
         6  deliver n1>n2 RequestVote #5 clock 154.697107ms
         7  deliver n2>n1 Vote #6 clock 155.999806ms
         8  sync n1 #7 clock 160.044743ms
         9  deliver n1>n3 RequestVote #8 clock 164.902001ms
        10  sync n3 #9 clock 168.947092ms
        11  deliver n3>n1 Vote #10 clock 171.247118ms
        12  deliver n1>n2 AppendEntries #11 clock 172.423057ms
        13  deliver n1>n3 AppendEntries #11 clock 176.276703ms
        14  sync n2 #12 clock 176.468001ms
        15  deliver n2>n1 Appended #14 clock 179.506069ms
        16  sync n3 #13 clock 180.321793ms
        17  request c1 write k1 2 clock 193.923322ms
        18  deliver c1>n3 OpenSession #17 clock 195.813283ms
        19  deliver n3>c1 Refused #18 clock 198.769ms
        20  deliver c1>n1 OpenSession #19 clock 200.620452ms
        21  end n1 clock 220.583469ms
        22  deliver n1>n2 AppendEntries #21 clock 220.882415ms
        23  sync n2 #22 clock 224.92736ms
        24  deliver n2>n1 Appended #23 clock 227.969179ms
        25  request c1 write k1 4 clock 231.904641ms
        26  deliver c1>n1 OpenSession #25 clock 233.455052ms
        27  end n1 clock 233.455052ms
        28  sync n1 #26 clock 240.429421ms
        29  deliver n1>n2 AppendEntries #27 clock 242.178468ms
        30  deliver n1>c1 Opened #28 clock 249.036332ms
        31  sync n2 #29 clock 250.223357ms
        32  deliver n2>n1 Appended #31 clock 250.567843ms
        33  deliver c1>n1 ClientRequest #30 clock 264.372221ms
        34  end n1 clock 264.372221ms
        35  deliver n1>n2 AppendEntries #34 clock 397.8601ms
    """,
)

if __name__ == "__main__":
    scenario.main()
