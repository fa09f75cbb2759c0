import shlex

import pytest

from bench.cli.build import RunOptions, build_trial, duration_of, parse_mix
from bench.cli.command import command_of, same_trial
from bench.cli.run import command as run_command
from bench.errors import UsageError
from bench.faults.spec import Crash, Nemesis
from bench.network.latency import Constant, Empirical, Lognormal
from bench.network.spec import Network
from bench.torture import torture
from bench.trial import Trial
from bench.workload.spec import PRESETS

MS = 1_000_000
SECOND = 1000 * MS
NOT_OF_THE_TRIAL = ("json_to", "no_store", "quiet", "address", "baseline", "tolerate", "force", "shrink")


def trial_of(command):
    """The trial that a command line means."""
    words = shlex.split(command)
    assert words[:2] == ["bench", "run"]
    params = dict(run_command.make_context("run", words[2:]).params)
    for name in NOT_OF_THE_TRIAL:
        params.pop(name)
    return build_trial(RunOptions(**params))


def test_the_example_of_the_help():
    trial = trial_of(
        'bench run raft --nodes 5 --runtime ray --clients 16 --duration 10 --latency "lognormal(2ms, 0.5)" '
        '--fault "crash leader at 5s for 2s" --seed 7 --param election_timeout_s=0.15..0.3'
    )
    assert (trial.protocol, trial.nodes, trial.runtime, trial.seed) == ("raft", 5, "ray", 7)
    assert (trial.duration, trial.workload.clients) == (10 * SECOND, 16)
    assert trial.network.latency == Lognormal(2 * MS, 0.5)
    assert trial.faults == (Crash(at=5 * SECOND, target="leader", down=2 * SECOND),)
    assert trial.params == {"election_timeout_s": (0.15, 0.3)}
    assert trial.nemesis is None


def test_defaults():
    trial = trial_of("bench run raft")
    assert trial == Trial(protocol="raft", duration=SECOND)


def test_faults_take_a_longer_load_by_default():
    assert trial_of("bench run raft --nemesis").duration == 5 * SECOND
    assert trial_of("bench run raft --runtime ray").duration == 10 * SECOND


def test_load_options():
    workload = trial_of("bench run raft --rate 500 --arrival constant --workload ycsb-b --keys 100 --zipf 1.2").workload
    assert (workload.rate, workload.arrival, workload.mix, workload.keys) == (500.0, "constant", PRESETS["ycsb-b"], 100)
    assert (workload.distribution, workload.skew) == ("zipfian", 1.2)
    assert trial_of("bench run raft --mix read=0.9,write=0.1").workload.mix == (("read", 0.9), ("write", 0.1))
    assert trial_of("bench run raft --workload ycsb-d").workload.distribution == "latest"


def test_nemesis_options():
    assert trial_of("bench run raft --nemesis").nemesis == Nemesis()
    nemesis = trial_of("bench run raft --nemesis crash,pause --nemesis-interval 100ms --nemesis-length 0.05").nemesis
    assert nemesis == Nemesis(kinds=("crash", "pause"), interval=100 * MS, length=50 * MS)


def test_a_mutant_without_faults_gets_the_nemesis():
    assert trial_of("bench run raft --mutant double-vote --seed 3").nemesis == Nemesis()
    assert trial_of('bench run raft --mutant double-vote --fault "crash n1 at 1s"').nemesis is None


def test_torture_is_drawn_from_the_seed():
    assert trial_of("bench run raft --torture --seed 9") == torture("raft", 9)
    trial = trial_of("bench run raft --torture --seed 9 --mutant double-vote --nodes 3 --duration 1")
    assert (trial.nodes, trial.duration, trial.mutant) == (3, SECOND, "double-vote")
    assert trial.network == torture("raft", 9).network


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("rfat", "unknown protocol 'rfat': did you mean 'raft'?"),
        ("raft --mutant vote-not-persistd", "did you mean 'vote-not-persisted'?"),
        ("raft --runtime rya", "unknown runtime 'rya': did you mean 'ray'?"),
        ("raft --nodes 0", "nodes 0 is out of range: 1 to 100000"),
        ("raft --clients 0", "clients 0 is out of range: at least 1"),
        ("raft --duration soon", "--duration 'soon' is not a duration: write seconds or a unit, as in 10 or 500ms"),
        ("raft --duration -1", "--duration '-1' is not a duration"),
        ("raft --duration 1e999", "--duration '1e999' is not a duration"),
        ("raft --duration 0", "duration 0 s is out of range: above 0"),
        ("raft --warmup 2", "warmup 2 s is out of range"),
        ("raft --rate -5", "rate -5 is out of range: operations a second, above 0"),
        ("raft --arrival constant", "--arrival belongs to an open loop: give --rate too"),
        ("raft --keys 0", "keys 0 is out of range"),
        ("raft --distribution zipf", "unknown key distribution 'zipf': did you mean 'zipfian'?"),
        ("raft --zipf 1 --distribution uniform", "--zipf SKEW stands for --distribution zipfian --skew SKEW"),
        ("raft --zipf 7", "skew 7 is out of range"),
        ("raft --value-bytes 4", "value_bytes 4 is out of range"),
        ("raft --workload ycsb-z", "unknown workload 'ycsb-z': did you mean 'ycsb-"),
        ("raft --workload ycsb-a --mix read=1", "give --workload or --mix, not both"),
        ("raft --mix raed=1", "unknown function 'raed': did you mean 'read'?"),
        ("raft --mix read=x", "mix 'read=x' is malformed: write for example read=0.9,write=0.1"),
        ("raft --mix read=0.5,read=0.5", "names read twice"),
        ("raft --mix read=0.5,write=0.4", "must sum to 1"),
        ("raft --latency 2mss", "latency '2mss' is neither a duration (2ms) nor a distribution"),
        ("raft --loss 1.5", "loss 1.5 is out of range: a probability in [0, 1)"),
        ("raft --bandwidth -1", "bandwidth -1 is negative"),
        ("raft --fault 'crsh n1 at 1s'", "unknown fault 'crsh': did you mean 'crash'?"),
        ("raft --fault 'crash n9 at 1s'", "fault 'crash n9 at 1s': unknown target 'n9': the servers are n1 to n3"),
        ("raft --fault 'crash n1 at 9s'", "is later than the load, which ends at 5s: raise --duration"),
        ("raft --runtime ray --fault 'stall n1 at 1s for 1s'", "exists in the simulator only"),
        ("raft --nemesis crsh", "unknown fault kind 'crsh': did you mean 'crash'?"),
        ("raft --runtime ray --nemesis stall", "exists in the simulator only"),
        ("raft --nemesis-interval 1", "--nemesis-interval and --nemesis-length need --nemesis"),
        ("raft --nemesis crash --nemesis-interval 1us", "--nemesis-interval 1us is out of range: at least 1ms"),
        ("raft --param electon_timeout_s=1..2", "did you mean 'election_timeout_s'?"),
        ("raft --param election_timeout_s=2..1", "parameter election_timeout_s 2..1 is out of range"),
        ("raft --param max_entries=0", "parameter max_entries 0 is out of range: at least 1"),
        ("raft --check-budget 0", "--check-budget 0 is out of range"),
        ("raft --runtime ray --actor-nodes -1", "--actor-nodes -1 is out of range"),
        ("raft --runtime ray --link udp", "unknown link 'udp' (known: ray, tcp)"),
        ("raft --link ray", "--link is of live trials: give --runtime ray too"),
        ("raft --actor-nodes 9", "--actor-nodes is of live trials: give --runtime ray too"),
        ("raft --generators 3", "--generators is of live trials: give --runtime ray too"),
        ("raft --runtime ray --codec", "--codec is of simulated trials: leave it out"),
        ("raft --runtime ray --no-invariants", "--no-invariants is of simulated trials: leave it out"),
        ("raft --runtime ray --clock-offset 1s", "--clock-offset is of simulated trials: leave it out"),
        ("raft --runtime ray --clock-drift-ppm 50", "--clock-drift-ppm is of simulated trials: leave it out"),
        ("raft --skew 0.9", "--skew 0.9 says nothing of keys that are uniform: give --distribution zipfian or latest"),
        ("raft --clock-drift-ppm -1", "--clock-drift-ppm -1 is out of range"),
        ("raft --torture --rate 5", "--torture draws everything from the seed: leave --rate out"),
        ("raft --torture --runtime ray", "--torture exists in the simulator only"),
        ("raft --torture --nodes 0", "nodes 0 is out of range"),
        ("raft --torture --param max_entries=0", "max_entries 0 is out of range"),
    ],
)
def test_wrong_input_is_one_sentence(arguments, sentence):
    with pytest.raises(UsageError) as caught:
        trial_of(f"bench run {arguments}")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "ns"), [("10", 10 * SECOND), ("0.5", SECOND // 2), ("500ms", SECOND // 2), ("2min", 120 * SECOND)]
)
def test_durations_default_to_seconds(text, ns):
    assert duration_of(text, "it") == ns


def test_a_mix_is_a_list_of_shares():
    assert parse_mix(" read = 0.25 , write=0.75") == (("read", 0.25), ("write", 0.75))


COMMANDS = [
    "bench run raft",
    "bench run raft --runtime ray --nodes 5 --seed 12 --clients 3 --actor-nodes 2",
    "bench run raft --runtime ray --link ray",
    "bench run raft --rate 123.456 --arrival constant --duration 0.25 --warmup 10ms --liveness 3",
    "bench run raft --workload ycsb-a --keys 3 --zipf 1.5 --value-bytes 100",
    "bench run raft --workload ycsb-d",
    "bench run raft --distribution hotspot --mix read=0.3,write=0.2,cas=0.5",
    "bench run raft --latency 'mix(0.9: 1ms, 0.1: exponential(5ms))' --client-latency 1.5ms --loss 0.01 --fifo",
    "bench run raft --duplication 0.1 --bandwidth 1e6 --clock-offset 50ms --clock-drift-ppm 200",
    "bench run raft --fault 'crash leader at 1s for 500ms' --fault 'clock-jump n1 by -5s at 2s'",
    "bench run raft --no-invariants --codec",
    "bench run raft --nemesis --nemesis-interval 0.1",
    "bench run raft --nemesis crash,partition --nemesis-length 70ms --check-budget 3",
    "bench run raft --mutant double-vote --seed 4",
    "bench run raft --mutant double-vote --nemesis none",
    "bench run raft --param election_timeout_s=150ms..0.3 --param pre_vote=off --param max_entries=5",
    "bench run raft --torture --seed 17 --mutant vote-not-persisted",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_of_a_trial_means_the_same_trial(command):
    trial = trial_of(command)
    assert trial_of(command_of(trial)) == trial


@pytest.mark.parametrize("seed", range(20))
def test_a_drawn_trial_has_a_short_command(seed):
    command = command_of(torture("raft", seed, "double-vote"))
    assert command == f"bench run raft --torture --mutant double-vote --seed {seed}"
    assert trial_of(command) == torture("raft", seed, "double-vote")


def test_what_options_cannot_say_is_still_written_for_people():
    trial = Trial(protocol="raft", network=Network(latency=Empirical((1, 2))))
    assert "empirical(2 samples)" in command_of(trial)


def test_trials_from_files_are_the_same():
    one = Trial(protocol="raft", params={"election_timeout_s": (0.1, 0.2)})
    other = Trial(protocol="raft", params={"election_timeout_s": [0.1, 0.2]})
    assert one != other
    assert same_trial(one, other)
    assert not same_trial(one, Trial(protocol="raft", network=Network(latency=Constant(1))))
