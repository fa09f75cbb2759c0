"""raft [promise-kept-by-leaders-only] fails lease_safety: n3 read by its lease of term 1 while n2 led term 2

8 faults, 101 operations, 4 clients, 3 nodes, 1.62 s shrunk to 0 faults, 1 operation, 24 steps.

See it with: python promise-kept-by-leaders-only.py, or bench run promise-kept-by-leaders-only.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="lease_safety",
    mutant="promise-kept-by-leaders-only",
    nodes=3,
    clients=1,
    params={
        "pre_vote": "false",
        "membership_change": "single",
        "election_timeout_s": "0.02..0.021",
        "snapshot_entries": "50",
        "reads": "lease",
        "heartbeat_s": "0.018",
        "retry_s": "0.005",
    },
    seed=8,
    steps="""
         1  boot n1
         2  boot n2
         3  boot n3
         4  boot c1
         5  timer n3 election
         6  sync n3 #5
         7  request c1 read k1
         8  timer c1 retry
         9  deliver n3>n1 RequestVote #6
        10  sync n1 #9
        11  deliver n1>n3 Vote #10
        12  sync n3 #11
        13  deliver n3>n2 AppendEntries #11
        14  deliver n3>n1 AppendEntries #11
        15  sync n1 #14
        16  timer n3 heartbeat
        17  deliver n3>n1 AppendEntries #16
        18  deliver n1>n3 Appended #17
        19  timer n2 election
        20  sync n2 #19
        21  deliver n2>n1 RequestVote #20
        22  sync n1 #21
        23  deliver n1>n2 Vote #22
        24  deliver c1>n3 ClientRequest #8
    """,
)

if __name__ == "__main__":
    scenario.main()
