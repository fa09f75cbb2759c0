"""raft [acknowledged-before-fsync] fails leader_completeness: n3 became leader of term 2 without entry 1, which was committed in term 1

14 faults, 213 operations, 4 clients, 3 nodes, 2 s shrunk to 2 faults, 0 operations, 21 steps.

See it with: python acknowledged-before-fsync.py, or bench run acknowledged-before-fsync.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="leader_completeness",
    mutant="acknowledged-before-fsync",
    nodes=3,
    clients=1,
    params={
        "pre_vote": "false",
        "membership_change": "single",
        "election_timeout_s": "0.02..0.03",
        "snapshot_entries": "50",
    },
    seed=65,
    steps="""
         1  boot n1
         2  boot n2
         3  boot n3
         4  timer n3 election
         5  sync n3 #4
         6  deliver n3>n2 RequestVote #5
         7  sync n2 #6
         8  deliver n2>n3 Vote #7
         9  deliver n3>n2 AppendEntries #8
        10  deliver n2>n3 Appended #9
        11  deliver n3>n1 AppendEntries #8
        12  deliver n1>n3 Appended #11
        13  crash n1
        14  crash n3
        15  boot n1
        16  boot n3
        17  timer n3 election
        18  sync n3 #17
        19  deliver n3>n1 RequestVote #18
        20  sync n1 #19
        21  deliver n1>n3 Vote #20
    """,
)

if __name__ == "__main__":
    scenario.main()
