"""raft [log-comparison-by-length] fails leader_completeness: n3 became leader of term 3 without entry 1, which was committed in term 2

197 faults, 389 operations, 3 clients, 3 nodes, 3.42 s shrunk to 0 faults, 0 operations, 24 steps.

See it with: python log-comparison-by-length.py, or bench run log-comparison-by-length.py
"""

from bench.scenario import Scenario

scenario = Scenario(
    protocol="raft",
    fails="leader_completeness",
    mutant="log-comparison-by-length",
    nodes=3,
    clients=1,
    params={"pre_vote": "false", "election_timeout_s": "0.05..0.06"},
    seed=24,
    steps="""
         1  boot n3
         2  boot n2
         3  boot n1
         4  timer n3 election
         5  sync n3 #4
         6  deliver n3>n2 RequestVote #5
         7  sync n2 #6
         8  deliver n2>n3 Vote #7
         9  deliver n3>n1 RequestVote #5
        10  timer n1 election
        11  sync n1 #10
        12  deliver n1>n2 RequestVote #11
        13  sync n2 #12
        14  deliver n2>n1 Vote #13
        15  sync n1 #14
        16  deliver n1>n2 AppendEntries #14
        17  sync n2 #16
        18  deliver n2>n1 Appended #17
        19  deliver n1>n3 RequestVote #11
        20  timer n3 election
        21  sync n3 #20
        22  deliver n3>n1 RequestVote #21
        23  sync n1 #22
        24  deliver n1>n3 Vote #23
    """,
)

if __name__ == "__main__":
    scenario.main()
