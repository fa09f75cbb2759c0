"""raft [commit-beyond-match] fails state_machine_safety: n4 applied Command(session='c2.2275b2202d2460e4', sequence=1, request=Write(key='k0', value=b'\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x1a\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00')) of term 1 at index 2, where Command(session='', sequence=0, request=None) of term 2 was applied before

47 faults, 167 operations, 4 clients, 4 nodes, 2.08 s shrunk to 0 faults, 2 operations, 54 steps.

See it with: python commit-beyond-match.py, or bench run commit-beyond-match.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="state_machine_safety",
    mutant="commit-beyond-match",
    nodes=4,
    clients=2,
    params={
        "pre_vote": "false",
        "membership_change": "single",
        "election_timeout_s": "0.02..0.03",
        "snapshot_entries": "50",
    },
    seed=34,
    steps="""
         1  boot n1
         2  boot n2
         3  boot n3
         4  boot n4
         5  boot c1
         6  boot c2
         7  timer n4 election
         8  sync n4 #7
         9  deliver n4>n2 RequestVote #8
        10  deliver n4>n1 RequestVote #8
        11  sync n1 #10
        12  sync n2 #9
        13  deliver n1>n4 Vote #11
        14  deliver n2>n4 Vote #12
        15  deliver n4>n1 AppendEntries #14
        16  deliver n4>n3 AppendEntries #14
        17  deliver n4>n2 AppendEntries #14
        18  request c2 write k0 26
        19  request c1 read k1
        20  timer c2 retry
        21  timer n1 election
        22  sync n1 #21
        23  deliver n1>n2 RequestVote #22
        24  deliver n1>n3 RequestVote #22
        25  sync n2 #23
        26  sync n3 #24
        27  deliver n3>n1 Vote #26
        28  deliver n2>n1 Vote #25
        29  deliver n1>n2 AppendEntries #28
        30  deliver n1>n3 AppendEntries #28
        31  sync n1 #28
        32  sync n2 #29
        33  deliver n2>n1 Appended #32
        34  timer c2 retry
        35  deliver c2>n1 ClientRequest #34
        36  sync n3 #30
        37  deliver n3>n1 Appended #36
        38  deliver n1>n3 AppendEntries #37
        39  deliver c2>n4 ClientRequest #20
        40  timer n3 election
        41  sync n3 #40
        42  deliver n3>n4 RequestVote #41
        43  sync n4 #42
        44  deliver n3>n2 RequestVote #41
        45  sync n2 #44
        46  deliver n2>n3 Vote #45
        47  deliver n4>n3 Vote #43
        48  deliver n3>n4 AppendEntries #47
        49  deliver n4>n3 Appended #48
        50  deliver n3>n4 AppendEntries #49
        51  deliver n4>n3 Appended #50
        52  deliver c1>n3 ClientRequest #19
        53  end n3
        54  deliver n3>n4 AppendEntries #53
    """,
)

if __name__ == "__main__":
    scenario.main()
